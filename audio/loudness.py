# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Loudness as ITU-R BS.1770 measures it, while the samples come, and an output as loud as its input.

The gates are written out here, since PyAV does not hand out what FFmpeg's ebur128 measures (it is metadata of frames).
"""

import math

import numpy as np
import torch

from .filtering import SignalFilter

STEPS = 4  # of a gating block of 400 ms, which overlaps the next one by three
STEP_SECONDS = 0.1
SILENCE = -70.0  # LUFS: quieter blocks never count
RELATIVE_GATE = 10.0  # LU: nor do those that are so much below all others
BINS_PER_LU, LOUDEST = 10, 40.0  # of the histogram of blocks, which takes the place of their list
MAX_GAIN = 4.0  # 12 dB, up and down


def k_weighting(sample_rate):
    """The filter of BS.1770 at a rate (Hz), second-order sections [2, 6]: a shelf for the head, and a high-pass.

    The standard gives coefficients for 48 kHz; these are the analogue filters behind them.
    """
    sections = []
    for frequency, q, gain in ((1681.9744509555, 0.7071752369554, 3.9998438539733), (38.135470876, 0.5003270373, None)):
        k = math.tan(math.pi * frequency / sample_rate)
        a = np.array([1 + k / q + k * k, 2 * (k * k - 1), 1 - k / q + k * k])
        if gain is None:
            b = np.array([1.0, -2.0, 1.0]) * a[0]
        else:
            high = 10 ** (gain / 20)
            band = high**0.499666774155
            b = np.array([high + band * k / q + k * k, 2 * (k * k - high), high - band * k / q + k * k])
        sections.append(np.concatenate((b, a)) / a[0])
    return np.array(sections)


class LoudnessMeter:
    """Integrated loudness of signals [S, n], each by itself, over all that was pushed."""

    def __init__(self, signals, sample_rate):
        options = ("b0={}:b1={}:b2={}:a0={}:a1={}:a2={}".format(*section) for section in k_weighting(sample_rate))
        biquads = [("biquad", each) for each in options]
        self._filters = [SignalFilter(sample_rate, biquads, "dbl") for _ in range(signals)]
        self._step = round(STEP_SECONDS * sample_rate)
        self._rest = np.zeros((signals, 0))  # weighted samples of an incomplete step
        self._steps = np.zeros((signals, 0))  # power of the last steps, fewer than a block has
        bins = round((LOUDEST - SILENCE) * BINS_PER_LU)
        self._powers, self._counts = np.zeros((signals, bins)), np.zeros((signals, bins))
        self._energy, self._samples = np.zeros(signals), 0  # of all, until there is a block

    def push(self, samples):
        """Takes samples [S, n]."""
        if not samples.shape[1]:
            return
        weighted = np.stack([weigh.push(signal) for weigh, signal in zip(self._filters, samples, strict=True)])
        self._energy += np.square(weighted).sum(1)
        self._samples += weighted.shape[1]
        weighted = np.concatenate((self._rest, weighted), axis=1)
        whole = weighted.shape[1] // self._step * self._step
        self._rest = weighted[:, whole:]
        steps = np.square(weighted[:, :whole]).reshape(len(weighted), -1, self._step).mean(2)
        steps = np.concatenate((self._steps, steps), axis=1)
        self._steps = steps[:, max(0, steps.shape[1] - STEPS + 1) :]
        if steps.shape[1] >= STEPS:
            powers = np.lib.stride_tricks.sliding_window_view(steps, STEPS, axis=1).mean(2)
            bins = np.floor((_lufs(powers) - SILENCE) * BINS_PER_LU)
            signals, blocks = np.nonzero(bins >= 0)
            places = signals, np.minimum(bins[signals, blocks], self._counts.shape[1] - 1).astype(int)
            np.add.at(self._powers, places, powers[signals, blocks])
            np.add.at(self._counts, places, 1)

    @property
    def lufs(self):
        """The loudness [S] in LUFS, -inf for silence; of less than a block without gates."""
        lines = []
        for powers, counts in zip(self._powers, self._counts, strict=True):
            if not counts.any():
                lines.append(None)
                continue
            gate = _lufs(powers.sum() / counts.sum()) - RELATIVE_GATE
            first = max(0, math.ceil((gate - SILENCE) * BINS_PER_LU))
            lines.append(_lufs(powers[first:].sum() / counts[first:].sum()))
        short = _lufs(self._energy / max(1, self._samples)) if self._samples < STEPS * self._step else None
        silent = [-math.inf if short is None or short[i] < SILENCE else short[i] for i in range(len(lines))]
        return np.array([silent[i] if line is None else line for i, line in enumerate(lines)])


def _lufs(power):
    with np.errstate(divide="ignore"):
        return -0.691 + 10 * np.log10(power)


class LoudnessMatcher:
    """Brings converted signals [S, n] to the loudness of their inputs, as heard so far; works on a live stream.

    The gain, MAX_GAIN at most, glides with every block.
    """

    def __init__(self, signals, sample_rate):
        self._heard, self._spoken = LoudnessMeter(signals, sample_rate), LoudnessMeter(signals, sample_rate)
        self._gain = None

    def hear(self, samples):
        """Takes input [S, n]; returns it."""
        self._heard.push(samples.numpy())
        return samples

    def match(self, samples):
        """Output [S, n] at the input's loudness."""
        self._spoken.push(samples.numpy())
        heard, spoken = self._heard.lufs, self._spoken.lufs
        both = np.isfinite(heard) & np.isfinite(spoken)
        decibels = np.where(both, heard, 0.0) - np.where(both, spoken, 0.0)
        gain = torch.from_numpy(10 ** (decibels / 20)).float().clamp(1 / MAX_GAIN, MAX_GAIN)[:, None]
        begin = gain if self._gain is None else self._gain
        self._gain = gain
        return samples * (begin + (gain - begin) * torch.linspace(0, 1, samples.shape[1]))
