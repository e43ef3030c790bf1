# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The clients' side of a live server: channels, and the rings between them and the engine."""

import threading
import time
from collections import deque

import numpy as np

from streaming.rings import SAMPLE_SIZE, Rings, ServerFull

from .protocol import ProtocolError

LATE, SLOW_READER, ENGINE_FAILED = "late", "slow_reader", "engine"  # why samples were dropped

MAX_WAIT_S = 0.25  # of a live stream's samples, or MAX_WAIT_CHUNKS where these take longer: then they are late
MAX_WAIT_CHUNKS = 4
# Not sent yet, or two chunks where these are longer; then the oldest goes or, of a file, no more is converted.
MAX_OUTPUT_S = 1.0
MAX_FILE_INPUT_S = 1.0  # of a file: then its reader is to wait
MAX_PUSH_S = 1.5  # in one push, or a chunk where that is longer
SLACK = 4  # chunks that may come out while others are read


class LiveRings(Rings):
    """The rings of a live server's places, and what else its two sides tell each other."""

    def __init__(self, places, chunk_len, lookahead_len, sample_rate, allocate=np.zeros):
        self.sample_rate = sample_rate
        self.max_wait = max(int(MAX_WAIT_S * sample_rate), MAX_WAIT_CHUNKS * chunk_len)  # samples
        self.max_output = max(int(MAX_OUTPUT_S * sample_rate), 2 * chunk_len)
        self.max_file_input = int(MAX_FILE_INPUT_S * sample_rate)
        self.max_push = max(int(MAX_PUSH_S * sample_rate), chunk_len)
        capacity = max(2 * self.max_wait, self.max_file_input) + 2 * self.max_push
        self.max_unread = self.max_output // chunk_len  # chunks
        most_out = -(-self.max_output // chunk_len)
        super().__init__(places, chunk_len, lookahead_len, -(-capacity // chunk_len), most_out + SLACK, allocate)
        self.safe = self.capacity - self.max_push
        # Of each place, by its channel:
        self.owner = allocate((places,), np.int64)  # the process that has it, 0 while it is free
        self.is_live = allocate((places,), np.bool_)
        self.largest = allocate((places,), np.int64)  # of the pushes, in samples
        # and by the engine's side:
        self.chunks_late = allocate((places,), np.int64)
        # Of all of them, by the engine's side:
        self.is_asleep = allocate((1,), np.bool_)  # news would have it tick before it plans to
        self.is_overloaded = allocate((1,), np.bool_)
        self.failure = allocate((1,), "S500")  # why it gave up
        # and by any process:
        self.is_draining = allocate((1,), np.bool_)  # no new streams are taken


class Front:
    """Where a process opens channels: its `number`, what it calls to `wake` the engine, and the places' `lock`."""

    def __init__(self, rings, metrics, wake, clock=time.monotonic, lock=None, number=1):
        self.rings, self.metrics, self.clock, self.wake = rings, metrics, clock, wake
        self.places, self.chunk_len, self.sample_rate = rings.places, rings.chunk_len, rings.sample_rate
        self.max_wait, self.max_output = rings.max_wait, rings.max_output  # samples
        self.longest_wait = rings.window
        self.period = rings.chunk_len / rings.sample_rate  # seconds
        self._number, self._lock = number, lock or threading.Lock()
        self._channels = {}  # by place
        self._told = rings.done.copy()
        self.state = self.is_overloaded, self.failure  # as they were told last

    def open(self, is_live=True, on_change=lambda: None):
        """A new Channel. tell() calls on_change when there is something to read or room to push.

        ServerFull if there is no place.
        """
        with self._lock:
            free = np.flatnonzero(self.rings.owner == 0)
            if not len(free):
                self.metrics.refused.inc()
                raise ServerFull(f"all {self.places} places are taken; try again later")
            place = int(free[0])
            self.rings.owner[place] = self._number
            channel = self._channels[place] = Channel(self, place, is_live, on_change)
            self.metrics.streams.set(self.streams)
            return channel

    def closed(self, place):
        """For a channel that leaves its place."""
        with self._lock:
            del self._channels[place]
            self.rings.close(place)
            self.rings.owner[place] = 0
            self.metrics.streams.set(self.streams)

    def free(self, number):
        """Frees the places of a process that is gone."""
        with self._lock:
            left = self.rings.owner == number
            self.rings.is_open[left] = False
            self.rings.owner[left] = 0
            self.metrics.streams.set(self.streams)

    def fail(self, why):
        """Has all streams be told that the engine gave up."""
        self.rings.failure[0] = why.encode()

    @property
    def streams(self):
        """How many streams are open, in all processes."""
        return int(np.count_nonzero(self.rings.owner))

    @property
    def own_streams(self):
        """How many are open in this process."""
        return len(self._channels)

    @property
    def is_overloaded(self):
        """Whether chunks take longer than they last."""
        return bool(self.rings.is_overloaded[0])

    @property
    def failure(self):
        """Why the engine gave up, None while it did not."""
        return self.rings.failure[0].decode(errors="ignore") or None

    @property
    def is_draining(self):
        """Whether the server takes no new streams, since it is to end."""
        return bool(self.rings.is_draining[0])

    def drain(self):
        """Has it take no new streams."""
        self.rings.is_draining[0] = True

    def tell(self):
        """Calls on_change of all channels that have news since the last call."""
        done, state = self.rings.done.copy(), (self.is_overloaded, self.failure)
        is_own = self.rings.owner == self._number
        places = np.flatnonzero(is_own & ((done != self._told) | (state != self.state))).tolist()
        self._told = done
        if state != self.state:
            self.state = state
        for channel in filter(None, map(self._channels.get, places)):
            channel.on_change()


class Channel:
    """What a Front's open() gives: one client's way through the engine, for one thread.

    Samples are float32 at the network's rate. What comes out is a sequence of Chunks and of messages (dicts, as they
    go over the wire): `dropped` where that many input samples get no output, `reset`, `ended`, `overload`, `error`.
    Apart from what was dropped, output sample i belongs to input sample i.
    """

    def __init__(self, front, place, is_live, on_change):
        self._front, self._rings, self._place = front, front.rings, place
        self.is_live, self.on_change = is_live, on_change
        self.is_closed = self._is_ending = False
        self._said = deque()  # (chunks that came out before, message)
        self._slow = 0  # samples dropped because they were not read
        self._state = front.state
        self._before = self._counts()
        self._rings.is_live[place] = is_live
        self._rings.largest[place] = self._largest = 0
        self._rings.open(place)
        self._start()

    def _start(self):
        """A new run."""
        self._is_ending = False
        self._position = self._rings.start(self._place)  # of the next sample that comes out
        self._seen = self._counts()

    def _counts(self):
        """(samples late, samples of failed chunks, chunks late) of the place so far."""
        rings, place = self._rings, self._place
        return int(rings.late[place]), int(rings.failed[place]), int(rings.chunks_late[place])

    def push(self, samples):
        """Takes samples [any length] or their bytes, no more than a file has room for.

        ProtocolError between end() and `ended`.
        """
        rings, place = self._rings, self._place
        data = samples if isinstance(samples, bytes) else samples.tobytes()
        count = len(data) // SAMPLE_SIZE
        if self.is_closed:
            return
        if self._is_ending:
            raise ProtocolError("bad_message", 'audio or an end behind "end"; wait for "ended"')
        if count > (rings.max_push if self.is_live else rings.safe - rings.waiting(place)):
            raise ValueError(f"{count} samples at a time are more than there is room for")
        if count > self._largest:
            rings.largest[place] = self._largest = count
        rings.write(place, data, self._front.clock())
        if rings.is_asleep[0] and rings.waiting(place) >= rings.window:
            self._wake()

    def end(self):
        """No more samples come: what is left is converted at once, then `ended` follows and a new stream may begin."""
        if not self.is_closed:
            self._is_ending = True
            self._rings.finish(self._place, self._front.clock())
            self._wake()

    def reset(self):
        """Drops all that is under way; a new stream begins behind the message `reset`."""
        if not self.is_closed:
            self._start()
            self.say({"type": "reset"})

    def say(self, message):
        """Puts a message behind what is to be sent."""
        self._said.append((self._rings.done[self._place], message))
        self.on_change()

    def close(self):
        """Frees the place at once; what is under way is dropped."""
        if not self.is_closed:
            self._count_slow(self._overrun)
            self.is_closed = True
            self._front.closed(self._place)

    def read(self):
        """All that is to be sent, in order."""
        if self.is_closed:
            return []
        out, was_held = [], self._is_ending or not self.is_live
        for chunk in self._rings.read(self._place, self._most_unread):
            while self._said and self._said[0][0] <= chunk.number:
                out.append(self._said.popleft()[1])
            if chunk.position > self._position:
                out += self._dropped_before(chunk)
            self._position, self._seen = chunk.position + chunk.length, (chunk.late, chunk.failed)
            if chunk.length:
                out.append(chunk)
            if chunk.is_last:
                out.append({"type": "ended"})
                self._start()
        if self._said:
            out += [message for _, message in self._said]
            self._said.clear()
        if self._state is not self._front.state:
            out += self._changed()
        if out and was_held:
            self._wake()
        return out

    def _changed(self):
        """The messages of what all streams are told."""
        (was_overloaded, had_failed), self._state = self._state, self._front.state
        is_overloaded, failure = self._state
        if is_overloaded != was_overloaded:
            yield {"type": "overload", "on": is_overloaded}
        if failure != had_failed:
            yield ProtocolError("engine", failure).message()

    def _dropped_before(self, chunk):
        """The messages of what is missing between this chunk and what was read before."""
        gap = chunk.position - self._position
        failed = min(gap, chunk.failed - self._seen[1])
        late = min(gap - failed, chunk.late - self._seen[0])
        self._count_slow(gap - failed - late)
        counts = ((late, LATE), (gap - failed - late, SLOW_READER), (failed, ENGINE_FAILED))
        return [{"type": "dropped", "samples": count, "reason": reason} for count, reason in counts if count]

    def _count_slow(self, count):
        if count:
            self._slow += count
            self._front.metrics.dropped.labels(SLOW_READER).inc(count)

    def _wake(self):
        if self._rings.is_asleep[0]:
            self._rings.is_asleep[0] = False  # before it wakes, and sees by itself whether it may go to sleep
            self._front.wake()

    @property
    def _most_unread(self):
        """Chunks."""
        rings = self._rings
        is_held = self._is_ending or not self.is_live  # the engine does not go on until they are read
        return rings.chunks_out - 1 if is_held else rings.max_unread

    @property
    def _overrun(self):
        """Samples that were not read and will not be."""
        return max(0, self._rings.unread(self._place) - self._most_unread) * self._rings.chunk_len

    @property
    def has_room(self):
        """Whether a file's samples should be pushed now; a live stream's always are."""
        return self.is_live or self.input_length < self._rings.max_file_input

    @property
    def input_length(self):
        """Samples that wait for the engine; what goes beyond the bounds is dropped when it comes to them."""
        rings, place = self._rings, self._place
        most = 2 * rings.max_wait + int(rings.largest[place])
        seen = rings.lookahead_len if rings.taken[place] > rings.begin[place] else 0  # by the engine already
        waiting = max(0, rings.waiting(place) - seen)
        return min(waiting, most) if self.is_live else waiting

    @property
    def output_length(self):
        """Samples that wait to be sent."""
        return min(self._rings.unread(self._place), self._most_unread) * self._rings.chunk_len

    @property
    def unsent(self):
        """Messages, of audio and others, that wait to be sent."""
        return min(self._rings.unread(self._place), self._most_unread) + len(self._said)

    @property
    def late(self):
        """Chunks that were late."""
        return self._counts()[2] - self._before[2]

    @property
    def dropped(self):
        """Samples that were dropped."""
        late, failed, _ = self._counts()
        return late - self._before[0] + failed - self._before[1] + self._slow + self._overrun
