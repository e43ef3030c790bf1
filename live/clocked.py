# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The engine on its own clock, in a thread of its own: a chunk of every stream that has one, every n x 13 ms.

A Channel is one client's way through it: samples that wait, the stream that converts them, and what is to be sent.
"""

import logging
import threading
import time
from collections import deque
from dataclasses import dataclass, field, replace

import torch

from reference.errors import one_line
from streaming.server import ServerFull, StreamServer

from .metrics import Metrics
from .outbox import ENGINE_FAILED, LATE, SLOW_READER, Audio, Outbox
from .protocol import ProtocolError
from .sample_queue import SampleQueue

logger = logging.getLogger(__name__)

MAX_WAIT_S = 0.25  # of a live stream's samples, or MAX_WAIT_CHUNKS where these take longer: then they are late
MAX_WAIT_CHUNKS = 4
# Not sent yet, or two chunks where these are longer; then the oldest goes or, of a file, no more is converted.
MAX_OUTPUT_S = 1.0
MAX_FILE_INPUT_S = 1.0  # of a file: then its reader is to wait
CATCH_UP = 1.01  # a stream's clock against the engine's: what a client's clock may be off

# So many chunks that fail one after the other are no accident: the server gives up.
MAX_FAILURES = 10

# Overload begins when as many of the last second's ticks were late, and ends when no more than so many were.
OVERLOAD_BEGINS, OVERLOAD_ENDS = 0.5, 0.1


@dataclass
class Run:
    """The state of a channel's stream from one start to the next."""

    waiting: SampleQueue = field(default_factory=SampleQueue)
    is_ending: bool = False  # no more samples come
    is_finished: bool = False  # and all of them are in the engine
    pushed: int = 0  # samples into the engine
    delivered: int = 0  # and out of it
    gaps: deque = field(default_factory=deque)  # [samples into the engine before it, samples dropped there]
    credit: float = 1.0  # chunks that the stream's clock allows
    credited: float | None = None  # when that was last read


@dataclass(frozen=True)
class Turn:
    """A stream's part in a round of the engine."""

    channel: "Channel"
    run: Run
    samples: torch.Tensor  # [k], none where only the end is still inside the engine
    arrived: float  # when the last of them came
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
        self.on_change = on_change
        self.is_live = is_live
        self.late = 0  # chunks
        self.dropped = 0  # samples
        self.is_closed = False
        self._served = None  # the engine's stream, once it has one
        self._served_run = None  # that it was last started for
        self._largest = 0  # of the pushes, in samples
        self._run = Run()
        self._outbox = Outbox()

    def push(self, samples):
        """Takes samples [any length]. RuntimeError between end() and `ended`."""
        with self._lock:
            if self._run.is_ending:
                raise RuntimeError("the stream is ending; wait for its end or reset it")
            self._run.waiting.put(samples, self._server.clock())
            self._largest = max(self._largest, len(samples))
            self._drop_late(2 * self._server.max_wait)  # also where the engine does not come to it
            self._server._wake(self)

    def end(self):
        """No more samples come: what is left is converted at once, then `ended` follows and a new stream may begin."""
        with self._lock:
            self._run.is_ending = True
            self._server._wake(self)

    def reset(self):
        """Drops all that is under way; a new stream begins behind the message `reset`."""
        with self._lock:
            self._run = Run()
            self._outbox.forget_stream()
            self._outbox.put({"type": "reset"})
        self.on_change()

    def say(self, message):
        """Puts a message behind what is to be sent."""
        with self._lock:
            self._outbox.put(message)
        self.on_change()

    def close(self):
        """Frees the place at once; what is under way is dropped."""
        with self._lock:
            if not self.is_closed:
                self.is_closed = True
                self._run, self._outbox = Run(), Outbox()
                self._server._closed(self)

    def read(self):
        """All that is to be sent, in order."""
        with self._lock:
            out = self._outbox.take()
            if out and (self._run.is_ending or not self.is_live):
                self._server._wake(self)
            return out

    @property
    def has_room(self):
        """Whether a file's samples should be pushed now; a live stream's always are."""
        return self.is_live or self.input_length < MAX_FILE_INPUT_S * self._server.sample_rate

    @property
    def input_length(self):
        """Samples that wait for the engine."""
        return len(self._run.waiting)

    @property
    def output_length(self):
        """Samples that wait to be sent."""
        return self._outbox.audio_length

    @property
    def unsent(self):
        """Messages, of audio and others, that wait to be sent."""
        return len(self._outbox)

    # From here on: the engine's side, called by the ClockedServer.

    def _needed(self):
        """Samples of the next chunk."""
        return self._server.chunk_len + (0 if self._run.pushed else self._server.engine.lookahead_len)

    def _due_in(self, now):
        """Seconds until the stream may take part in a round, None while it has nothing to convert."""
        if not self._run.is_ending and self.input_length < self._needed():
            return None
        if self.is_live and not self._run.is_ending:
            lacking = 1 - self._allowance(now)
            return lacking * self._server.period / CATCH_UP if lacking > 1e-6 else 0.0
        return 0.0 if self.output_length < self._server.max_output else None

    def _allowance(self, now):
        """Chunks that the stream's clock allows by now: it starts with the first chunk, and late ones are made up."""
        run = self._run
        if run.credited is not None:
            most = 1 + self._server.max_wait / self._server.chunk_len
            elapsed = (now - run.credited) / self._server.period
            run.credit = min(most, run.credit + CATCH_UP * elapsed)
        run.credited = now
        return run.credit

    def _drop_late(self, most):
        """Drops the oldest whole chunks of a live stream that has more than `most` samples waiting.

        What stays is the newest chunk or, of a client with larger messages, as much as one of them.
        """
        run = self._run
        if not self.is_live or run.is_ending or len(run.waiting) <= most + self._largest:
            return
        chunk = self._server.chunk_len
        count = (len(run.waiting) - max(self._needed(), self._largest)) // chunk * chunk
        run.waiting.take(count)
        if run.gaps and run.gaps[-1][0] == run.pushed:
            run.gaps[-1][1] += count
        else:
            run.gaps.append([run.pushed, count])
        self._count_dropped(count, LATE)

    def _take_turn(self, now):
        """The stream's next chunk, or what is left of it at its end."""
        run = self._run
        run.credit -= 1
        samples, arrived = run.waiting.take(min(self._needed(), len(run.waiting)))
        run.pushed += len(samples)
        run.is_finished = run.is_ending and not len(run.waiting)
        is_new, self._served_run = self._served_run is not run, run
        arrived = now if arrived is None else arrived
        return Turn(self, run, torch.from_numpy(samples), arrived, is_new, run.is_finished)

    def _deliver(self, samples, arrived, started, done):
        """Puts what a round gave into the outbox, with the gaps where they belong."""
        run = self._run
        samples = samples.numpy()
        start = run.delivered
        run.delivered += len(samples)
        while run.gaps and run.gaps[0][0] <= run.delivered:
            position, count = run.gaps.popleft()
            self._put_audio(samples[: position - start], arrived, started, done)
            samples, start = samples[position - start :], position
            self._outbox.put_dropped(count, LATE)
        self._put_audio(samples, arrived, started, done)
        if run.is_finished and run.delivered == run.pushed:
            self._run = Run()
            self._outbox.put({"type": "ended"})

    def _fail(self):
        """A chunk failed: what was inside the engine is lost, and the stream goes on behind it."""
        run = self._run
        lost = run.pushed - run.delivered
        for count, reason in ((sum(count for _, count in run.gaps), LATE), (lost, ENGINE_FAILED)):
            if count:
                self._outbox.put_dropped(count, reason)
        self._count_dropped(lost, ENGINE_FAILED)
        self._run = replace(run, pushed=0, delivered=0, gaps=deque(), is_finished=False)

    def _count_dropped(self, count, reason):
        self.dropped += count
        self._server.metrics.dropped.labels(reason).inc(count)

    def _put_audio(self, samples, arrived, started, done):
        if not len(samples):
            return
        self._outbox.put_audio(Audio(samples, arrived, started, done))
        while self.is_live and not self._run.is_ending and self.output_length > self._server.max_output:
            self._count_dropped(self._outbox.drop_oldest_audio(), SLOW_READER)


class ClockedServer:
    """Serves as many live streams as `engine` has places, by the clock.

    A tick converts the next chunk of every stream that has one; further rounds in the same tick, while time is left,
    are for streams that are behind their own clock, that are ending, or that are files, which have none. Ticks are a
    chunk's time apart, a hundredth less while something waits, so that clocks which run a little fast are followed;
    when nothing waits the clock stands, and goes on with the next chunk that is there.

    Only run(), or advance() in its place, touches the engine; all other methods may be called from any thread.
    """

    def __init__(self, engine, sample_rate, metrics=None, clock=time.monotonic):
        if engine.depth:
            raise ValueError("a live server needs an engine in latency mode, with no chunks under way between calls")
        self.engine = engine
        self.sample_rate = sample_rate
        self.clock = clock
        self.metrics = metrics or Metrics()
        self.hand_over = lambda tell: tell()  # a round's news to the thread that reads the channels
        self.places = engine.batch_size
        self.chunk_len = engine.chunk_len
        self.period = engine.chunk_len / sample_rate  # seconds
        self.max_wait = max(int(MAX_WAIT_S * sample_rate), MAX_WAIT_CHUNKS * engine.chunk_len)  # samples
        self.max_output = max(int(MAX_OUTPUT_S * sample_rate), 2 * engine.chunk_len)  # samples
        self.failure = None  # why the server gave up
        self.is_overloaded = False
        self._server = StreamServer(engine)
        self._channels = []
        self._left = []  # served streams whose channels are closed
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._signalled = self._stopping = False
        self._is_idle = True
        self._due = float("-inf")  # no tick before
        self._planned = float("inf")  # the next tick, unless something comes meanwhile
        self._failures = 0
        self._late_ticks = deque(maxlen=max(4, round(1 / self.period)))
        self._round_time = 0.0  # seconds, the longest of late
        self._thread = None

    def open(self, is_live=True, on_change=lambda: None):
        """A new Channel. on_change is called when there is something to read or room to push: behind each round of
        the engine for all channels that it concerns, by hand_over in one go.

        ServerFull if there is no place.
        """
        with self._lock:
            if len(self._channels) == self.places:
                self.metrics.refused.inc()
                raise ServerFull(f"all {self.places} places are taken; try again later")
            channel = Channel(self, is_live, on_change)
            self._channels.append(channel)
            self.metrics.streams.set(len(self._channels))
            return channel

    @property
    def streams(self):
        """How many streams are open."""
        return len(self._channels)

    def warm_up(self, seconds=0.5):
        """Converts silence on all places, so that the first stream finds everything in place."""
        streams = [self._server.open() for _ in range(self.places)]
        silence = torch.zeros(self.chunk_len)
        for _ in range(max(2, round(seconds / self.period))):
            for stream in streams:
                stream.push(silence)
            self._server.step()
        for stream in streams:
            stream.close()

    def start(self):
        """Runs the engine in a thread of its own until stop()."""
        self._thread = threading.Thread(target=self.run, name="engine", daemon=True)
        self._thread.start()

    def run(self):
        """Keeps the clock until stop()."""
        while not self._stopping:
            wait = self.advance()
            with self._changed:
                if not self._signalled:
                    self._changed.wait(wait)
                self._signalled = False

    def stop(self):
        """Ends the thread and closes the engine."""
        with self._changed:
            self._stopping = self._signalled = True
            self._changed.notify()
        if self._thread:
            self._thread.join()
        self._server.close()

    def advance(self):
        """Does what is due now; returns the seconds until more may be, None while nothing waits."""
        now = self.clock()
        with self._lock:
            for channel in self._channels:
                channel._drop_late(self.max_wait)
            waits = [wait for wait in (channel._due_in(now) for channel in self._channels) if wait is not None]
            if not waits or self.failure:
                self._is_idle, self._planned = True, float("inf")
                return None
            has_clock = any(channel.is_live for channel in self._channels)  # files alone need none
            start = max(self._due, now + min(waits)) if has_clock else now
            if start > now:
                self._is_idle, self._planned = False, start
                return start - now
            due = now if self._is_idle else max(self._planned, now - self.period)
        self._tick(due)
        with self._lock:
            self._due = self._planned = due + self.period / CATCH_UP
            self._is_idle = False
        return 0.0

    def _tick(self, due):
        """The rounds of a tick; notes whether it took longer than a chunk lasts."""
        is_first = True
        while is_first or self.clock() + self._round_time < due + self.period / CATCH_UP:
            if not self._round(due):
                break
            is_first = False
        self._late_ticks.append(self.clock() > due + self.period)
        share = sum(self._late_ticks) / self._late_ticks.maxlen
        if self.is_overloaded != (share > (OVERLOAD_ENDS if self.is_overloaded else OVERLOAD_BEGINS)):
            self.is_overloaded = not self.is_overloaded
            self.metrics.overloaded.set(self.is_overloaded)
            with self._lock:
                channels = list(self._channels)
                for channel in channels:
                    channel._outbox.put({"type": "overload", "on": self.is_overloaded})
            self._tell(channels)

    def _round(self, due):
        """Converts the next chunk of every stream that has one; returns whether any had."""
        started = self.clock()
        with self._lock:
            turns = [channel._take_turn(started) for channel in self._channels if channel._due_in(started) == 0]
            left, self._left = self._left, []
        try:
            for stream in left:
                stream.close()
            ready = self._convert(turns)
            self._failures = 0
        except Exception as error:  # whatever an engine may raise: the streams go on, or are told why not
            self._fail(error)
            return False
        done = self.clock()
        self._round_time = max(0.9 * self._round_time, done - started)
        with self._lock:
            is_late = done > due + self.period
            for turn, samples in zip(turns, ready, strict=True):
                if turn.channel.is_closed or turn.run is not turn.channel._run:
                    continue  # meanwhile
                turn.channel.late += is_late
                turn.channel._deliver(samples, turn.arrived, started, done)
            self.metrics.round(len(turns), done - started, is_late)
            self.metrics.waiting.set(sum(channel.input_length for channel in self._channels) / self.sample_rate)
        self._tell([turn.channel for turn in turns])
        return bool(turns)

    def _tell(self, channels):
        def tell():
            for channel in channels:
                channel.on_change()

        self.hand_over(tell)

    def _convert(self, turns):
        """Feeds the turns' samples to the engine; returns what is ready of each stream [k]."""
        for turn in turns:
            if turn.channel._served is None:
                turn.channel._served = self._server.open()
            elif turn.is_new:
                turn.channel._served.reset()
        # The last push may convert the chunk by itself; step() does where a stream has none.
        ready = [[turn.channel._served.push(turn.samples)] if len(turn.samples) else [] for turn in turns]
        for turn in turns:
            if turn.is_last:
                turn.channel._served.finish()
        self._server.step()
        return [torch.cat([*pieces, turn.channel._served.read()]) for turn, pieces in zip(turns, ready, strict=True)]

    def _fail(self, error):
        with self._lock:
            self._failures += 1
            self.metrics.failures.inc()
            logger.error("a chunk failed: %s", one_line(error), exc_info=self._failures == 1)
            channels = list(self._channels)
            for channel in channels:
                channel._fail()
            if self._failures == MAX_FAILURES:
                self.failure = f"the engine failed {MAX_FAILURES} times in a row ({one_line(error)})"
                for channel in channels:
                    channel._outbox.put(ProtocolError("engine", self.failure).message())
        self._tell(channels)

    # For channels, which hold the lock.

    def _closed(self, channel):
        self._channels.remove(channel)
        self.metrics.streams.set(len(self._channels))
        if channel._served is not None:
            self._left.append(channel._served)

    def _wake(self, channel):
        """Wakes the engine if a channel's news let it tick before it planned to."""
        if self._planned > self._due and channel._due_in(self.clock()) is not None:
            self._signalled = True
            self._changed.notify()
