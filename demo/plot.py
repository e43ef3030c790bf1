# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A picture of a conversion: waveforms and spectrograms of input and output, one above the other."""

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np
from matplotlib import mlab

from audio.files import replacing

WINDOW = 512  # samples of a spectrogram's column


def plot_conversion(path, audio, converted, sample_rate, title):
    """Draws samples [N] in and out, on one time axis, into a PNG file. FileError if it cannot be written."""
    figure, axes = plt.subplots(4, 1, sharex=True, figsize=(10, 8), height_ratios=(1, 2, 1, 2), layout="constrained")
    seconds = np.arange(len(audio)) / sample_rate
    for name, samples, (wave, spectrum) in (("input", audio, axes[:2]), ("output", converted, axes[2:])):
        wave.plot(seconds, samples, linewidth=0.4)
        wave.set(ylabel=name, ylim=(-1, 1))
        draw_spectrogram(spectrum, samples, sample_rate)
    axes[-1].set_xlabel("seconds")
    axes[-1].set_xlim(0, len(audio) / sample_rate)
    figure.suptitle(title, parse_math=False)  # a file name may hold a $
    save(figure, path)


def draw_spectrogram(axis, samples, sample_rate):
    """Draws samples [N] by time and frequency."""
    padded = np.pad(samples, (0, max(0, 2 * WINDOW - len(samples))))
    power, frequencies, times = mlab.specgram(padded, NFFT=WINDOW, noverlap=WINDOW * 3 // 4, Fs=sample_rate)
    decibels = 10 * np.log10(np.maximum(power, 1e-12))
    axis.pcolormesh(times, frequencies, decibels, vmin=-110, vmax=-30, cmap="magma", shading="nearest")
    axis.set_ylabel("Hz")


def save(figure, path):
    """Writes a figure as PNG and forgets it. FileError if it cannot be written."""
    try:
        with replacing(path) as temporary:
            figure.savefig(temporary, format="png", dpi=80)
    finally:
        plt.close(figure)
