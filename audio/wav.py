# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What stands in front of the samples of WAV, RF64 and Wave64."""

import struct
from dataclasses import dataclass

import numpy as np

# Programs that do not know the length put 0 into the header, the largest number or the middle one, with or without the
# header's own bytes (SoX: 0x7FFFF000, arecord: 0x80000000, FFmpeg: 0xFFFFFFFF); in 64 bits alike.
UNKNOWN_SIZES = (1 << 31, 1 << 32, 1 << 63, 1 << 64)
NEARLY = 1 << 16
MAX_CHUNK = 1 << 24  # bytes in front of the samples that are read over
WAVE64 = b"riff\x2e\x91\xcf\x11\xa5\xd6\x28\xdb\x04\xc1\x00\x00"
EXTENSIBLE = 0xFFFE


@dataclass
class WavHeader:
    """The format, and where the samples are; rate in Hz, data_size in bytes or None where the header does not know."""

    kind: bytes  # RIFF, RF64, or riff for Wave64
    tag: int
    channels: int
    rate: int
    bytes_per_second: int
    bits: int
    data_size: int | None
    start: int

    @property
    def dtype(self):
        """The samples' type, None where it takes a decoder."""
        kinds = {(1, 8): "u1", (1, 16): "<i2", (1, 32): "<i4", (3, 32): "<f4", (3, 64): "<f8"}
        name = kinds.get((self.tag, self.bits)) if self.channels and self.rate else None
        return name and np.dtype(name)

    def promised_seconds(self, file_size):
        """The length that the header promises, None if the file holds it all or the header does not know."""
        if self.data_size is None or self.start + self.data_size <= file_size or not self.bytes_per_second:
            return None
        return self.data_size / self.bytes_per_second


def read_wav_header(file):
    """(the WavHeader, or None if there is none, the bytes read). Leaves the file at the first sample."""
    consumed = bytearray()

    def take(count):
        start = len(consumed)
        while len(consumed) < start + count:
            data = file.read(start + count - len(consumed))
            if not data:
                break
            consumed.extend(data)
        return bytes(consumed[start:])

    form = large = None
    head = take(12)
    wave64 = head[:12] == WAVE64[:12]
    if wave64:
        take(28)
    elif head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return None, consumed
    # A chunk's name and size; of Wave64, whose names have 16 bytes and sizes 8, the latter with these 24.
    length, before, even = (24, 24, 8) if wave64 else (8, 0, 2)
    while len(chunk := take(length)) == length:
        name, size = chunk[:4], int.from_bytes(chunk[16 if wave64 else 4 :], "little")
        if name == b"data":
            if form is None:
                break
            size = large if large is not None and size == 0xFFFFFFFF else size
            known = all(abs(size - unknown) > NEARLY for unknown in UNKNOWN_SIZES) and size > before
            return WavHeader(head[:4], *form, size - before if known else None, len(consumed)), consumed
        if not before <= size <= MAX_CHUNK:
            break
        body = take(size - before + -size % even)
        if name == b"fmt " and len(body) >= 16:
            tag, channels, rate, per_second, _, bits = struct.unpack("<HHIIHH", body[:16])
            if tag == EXTENSIBLE and len(body) >= 26:
                tag = int.from_bytes(body[24:26], "little")
            form = tag, channels, rate, per_second, bits
        elif name == b"ds64" and len(body) >= 16:
            large = int.from_bytes(body[8:16], "little")
    return None, consumed
