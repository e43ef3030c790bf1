# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The engine on its own clock, in a thread of its own: a chunk of every stream that has one, every n x 13 ms."""

import logging
import threading
import time
from collections import deque
from contextlib import contextmanager

import numpy as np
import torch

from reference.errors import one_line
from streaming.rounds import Rounds

from .channel import ENGINE_FAILED, LATE, Front, LiveRings
from .metrics import Metrics

logger = logging.getLogger(__name__)

CATCH_UP = 1.01  # a stream's clock against the engine's: what a client's clock may be off

# So many chunks that fail one after the other are no accident: the server gives up.
MAX_FAILURES = 10

# Overload begins when as many of the last second's ticks were late, and ends when no more than so many were.
OVERLOAD_BEGINS, OVERLOAD_ENDS = 0.5, 0.1


class ClockedServer(Front):
    """Serves as many live streams as `engine` has places, by the clock.

    A tick converts the next chunk of every stream that has one; further rounds in the same tick, while time is left,
    are for streams that are behind their own clock, that are ending, or that are files, which have none. Ticks are a
    chunk's time apart, a hundredth less while something waits, so that clocks which run a little fast are followed;
    when nothing waits the clock stands, and goes on with the next chunk that is there.

    Only run(), or advance() in its place, touches the engine. It calls hand_over(tell) behind a round; channels are
    for the thread that tell is handed over to. Where other processes have channels, `allocate` gives the memory of
    the rings, `news` is the event that they wake the engine by, and `lock` is for whoever takes a place.
    """

    def __init__(self, engine, sample_rate, clock=time.monotonic, allocate=np.zeros, news=None, lock=None):
        if engine.depth:
            raise ValueError("a live server needs an engine in latency mode, with no chunks under way between calls")
        rings = LiveRings(engine.batch_size, engine.chunk_len, engine.lookahead_len, sample_rate, allocate)
        self._news = news or threading.Event()
        super().__init__(rings, Metrics(), self._news.set, clock, lock)
        self.engine = engine
        self.hand_over = lambda tell: tell()
        self._rounds = Rounds(engine, rings)
        self._credit = np.ones(self.places)  # chunks that a stream's clock allows
        self._credited = np.full(self.places, np.nan)  # when that was last read
        self._stopping = False
        self._is_idle = True
        self._due = float("-inf")  # no tick before
        self._planned = float("inf")  # the next tick, unless something comes meanwhile
        self._failures = 0
        self._late_ticks = deque(maxlen=max(4, round(1 / self.period)))
        self._round_time = 0.0  # seconds, the longest of late
        self._thread = None

    def warm_up(self, seconds=0.5):
        """Converts silence on all places, so that the first stream finds everything in place."""
        engine = self.engine
        silence = torch.zeros(self.places, self.rings.window)
        frames = torch.full((self.places,), engine.chunk_len // engine.frame_len)
        for _ in range(max(2, round(seconds / self.period))):
            engine.convert(None, engine.all_streams, silence, frames)

    def start(self):
        """Runs the engine in a thread of its own until stop()."""
        self._thread = threading.Thread(target=self.run, name="engine", daemon=True)
        self._thread.start()

    @contextmanager
    def running(self):
        """Runs it, warmed up, for `with`; then it is stopped."""
        self.warm_up()
        self.start()
        try:
            yield
        finally:
            self.stop()

    def run(self):
        """Keeps the clock until stop()."""
        while not self._stopping:
            self._news.wait(self.advance())
            self._news.clear()

    def stop(self):
        """Ends the thread and closes the engine."""
        self._stopping = True
        self._news.set()
        if self._thread:
            self._thread.join()
        self.engine.close()

    def advance(self):
        """Does what is due now; returns the seconds until more may be, None while nothing waits."""
        now = self.clock()
        self.rings.is_asleep[0] = True  # before it looks: what comes behind that wakes it
        wait = float(self._look(now).min())
        if wait == float("inf") or self.failure:
            self._is_idle, self._planned = True, float("inf")
            return None
        has_clock = (self.rings.is_open & self.rings.is_live).any()  # files alone need none
        start = max(self._due, now + wait) if has_clock else now
        if start > now:
            self._is_idle, self._planned = False, start
            self.rings.is_asleep[0] = start > self._due
            return start - now
        self.rings.is_asleep[0] = False
        due = now if self._is_idle else max(self._planned, now - self.period)
        self._tick(due)
        self._due = self._planned = due + self.period / CATCH_UP
        self._is_idle = False
        return 0.0

    def _look(self, now):
        """Seconds [P] until each stream may take part in a round, infinite while it has nothing to convert."""
        rings, rounds = self.rings, self._rounds
        is_new = rounds.look()
        if is_new.any():
            self._credit[is_new], self._credited[is_new] = 1, np.nan
        self._drop_late()
        has_clock = rings.is_live & ~rounds.is_ending
        lacking = np.where(has_clock, 1 - self._allow(rounds.is_ready & has_clock, now), 0)
        has_room = has_clock | ((rings.done - rings.read_) * self.chunk_len < self.max_output)
        waits = np.where(lacking > 1e-6, lacking * self.period / CATCH_UP, 0)
        return np.where(rounds.is_ready & has_room, waits, np.inf)

    def _allow(self, places, now):
        """Chunks [P] that the streams' clocks allow, with those that the ones in `places` [P] earned by now.

        A clock starts with the first chunk, and what is late is made up.
        """
        self._credited[places & np.isnan(self._credited)] = now
        earned = CATCH_UP * (now - self._credited[places]) / self.period
        self._credit[places] = np.minimum(1 + self.max_wait / self.chunk_len, self._credit[places] + earned)
        self._credited[places] = now
        return self._credit

    def _drop_late(self):
        """Drops the oldest whole chunks of every live stream that has too many samples waiting.

        What stays is the newest chunk or, of a client with larger messages, as much as one of them.
        """
        rings, rounds = self.rings, self._rounds
        most = np.where(rounds.is_ending, 2, 1) * self.max_wait + rings.largest
        is_late = rings.is_live & (rounds.waiting > most)
        if is_late.any():
            excess = rounds.waiting - np.maximum(rings.window, rings.largest)
            counts = np.where(is_late, excess // self.chunk_len * self.chunk_len, 0)
            rounds.skip(counts)
            self.metrics.dropped.labels(LATE).inc(counts.sum())

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
            self.rings.is_overloaded[0] = not self.is_overloaded
            self.metrics.overloaded.set(self.is_overloaded)
            self.hand_over(self.tell)

    def _round(self, due):
        """Converts the next chunk of every stream that has one; returns whether any had."""
        started = self.clock()
        places = np.flatnonzero(self._look(started) == 0)
        if not len(places):
            return False
        self._credit[places] -= 1
        has_samples = self._rounds.waiting[places] > 0
        self._rounds.end(places[~has_samples], started)
        try:
            if has_samples.any():
                self._rounds.convert(places[has_samples], self.clock)
            self._failures = 0
        except Exception as error:  # whatever an engine may raise: the streams go on, or are told why not
            self._note_failure(error)
            return False
        done = self.clock()
        self._round_time = max(0.9 * self._round_time, done - started)
        is_late = done > due + self.period
        self.rings.chunks_late[places] += is_late
        self.metrics.round(len(places), done - started, is_late)
        self.metrics.waiting.set(self._rounds.waiting.sum() / self.sample_rate)
        self.hand_over(self.tell)
        return True

    def _note_failure(self, error):
        self._failures += 1
        self.metrics.failures.inc()
        self.metrics.dropped.labels(ENGINE_FAILED).inc(self._rounds.lost)
        logger.error("a chunk failed: %s", one_line(error), exc_info=self._failures == 1)
        if self._failures == MAX_FAILURES:
            self.fail(f"the engine failed {MAX_FAILURES} times in a row ({one_line(error)})")
        self.hand_over(self.tell)
