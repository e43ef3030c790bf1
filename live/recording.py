# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A recording that is kept whatever happens."""

import os
import struct
import time
from pathlib import Path

import numpy as np

HEADER_S = 1.0  # between two times at which the header says how much there is
HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
MOST = 2**32 - 1  # what a WAV header can say


class Recording:
    """A WAV file of float32 samples that can be played up to the last second at any time, also if nobody closes it.

    It grows as NAME.part.wav beside its path, is there from the first sample on, and gets its name when it is closed;
    until then a file of that name stays as it was. An earlier part that nobody closed is left alone. OSError if it
    cannot be written.
    """

    def __init__(self, path, rate, channels):
        self.path, self._rate, self._channels = Path(os.path.realpath(path)), rate, channels
        self._file = self._part = None
        self._bytes, self._told = 0, 0.0

    def write(self, samples):
        """Takes samples [n, channels]."""
        if not len(samples):
            return
        if self._file is None:
            self._open()
        data = np.ascontiguousarray(samples, "<f4").tobytes()
        self._file.write(data)
        self._bytes += len(data)
        if time.monotonic() - self._told >= HEADER_S:
            self._tell()

    def close(self):
        """Gives the file its name; without a single sample there is none. Returns whether there is one."""
        if self._file is not None:
            try:
                self._tell()
            finally:
                self._file.close()
                self._file = None
            os.replace(self._part, self.path)
        return self._part is not None

    def _open(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        number = 1
        while self._file is None:
            name = f"{self.path.stem}.part{number if number > 1 else ''}{self.path.suffix}"
            try:
                self._part = self.path.with_name(name)
                self._file = self._part.open("xb")
            except FileExistsError:
                number += 1
        self._tell()

    def _tell(self):
        """Writes the header for what there is."""
        frame = 4 * self._channels
        fields = (16, 3, self._channels, self._rate, self._rate * frame, frame, 32)  # 3: float
        size = min(self._bytes, MOST - HEADER.size)
        self._file.seek(0)
        self._file.write(HEADER.pack(b"RIFF", size + HEADER.size - 8, b"WAVE", b"fmt ", *fields, b"data", size))
        self._file.seek(0, os.SEEK_END)
        self._file.flush()
        self._told = time.monotonic()
