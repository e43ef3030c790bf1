# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A log that strangers cannot fill."""

import logging
import time

INTERVAL_S = 60.0  # in which a message is written once
MOST = 100  # different messages in that time


class Repeats(logging.Filter):
    """Lets each message pass once in a while, then with how often it came meanwhile.

    Messages are the same if they differ in their arguments only. Of more than MOST different ones the rest is counted
    as one.
    """

    def __init__(self, clock=time.monotonic):
        super().__init__()
        self._clock = clock
        self._seen = {}  # message: [when it was written, how often it came since]

    def filter(self, record):
        now = self._clock()
        key = (record.name, str(record.msg).partition("\n")[0])
        if key not in self._seen and len(self._seen) >= MOST:
            self._seen = {k: seen for k, seen in self._seen.items() if now - seen[0] < INTERVAL_S}
            key = key if len(self._seen) < MOST else None
        written, count = self._seen.get(key, (float("-inf"), 0))
        if now - written < INTERVAL_S:
            self._seen[key][1] += 1
            return False
        if count:
            record.msg, record.args = f"{record.getMessage()} (and {count} times more)", ()
        self._seen[key] = [now, 0]
        return True


def configure():
    """Has everything from warnings on written to standard error, through Repeats."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("%(levelname)s: %(message)s"))
    handler.addFilter(Repeats())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
