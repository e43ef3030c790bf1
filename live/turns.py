# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Fewer, larger turns of the event loop."""

import asyncio
import time

TURN_S = 0.002  # that a turn takes at least where many streams speak
MANY = 16  # streams; with fewer of them it is shorter


class Turns:
    """Has an event loop wait before its next turn, so that this one serves the messages of many streams.

    A message of live audio has time: its chunk waits for the engine's clock anyway. Its work costs a fraction when it
    is not all that the process was woken for, with caches that others have used since.
    """

    def __init__(self):
        self._end, self._is_planned = 0.0, False

    def gather(self, streams):
        """For whom a turn gave a message: the next turn begins a while behind it. So many streams are there."""
        if not self._is_planned:
            self._end, self._is_planned = time.monotonic() + TURN_S * min(1.0, streams / MANY), True
            asyncio.get_running_loop().call_soon(self._wait)

    def _wait(self):
        time.sleep(max(0.0, self._end - time.monotonic()))
        self._is_planned = False
