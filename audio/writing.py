# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio out, block by block: files of the formats that hold what they are given at its rate; WAV and raw into pipes.

Two libraries write, since none does it all: PyAV's FFmpeg has no Vorbis, libsndfile has no M4A, no time stamps of WAV
files and no RF64 where a WAV file turns out longer than 4 GiB.
"""

import io
import os
import sys
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

from .callbacks import CalledBack
from .files import FileError, is_special, replacing
from .reading import AudioError

# (container, codec, samples) of what FFmpeg writes: files by their suffix, and raw samples by their type.
WAV = "wav", "pcm_s16le", "s16"
FFMPEG = {".wav": WAV, ".m4a": ("ipod", "aac", "fltp")}
RAW = {"s16": ("s16le", "pcm_s16le", "s16"), "f32": ("f32le", "pcm_f32le", "flt")}
# What libsndfile writes, by its names for them.
LIBSNDFILE = {".flac": "FLAC", ".ogg": "OGG", ".oga": "OGG", ".opus": "OGG", ".mp3": "MP3"}
LIBSNDFILE |= {".aiff": "AIFF", ".aif": "AIFF", ".aifc": "AIFF", ".au": "AU", ".snd": "AU", ".caf": "CAF"}
LIBSNDFILE |= {".w64": "W64", ".rf64": "RF64"}
FORMATS = {*FFMPEG, *LIBSNDFILE}
TAGS = {"title": "title", "artist": "artist", "album": "album", "date": "date", "track": "tracknumber"}
TAGS |= {name: name for name in ("comment", "copyright", "genre", "license")}  # FFmpeg's names: libsndfile's
STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
# What FFmpeg calls the fields of a WAV file's time stamp where it reads them, and where it writes them.
TIME_STAMP = {"comment": "description", "encoded_by": "originator", "date": "origination_date"}
TIME_STAMP |= {"creation_time": "origination_time"}
TIME_STAMP |= {name: name for name in ("originator_reference", "time_reference", "umid", "coding_history")}
LONG_WAV = 0xFFFFFFFF - 1024  # bytes of samples: with a header, its sizes do not hold more
LAYOUTS = {1: "mono", 2: "stereo", 3: "3.0", 4: "4.0", 5: "5.0", 6: "5.1", 8: "7.1"}
AAC_BITS = 4  # for each sample


def is_stream(path):
    """Whether a path takes samples as they come: stdout, a pipe or a device."""
    return str(path) in STDOUT or is_special(path)


def check_writable(path, sample_rate=16000, channels=1):
    """Raises AudioError if no audio file of this name, rate (Hz) and number of channels can be written."""
    if is_stream(path):
        return
    path = Path(path)
    if path.is_dir():
        raise AudioError(f"{path}: is a folder; name the output file with -o")
    if path.suffix.lower() not in FORMATS:
        suffixes = " ".join(sorted(FORMATS))
        raise AudioError(f"{path}: {path.suffix or 'a name without suffix'} is no audio format; take one of {suffixes}")
    try:
        _file_writer(path, io.BytesIO(), sample_rate, channels, {}).close()
    except (soundfile.LibsndfileError, av.error.FFmpegError, KeyError, TypeError, ValueError):
        raise AudioError(
            f"{path}: {path.suffix} cannot hold {channels} channel(s) at {sample_rate} Hz; choose another suffix or "
            "--output_rate"
        ) from None


def _file_writer(path, file, sample_rate, channels, tags):
    form = FFMPEG.get(path.suffix.lower())
    if form is None:
        return LibsndfileWriter(path, file, sample_rate, channels, tags)
    return FFmpegWriter(path, file, form, sample_rate, channels, tags)


class Writer:
    """Takes samples block by block; `clipped` counts those that reached full scale, `path` is for messages."""

    def __init__(self, path):
        self.path, self.clipped = path, 0

    def write(self, samples):
        """Writes float32 samples [C, n]; beyond -1 .. 1 they are clipped. AudioError if they are not finite."""
        samples = np.asarray(samples)
        if not np.isfinite(samples).all():
            raise AudioError(f"{self.path}: not written, the converted audio is not finite; check the checkpoint")
        self.clipped += int((np.abs(samples) >= 1).sum())
        self._write(np.clip(samples, -1, 1).T)

    def notes(self):
        """What to tell of the result, a line each."""
        return []


class FFmpegWriter(Writer):
    """Into a file or, live, into a pipe, each block at once; `form` is one of FFMPEG or RAW.

    Time stamps of WAV files stay, at the new rate; past 4 GiB it becomes an RF64 file. In a pipe, where a WAV's sizes
    cannot be filled in at the end, they are those of an unknown length.
    """

    def __init__(self, path, file, form, sample_rate, channels, tags, live=False):
        super().__init__(path)
        container, codec, self._kind = form
        self._file, self._rate, self._written = CalledBack(file, seekable=not live), sample_rate, 0
        options, names = {"fflags": "+bitexact"}, {}  # no name of the program
        self._layout = LAYOUTS[channels] if codec == "aac" else LAYOUTS.get(channels, f"{channels} channels")
        if live:
            options["flush_packets"] = "1"
        elif container == "wav":
            stamped = "time_reference" in tags
            options |= {"rf64": "auto", "write_bext": str(int(stamped))}
            names = {name: name for name in TAGS} | (TIME_STAMP if stamped else {})
        else:
            options["movie_timescale"] = str(sample_rate)  # so that it says how long it is to the sample
            names = {name: name for name in (*TAGS, "creation_time")}
        with self._file.calling():
            self._container = av.open(self._file, "w", format=container, options=options)
            self._container.metadata.update({new: tags[name] for name, new in names.items() if tags.get(name)})
            self._stream = self._container.add_stream(codec, rate=sample_rate, layout=self._layout)
            if codec == "aac":
                self._stream.bit_rate = AAC_BITS * sample_rate * channels
            self._container.start_encoding()

    def _write(self, samples):
        if self._kind == "s16":
            samples = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
        else:
            samples = samples.astype(np.float32)
        self._encode(samples)

    def _encode(self, samples):
        """Writes samples [n, C] of the codec's type."""
        if not len(samples):
            return
        arranged = samples.T if self._kind == "fltp" else samples.reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(arranged), format=self._kind, layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
        self._written += len(samples)
        self._mux(frame)

    def _mux(self, frame):
        with self._file.calling():
            for packet in self._stream.encode(frame):
                self._container.mux(packet)

    def close(self):
        """Writes what is left. OSError if the file system refuses."""
        self._mux(None)
        with self._file.calling():
            self._container.close()

    def notes(self):
        size = 2 * self._written * self._stream.codec_context.channels
        if self._container.format.name != "wav" or size < LONG_WAV:
            return []
        return [f"{self.path}: longer than the 4 GiB of a WAV file, so an RF64 file by that name"]


class LibsndfileWriter(Writer):
    """Into a file of all other formats."""

    def __init__(self, path, file, sample_rate, channels, tags):
        super().__init__(path)
        self._file = CalledBack(file)
        suffix = path.suffix.lower()
        container = LIBSNDFILE[suffix]
        subtype = "PCM_16" if soundfile.check_format(container, "PCM_16") else soundfile.default_subtype(container)
        subtype = "OPUS" if suffix == ".opus" else subtype
        with self._file.calling():
            self._sound = soundfile.SoundFile(self._file, "w", sample_rate, channels, subtype, format=container)
            for name, tag in TAGS.items():
                if tags.get(name):
                    with suppress(soundfile.LibsndfileError, AttributeError):  # not every format has every tag
                        setattr(self._sound, tag, tags[name].replace("\0", ""))

    def _write(self, samples):
        with self._file.calling():
            self._sound.write(samples)

    def close(self):
        """Writes what is left. OSError if the file system refuses."""
        with self._file.calling():
            self._sound.close()


@contextmanager
def open_output(path, sample_rate, channels=1, tags=None, raw=None):
    """A Writer of a file, which appears when all went well, or of a pipe ("-" for stdout).

    raw: samples of this type of RAW go into the pipe instead of a WAV. AudioError if the format refuses what it is
    given, FileError if the file cannot be written.
    """
    if is_stream(path):
        form = RAW[raw] if raw else WAV
        with (
            _opened_stream(path) as file,
            _closing(FFmpegWriter(path, file, form, sample_rate, channels, {}, live=True)) as writer,
        ):
            yield writer
        return
    path = Path(path)
    check_writable(path, sample_rate, channels)
    with replacing(path) as temporary:
        try:
            with (
                temporary.open("w+b", buffering=0) as file,
                _closing(_file_writer(path, file, sample_rate, channels, tags or {})) as writer,
            ):
                yield writer
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path}: cannot be written ({error.error_string.strip().rstrip('.')})") from None
        except av.error.FFmpegError as error:
            raise AudioError(f"{path}: cannot be written ({error.strerror})") from None


@contextmanager
def _opened_stream(path):
    shown = "standard output" if str(path) in STDOUT else path
    if str(path) in STDOUT and sys.__stdout__ is None:
        raise FileError("standard output: cannot be written (it is closed)")
    try:
        with open(os.dup(1) if str(path) in STDOUT else path, "wb", buffering=0) as file:
            yield file
    except BrokenPipeError:
        raise
    except OSError as error:
        raise FileError(f"{shown}: cannot be written ({error.strerror})") from None


@contextmanager
def _closing(writer):
    try:
        yield writer
    except BaseException:
        with suppress(Exception):
            writer.close()
        raise
    writer.close()
