# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Resampling of streams, of whatever length the pieces are."""

from functools import lru_cache

import numpy as np
import soxr

# Flat to 0.93 of the lower band's edge. Higher qualities filter in longer blocks: up to twice the delay.
QUALITY = "MQ"


class StreamResampler:
    """Resamples one stream of float32 samples from one rate (Hz) to another; between equal rates it is the identity."""

    def __init__(self, source_rate, target_rate):
        self.source_rate, self.target_rate = source_rate, target_rate
        self.reset()

    def reset(self):
        """Starts anew with the next sample."""
        self._stream = None
        if self.source_rate != self.target_rate:
            self._stream = soxr.ResampleStream(self.source_rate, self.target_rate, 1, "float32", QUALITY)

    def push(self, samples):
        """Takes samples [any length]; returns those [k] that are ready, k may be 0."""
        return samples if self._stream is None else self._stream.resample_chunk(samples)

    def flush(self):
        """Ends the stream: the samples still inside. The next push starts anew."""
        empty = np.zeros(0, np.float32)
        rest = empty if self._stream is None else self._stream.resample_chunk(empty, last=True)
        self.reset()
        return rest


@lru_cache(maxsize=64)
def resampling_delay(source_rate, target_rate):
    """Seconds by which samples come out later than they went in, at most, in pieces of 10 ms."""
    if source_rate == target_rate:
        return 0.0
    resampler = StreamResampler(source_rate, target_rate)
    piece, out, lag = np.zeros(source_rate // 100, np.float32), 0, 0.0
    for k in range(1, 101):
        out += len(resampler.push(piece))
        lag = max(lag, k * len(piece) / source_rate - out / target_rate)
    return lag
