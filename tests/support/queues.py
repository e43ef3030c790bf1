# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Finds what a program got wrong about command queues.

Each queue works in order; between two queues, and between a queue and the host, nothing is ordered but by events and
by waiting. Every access to device memory is noted with how far its queue knows the other queues to have got; one that
does not know of an earlier conflicting access may run before it.
"""

from collections import Counter


class QueueRace(RuntimeError):
    """Two accesses to the same memory that nothing puts in order."""


class Queues:
    def __init__(self):
        self._known = {0: Counter(), 1: Counter()}  # per queue: how far it knows each queue to have got
        self._host = Counter()
        self._written = {}  # memory -> (queue, position) of the last write
        self._read = {}  # memory -> {queue: position} of the reads since

    def access(self, queue, reads=(), writes=()):
        """A command on a queue. QueueRace if it may run before one that it must follow."""
        known = self._known[queue]
        known |= self._host
        known[queue] += 1
        for memory in (*reads, *writes):
            self._require(memory, known, *self._written.get(memory, (queue, 0)))
        for memory in writes:
            for other, position in self._read.pop(memory, {}).items():
                self._require(memory, known, other, position)
            self._written[memory] = queue, known[queue]
        for memory in reads:
            self._read.setdefault(memory, {})[queue] = known[queue]

    def _require(self, memory, known, queue, position):
        if known[queue] < position:
            raise QueueRace(f"memory at {memory} is used before the command on queue {queue} that it must wait for")

    def position(self, queue):
        """How many commands a queue has had."""
        return self._known[queue][queue]

    def is_over(self, queue, position):
        """Whether the host knows that a queue has done so many commands."""
        return self._host[queue] >= position

    def record(self, queue):
        """An event behind all commands so far."""
        return Counter(self._known[queue] | self._host)

    def wait(self, queue, event):
        """Makes a queue wait for an event."""
        self._known[queue] |= event

    def finish(self, queue):
        """Makes the host wait for a queue."""
        self._host |= self._known[queue]
