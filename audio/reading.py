# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio in: files of every kind FFmpeg plays, pipes and raw samples, decoded block by block."""

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np

from reference.errors import LLVCError, one_line

from .backlog import take_backlog
from .callbacks import CalledBack
from .damage import Damaged, watch_of
from .wav import read_wav_header

RAW_TYPES = {"s16": np.dtype("<i2"), "f32": np.dtype("<f4")}  # of --raw
MIN_RATE = 1000  # Hz
READ_BYTES = 1 << 16

# Containers whose lengths are promises, not estimates.
EXACT_DURATION = {"flac", "aiff", "au", "mov"}
# Containers that number their samples, so that a gap is a loss and no pause.
NUMBERED = {"flac", "ogg"}
SHORTFALL = 0.1  # seconds that may be missing: paddings and priming of codecs
GAP = 0.25  # seconds
KEPT = 1 << 17  # bytes of a pipe's beginning and end: more than a page of Ogg

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
            if not self.rate >= MIN_RATE:
                reason = f"a rate of {self.rate} Hz is too low for speech; {MIN_RATE} Hz is the least"
                raise AudioError(f"{self.name}: {reason}")
        except BaseException:
            self.close()
            raise

    def _open(self, source, raw):
        try:
            self._file = _open_source(source)
            self.live = not self._file.is_file  # samples come when they come
            if raw:
                self._decode = self._raw(*raw)
                return
            header, consumed = read_wav_header(self._file)
            # FFmpeg waits for more than there is, and refuses some sizes of RF64 that say nothing.
            refused = header is not None and header.kind == b"RF64" and header.data_size is None
            if header is not None and header.dtype is not None and (self.live or refused):
                self._decode = self._pcm(header)
            else:
                self._file.put_back(consumed)
                self._open_container(Path(source).suffix, header)
        except OSError as error:
            raise AudioError(f"{self.name}: cannot be read ({_reason(error)})") from None

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
        self._file.put_back(data[count:])
        dropped = count / self._frame / self.rate
        if self._left is not None:
            self._left -= count
            self._promised = self.seconds = self._promised - dropped
        return dropped

    # Headerless samples and WAV from a pipe: what is there is handed on at once, whatever its size.

    def _raw(self, kind, rate):
        self.rate, self.channels, self._promised = rate, 1, None
        return self._samples(RAW_TYPES[kind], DEFAULT_LAYOUTS[1])

    def _pcm(self, header):
        self.rate, self.channels = header.rate, header.channels
        dtype = header.dtype
        self._left = size = header.data_size
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

    def _open_container(self, suffix, header):
        options = {"protocol_whitelist": "none"}
        if header is not None and header.data_size is None:
            options["ignore_length"] = "1"
        self._called = CalledBack(self._file, self._file.is_file)
        self._called.name = f"audio{suffix if suffix.isascii() and suffix.isprintable() else ''}"
        try:
            with self._called.calling():
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
        self._watch = watch_of(self._form, self._file)
        self.rate = stream.codec_context.sample_rate
        self.channels = stream.codec_context.channels
        self.tags = {k.lower(): v for k, v in {**self._container.metadata, **stream.metadata}.items()}
        duration = stream.duration and float(stream.duration * stream.time_base)
        if duration is None and self._container.duration and len(self._container.streams) == 1:
            duration = self._container.duration / av.time_base
        exact = self._form in EXACT_DURATION or (self._form == "matroska" and len(self._container.streams) == 1)
        self._promised = duration if exact else None
        if self._form == "caf" and stream.frames and self.rate:
            self._promised = stream.frames / self.rate
        if header is not None and not self.live:
            self._promised = header.promised_seconds(self._file.size)
        self.seconds = self._length = duration
        self._decode = self._decoded()

    def _decoded(self):
        """Blocks up to the end or the first damage."""
        position, link, begin = 0.0, 0, 0.0  # link, and its begin: of those that are chained one behind the other
        held, expected = [], None  # blocks of padding, if no more comes; the next frame's time by the last one's
        joint = None  # the first packet of a link
        try:
            for frame, packet in self._frames():
                if (number := self._watch.link(packet)) > link:
                    link, begin, held, expected, joint = number, position, [], None, packet
                if packet is joint and self._stream.codec_context.name == "vorbis":
                    continue  # the decoder laps it over the link before
                seconds = frame.samples / frame.sample_rate
                time = None if frame.pts is None else float(frame.pts * frame.time_base)
                gap = None not in (time, expected) and self._form in NUMBERED and time - expected > GAP
                if gap or frame.is_corrupt or self._watch.is_lost(link, position - begin + seconds / 2):
                    raise Damaged
                expected = None if time is None else time + seconds
                samples, layout = _frame_samples(frame), _frame_layout(frame)
                position += seconds
                # The codec pads the last frame; how much, the container says.
                end = self._length if self._form == "mov" else self._watch.end(link)
                beyond = 0 if end is None else position - begin - end
                if beyond <= 0 or beyond > GAP:  # which is no padding
                    yield from held
                    held, beyond = [], 0
                inside = frame.samples - min(frame.samples, round(beyond * frame.sample_rate))
                yield Block(samples[:, :inside], frame.sample_rate, layout)
                if inside < frame.samples:
                    held.append(Block(samples[:, inside:], frame.sample_rate, layout))
        except Damaged as damage:
            self.damage = f"damaged at {position:.2f} s{damage}"
        else:
            end = self._watch.at_end()
            self.damage = None if end is None else f"damaged, ends at {position:.2f} s{end}"

    def _frames(self):
        """(frame, its packet) up to the end, or Damaged. What does not decode in front is no audio."""
        started, end, refused = False, 0, None  # end: of the last packet, in bytes
        packets = self._container.demux(self._stream)
        while True:
            try:
                with self._called.calling():
                    packet = next(packets, None)
                if packet is None:
                    break
                if packet.size and not self._watch.holds_frame(packet, started):
                    continue
                frames = packet.decode()
                end = end if packet.pos is None else packet.pos + packet.size
            except av.error.EOFError:
                break
            except (av.error.FFmpegError, ValueError) as error:
                refused = error
                if started and self._watch.is_over(end):
                    break
                if started:
                    raise Damaged(f" ({_reason(error)})") from None
                continue
            except Damaged:
                for frame in self._stream.codec_context.decode(None):  # that it holds back
                    yield frame, packet
                raise
            for frame in frames:
                started = True
                yield frame, packet
        if not started and refused is not None:
            raise AudioError(f"{self.name}: damaged, nothing in it can be decoded ({_reason(refused)})")


class _Source:
    """A file or pipe for FFmpeg: reads what there is, up to the size asked for, and can take bytes back."""

    def __init__(self, file):
        self._file = file
        self.tell, self.fileno, self.close = file.tell, file.fileno, file.close
        self.is_file = file.seekable()
        self.size = os.fstat(file.fileno()).st_size if self.is_file else None
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
        if not self.is_file:
            self._head += data[: KEPT - len(self._head)]
            self.tail = (self.tail + data)[-KEPT:]
        return data

    def at(self, offset, count):
        """The bytes there, without reading on; of a pipe only what was read of its beginning."""
        if self.is_file:
            return os.pread(self._file.fileno(), count, offset)
        return self._head[offset : offset + count]

    def put_back(self, data):
        """Of what was read last."""
        if self.is_file:
            self._file.seek(-len(data), os.SEEK_CUR)
        else:
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
