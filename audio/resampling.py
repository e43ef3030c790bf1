# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Another sample rate, of files and of live streams, whatever the length of the pieces."""

from functools import lru_cache

import numpy as np

from .filtering import SignalFilter

# Beyond so many samples for one, its filter would take hundreds of megabytes.
MAX_RATIO = 100
FILTER = 32  # samples at the lower rate


class Resampler:
    """Resamples a stream of float32 samples from one rate (Hz) to another; between equal rates it is the identity.

    Samples are arrays [n], or [signals, n] where a number of signals is given. What comes out does not depend on how
    the stream is cut into pieces, is aligned with what goes in, and is as long as it, rounded up; it comes half a
    filter later, 16 samples at the lower rate. By FFmpeg's resampler, on a linear phase. ValueError for a rate so high
    that hardly anything would be left.
    """

    def __init__(self, rate, new_rate, signals=None):
        if rate > MAX_RATIO * new_rate:
            raise ValueError(f"a rate of {rate} Hz is too high; resample it first")
        self.rate, self.new_rate = rate, new_rate
        self._signals = signals
        self.reset()

    def reset(self):
        """Starts anew with the next sample."""
        self._filters, self._taken, self._given = None, 0, 0
        if self.rate != self.new_rate:
            resample = [("aresample", str(self.new_rate))]
            self._filters = [SignalFilter(self.rate, resample) for _ in range(self._signals or 1)]

    def push(self, samples):
        """Takes samples [n] or [signals, n]; returns those that are ready, which may be none."""
        if self._filters is None:
            return samples
        signals = samples[None] if self._signals is None else samples
        ready = np.stack([resample.push(signal) for resample, signal in zip(self._filters, signals, strict=True)])
        self._taken += samples.shape[-1]
        self._given += ready.shape[1]
        return ready[0] if self._signals is None else ready

    def flush(self):
        """Ends the stream: the samples still inside. The next push starts anew."""
        if self._filters is None:
            return np.zeros(0 if self._signals is None else (self._signals, 0), np.float32)
        owed = -(-self._taken * self.new_rate // self.rate) - self._given
        # FFmpeg's own end of a signal that is shorter than the filter is none.
        silence = np.zeros(FILTER * -(-self.rate // min(self.rate, self.new_rate)), np.float32)
        rest = np.stack([np.concatenate((each.push(silence), each.flush()))[:owed] for each in self._filters])
        self.reset()
        return rest[0] if self._signals is None else rest


def resampled(blocks, new_rate):
    """Signals of changing rates at one: [(samples [S, n], rate)] -> samples [S, m], an iterator."""
    resampler = None
    for samples, rate in blocks:
        if resampler is None or rate != resampler.rate:
            if resampler is not None:
                yield resampler.flush()
            resampler = Resampler(rate, new_rate, len(samples))
        yield resampler.push(samples)
    if resampler is not None:
        yield resampler.flush()


@lru_cache(maxsize=64)
def resampling_delay(rate, new_rate):
    """Seconds by which samples come out later than they went in, at most, in pieces of 10 ms."""
    resampler = Resampler(rate, new_rate)
    piece, out, lag = np.zeros(rate // 100, np.float32), 0, 0.0
    for k in range(1, 101):
        out += len(resampler.push(piece))
        lag = max(lag, k * len(piece) / rate - out / new_rate)
    return lag
