# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What a microphone said into a pipe while nobody took it: whoever listens hears it as a delay, for good."""

import select
import time

LEAST_S = 0.1  # of audio: a shorter delay is let be
MOST_S = 60.0  # of audio: no recorder keeps more
WATCHED_S = 0.5
BURST_S = 1.0  # of audio that a recorder's own buffer holds, behind a full pipe


def take_backlog(source, bytes_per_second):
    """Takes the bytes that a pipe has given by now: (bytes, whether they are the backlog of something live).

    Live is what then goes on at the pace at which it is spoken. What ends, pauses or comes faster is a recording that
    somebody pipes, of which nothing may be lost.
    """

    def seconds(count):
        return count / bytes_per_second

    data = b""
    while _waits(source, 0):
        piece = source.read(1 << 16)
        data += piece
        if not piece or seconds(len(data)) > MOST_S:
            return data, False
    if seconds(len(data)) < LEAST_S:
        return data, False
    before, end = len(data), time.monotonic() + WATCHED_S
    while (left := end - time.monotonic()) > 0 and _waits(source, left):
        piece = source.read(1 << 16)
        data += piece
        if not piece or seconds(len(data) - before) > 2 * WATCHED_S + BURST_S:
            return data, False
    return data, seconds(len(data) - before) > WATCHED_S / 4


def _waits(source, timeout):
    """Whether bytes, or the end, can be read within so many seconds. No where the system cannot tell of a pipe."""
    try:
        return bool(select.select([source.fileno()], [], [], timeout)[0])
    except (OSError, ValueError):
        return False
