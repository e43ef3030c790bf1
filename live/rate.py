# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""How often a client may do something."""

import time


class Rate:
    """A token bucket: `per_second` in the long run, `burst` at once."""

    def __init__(self, per_second, burst, clock=time.monotonic):
        self._per_second, self._burst, self._clock = per_second, burst, clock
        self._left, self._read = burst, clock()

    def take(self, count=1):
        """Takes `count`, whether they are there or not; returns the seconds until the rate is kept again."""
        now = self._clock()
        left = self._left + (now - self._read) * self._per_second
        self._left, self._read = (left if left < self._burst else self._burst) - count, now
        return -self._left / self._per_second if self._left < 0 else 0.0
