# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Samples that wait."""

from collections import deque

import numpy as np


class SampleQueue:
    """Samples, first in, first out. Not locked."""

    def __init__(self):
        self._pieces = deque()
        self._length = 0

    def __len__(self):
        return self._length

    def put(self, samples):
        self._pieces.append(samples)
        self._length += len(samples)

    def take(self, count):
        """The oldest `count` samples, no more than there are."""
        taken, missing = [np.zeros(0, np.float32)], count
        while missing:
            samples = self._pieces.popleft()
            if len(samples) > missing:
                self._pieces.appendleft(samples[missing:])
                samples = samples[:missing]
            taken.append(samples)
            missing -= len(samples)
        self._length -= count
        return np.concatenate(taken)
