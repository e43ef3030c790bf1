# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio in: files of every kind FFmpeg plays, pipes and raw samples, decoded block by block."""

import os
import struct
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from reference.errors import LLVCError, one_line

from .backlog import take_backlog
from .callbacks import CalledBack
from .framing import (
    TAGS,
    data_end,
    is_filler,
    mpeg_frame_size,
    mpeg_frames_promised,
    ogg_is_complete,
    read_ogg,
)

RAW_TYPES = {"s16": np.dtype("<i2"), "f32": np.dtype("<f4")}  # of --raw
MIN_RATE = 1000  # Hz
READ_BYTES = 1 << 16

# Lengths that programs leave in the header of a WAV whose length they do not know: 0, the largest numbers, and what
# SoX writes, which is the largest signed one less a header.
UNKNOWN_SIZES = (range(0, 1), range(0x7FFF0000, 0x80000000), range(0xFFFFF000, 1 << 32))

# Containers whose lengths are promises, not estimates.
EXACT_DURATION = {"flac", "aiff", "au", "caf", "mov"}
# Containers that number their samples, so that a gap is a loss and no pause.
NUMBERED = {"flac", "ogg"}
SHORTFALL = 0.1  # seconds that may be missing: paddings and priming of codecs
GAP = 0.25  # seconds

KEPT = 1 << 17  # bytes of a pipe's beginning and end: more than a page of Ogg
PADDING = 1 << 16  # bytes behind the last frame of MPEG audio that are no loss
MISCOUNTED = 2  # frames: some programs count the one that holds the number
ADTS_HEADER = 7  # bytes

# Playlists and lists of files make FFmpeg open what they name, over the network too.
LISTS = {"hls", "concat", "dash", "imf", "image2", "rtsp", "sdp"}
# Stand-in names of channels where a file with as many says nothing else.
DEFAULT_LAYOUTS = {
    1: ("FC",),
    2: ("FL", "FR"),
    6: ("FL", "FR", "FC", "LFE", "BL", "BR"),
    8: ("FL", "FR", "FC", "LFE", "BL", "BR", "SL", "SR"),
}


class AudioError(LLVCError):
    """Audio that cannot be read or written; the message names the file."""


@dataclass
class Block:
    """Samples float32 [C, n] at a rate (Hz); the channels' names as FFmpeg's ("FL"), () where nobody knows them."""

    samples: np.ndarray
    rate: int
    layout: tuple[str, ...]


class AudioReader:
    """Decodes a file or pipe ("-" for stdin) block by block.

    with AudioReader(path) as reader:
        for block in reader: ...

    raw = (type of RAW_TYPES, rate) takes headerless mono samples. `rate` (Hz), `channels`, `tags` {name: text} and
    `seconds` (None where nobody knows before the end) are there from the start. `damage` says behind the last block
    what is wrong with the file and when, or is None: the blocks go up to there. AudioError if nothing can be read.
    """

    def __init__(self, source, raw=None):
        self.name = "standard input" if str(source) == "-" else str(source)
        self.damage = None
        self.tags, self.seconds = {}, None
        self._container = self._file = self._frame = self._left = None  # frame: bytes, where samples come as they are
        try:
            self._open(source, raw)
        except BaseException:
            self.close()
            raise

    def _open(self, source, raw):
        try:
            self._file = _open_source(source)
            self.live = not self._file.seekable()  # samples come when they come
            self._decode = self._raw(*raw) if raw else self._wav_pipe() if self.live else None
            if self._decode is None:
                self._open_container(Path(source).suffix)
        except OSError as error:
            raise AudioError(f"{self.name}: cannot be read ({_reason(error)})") from None
        if not self.rate >= MIN_RATE:
            raise AudioError(f"{self.name}: a rate of {self.rate} Hz is too low for speech; {MIN_RATE} Hz is the least")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the file. May be called twice."""
        for resource in (self._container, self._file):
            if resource is not None:
                with suppress(OSError, av.error.FFmpegError):
                    resource.close()

    def __iter__(self):
        position = 0.0  # seconds
        for block in self._checked_blocks():
            position += block.samples.shape[1] / block.rate
            yield block
        if position == 0 and self.damage is None:
            raise AudioError(f"{self.name}: holds no samples")
        if position == 0:
            raise AudioError(f"{self.name}: {self.damage}; nothing could be read")
        if self.damage is None and self._promised is not None and self._promised - position > SHORTFALL / 2:
            self.damage = f"damaged, ends after {position:.2f} of {self._promised:.2f} s"

    def _checked_blocks(self):
        try:
            for block in self._decode:
                if not np.isfinite(block.samples).all():
                    raise AudioError(f"{self.name}: holds samples that are not finite numbers, or too large")
                if block.samples.shape[1]:
                    yield block
        except OSError as error:  # FFmpeg's errors, where they are the system's, are OSErrors too
            raise AudioError(f"{self.name}: cannot be read ({_reason(error)})") from None

    def drop_backlog(self):
        """Drops what a microphone's pipe of samples gave before somebody took it; returns the seconds.

        To be called before the first block. Nothing is dropped of what is not live (see backlog.py) or is encoded.
        """
        if not self.live or self._frame is None:
            return 0.0
        data, is_live = take_backlog(self._file, self._frame * self.rate)
        count = len(data) // self._frame * self._frame if is_live else 0
        self._file.unread(data[count:])
        dropped = count / self._frame / self.rate
        if self._left is not None:
            self._left -= count
            self._promised = self.seconds = self._promised - dropped
        return dropped

    # Headerless samples and WAV from a pipe: what is there is handed on at once, whatever its size.

    def _raw(self, kind, rate):
        self.rate, self.channels, self._promised = rate, 1, None
        return self._samples(RAW_TYPES[kind], DEFAULT_LAYOUTS[1])

    def _wav_pipe(self):
        """The decoder of a PCM WAV pipe; None, and nothing taken, for all else."""
        header, consumed = read_wav_header(self._file)
        dtype = header and header.dtype
        if dtype is None:
            self._file.unread(consumed)
            return None
        self.rate, self.channels = header.rate, header.channels
        self._left = size = None if header.size_unknown else header.data_size
        self._promised = self.seconds = None if size is None else size / dtype.itemsize / header.channels / header.rate
        return self._samples(dtype, DEFAULT_LAYOUTS.get(header.channels, ()))

    def _samples(self, dtype, layout):
        self._frame = dtype.itemsize * self.channels
        return self._pieces(dtype, layout)

    def _pieces(self, dtype, layout):
        rest = b""
        while self._left is None or self._left > 0:
            data = self._file.read(READ_BYTES if self._left is None else min(READ_BYTES, self._left))
            if not data:
                return
            self._left = self._left and self._left - len(data)
            data = rest + data
            whole = len(data) // self._frame * self._frame
            rest = data[whole:]
            yield Block(_as_float(np.frombuffer(data[:whole], dtype)).reshape(-1, self.channels).T, self.rate, layout)

    # Everything else, by FFmpeg.

    def _open_container(self, suffix):
        header = None
        if not self.live:
            header, _ = read_wav_header(self._file)
            self._file.seek(0)
        self._called = CalledBack(self._file, self._file.seekable())
        self._called.name = f"audio{suffix if suffix.isascii() and suffix.isprintable() else ''}"
        try:
            with self._called.calling():
                options = {"protocol_whitelist": "none"}
                self._container = av.open(self._called, metadata_errors="ignore", options=options)
            form = self._container.format.name
            if LISTS & set(form.split(",")):
                raise AudioError(f"{self.name}: a list of files, not audio; name the audio files themselves")
            self._stream = stream = self._container.streams.best("audio")
        except av.error.FFmpegError as error:
            raise AudioError(f"{self.name}: not an audio file that can be read ({_reason(error)})") from None
        if stream is None or stream.codec_context is None:
            what = "holds no sound" if self._container.streams else "not an audio file that can be read"
            raise AudioError(f"{self.name}: {what}")
        self._form = form.split(",")[0]
        size = None if self.live else os.fstat(self._file.fileno()).st_size
        # Of files alone, as pipes cannot be looked through.
        self._ogg = read_ogg(self._file.at, size) if self._form == "ogg" and size is not None else None
        self._frames_promised = mpeg_frames_promised(self._file.at) if self._form == "mp3" else None
        self.rate = stream.codec_context.sample_rate
        self.channels = stream.codec_context.channels
        self.tags = {k.lower(): v for k, v in {**self._container.metadata, **stream.metadata}.items()}
        duration = stream.duration and float(stream.duration * stream.time_base)
        if duration is None and self._container.duration and len(self._container.streams) == 1:
            duration = self._container.duration / av.time_base
        exact = self._form in EXACT_DURATION or (self._form == "matroska" and len(self._container.streams) == 1)
        self._promised = duration if exact else None
        if header is not None:
            self._promised = header.promised_seconds(size)
        if self._form in ("caf", "w64") and size is not None and duration:
            start, end = data_end(self._file.at) or (0, size)
            self._promised = duration * max(1, (end - start) / max(1, size - start))
        self.seconds = self._length = duration
        self._decode = self._decoded()

    def _decoded(self):
        position, link, begin = 0.0, 0, 0.0  # link, and its begin: of those that are chained one behind the other
        held, expected = [], None  # blocks of padding, if no more comes; the next frame's time by the last one's
        joint = None  # the first packet of a link
        for frame, packet in self._frames():
            if self._ogg and packet.pos is not None and (number := self._ogg.link(packet.pos)) > link:
                link, begin, held, expected, joint = number, position, [], None, packet
            if packet is joint and self._stream.codec_context.name == "vorbis":
                continue  # the decoder laps it over the link before
            seconds = frame.samples / frame.sample_rate
            time = None if frame.pts is None else float(frame.pts * frame.time_base)
            lost = None not in (time, expected) and self._form in NUMBERED and time - expected > GAP
            lost = lost or self._ogg and self._ogg.lost and (link, position - begin + seconds / 2) > self._ogg.lost
            if lost or frame.is_corrupt:
                self.damage = f"damaged at {position:.2f} s"
                return
            expected = None if time is None else time + seconds
            samples, layout = _frame_samples(frame), _frame_layout(frame)
            position += seconds
            # The codec pads the last frame; how much, the container says.
            end = self._end(link)
            beyond = 0 if end is None else position - begin - end
            if beyond <= 0 or beyond > GAP:  # which is no padding
                yield from held
                held, beyond = [], 0
            inside = frame.samples - min(frame.samples, round(beyond * frame.sample_rate))
            yield Block(samples[:, :inside], frame.sample_rate, layout)
            if inside < frame.samples:
                held.append(Block(samples[:, inside:], frame.sample_rate, layout))
        complete = self._ogg.complete if self._ogg else self._form != "ogg" or ogg_is_complete(self._file.tail)
        if self.damage is None and not complete:
            self.damage = f"damaged, ends at {position:.2f} s without its last page"

    def _end(self, link):
        """The time (s) at which a link ends; None where nobody knows."""
        if self._ogg:
            return self._ogg.ends[link] if link < len(self._ogg.ends) else None
        return self._length if self._form == "mov" else None

    def _frames(self):
        """(frame, its packet) up to the end or the first damage. What does not decode in front is no audio."""
        started, position, errors = False, 0.0, None
        count = lost = end = 0  # packets; bytes since the last one that were none; where it ended
        packets = self._container.demux(self._stream)
        while True:
            try:
                with self._called.calling():
                    packet = next(packets, None)
                if packet is None:
                    break
                if self._form == "mp3" and packet.size:
                    size = mpeg_frame_size(bytes(packet)[:4])
                    if size is None:  # between the frames, where a decoder would complain
                        lost += 0 if not started or bytes(packet).startswith(TAGS) else packet.size
                        continue
                    if lost or packet.size < size:
                        for frame in self._stream.codec_context.decode(None):  # that it holds back
                            position += frame.samples / frame.sample_rate
                            yield frame, packet
                        self.damage = f"damaged at {position:.2f} s"
                        return
                    count += 1
                frames = packet.decode()
                end = end if packet.pos is None else packet.pos + packet.size
            except (av.error.FFmpegError, ValueError) as error:
                if isinstance(error, av.error.EOFError):
                    break
                errors = error
                if started and self._form == "aac" and self._nothing_behind(end):
                    break
                if started:
                    self.damage = f"damaged at {position:.2f} s ({_reason(error)})"
                    return
                continue
            for frame in frames:
                started = True
                position += frame.samples / frame.sample_rate
                yield frame, packet
        if lost > PADDING or self._frames_promised is not None and count < self._frames_promised - MISCOUNTED:
            self.damage = f"damaged, ends at {position:.2f} s"
        if not started and errors is not None:
            raise AudioError(f"{self.name}: damaged, nothing in it can be decoded ({_reason(errors)})")

    def _nothing_behind(self, offset):
        """Whether a file's bytes from there on are no frame of ADTS."""
        rest = self._file.at(offset, PADDING)
        return len(rest) < ADTS_HEADER and rest[:1] != b"\xff" or is_filler(rest)


@dataclass
class WavHeader:
    """What stands in front of a WAV file's samples."""

    tag: int
    channels: int
    rate: int
    bytes_per_second: int
    bits: int
    data_size: int
    start: int

    @property
    def size_unknown(self):
        return any(self.data_size in sizes for sizes in UNKNOWN_SIZES)

    @property
    def dtype(self):
        """The samples' type, None where it takes a decoder."""
        kinds = {(1, 8): "u1", (1, 16): "<i2", (1, 32): "<i4", (3, 32): "<f4", (3, 64): "<f8"}
        name = kinds.get((self.tag, self.bits)) if self.channels and self.rate else None
        return name and np.dtype(name)

    def promised_seconds(self, file_size):
        """The length that the data chunk promises, None if the file holds it all or the header does not know."""
        if self.size_unknown or self.start + self.data_size <= file_size or not self.bytes_per_second:
            return None
        return self.data_size / self.bytes_per_second


def read_wav_header(file):
    """(the WavHeader, or None if it is no WAV file, the bytes read). Leaves the file at the first sample."""
    consumed = bytearray()

    def take(count):
        start = len(consumed)
        while len(consumed) < start + count:
            data = file.read(start + count - len(consumed))
            if not data:
                break
            consumed.extend(data)
        return bytes(consumed[start:])

    form, large = None, None
    head = take(12)
    if head[:4] not in (b"RIFF", b"RF64") or head[8:] != b"WAVE":
        return None, consumed
    while len(chunk := take(8)) == 8:
        name, size = chunk[:4], int.from_bytes(chunk[4:], "little")
        if name == b"data":
            if form is None:
                break
            size = large if large is not None and size == 0xFFFFFFFF else size
            return WavHeader(*form, size, len(consumed)), consumed
        if size > 1 << 24:
            break
        body = take(size + size % 2)
        if name == b"fmt " and len(body) >= 16:
            tag, channels, rate, per_second, _, bits = struct.unpack("<HHIIHH", body[:16])
            if tag == 0xFFFE and len(body) >= 26:
                tag = int.from_bytes(body[24:26], "little")
            form = tag, channels, rate, per_second, bits
        elif name == b"ds64" and len(body) >= 16:
            large = int.from_bytes(body[8:16], "little")
    return None, consumed


class _Source:
    """A file or pipe for FFmpeg: reads what there is, up to the size asked for, and can take bytes back."""

    def __init__(self, file):
        self._file = file
        self.seekable, self.fileno, self.tell, self.close = file.seekable, file.fileno, file.tell, file.close
        self._unread = self._head = self.tail = b""  # tail: the last bytes read

    def seek(self, offset, whence=0):
        try:
            return self._file.seek(offset, whence)
        except (OSError, OverflowError, ValueError):  # a damaged file points anywhere
            return -1

    def read(self, size):
        if self._unread:
            data, self._unread = self._unread[:size], self._unread[size:]
            return data
        data = self._file.read(size) or b""
        if not self.seekable():
            self._head += data[: KEPT - len(self._head)]
            self.tail = (self.tail + data)[-KEPT:]
        return data

    def at(self, offset, count):
        """The bytes there, without reading on; of a pipe only what was read of its beginning."""
        if self.seekable():
            return os.pread(self._file.fileno(), count, offset)
        return self._head[offset : offset + count]

    def unread(self, data):
        self._unread = bytes(data) + self._unread


def _open_source(source):
    if str(source) == "-":
        if sys.stdin is None:
            raise AudioError("standard input is closed; name a file")
        return _Source(open(os.dup(0), "rb", buffering=0))
    path = Path(source)
    if not path.exists() or path.is_dir():
        what = "not a file" if path.is_dir() else "no such file"
        raise AudioError(f"{path}: {what}; name an audio file")
    return _Source(path.open("rb", buffering=0))


def _reason(error):
    text = getattr(error, "strerror", None) or one_line(error)
    return text.strip().rstrip(".")


def _frame_layout(frame):
    """The names of a frame's channels, those usual for their number where it has none."""
    names = tuple(channel.name for channel in frame.layout.channels)
    known = names and "channels" not in frame.layout.name and names[0] not in ("NONE", "UNSD", "UNK", "")
    return names if known else DEFAULT_LAYOUTS.get(frame.layout.nb_channels, ())


def _frame_samples(frame):
    """The samples of a frame as float32 [C, n]."""
    array = frame.to_ndarray()
    if not frame.format.is_planar:
        array = array.reshape(-1, frame.layout.nb_channels).T
    return _as_float(array)


def _as_float(array):
    """Samples of any type as float32, full scale at 1."""
    if array.dtype.kind == "f":
        with np.errstate(over="ignore"):  # too large for float32: infinite, which is refused
            return array.astype(np.float32)
    if array.dtype.kind == "u":
        return (array.astype(np.float32) - 128) / 128
    return (array / float(1 << (8 * array.dtype.itemsize - 1))).astype(np.float32)
