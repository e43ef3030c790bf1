# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio files: everything FFmpeg plays comes in right, what goes out is whole, bad files get one line."""

import os

import numpy as np
import pytest
import soundfile
import torch

from audio.files import FileError, replacing
from audio.recording import AudioError, check_writable, read_audio, write_audio


def tone(rate, seconds=0.5, channels=1):
    """A 440 Hz tone of amplitude 0.5; further channels are silent."""
    wave = 0.5 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)
    return np.stack([wave] + [np.zeros_like(wave)] * (channels - 1), axis=1)


@pytest.mark.parametrize(
    "name, subtype, tolerance",
    [
        ("a.wav", "PCM_U8", 1e-2),
        ("a.wav", "PCM_16", 1e-4),
        ("a.wav", "PCM_24", 1e-4),
        ("a.wav", "PCM_32", 1e-4),
        ("a.wav", "FLOAT", 1e-4),
        ("a.wav", "DOUBLE", 1e-4),
        ("a.flac", "PCM_16", 1e-4),
        ("a.aiff", "PCM_16", 1e-4),
        ("a.ogg", "VORBIS", 3e-2),
        ("a.mp3", None, 3e-2),
    ],
)
def test_sample_formats(tmp_path, name, subtype, tolerance):
    path = tmp_path / name
    soundfile.write(path, tone(16000), 16000, subtype=subtype)
    samples = read_audio(path, 16000)
    assert samples.dtype == torch.float32 and samples.shape == (8000,)
    assert np.abs(samples.numpy() - tone(16000)[:, 0])[1000:7000].max() < tolerance


@pytest.mark.parametrize("rate", [8000, 11025, 11127, 16000, 22050, 44100, 44101, 44056, 48000, 96000])
def test_sample_rates(tmp_path, rate):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(rate), rate, subtype="FLOAT")
    samples = read_audio(path, 16000).numpy()
    assert abs(len(samples) - 8000) <= 1
    assert np.abs(samples[500:7500] - tone(16000)[500:7500, 0]).max() < 5e-3


def test_samples_far_beyond_full_scale_are_no_audio(tmp_path):
    path = tmp_path / "a.wav"
    soundfile.write(path, np.full((100, 2), 3e38), 16000, subtype="FLOAT")
    with pytest.raises(AudioError, match="samples of 3e\\+38 where full scale is 1"):
        read_audio(path, 16000)


def test_names_that_are_no_text(tmp_path):
    path = tmp_path / os.fsdecode(b"bad\xff \n name.wav")
    assert write_audio(path, torch.zeros(100), 16000) == 0
    assert len(read_audio(path, 16000)) == 100


@pytest.mark.parametrize("channels, weight", [(2, 0.5), (3, 1 / 3), (6, 0.5)])
def test_channels_are_mixed(tmp_path, channels, weight):
    path = tmp_path / "a.wav"
    soundfile.write(path, tone(16000, channels=channels), 16000, subtype="FLOAT")
    assert np.abs(read_audio(path, 16000).numpy() - tone(16000)[:, 0] * weight).max() < 1e-6


def bad_files(folder):
    soundfile.write(folder / "empty.wav", np.zeros(0), 16000)
    soundfile.write(folder / "nan.wav", np.array([0, np.nan, 0]), 16000, subtype="FLOAT")
    soundfile.write(folder / "inf.wav", np.array([0, np.inf, 0]), 16000, subtype="FLOAT")
    (folder / "zero_bytes.wav").write_bytes(b"")
    (folder / "text.wav").write_text("not audio")
    soundfile.write(folder / "cut.wav", np.zeros(16000), 16000)
    (folder / "cut.wav").write_bytes((folder / "cut.wav").read_bytes()[:5000])
    soundfile.write(folder / "cut.flac", np.random.default_rng(0).uniform(-1, 1, 16000), 16000)
    whole = (folder / "cut.flac").read_bytes()
    (folder / "cut.flac").write_bytes(whole[: len(whole) // 2])
    (folder / "folder.wav").mkdir()
    return {
        "empty.wav": "holds no samples",
        "nan.wav": "not finite",
        "inf.wav": "not finite",
        "zero_bytes.wav": "not an audio file",
        "text.wav": "not an audio file",
        "cut.wav": "damaged, ends after 0.15 of 1.00 s",
        "cut.flac": "damaged at 0.26 s",
        "folder.wav": "not a file",
        "x" * 300 + ".wav": "cannot be read",
        "none.wav": "no such file",
    }


def test_bad_files_get_one_line(tmp_path):
    for name, message in bad_files(tmp_path).items():
        with pytest.raises(AudioError, match=message) as error:
            read_audio(tmp_path / name, 16000)
        assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3", "aiff", "opus", "m4a", "w64"])
def test_written_files_can_be_read(tmp_path, suffix):
    path = tmp_path / "new" / f"a.{suffix}"
    assert write_audio(path, torch.from_numpy(tone(16000)[:, 0]), 16000) == 0
    if suffix != "m4a":
        info = soundfile.info(path)
        assert (info.samplerate, info.channels) == (16000, 1)
    if suffix in ("wav", "flac", "aiff"):
        assert info.subtype == "PCM_16"
    if suffix in ("ogg", "opus"):
        assert info.subtype == {"ogg": "VORBIS", "opus": "OPUS"}[suffix]
    assert abs(len(read_audio(path, 16000)) - 8000) <= 1000
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_clipping_is_counted_and_does_not_wrap(tmp_path):
    path = tmp_path / "a.wav"
    assert write_audio(path, torch.tensor([0.0, 1.5, -2.0, 0.999, 1.0]), 16000) == 3
    samples = soundfile.read(path)[0]
    assert samples[1] > 0.99 and samples[2] < -0.99


def test_what_cannot_be_written(tmp_path):
    audio = torch.zeros(10)
    for name, message in {"a.txt": "no audio format", "a": "name without suffix", ".": "is a folder"}.items():
        with pytest.raises(AudioError, match=message):
            check_writable(tmp_path / name)
        with pytest.raises(AudioError, match=message):
            write_audio(tmp_path / name, audio, 16000)
    with pytest.raises(AudioError, match="not finite"):
        write_audio(tmp_path / "a.wav", torch.tensor([float("nan")]), 16000)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be written"):
        write_audio(tmp_path / "file" / "a.wav", audio, 16000)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt, ValueError, OSError(28, "No space left on device")])
def test_an_interrupted_write_leaves_the_old_file(tmp_path, interrupt):
    path = tmp_path / "a.txt"
    path.write_text("old")
    expected = FileError if isinstance(interrupt, OSError) else interrupt
    with pytest.raises(expected), replacing(path) as temporary:
        temporary.write_text("half")
        raise interrupt
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]
