# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Vowels, speech of a known pitch and known formants, and how loud a signal is."""

import numpy as np
from scipy.signal import lfilter

SAMPLE_RATE = 16000


def rms(x):
    return np.sqrt(np.mean(np.square(x)))


def vowel(f0, seconds=1.0, formants=(500, 1500, 2500)):
    """Pulses of a pitch (Hz) through resonances: samples [N]."""
    phase = np.cumsum(np.full(round(seconds * SAMPLE_RATE), f0 / SAMPLE_RATE))
    x = np.diff(np.floor(phase), prepend=0.0)
    for formant in formants:
        radius = np.exp(-np.pi * 80 / SAMPLE_RATE)
        x = lfilter([1.0], [1.0, -2 * radius * np.cos(2 * np.pi * formant / SAMPLE_RATE), radius**2], x)
    return 0.3 * x / np.abs(x).max()
