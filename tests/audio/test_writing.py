# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What is written holds all that was given, whatever its format, length, tags and time stamps."""

import errno
import io
import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

from audio.files import FileError
from audio.reading import AudioReader
from audio.recording import AudioError, Recording, check_writable, read_audio
from audio.writing import FORMATS, WAV, FFmpegWriter, open_output

NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, (2, 40000)).astype(np.float32)


def write(path, samples, rate=16000, **options):
    """Samples [C, N] in uneven blocks."""
    with open_output(path, rate, len(samples), **options) as writer:
        for start in range(0, samples.shape[1], 7001):
            writer.write(samples[:, start : start + 7001])
    return writer


@pytest.mark.parametrize("suffix", sorted(FORMATS))
@pytest.mark.parametrize("channels", [1, 2])
def test_every_format_holds_every_sample(tmp_path, suffix, channels):
    path = tmp_path / f"a{suffix}"
    samples = NOISE[:channels] / 10
    write(path, samples)
    with Recording(path, 16000, "each") as recording:
        blocks = [block.numpy() for block in recording]
    assert recording.damage is None and recording.signals == channels
    read = np.concatenate(blocks, axis=1)
    lossy = suffix in (".mp3", ".ogg", ".oga", ".opus", ".m4a")
    assert read.shape == samples.shape
    assert lossy or np.abs(read - samples).max() <= 1.01 / 32768


@pytest.mark.parametrize("rate", [8000, 11025, 16000, 22050, 44100, 48000, 96000])
@pytest.mark.parametrize("length", [1, 1023, 1024, 12345])
def test_m4a_is_exact_to_the_sample(tmp_path, rate, length):
    tone = 0.3 * np.sin(2 * np.pi * 400 * np.arange(length) / rate)[None].astype(np.float32)
    write(tmp_path / "a.m4a", tone, rate)
    with AudioReader(tmp_path / "a.m4a") as reader:
        samples = np.concatenate([block.samples for block in reader], axis=1)
    assert reader.rate == rate and samples.shape == (1, length) and reader.damage is None
    if length > 5000:  # at its place, not an encoder's delay behind
        assert np.corrcoef(samples[0, 2000:10000], tone[0, 2000:10000])[0, 1] > 0.999


def test_raw_samples_are_clipped(tmp_path):
    """Also those of a type that could hold more."""
    reading, writing = os.pipe()
    with open_output(f"/dev/fd/{writing}", 16000, raw="f32") as writer:
        writer.write(np.array([[0.25, 1.5, -2.0, -0.25]], np.float32))
    os.close(writing)
    with open(reading, "rb") as pipe:
        assert np.frombuffer(pipe.read(), "<f4").tolist() == [0.25, 1.0, -1.0, -0.25]
    assert writer.clipped == 2


def test_what_m4a_cannot_hold(tmp_path):
    for rate, channels in ((11127, 1), (192000, 1), (16000, 7)):
        with pytest.raises(AudioError, match="cannot hold .*choose another suffix or --output_rate"):
            check_writable(tmp_path / "a.m4a", rate, channels)
        check_writable(tmp_path / "a.wav", rate, channels)
    with pytest.raises(AudioError, match=r"no audio format; take one of .*\.m4a .*\.wav"):
        check_writable(tmp_path / "a.wma")


@pytest.mark.parametrize("channels", [1, 2, 3, 6, 7, 16])
def test_channels_of_wav(tmp_path, channels):
    samples = np.repeat(NOISE[:1, :500], channels, axis=0) * np.linspace(0.1, 1, channels)[:, None]
    write(tmp_path / "a.wav", samples.astype(np.float32))
    info = soundfile.info(tmp_path / "a.wav")
    assert (info.channels, info.frames, info.subtype) == (channels, 500, "PCM_16")
    assert np.abs(soundfile.read(tmp_path / "a.wav")[0].T - samples).max() < 1e-4


@pytest.mark.parametrize("suffix", [".wav", ".flac", ".ogg", ".m4a", ".mp3"])
def test_tags_stay(tmp_path, suffix):
    tags = {"title": "Ein Titel", "artist": "Jemand", "comment": "gesprochen"}
    write(tmp_path / f"a{suffix}", NOISE, tags=tags)
    with AudioReader(tmp_path / f"a{suffix}") as reader:
        assert {name: reader.tags.get(name) for name in tags} == tags


class Zeros(io.RawIOBase):
    """A file that holds gigabytes, of which only the beginning is kept."""

    def __init__(self):
        self.head, self.position, self.size = bytearray(4096), 0, 0

    def write(self, data):
        kept = data[: max(0, len(self.head) - self.position)]
        self.head[self.position : self.position + len(kept)] = kept
        self.position += len(data)
        self.size = max(self.size, self.position)
        return len(data)

    def seek(self, offset, whence=0):
        self.position = offset + (0, self.position, self.size)[whence]
        return self.position

    def tell(self):
        return self.position


def test_more_than_a_wav_file_holds():
    """Past 4 GiB it becomes RF64, with its size where that has it, and says so."""
    file, block = Zeros(), np.zeros((1 << 15, 16), np.int16)
    writer = FFmpegWriter(Path("long.wav"), file, WAV, 48000, 16, {})
    assert writer.notes() == []
    for _ in range(4100):
        writer._encode(block)
    writer.close()
    assert writer.notes() == ["long.wav: longer than the 4 GiB of a WAV file, so an RF64 file by that name"]
    assert file.size > 4100 * block.nbytes > 2**32
    head = bytes(file.head)
    assert head[:4] == b"RF64" and head[8:16] == b"WAVEds64"
    assert struct.unpack("<QQ", head[20:36]) == (file.size - 8, 4100 * block.nbytes)
    short = io.BytesIO()
    writer = FFmpegWriter(Path("short.wav"), short, WAV, 48000, 1, {})
    writer._encode(block[:10, :1])
    writer.close()
    assert short.getvalue()[:4] == b"RIFF" and writer.notes() == []


def stamped_wav(path, rate):
    """A recorder's file: it began 10 s after midnight."""
    options = {"write_bext": "1"}
    with av.open(str(path), "w", format="wav", options=options) as container:
        container.metadata.update({"originator": "recorder", "origination_date": "2026-01-02"})
        container.metadata.update({"origination_time": "00:00:10", "time_reference": str(10 * rate)})
        stream = container.add_stream("pcm_s16le", rate=rate, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, rate), np.int16), format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize("rate, new_rate", [(16000, 16000), (48000, 16000), (44100, 48000)])
def test_time_stamps_of_wav_files_stay(tmp_path, rate, new_rate):
    stamped_wav(tmp_path / "in.wav", rate)
    with Recording(tmp_path / "in.wav", 16000) as recording:
        tags = recording.tags_at(new_rate)
    write(tmp_path / "out.wav", NOISE[:1], new_rate, tags=tags)
    content = (tmp_path / "out.wav").read_bytes()
    bext = content[content.index(b"bext") + 8 :]
    assert bext[256:288].rstrip(b"\0") == b"recorder" and bext[320:338] == b"2026-01-0200:00:10"
    assert int.from_bytes(bext[338:346], "little") == 10 * new_rate
    write(tmp_path / "plain.wav", NOISE[:1], new_rate, tags={"title": "A title"})
    assert b"bext" not in (tmp_path / "plain.wav").read_bytes()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("suffix", [".wav", ".flac", ".m4a", ".mp3"])
@pytest.mark.parametrize("after", [0, 20000])
def test_a_disk_that_refuses(tmp_path, monkeypatch, suffix, number, after):
    """The reason is told, and what was there stays."""
    path = tmp_path / f"a{suffix}"
    path.write_bytes(b"old")
    opened = Path.open

    def open_full(self, mode="r", **options):
        file = opened(self, mode, **options)
        return Full(file, after, number) if "w" in mode else file

    monkeypatch.setattr(Path, "open", open_full)
    with pytest.raises(FileError, match=f"a{suffix}: cannot be written"):
        write(path, NOISE)
    monkeypatch.undo()
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == [path.name]


class Full:
    """A file on a disk that takes only so many bytes."""

    def __init__(self, file, left, number):
        self.file, self.left, self.number = file, left, number

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()

    def __getattr__(self, name):
        return getattr(self.file, name)

    def write(self, data):
        if len(data) > self.left:
            raise OSError(self.number, "refused")
        self.left -= len(data)
        return self.file.write(data)


def test_an_interrupt_while_a_library_writes(tmp_path, monkeypatch):
    """Comes out of the library's call, and the file is not there."""
    opened = Path.open
    monkeypatch.setattr(Full, "write", lambda self, data: (_ for _ in ()).throw(KeyboardInterrupt))
    monkeypatch.setattr(Path, "open", lambda self, mode="r", **o: Full(opened(self, mode, **o), 0, 0))
    for suffix in (".wav", ".flac"):
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path / f"a{suffix}", NOISE)
    assert not list(tmp_path.iterdir())


def test_a_result_is_read_as_it_was_written(tmp_path):
    write(tmp_path / "a.wav", NOISE[:1])
    assert np.abs(read_audio(tmp_path / "a.wav", 16000).numpy() - NOISE[0]).max() <= 0.6 / 32768
