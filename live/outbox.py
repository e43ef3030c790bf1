# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What is to be sent to one client."""

from collections import deque
from dataclasses import dataclass

import numpy as np

LATE, SLOW_READER, ENGINE_FAILED = "late", "slow_reader", "engine"  # why samples were dropped


@dataclass(frozen=True)
class Audio:
    """Converted samples [k] of one chunk, and when its last input sample came, its turn began, and it was done."""

    samples: np.ndarray
    arrived: float
    started: float
    done: float


class Outbox:
    """Audio and messages (dicts, as they go over the wire), first in, first out. Not locked."""

    def __init__(self):
        self._entries = deque()
        self.audio_length = 0  # samples

    def __len__(self):
        return len(self._entries)

    def put(self, message):
        self._entries.append(message)

    def put_audio(self, audio):
        self._entries.append(audio)
        self.audio_length += len(audio.samples)

    def put_dropped(self, count, reason):
        """Says, where it belongs, that `count` samples of input get no output."""
        self.put({"type": "dropped", "samples": count, "reason": reason})

    def drop_oldest_audio(self):
        """Has a message stand where the oldest Audio stood; returns the samples that it was."""
        front = []
        while not isinstance(self._entries[0], Audio):
            front.append(self._entries.popleft())
        dropped = count = len(self._entries.popleft().samples)
        self.audio_length -= count
        if front and front[-1].get("reason") == SLOW_READER:
            count += front.pop()["samples"]
        self._entries.appendleft({"type": "dropped", "samples": count, "reason": SLOW_READER})
        self._entries.extendleft(reversed(front))
        return dropped

    def forget_stream(self):
        """Forgets what belongs to a stream that starts anew; what else the client is to be told stays."""
        kept = [e for e in self._entries if not isinstance(e, Audio) and e["type"] not in ("dropped", "ended")]
        self._entries, self.audio_length = deque(kept), 0

    def take(self):
        """All of it, in order."""
        taken, self._entries, self.audio_length = list(self._entries), deque(), 0
        return taken
