# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio out, block by block: files of the formats that hold any rate, WAV and raw samples into pipes."""

import io
import os
import struct
import sys
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import soundfile

from .files import FileError, is_special, replacing
from .reading import RAW_TYPES, AudioError

# Formats by file name suffix, as libsndfile calls them: those that hold what they are given at the rate that it has.
FORMATS = {".wav": "WAV", ".flac": "FLAC", ".ogg": "OGG", ".oga": "OGG", ".opus": "OGG", ".mp3": "MP3"}
FORMATS |= {".aiff": "AIFF", ".aif": "AIFF", ".aifc": "AIFF", ".au": "AU", ".snd": "AU", ".caf": "CAF"}
FORMATS |= {".w64": "W64", ".rf64": "RF64"}
TAGS = {"title": "title", "artist": "artist", "album": "album", "date": "date", "track": "tracknumber"}
TAGS |= {name: name for name in ("comment", "copyright", "genre", "license")}  # FFmpeg's names: libsndfile's
STDOUT = ("-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1")
MAX_WAV_BYTES = 0xFFFFFFFF - 65536  # its sizes have 32 bits


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
        soundfile.SoundFile(io.BytesIO(), "w", **_options(path, sample_rate, channels)).close()
    except (soundfile.LibsndfileError, TypeError, ValueError):
        raise AudioError(
            f"{path}: {path.suffix} cannot hold {channels} channel(s) at {sample_rate} Hz; choose another suffix or "
            "--output_rate"
        ) from None


def _options(path, sample_rate, channels):
    suffix = path.suffix.lower()
    container = FORMATS[suffix]
    subtype = "PCM_16" if soundfile.check_format(container, "PCM_16") else soundfile.default_subtype(container)
    if suffix == ".opus":
        subtype = "OPUS"
    return {"samplerate": sample_rate, "channels": channels, "format": container, "subtype": subtype}


class Writer:
    """Takes samples block by block; `clipped` counts those that reached full scale, `path` is for messages."""

    def __init__(self, path, channels):
        self.path, self.clipped, self._channels = path, 0, channels

    def write(self, samples):
        """Writes float32 samples [C, n]; beyond -1 .. 1 they are clipped. AudioError if they are not finite."""
        samples = np.asarray(samples)
        if not np.isfinite(samples).all():
            raise AudioError(f"{self.path}: not written, the converted audio is not finite; check the checkpoint")
        self.clipped += int((np.abs(samples) >= 1).sum())
        self._write(np.clip(samples, -1, 1).T)


class FileWriter(Writer):
    """Into a file, by libsndfile."""

    def __init__(self, path, file, options, tags):
        super().__init__(path, options["channels"])
        self._file = _Recorder(file)
        self._wav = options["format"] == "WAV"
        self._bytes = 0
        self._sound = soundfile.SoundFile(self._file, "w", **options)
        for name, tag in TAGS.items():
            if tags.get(name):
                with suppress(soundfile.LibsndfileError, AttributeError):  # not every format has every tag
                    setattr(self._sound, tag, tags[name].replace("\0", ""))

    def _write(self, samples):
        self._bytes += 2 * samples.size
        if self._wav and self._bytes > MAX_WAV_BYTES:
            raise AudioError(f"{self.path}: a WAV file ends at 4 GiB; choose .rf64, .w64 or .flac")
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
    """A file for libsndfile, which calls back from C and would lose an exception: check() raises it."""

    def __init__(self, file):
        self._file, self._error = file, None
        self.seek, self.tell, self.read, self.readinto = file.seek, file.tell, file.read, file.readinto

    def write(self, data):
        view, done = memoryview(data), 0
        try:
            while done < len(view):
                done += self._file.write(view[done:])
        except BaseException as error:
            self._error = self._error or error
        return done

    def check(self):
        if self._error is not None:
            error, self._error = self._error, None
            raise error


class StreamWriter(Writer):
    """Into a pipe, each block at once: a WAV of unknown length with 16-bit samples, or raw samples of RAW_TYPES."""

    def __init__(self, path, descriptor, sample_rate, channels, raw):
        super().__init__(path, channels)
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
                writer = FileWriter(path, file, _options(path, sample_rate, channels), tags or {})
                try:
                    yield writer
                except BaseException:
                    with suppress(Exception):
                        writer.close()
                    raise
                writer.close()
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path}: cannot be written ({error.error_string.strip().rstrip('.')})") from None
