# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Between an audio callback and the rest: buffers of fixed size that never wait and never allocate."""

import numpy as np


class Ring:
    """Samples between one thread that writes and one that reads, without a lock: each moves a counter of its own."""

    def __init__(self, capacity):
        self._samples = np.zeros(capacity, np.float32)
        self.written = self.read_ = 0  # samples since the start

    def __len__(self):
        return self.written - self.read_

    def write(self, samples):
        """Takes as many samples [k] as there is room for; returns how many."""
        count = min(len(samples), len(self._samples) - len(self))
        for part, place in self._parts(self.written, count):
            self._samples[place] = samples[part]
        self.written += count
        return count

    def read(self, out):
        """Fills `out` [k] from its start with what there is; returns how many samples."""
        count = min(len(out), len(self))
        for part, place in self._parts(self.read_, count):
            out[part] = self._samples[place]
        self.read_ += count
        return count

    def skip(self, count):
        """Forgets the next samples; called by the thread that reads."""
        self.read_ += count

    def _parts(self, position, count):
        """The slices of `count` samples and of the ring from `position` on, split where the ring ends."""
        start, capacity = position % len(self._samples), len(self._samples)
        first = min(count, capacity - start)
        yield slice(0, first), slice(start, start + first)
        yield slice(first, count), slice(0, count - first)


class PlaybackBuffer:
    """What a loudspeaker's callback reads: it fills to a target, then plays, and fills again when it ran dry.

    The target grows with every underrun. What is never needed for a while is skipped, so that the delay stays as short
    as the machine allows. Times are in samples.
    """

    def __init__(self, rate, block):
        self._ring = Ring(4 * rate)
        self.target = block
        self._step = rate // 200  # by which it grows
        self._most = rate // 2
        self._margin = rate // 200  # what may lie unused
        self._surplus = rate // 25
        self._window = 4 * rate
        self.underruns = 0
        self.played = 0  # of what was written
        self._playing = False
        self._start_window()

    def _start_window(self):
        self._watched, self._least = 0, self._window

    def __len__(self):
        return len(self._ring)

    def write(self, samples):
        """Called by the thread that converts; returns how many samples there was room for."""
        return self._ring.write(samples)

    def fill(self, out):
        """Called by the callback: fills `out` [k], with silence where there is nothing."""
        if not self._playing and len(self._ring) >= max(self.target, len(out)):
            surplus = len(self._ring) - max(self.target, len(out))
            if surplus > self._surplus:  # what came late and all at once is not played later for good
                self._skip(surplus)
            self._playing = True
            self._start_window()
        count = self._ring.read(out) if self._playing else 0
        out[count:] = 0
        self.played += count
        if self._playing and count < len(out):
            self._playing = False
            self.underruns += 1
            self.target = min(self.target + self._step, self._most)
        elif self._playing:
            self._watch(len(out))

    def _skip(self, count):
        self._ring.skip(count)
        self.played += count

    def _watch(self, count):
        self._watched += count
        self._least = min(self._least, len(self._ring))
        if self._watched >= self._window:
            excess = self._least - self._margin
            if excess > self._margin:
                self._skip(excess)
                self.target = max(self._step, self.target - excess)
            self._start_window()
