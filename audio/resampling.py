# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Another sample rate, block by block."""

from fractions import Fraction

import torch
import torchaudio

# Rates are resampled by a ratio of whole numbers no larger than this below the line: exact for all usual rates, to
# within a millionth for odd ones, whose exact ratio would take gigabytes of filter.
MAX_RATIO = 2000


class Resampler:
    """Resamples signals [S, n] from one rate (Hz) to another: what comes out is what torchaudio makes of the whole.

    ValueError for a rate so high that nothing would be left.
    """

    def __init__(self, rate, new_rate):
        ratio = Fraction(new_rate, rate).limit_denominator(MAX_RATIO)
        if ratio == 0:
            raise ValueError(f"a rate of {rate} Hz is too high; resample it first")
        self._step, self._new_step = ratio.denominator, ratio.numerator
        self._resample = torchaudio.transforms.Resample(self._step, self._new_step)
        # The filter reaches this many steps to either side. A step of input is a step of output.
        width = getattr(self._resample, "width", 0)
        self._reach = -(-width // self._step)
        self._kept = None  # from `_reach` steps before the next output on
        self._context = 0  # steps of _kept that are only context

    def push(self, samples):
        """Takes [S, n]; returns what is ready [S, m]."""
        if self._step == self._new_step:
            return samples
        self._kept = samples if self._kept is None else torch.cat((self._kept, samples), dim=1)
        steps = self._kept.shape[1] // self._step
        ready = steps - self._context - self._reach
        if ready <= 0:
            return samples[:, :0]
        audio = self._resample(self._kept[:, : steps * self._step])
        first = self._context * self._new_step
        audio = audio[:, first : first + ready * self._new_step]
        done = self._context + ready
        self._context = min(self._reach, done)
        self._kept = self._kept[:, (done - self._context) * self._step :].clone()
        return audio

    def flush(self):
        """The rest [S, m]; None if nothing ever came or nothing is owed."""
        if self._kept is None:
            return None
        audio = self._resample(self._kept)[:, self._context * self._new_step :]
        self._kept, self._context = None, 0
        return audio


def resampled(blocks, new_rate):
    """Signals of changing rates at one: [(samples [S, n], rate)] -> samples [S, m], an iterator."""
    resampler, current = None, None
    for samples, rate in blocks:
        if rate != current:
            if resampler is not None and (rest := resampler.flush()) is not None:
                yield rest
            resampler, current = Resampler(rate, new_rate), rate
        yield resampler.push(samples)
    if resampler is not None and (rest := resampler.flush()) is not None:
        yield rest
