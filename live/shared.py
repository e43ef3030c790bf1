# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Memory, events and a lock that processes share through files of the Linux kernel without a name.

Whoever is to have one inherits its descriptor; with the last process that does it is gone, however that ended.
"""

import fcntl
import math
import mmap
import os
import select
from contextlib import suppress

import numpy as np


class SharedArrays:
    """Gives arrays, of zeros at first, to all processes that ask for the same ones in the same order."""

    def __init__(self, descriptor=None):
        self.descriptor = os.memfd_create("llvc") if descriptor is None else descriptor
        self._used = 0

    def __call__(self, shape, dtype):
        count = math.prod(shape)
        size = -(-count * np.dtype(dtype).itemsize // mmap.PAGESIZE) * mmap.PAGESIZE
        start, self._used = self._used, self._used + size
        if os.fstat(self.descriptor).st_size < self._used:
            os.ftruncate(self.descriptor, self._used)
        return np.frombuffer(mmap.mmap(self.descriptor, size, offset=start), dtype, count).reshape(shape)


class SharedEvent:
    """As threading.Event, between processes; one of them waits."""

    def __init__(self, descriptor=None):
        self.descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC) if descriptor is None else descriptor

    def set(self):
        os.eventfd_write(self.descriptor, 1)

    def wait(self, timeout=None):
        select.select([self.descriptor], [], [], timeout)

    def clear(self):
        with suppress(BlockingIOError):  # it is not set
            os.eventfd_read(self.descriptor)


class SharedLock:
    """For `with`: one process at a time. A process that dies gives it back."""

    def __init__(self, descriptor):
        self._descriptor = descriptor

    def __enter__(self):
        fcntl.lockf(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_):
        fcntl.lockf(self._descriptor, fcntl.LOCK_UN)
