# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What training minimises: distances of spectra, and what discriminators say. Audio is [B, N] at 16 kHz."""

from functools import cache

import torch
import torchaudio
from torch.nn import functional as F

from .recordings import SAMPLE_RATE

FFT_SIZES = (256, 512, 1024, 2048)
MEL_BANDS = {512: 40, 1024: 80, 2048: 128}
COMPLEX_SIZES = (320, 512)
COMPRESSION = 0.3
# Speech of full scale has magnitudes around 10: far below it a logarithm would be of rounding only.
FLOOR = 1e-3


@cache
def _window(size, device):
    return torch.hann_window(size, device=device)


@cache
def _mel_filters(size, bands, device):
    return torchaudio.functional.melscale_fbanks(size // 2 + 1, 0.0, SAMPLE_RATE / 2, bands, SAMPLE_RATE).T.to(device)


def stft(x, size):
    """Complex spectra [B, bins, frames], a quarter of a window apart."""
    return torch.stft(x, size, size // 4, window=_window(size, x.device), return_complex=True)


def spectrogram(x, size):
    """Magnitudes [B, bins, frames]."""
    return stft(x, size).abs().clamp_min(1e-5)


def stft_loss(spectrograms):
    """Multi-resolution STFT loss (Yamamoto et al., 2020): spectral convergence and log magnitude, one each.

    spectrograms: by FFT size, what is there and what should be.
    """
    loss = 0.0
    for have, want in spectrograms.values():
        convergence = (have - want).square().sum((1, 2)).sqrt() / want.square().sum((1, 2)).sqrt()
        loss = loss + convergence.mean() + F.l1_loss((have + FLOOR).log(), (want + FLOOR).log())
    return loss / len(spectrograms)


def mel_loss(spectrograms):
    """L1 distance of log mel spectra at three resolutions: of what is heard, where half of the bins lie above 4 kHz.

    spectrograms: as stft_loss's.
    """
    loss = 0.0
    for size, bands in MEL_BANDS.items():
        have, want = (_mel_filters(size, bands, x.device) @ x.square() for x in spectrograms[size])
        loss = loss + F.l1_loss((have + FLOOR).log(), (want + FLOOR).log())
    return loss / len(MEL_BANDS)


def complex_loss(y, target):
    """Mean squared distance of spectra with compressed magnitudes (Ephrat et al., 2018): of phase too."""
    loss = 0.0
    for size in COMPLEX_SIZES:
        have, want = (torch.view_as_real(compressed(stft(x, size))) for x in (y, target))
        loss = loss + (have - want).square().sum(-1).mean()
    return loss / len(COMPLEX_SIZES)


def compressed(spectrum):
    """spectrum / |spectrum| * |spectrum| ** COMPRESSION, smooth at zero."""
    power = spectrum.real.square() + spectrum.imag.square()
    return spectrum * (power + FLOOR**2) ** ((COMPRESSION - 1) / 2)


def losses(y, target):
    """stft_loss, mel_loss and complex_loss of audio and target -> [3]."""
    spectrograms = {size: (spectrogram(y, size), spectrogram(target, size)) for size in FFT_SIZES}
    return torch.stack((stft_loss(spectrograms), mel_loss(spectrograms), complex_loss(y, target)))


def discriminator_loss(real, fake):
    """Least squares (Mao et al., 2017): lists of scores, which should be one of what is real and zero else."""
    return sum((r - 1).square().mean() + f.square().mean() for r, f in zip(real, fake, strict=True)) / len(real)


def adversarial_loss(fake):
    """How far a list of scores of what is not real is from one."""
    return sum((f - 1).square().mean() for f in fake) / len(fake)


def feature_loss(real, fake):
    """Feature matching (Kumar et al., 2019): the mean L1 distance of lists of lists of activations."""
    distances = [
        F.l1_loss(f, r.detach()) for features in zip(real, fake, strict=True) for r, f in zip(*features, strict=True)
    ]
    return sum(distances) / len(distances)
