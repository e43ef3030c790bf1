# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Samples that wait, and since when."""

from collections import deque

import numpy as np


class SampleQueue:
    """Samples, first in, first out, with the time at which each piece came. Not locked."""

    def __init__(self):
        self._pieces = deque()  # (samples, time)
        self._length = 0

    def __len__(self):
        return self._length

    def put(self, samples, time):
        if len(samples):
            self._pieces.append((samples, time))
            self._length += len(samples)

    def take(self, count):
        """The oldest `count` samples, no more than there are, and the time at which the last of them came."""
        taken, time = [], None
        missing = count
        while missing:
            samples, time = self._pieces.popleft()
            if len(samples) > missing:
                self._pieces.appendleft((samples[missing:], time))
                samples = samples[:missing]
            taken.append(samples)
            missing -= len(samples)
        self._length -= count
        return (np.concatenate(taken) if taken else np.zeros(0, np.float32)), time
