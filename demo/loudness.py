# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The output as loud as the input."""

import torch

FRAME = 160  # samples that are loud or not
GATE = 1e-5  # power of a frame, -50 dBFS: below it nobody speaks
MAX_GAIN = 4.0  # 12 dB, up and down


class LoudnessMatcher:
    """Brings converted signals [S, n] to the loudness of their inputs, as heard so far; works on a live stream.

    The gain is the ratio of the RMS of both over all that was loud enough to be speech, and glides with every block.
    """

    def __init__(self, signals):
        self._heard, self._spoken = torch.zeros(2, signals), torch.zeros(2, signals)  # power, frames
        self._gain = None

    def hear(self, samples):
        """Takes input [S, n]; returns it."""
        _add_loud(self._heard, samples)
        return samples

    def match(self, samples):
        """Output [S, n] at the input's loudness."""
        _add_loud(self._spoken, samples)
        mean = [power / count.clamp(min=1) for power, count in (self._heard, self._spoken)]
        ratio = torch.where((mean[0] > 0) & (mean[1] > 0), mean[0] / mean[1].clamp(min=1e-12), 1.0)
        gain = ratio.sqrt().clamp(1 / MAX_GAIN, MAX_GAIN)[:, None]
        begin = gain if self._gain is None else self._gain
        self._gain = gain
        return samples * (begin + (gain - begin) * torch.linspace(0, 1, samples.shape[1]))


def _add_loud(total, samples):
    samples = samples[:, : samples.shape[1] // FRAME * FRAME]
    power = samples.unflatten(1, (-1, FRAME)).square().mean(-1) if samples.shape[1] else samples
    loud = power > GATE
    total += torch.stack(((power * loud).sum(1), loud.sum(1)))
