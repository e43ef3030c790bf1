# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Networks that tell the target from what is made of the source, by its periods and by its spectra."""

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from .losses import spectrogram

PERIODS = (2, 3, 5, 7, 11)
RESOLUTIONS = (512, 1024, 2048)
PERIOD_CHANNELS = (32, 64, 128, 256, 256)
RESOLUTION_CHANNELS = 32
LOUDNESS = 0.1  # RMS


def _conv(*args, **options):
    return weight_norm(nn.Conv2d(*args, **options))


class Discriminator(nn.Module):
    """Convolutions over an image [B, 1, H, W]."""

    def forward(self, x):
        """Audio [B, N] -> (scores, [activations of each layer])."""
        x, activations = self.image(x), []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), 0.1)
            activations.append(x)
        return self.score(x).float(), activations


class PeriodDiscriminator(Discriminator):
    """HiFi-GAN's (Kong et al., 2020), narrower: every period-th sample is a row's neighbour."""

    def __init__(self, period):
        super().__init__()
        self.period = period
        sizes = zip((1, *PERIOD_CHANNELS), PERIOD_CHANNELS, (3, 3, 3, 3, 1), strict=False)
        self.layers = nn.ModuleList(_conv(i, o, (5, 1), (stride, 1), (2, 0)) for i, o, stride in sizes)
        self.score = _conv(PERIOD_CHANNELS[-1], 1, (3, 1), padding=(1, 0))

    def image(self, x):
        return F.pad(x, (0, -x.shape[-1] % self.period), "reflect").unflatten(-1, (-1, self.period))[:, None]


class ResolutionDiscriminator(Discriminator):
    """UnivNet's (Jang et al., 2021): of a log spectrogram."""

    def __init__(self, size):
        super().__init__()
        self.size, width = size, RESOLUTION_CHANNELS
        shapes = [((3, 9), (1, 1)), *[((3, 9), (1, 2))] * 3, ((3, 3), (1, 1))]
        self.layers = nn.ModuleList(
            _conv(width if i else 1, width, kernel, stride, [k // 2 for k in kernel])
            for i, (kernel, stride) in enumerate(shapes)
        )
        self.score = _conv(width, 1, 3, padding=1)

    def image(self, x):
        with torch.autocast(x.device.type, enabled=False):
            return 0.3 * spectrogram(x.float(), self.size).log()[:, None]


class Discriminators(nn.ModuleList):
    """All of them. What they hear is equally loud: loudness is for the other losses."""

    def __init__(self):
        super().__init__([*map(PeriodDiscriminator, PERIODS), *map(ResolutionDiscriminator, RESOLUTIONS)])

    def forward(self, real, fake):
        """Audio [B, N] each -> (scores of real, of fake, activations of real, of fake), lists by discriminator."""
        scale = LOUDNESS / real.square().mean(1, keepdim=True).sqrt().clamp_min(0.1 * LOUDNESS)
        both, count = torch.cat((real, fake)) * torch.cat((scale, scale)), len(real)
        results = [discriminator(both) for discriminator in self]
        scores = [[s[part] for s, _ in results] for part in (slice(count), slice(count, None))]
        features = [[[a[part] for a in acts] for _, acts in results] for part in (slice(count), slice(count, None))]
        return *scores, *features
