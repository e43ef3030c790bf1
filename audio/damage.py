# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Damage that FFmpeg passes over in silence, as the frames of MPEG audio and the pages of Ogg show it.

A watch stands beside the decoding of a file or pipe; watch_of says which. What decoding tells is left to it.
"""

import re
import struct
import zlib
from bisect import bisect_right
from dataclasses import dataclass, field

# Bit rates (kbit/s) of MPEG audio by version (1, or 2 and 2.5) and layer, at the index in a frame's header from 1 on.
BIT_RATES = {
    (1, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (1, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (1, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (2, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (2, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (2, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = (44100, 48000, 32000)  # Hz, halved in version 2, quartered in 2.5
TAGS = (b"ID3", b"TAG", b"APETAGEX", b"LYRICSBEGIN")
PADDING = 1 << 16  # bytes behind the last frame that are no loss
MISCOUNTED = 2  # frames: some programs count the one that holds the number
ADTS_HEADER = 7  # bytes
REVERSED_BITS = bytes(int(f"{byte:08b}"[::-1], 2) for byte in range(256))


class Damaged(Exception):
    """Something is missing or broken here; its text, which may be empty, says more."""


class Watch:
    """Of containers where FFmpeg hides nothing. Links are recordings that are chained one behind the other."""

    def __init__(self, source):
        """source: at(offset, count) gives its bytes; is_file; size, if it is one; tail, of a pipe, the last bytes."""
        self._source = source

    def holds_frame(self, packet, started):
        """Whether a packet is one for the decoder; `started`: there was audio before. Damaged if it is broken."""
        return True

    def is_over(self, offset):
        """Whether nothing is lost where the decoder refuses what stands behind the offset."""
        return False

    def link(self, packet):
        """The number of the link that a packet belongs to."""
        return 0

    def end(self, link):
        """The time (s) at which a link ends; None where nobody knows."""
        return None

    def is_lost(self, link, seconds):
        """Whether what comes at this time of a link is missing or stands behind something that is."""
        return False

    def at_end(self):
        """What is wrong with the end, as text that may be empty; None if it is right."""
        return None


def watch_of(form, source):
    """The Watch for a container by FFmpeg's name for it."""
    return {"mp3": MpegWatch, "aac": AdtsWatch, "ogg": OggWatch}.get(form, Watch)(source)


class MpegWatch(Watch):
    """Frames that are cut, bytes between frames that belong to none, and fewer frames than the head promises."""

    def __init__(self, source):
        super().__init__(source)
        self._promised = mpeg_frames_promised(source.at)
        self._frames = self._lost = 0  # lost: bytes since the last frame that were none

    def holds_frame(self, packet, started):
        size = mpeg_frame_size(bytes(packet)[:4])
        if size is None:  # where a decoder would complain
            if started and not bytes(packet).startswith(TAGS):
                self._lost += packet.size
            return False
        if self._lost or packet.size < size:
            raise Damaged
        self._frames += 1
        return True

    def at_end(self):
        short = self._promised is not None and self._frames < self._promised - MISCOUNTED
        return "" if short or self._lost > PADDING else None


class AdtsWatch(Watch):
    """Tags and padding at the end of AAC, of which a decoder complains, are no damage."""

    def is_over(self, offset):
        rest = self._source.at(offset, PADDING)
        return len(rest) < ADTS_HEADER and rest[:1] != b"\xff" or rest.startswith(TAGS) or not rest.strip(b"\0")


class OggWatch(Watch):
    """Pages that are missing or broken. Of pipes, which cannot be looked through, the last one."""

    def __init__(self, source):
        super().__init__(source)
        self._file = read_ogg(source.at, source.size) if source.is_file else None

    def link(self, packet):
        known = self._file is not None and packet.pos is not None
        return max(0, bisect_right(self._file.starts, packet.pos) - 1) if known else 0

    def end(self, link):
        return self._file.ends[link] if self._file is not None and link < len(self._file.ends) else None

    def is_lost(self, link, seconds):
        return self._file is not None and self._file.lost is not None and (link, seconds) > self._file.lost

    def at_end(self):
        complete = ogg_is_complete(self._source.tail) if self._file is None else self._file.complete
        return None if complete else " without its last page"


def mpeg_frame_size(header):
    """Bytes of a frame of MPEG audio by its first four; 0 where they do not say, None where they begin no frame."""
    if len(header) < 4 or header[0] != 0xFF or header[1] & 0xE0 != 0xE0:
        return None
    version, layer = {3: 1, 2: 2, 0: 2.5}.get(header[1] >> 3 & 3), 4 - (header[1] >> 1 & 3)
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version is None or layer == 4 or bit_rate == 15 or rate == 3:
        return None
    if bit_rate == 0:
        return 0
    bits = 1000 * BIT_RATES[int(version), layer][bit_rate - 1]
    rate, padding = RATES[rate] // {1: 1, 2: 2, 2.5: 4}[version], header[2] >> 1 & 1
    if layer == 1:
        return 4 * (12 * bits // rate + padding)
    return (72 if layer == 3 and version > 1 else 144) * bits // rate + padding


def mpeg_frames_promised(at):
    """The number of frames that the head of an MP3 file promises (Xing, Info, VBRI), else None; at(offset, count)."""
    start = 0
    while (tag := at(start, 10))[:3] == b"ID3" and len(tag) == 10:
        size = 0
        for byte in tag[6:10]:
            size = size << 7 | byte & 0x7F
        start += 10 + size + (10 if tag[5] & 0x10 else 0)
    head = at(start, 2048)
    found = re.search(rb"(?:Xing|Info)\0\0\0[\x01\x03\x05\x07\x09\x0b\x0d\x0f](....)", head, re.DOTALL)
    found = found or re.search(rb"VBRI\0\x01.{8}(....)", head, re.DOTALL)
    return found and int.from_bytes(found[1], "big")


@dataclass
class OggFile:
    """What the pages of an Ogg file say of its audio.

    starts: where each link begins, where streams are chained one behind the other, in bytes; ends: its time (s) at
    its end, None where it is not known. lost: (number of a link, its time behind which a page is missing or broken),
    None where none is. complete: whether the last page is there.
    """

    starts: list = field(default_factory=list)
    ends: list = field(default_factory=list)
    lost: tuple | None = None
    complete: bool = False


def read_ogg(at, size):
    """The OggFile of a file of `size` bytes, by its at(offset, count)."""
    file, offset = OggFile(), 0
    clock = serial = sequence = None  # of the link's audio: (Hz, samples to skip); and its last page
    broken = False
    while offset < size:
        page = _ogg_page(at, offset)
        if page is None:
            after = at(offset + 1, 1 << 17).find(b"OggS")
            if after < 0:
                file.complete = file.complete and at(offset, 4) != b"OggS"
                break
            offset, broken = offset + 1 + after, True
            continue
        start, offset = offset, offset + len(page)
        flags, granule, page_serial, page_sequence = struct.unpack("<BqII", page[5:22])
        if flags & 2:
            if (begins := _ogg_clock(page[27 + page[26] :])) is None:
                continue
            clock, serial, broken, file.complete = begins, page_serial, False, False
            file.starts.append(start)
            file.ends.append(None)
        elif page_serial != serial:
            continue
        elif file.lost is None and (broken or page_sequence != sequence + 1 and file.ends[-1] is not None):
            # (Who records a broadcast has its headers, and then pages from the middle.)
            file.lost = len(file.ends) - 1, file.ends[-1] or 0.0
        sequence, broken = page_sequence, False
        if flags & 2 == 0:
            file.complete = bool(flags & 4)
            if granule > 0:
                file.ends[-1] = (granule - clock[1]) / clock[0]
    return file


def ogg_is_complete(tail):
    """Whether the last bytes of an Ogg stream hold its last page."""
    start = tail.rfind(b"OggS")
    page = None if start < 0 else _ogg_page(lambda offset, count: tail[offset : offset + count], start)
    return page is not None and bool(page[5] & 4)


def _ogg_page(at, offset):
    """The bytes of the page there; None if there is none, or a broken one."""
    head = at(offset, 27 + 255)
    if len(head) < 27 or head[:5] != b"OggS\0":
        return None
    segments = head[26]
    length = 27 + segments + sum(head[27 : 27 + segments])
    page = at(offset, length)
    # Ogg's CRC is that of zlib with the bits of every byte, and of the result, the other way round; and no inversions.
    blank = page[:22] + b"\0\0\0\0" + page[26:]
    crc = zlib.crc32(blank.translate(REVERSED_BITS), 0xFFFFFFFF) ^ 0xFFFFFFFF
    written = int.from_bytes(page[22:26].translate(REVERSED_BITS), "big")
    return page if len(page) == length and crc == written else None


def _ogg_clock(body):
    """(Hz, samples to skip) of the audio that begins with this packet, None if it is none."""
    rate, skipped = 0, 0
    if body.startswith(b"OpusHead"):
        rate, skipped = 48000, int.from_bytes(body[10:12], "little")
    elif body.startswith(b"\x01vorbis"):
        rate = int.from_bytes(body[12:16], "little")
    elif body.startswith(b"Speex   "):
        rate = int.from_bytes(body[36:40], "little")
    elif body.startswith(b"\x7fFLAC"):
        rate = int.from_bytes(body[27:30], "big") >> 4
    return (rate, skipped) if rate else None
