# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""One client's way through the engine: samples that wait, the stream that converts them, and what is to be sent."""

from collections import deque
from dataclasses import dataclass

import numpy as np
import torch

from .sample_queue import SampleQueue

MAX_WAIT_S = 0.25  # of a live stream's samples, or MAX_WAIT_CHUNKS where these take longer: then they are late
MAX_WAIT_CHUNKS = 4
MAX_OUTPUT_S = (
    1.0  # not sent yet, or two chunks where these are longer; then the oldest goes or, of a file, no more is converted
)
MAX_FILE_INPUT_S = 1.0  # of a file: then its reader is to wait
CATCH_UP = 1.01  # a stream's clock against the engine's: what a client's clock may be off

LATE, SLOW_READER, ENGINE_FAILED = "late", "slow_reader", "engine"  # why samples were dropped


@dataclass(frozen=True)
class Audio:
    """Converted samples [k] of one chunk, and when its last input sample came, its turn began, and it was done."""

    samples: np.ndarray
    arrived: float
    started: float
    done: float


@dataclass(frozen=True)
class Turn:
    """A stream's part in a round of the engine."""

    channel: "Channel"
    samples: torch.Tensor  # [k], none where only the end is still inside the engine
    arrived: float  # when the last of them came
    restarts: int  # of the channel until now
    is_new: bool  # these are the first samples since it started anew
    is_last: bool  # and none will follow


class Channel:
    """What a ClockedServer's open() gives. The methods without underscore may be called from any thread.

    Samples are float32 at the network's rate. What comes out is a sequence of Audio and of messages (dicts, as they
    go over the wire): `dropped` where that many input samples get no output, `reset`, `ended`, `overload`. Apart from
    what was dropped, output sample i belongs to input sample i.
    """

    def __init__(self, server, is_live, on_change):
        self._server = server
        self._lock = server._lock
        self._on_change = on_change
        self.is_live = is_live
        self.late = 0  # chunks
        self.dropped = 0  # samples
        self.is_closed = False
        self._served = None
        self._waiting = SampleQueue()
        self._out = deque()
        self._out_length = 0
        self._largest = 0  # of the pushes, in samples
        self._restarts = self._restarted = 0
        self._start()

    def _start(self):
        self._waiting.clear()
        self._out.clear()
        self._out_length = 0
        self._begin()

    def _begin(self):
        self._ending = self._finished = False
        self._pushed = self._delivered = 0  # samples into and out of the engine
        self._gaps = deque()  # (samples into the engine before it, samples dropped there)
        self._credit, self._credited = 1.0, None  # chunks that the stream's clock allows, and when it was last read

    def push(self, samples):
        """Takes samples [any length]. RuntimeError between end() and `ended`."""
        with self._lock:
            if self._ending:
                raise RuntimeError("the stream is ending; wait for its end or reset it")
            self._waiting.put(samples, self._server.clock())
            self._largest = max(self._largest, len(samples))
            self._server._wake(self)

    def end(self):
        """No more samples come: what is left is converted at once, then `ended` follows and a new stream may begin."""
        with self._lock:
            self._ending = True
            self._server._wake(self)

    def reset(self):
        """Drops all that is under way; a new stream begins behind the message `reset`."""
        with self._lock:
            self._start()
            self._restarts += 1
            self._put({"type": "reset"})

    def close(self):
        """Frees the place at once; what is under way is dropped."""
        with self._lock:
            if not self.is_closed:
                self.is_closed = True
                self._start()
                self._server._closed(self)

    def read(self):
        """All that is to be sent, in order."""
        with self._lock:
            out = list(self._out)
            self._out.clear()
            self._out_length = 0
            if out and (self._ending or not self.is_live):
                self._server._wake(self)
            return out

    @property
    def has_room(self):
        """Whether a file's samples should be pushed now; a live stream's always are."""
        return self.is_live or len(self._waiting) < MAX_FILE_INPUT_S * self._server.sample_rate

    @property
    def input_length(self):
        """Samples that wait for the engine."""
        return len(self._waiting)

    @property
    def output_length(self):
        """Samples that wait to be sent."""
        return self._out_length

    # From here on: the engine's side, called by the ClockedServer.

    def _needed(self):
        """Samples of the next chunk."""
        return self._server.chunk_len + (0 if self._pushed else self._server.engine.lookahead_len)

    def _due_in(self, now):
        """Seconds until the stream may take part in a round, None while it has nothing to convert."""
        if not self._ending and len(self._waiting) < self._needed():
            return None
        if self.is_live and not self._ending:
            lacking = 1 - self._allowance(now)
            return lacking * self._server.period / CATCH_UP if lacking > 1e-6 else 0.0
        return 0.0 if self._out_length < self._server.max_output else None

    def _allowance(self, now):
        """Chunks that the stream's clock allows by now: it starts with the first chunk, and late ones are made up."""
        if self._credited is not None:
            most = 1 + self._server.max_wait / self._server.chunk_len
            elapsed = (now - self._credited) / self._server.period
            self._credit = min(most, self._credit + CATCH_UP * elapsed)
        self._credited = now
        return self._credit

    def _drop_late(self):
        """Drops the oldest whole chunks of a live stream that has more waiting than it may.

        What stays is the newest chunk or, of a client with larger messages, as much as one of them.
        """
        if not self.is_live or self._ending or len(self._waiting) <= self._server.max_wait + self._largest:
            return
        chunk = self._server.chunk_len
        count = (len(self._waiting) - max(self._needed(), self._largest)) // chunk * chunk
        self._waiting.take(count)
        self._gaps.append((self._pushed, count))
        self._count_dropped(count, LATE)

    def _take_turn(self, now):
        """The stream's next chunk, or what is left of it at its end."""
        self._credit -= 1
        samples, arrived = self._waiting.take(min(self._needed(), len(self._waiting)))
        self._pushed += len(samples)
        self._finished = self._ending and not len(self._waiting)
        is_new, self._restarted = self._restarted != self._restarts, self._restarts
        arrived = now if arrived is None else arrived
        return Turn(self, torch.from_numpy(samples), arrived, self._restarts, is_new, self._finished)

    def _deliver(self, samples, arrived, started, done):
        """Puts what a round gave into the queue, with the gaps where they belong."""
        samples = samples.numpy()
        start = self._delivered
        self._delivered += len(samples)
        while self._gaps and self._gaps[0][0] <= self._delivered:
            position, count = self._gaps.popleft()
            self._put_audio(samples[: position - start], arrived, started, done)
            samples, start = samples[position - start :], position
            self._put_dropped(count, LATE)
        self._put_audio(samples, arrived, started, done)
        if self._finished and self._delivered == self._pushed:
            self._begin()
            self._restarts += 1
            self._put({"type": "ended"})
        self._on_change()

    def _fail(self):
        """A chunk failed: what was inside the engine is lost, and the stream goes on behind it."""
        lost = self._pushed - self._delivered
        self._put_dropped(sum(count for _, count in self._gaps), LATE)
        self._put_dropped(lost, ENGINE_FAILED)
        self._count_dropped(lost, ENGINE_FAILED)
        self._gaps.clear()
        self._pushed = self._delivered = 0
        self._finished = False
        self._restarts += 1

    def _count_dropped(self, count, reason):
        self.dropped += count
        self._server.metrics.dropped.labels(reason).inc(count)

    def _put(self, message):
        self._out.append(message)
        self._on_change()

    def _put_audio(self, samples, arrived, started, done):
        if not len(samples):
            return
        self._out.append(Audio(samples, arrived, started, done))
        self._out_length += len(samples)
        while self.is_live and not self._ending and self._out_length > self._server.max_output:
            self._drop_oldest_output()

    def _drop_oldest_output(self):
        front = []
        while not isinstance(self._out[0], Audio):
            front.append(self._out.popleft())
        count = len(self._out.popleft().samples)
        self._out_length -= count
        self._count_dropped(count, SLOW_READER)
        if front and front[-1].get("reason") == SLOW_READER:
            count += front.pop()["samples"]
        self._out.appendleft({"type": "dropped", "samples": count, "reason": SLOW_READER})
        self._out.extendleft(reversed(front))

    def _put_dropped(self, count, reason):
        if count:
            self._put({"type": "dropped", "samples": count, "reason": reason})
