# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The engine on its own clock, in a thread of its own: a chunk of every stream that has one, every n x 13 ms."""

import logging
import threading
import time
from collections import deque

import torch

from reference.errors import one_line
from streaming.server import ServerFull, StreamServer

from .channel import CATCH_UP, MAX_OUTPUT_S, MAX_WAIT_CHUNKS, MAX_WAIT_S, Channel
from .metrics import Metrics
from .protocol import ProtocolError

logger = logging.getLogger(__name__)

# So many chunks that fail one after the other are no accident: the server gives up.
MAX_FAILURES = 10

# Overload begins when as many of the last second's ticks were late, and ends when no more than so many were.
OVERLOAD_BEGINS, OVERLOAD_ENDS = 0.5, 0.1


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
        """A new Channel. on_change is called, in any thread, when there is something to read or room to push.

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
                channel._drop_late()
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
                for channel in self._channels:
                    channel._put({"type": "overload", "on": self.is_overloaded})

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
                if turn.channel.is_closed or turn.restarts != turn.channel._restarts:
                    continue  # meanwhile
                turn.channel.late += is_late
                turn.channel._deliver(samples, turn.arrived, started, done)
            self.metrics.round(len(turns), done - started, is_late)
            self.metrics.waiting.set(sum(channel.input_length for channel in self._channels) / self.sample_rate)
        return bool(turns)

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
            for channel in self._channels:
                channel._fail()
            if self._failures == MAX_FAILURES:
                self.failure = f"the engine failed {MAX_FAILURES} times in a row ({one_line(error)})"
                for channel in self._channels:
                    channel._put(ProtocolError("engine", self.failure).message())

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
