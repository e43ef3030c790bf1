# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""From the channels of a recording to the signals that are converted."""

import argparse

import numpy as np

from .reading import AudioError

# What a channel counts in the mix by its name: a voice in the middle, be it in the centre channel or in left and
# right alike, keeps its level; the surround channels lie 3 dB below, and the effects channel holds no speech.
WEIGHTS = {"FC": 1.0, "FL": 0.5, "FR": 0.5, "FLC": 0.5, "FRC": 0.5, "DL": 0.5, "DR": 0.5, "LFE": 0.0, "LFE2": 0.0}
SURROUND = 0.5 * 0.5**0.5
CANCELLED = 0.03  # of the channels' power left in the mix: 15 dB


def channel_choice(text):
    """The type of --channels: "mix", "left", "right", "each" or a channel's number from 1."""
    if text in ("mix", "left", "right", "each"):
        return text
    if text.isdecimal() and len(text) <= 4 and int(text) >= 1:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text[:20]!r} is not mix, left, right, each or a channel's number from 1")


class ChannelMixer:
    """Makes signals [S, n] of blocks by a channel_choice; S is `signals`, one or, for "each", as many as come in.

    AudioError if the choice names a channel that is not there.
    """

    def __init__(self, choice, channels, name):
        self._choice, self._channels, self._name = choice, channels, name
        self.signals = channels if choice == "each" else 1
        self._power = self._mixed_power = 0.0
        index = {"left": 0, "right": 1}.get(choice, choice - 1 if isinstance(choice, int) else 0)
        if index >= channels:
            had = "one channel" if channels == 1 else f"{channels} channels"
            raise AudioError(f"{name}: has {had}, so there is no channel {choice}; choose another with --channels")
        self._index = index

    def mix(self, block):
        """A Block -> float32 [S, n]."""
        samples = block.samples
        if samples.shape[0] != self._channels and (self._choice == "each" or self._index >= samples.shape[0]):
            raise AudioError(f"{self._name}: changes from {self._channels} to {samples.shape[0]} channels midway")
        if self._choice == "each":
            return samples
        if self._choice != "mix":
            return samples[self._index : self._index + 1]
        if len(samples) == 1:
            return samples
        if block.layout:
            weights = np.array([WEIGHTS.get(name, SURROUND) for name in block.layout])
        else:
            weights = np.full(len(samples), 1 / len(samples))
        mixed = (weights[:, None] * samples).sum(axis=0, keepdims=True)
        self._power += float(np.square(samples[weights > 0], dtype=np.float64).mean() * samples.shape[1])
        self._mixed_power += float(np.square(mixed).sum())
        return mixed.astype(np.float32)

    @property
    def cancelled(self):
        """Whether the channels cancel each other in the mix so far, as those of antiphase stereo do."""
        return self._mixed_power < CANCELLED * self._power
