# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Batches of random segments, cut and changed on the device that trains: it holds all pairs as 16-bit integers."""

import torch

from .recordings import SAMPLE_RATE

LEVEL = (-14.0, 6.0)  # decibels
TILT = 2.5  # decibels, the deviation of a response at each of its KNOTS
KNOTS = 5
NOISY = 0.35  # share of segments
SNR = (12.0, 45.0)  # decibels
PEAK = 0.95


class Batches:
    """Segments of pairs {name: int16 [N, 2]}, of `samples` each, and of noise int16 [N].

    Every group (the pair's folder) is equally likely by the square root of its length. A batch depends on the seed, the
    step and the pairs alone.
    """

    def __init__(self, samples, seed, device, noise=()):
        self.samples, self.seed, self.device = samples, seed, torch.device(device)
        self._generator = torch.Generator(self.device)
        self._audio = torch.zeros(0, 2, dtype=torch.int16, device=self.device)
        self._starts, self._lengths, self._groups, self._names = [], [], [], {}
        noise = torch.cat([torch.zeros(0, dtype=torch.int16), *noise]).to(self.device)
        self._noise = noise.repeat(-(-samples // len(noise))) if len(noise) else None  # a segment of it, at least

    def add(self, pairs):
        """Takes more pairs to the device."""
        for name, pair in pairs.items():
            self._starts.append(self._starts[-1] + self._lengths[-1] if self._starts else 0)
            self._lengths.append(len(pair))
            self._groups.append(self._names.setdefault(name.rpartition("/")[0] or name, len(self._names)))
        self._audio = torch.cat((self._audio, *(pair.to(self.device) for pair in pairs.values())))
        lengths, groups = torch.tensor(self._lengths, dtype=torch.float64), torch.tensor(self._groups)
        total = torch.zeros(len(self._names), dtype=torch.float64).index_add_(0, groups, lengths)
        self._weights = (lengths / total[groups].sqrt()).float().to(self.device)
        self._spans = torch.tensor([self._starts, self._lengths]).to(self.device)

    @property
    def hours(self):
        """What the pairs are long."""
        return len(self._audio) / SAMPLE_RATE / 3600

    def __call__(self, step, count):
        """-> source, target, float32 [count, samples] each."""
        self._generator.manual_seed((self.seed << 32) + step)
        pair = self._segments(count)
        pair = pair * decibels(self._uniform(count, *LEVEL))[:, None, None]
        source = self._with_noise(self._tilted(pair[..., 0]))
        peak = torch.maximum(source.abs().amax(1), pair[..., 1].abs().amax(1)).clamp_min(1e-6)
        scale = (PEAK / peak).clamp_max(1.0)[:, None]
        return source * scale, pair[..., 1] * scale

    def _uniform(self, count, low, high):
        return low + (high - low) * torch.rand(count, device=self.device, generator=self._generator)

    def _below(self, limits):
        """A random integer below each of the limits [B]."""
        share = torch.rand(len(limits), device=self.device, generator=self._generator, dtype=torch.float64)
        return torch.minimum((share * limits).long(), limits - 1)

    def _segments(self, count):
        chosen = torch.multinomial(self._weights, count, replacement=True, generator=self._generator)
        start, length = self._spans[:, chosen]
        offset = self._below((length - self.samples + 1).clamp_min(1))
        time = torch.arange(self.samples, device=self.device)
        inside = time < (length - offset)[:, None]
        index = ((start + offset)[:, None] + time).clamp_max(len(self._audio) - 1)
        return self._audio[index] / 32768.0 * inside[..., None]

    def _tilted(self, x):
        """x [B, N] through a smooth random response, as microphones have."""
        bins = self.samples // 2 + 1
        knots = TILT * torch.randn(len(x), KNOTS, device=self.device, generator=self._generator)
        place = torch.linspace(0, 1, bins, device=self.device).sqrt() * (KNOTS - 1)  # closer together where it is low
        low = place.long().clamp_max(KNOTS - 2)
        response = knots[:, low] + (place - low) * (knots[:, low + 1] - knots[:, low])
        return torch.fft.irfft(torch.fft.rfft(x) * decibels(response), self.samples)

    def _with_noise(self, x):
        """x [B, N], in part with noise: of recordings, and where there are none from white to 1 / f in power."""
        count = len(x)
        noisy = self._uniform(count, 0, 1) < NOISY
        noise = torch.randn(x.shape, device=self.device, generator=self._generator)
        slope = self._uniform(count, -0.5, 0.0)[:, None]
        frequency = torch.linspace(0, 1, self.samples // 2 + 1, device=self.device).clamp_min(1e-3)
        noise = torch.fft.irfft(torch.fft.rfft(noise) * frequency**slope, self.samples)
        if self._noise is not None:
            start = self._below(torch.full_like(noisy, len(self._noise) - self.samples + 1, dtype=torch.long))
            index = start[:, None] + torch.arange(self.samples, device=self.device)
            recorded = self._uniform(count, 0, 1) < 0.5
            noise = torch.where(recorded[:, None], self._noise[index] / 32768.0, noise)
        ratio = x.square().mean(1).sqrt() / noise.square().mean(1).sqrt().clamp_min(1e-6)
        return x + noise * (noisy * ratio * decibels(-self._uniform(count, *SNR)))[:, None]


def decibels(level):
    """The amplitude of a level in decibels."""
    return 10 ** (level / 20)
