# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Files for libraries of C that call back into Python, where an exception, and with it an interrupt, would be lost."""

import errno
import os
import signal
import threading
from contextlib import contextmanager


class CalledBack:
    """A raw file for PyAV or soundfile; what its methods raise comes out of the call of the library:

    with file.calling():
        container.mux(packet)

    As long as a library is at work, an interrupt (SIGINT) waits. It comes at once where the file waits for its other
    end: a pipe.
    """

    def __init__(self, file, seekable=True):
        self._file, self._seekable = file, seekable
        self._error = self._interrupt = self._handler = None
        self._waiting = False

    @contextmanager
    def calling(self):
        """Around every call of the library."""
        in_main_thread = threading.current_thread() is threading.main_thread()  # no other one is interrupted
        self._handler = signal.getsignal(signal.SIGINT) if in_main_thread else None
        held = callable(self._handler)  # it is not where the process ignores SIGINT
        if held:
            signal.signal(signal.SIGINT, self._hold)
        try:
            yield
        finally:
            if held:
                signal.signal(signal.SIGINT, self._handler)
            (error, self._error), (interrupt, self._interrupt) = (self._error, None), (self._interrupt, None)
            if interrupt is not None:
                self._handler(*interrupt)
            if error is not None:
                raise error

    def _hold(self, number, frame):
        if self._waiting:
            self._handler(number, frame)
        else:
            self._interrupt = number, frame

    def _call(self, method, *arguments):
        try:
            try:
                self._waiting = True
                return method(*arguments)
            finally:
                self._waiting = False
        except BaseException as error:
            self._error = self._error or error
            return None

    def read(self, count):
        return self._call(self._file.read, count) or b""

    def readinto(self, buffer):
        return self._call(self._file.readinto, buffer) or 0

    def write(self, data):
        return self._call(self._write, memoryview(data)) or 0

    def _write(self, data):
        done = 0
        while done < len(data):
            count = self._file.write(data[done:])
            if count is None:
                raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
            done += count
        return done

    def seek(self, *arguments):
        position = self._call(self._file.seek, *arguments)
        return -1 if position is None else position

    def tell(self):
        return self._call(self._file.tell) or 0

    def seekable(self):
        return self._seekable
