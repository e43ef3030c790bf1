# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio out, block by block: files of the formats that hold any rate, WAV and raw samples into pipes."""

import io
import os
import struct
import sys
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import soundfile

from .files import FileError, is_special, replacing
from .reading import RAW_TYPES, AudioError

# Formats by file name suffix: those that hold what they are given at the rate that it has. FFmpeg writes two of them,
# (container, codec, samples), as it has RF64 for long WAV files; libsndfile writes the others and calls them so.
FFMPEG = {".wav": ("wav", "pcm_s16le", "s16"), ".m4a": ("ipod", "aac", "fltp")}
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
    kind = FFmpegWriter if path.suffix.lower() in FFMPEG else LibsndfileWriter
    return kind(path, file, sample_rate, channels, tags)


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
    """Into a WAV or M4A file. Time stamps of WAV files stay, at the new rate; past 4 GiB it becomes an RF64 file."""

    def __init__(self, path, file, sample_rate, channels, tags):
        super().__init__(path)
        container, codec, self._kind = FFMPEG[path.suffix.lower()]
        self._file, self._rate, self._written = _Recorder(file), sample_rate, 0
        options = {"fflags": "+bitexact"}  # no name of the program
        if container == "wav":
            self._layout = LAYOUTS.get(channels, f"{channels} channels")
            stamped = "time_reference" in tags
            options |= {"rf64": "auto", "write_bext": str(int(stamped))}
            names = {name: name for name in TAGS} | (TIME_STAMP if stamped else {})
        else:
            self._layout = LAYOUTS[channels]
            options["movie_timescale"] = str(sample_rate)  # so that it says how long it is to the sample
            names = {name: name for name in (*TAGS, "creation_time")}
        self._container = av.open(self._file, "w", format=container, options=options)
        self._container.metadata.update({new: tags[name] for name, new in names.items() if tags.get(name)})
        self._stream = self._container.add_stream(codec, rate=sample_rate, layout=self._layout)
        if codec == "aac":
            self._stream.bit_rate = AAC_BITS * sample_rate * channels
        self._stream.codec_context.open()

    def _write(self, samples):
        if self._kind == "s16":
            samples = np.clip(np.rint(samples * 32768), -32768, 32767).astype(np.int16)
        else:
            samples = samples.T.astype(np.float32)
        self._encode(samples)

    def _encode(self, samples):
        """Writes samples as the codec takes them: int16 [n, C], or float32 [C, n]."""
        count = len(samples) if self._kind == "s16" else samples.shape[1]
        if not count:
            return
        packed = samples.reshape(1, -1) if self._kind == "s16" else samples
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(packed), format=self._kind, layout=self._layout)
        frame.sample_rate, frame.pts, frame.time_base = self._rate, self._written, Fraction(1, self._rate)
        self._written += count
        self._mux(frame)

    def _mux(self, frame):
        try:
            for packet in self._stream.encode(frame):
                self._container.mux(packet)
        finally:
            self._file.check()

    def close(self):
        """Writes what is left. OSError if the file system refuses."""
        try:
            self._mux(None)
            self._container.close()
        finally:
            self._file.check()

    def notes(self):
        size = 2 * self._written * self._stream.codec_context.channels
        if self._kind != "s16" or size < LONG_WAV:
            return []
        return [f"{self.path}: longer than the 4 GiB of a WAV file, so an RF64 file by that name"]


class LibsndfileWriter(Writer):
    """Into a file of all other formats."""

    def __init__(self, path, file, sample_rate, channels, tags):
        super().__init__(path)
        self._file = _Recorder(file)
        suffix = path.suffix.lower()
        container = LIBSNDFILE[suffix]
        subtype = "PCM_16" if soundfile.check_format(container, "PCM_16") else soundfile.default_subtype(container)
        subtype = "OPUS" if suffix == ".opus" else subtype
        self._sound = soundfile.SoundFile(self._file, "w", sample_rate, channels, subtype, format=container)
        for name, tag in TAGS.items():
            if tags.get(name):
                with suppress(soundfile.LibsndfileError, AttributeError):  # not every format has every tag
                    setattr(self._sound, tag, tags[name].replace("\0", ""))

    def _write(self, samples):
        try:
            self._sound.write(samples)
        except (soundfile.LibsndfileError, AssertionError):
            self._file.check()
            raise
        self._file.check()

    def close(self):
        """Writes what is left. OSError if the file system refuses."""
        try:
            self._sound.close()
        finally:
            self._file.check()


class _Recorder:
    """A file for libraries that call back from C and would lose an exception: check() raises it."""

    def __init__(self, file):
        self._file, self._error = file, None

    def write(self, data):
        view, done = memoryview(data), 0
        while done < len(view) and self._error is None:
            done += self._call(self._file.write, view[done:])
        return done

    def seek(self, *arguments):
        return self._call(self._file.seek, *arguments)

    def tell(self):
        return self._call(self._file.tell)

    def read(self, count):
        return self._call(self._file.read, count) or b""

    def readinto(self, buffer):
        return self._call(self._file.readinto, buffer)

    def _call(self, method, *arguments):
        try:
            return method(*arguments)
        except BaseException as error:
            self._error = self._error or error
            return 0

    def check(self):
        if self._error is not None:
            error, self._error = self._error, None
            raise error


class StreamWriter(Writer):
    """Into a pipe, each block at once: a WAV of unknown length with 16-bit samples, or raw samples of RAW_TYPES."""

    def __init__(self, path, descriptor, sample_rate, channels, raw):
        super().__init__(path)
        self._descriptor = descriptor
        self._dtype = RAW_TYPES[raw or "s16"]
        if raw is None:
            form = struct.pack("<HHIIHH", 1, channels, sample_rate, 2 * channels * sample_rate, 2 * channels, 16)
            unknown = b"\xff" * 4
            self._send(b"RIFF" + unknown + b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + unknown)

    def _write(self, samples):
        if self._dtype.kind == "i":
            samples = np.clip(np.rint(samples * 32768), -32768, 32767)
        self._send(np.ascontiguousarray(samples).astype(self._dtype).tobytes())

    def _send(self, data):
        view = memoryview(data)
        try:
            while view:
                view = view[os.write(self._descriptor, view) :]
        except BrokenPipeError:
            raise
        except OSError as error:
            raise FileError(f"{_shown(self.path)}: cannot be written ({error.strerror})") from None


def _shown(path):
    return "standard output" if str(path) in STDOUT else path


@contextmanager
def open_output(path, sample_rate, channels=1, tags=None, raw=None):
    """A Writer of a file, which appears when all went well, or of a pipe ("-" for stdout).

    AudioError if the format refuses what it is given, FileError if the file cannot be written.
    """
    if is_stream(path):
        if str(path) in STDOUT and sys.__stdout__ is None:
            raise FileError("standard output: cannot be written (it is closed)")
        try:
            descriptor = os.dup(1) if str(path) in STDOUT else os.open(path, os.O_WRONLY)
        except OSError as error:
            raise FileError(f"{_shown(path)}: cannot be written ({error.strerror})") from None
        try:
            yield StreamWriter(path, descriptor, sample_rate, channels, raw)
        finally:
            os.close(descriptor)
        return
    path = Path(path)
    check_writable(path, sample_rate, channels)
    with replacing(path) as temporary:
        try:
            with temporary.open("w+b", buffering=0) as file:
                writer = _file_writer(path, file, sample_rate, channels, tags or {})
                try:
                    yield writer
                except BaseException:
                    with suppress(Exception):
                        writer.close()
                    raise
                writer.close()
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path}: cannot be written ({error.error_string.strip().rstrip('.')})") from None
        except av.error.FFmpegError as error:
            raise AudioError(f"{path}: cannot be written ({error.strerror})") from None
