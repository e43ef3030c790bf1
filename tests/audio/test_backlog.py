# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What piled up in a microphone's pipe is told from a recording that somebody pipes: in a time that is scripted."""

import os
import struct
from itertools import count
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
from support.golden import small_voice

from audio import backlog
from audio.backlog import take_backlog
from audio.reading import AudioReader
from demo.cli import main

RATE = 32000  # bytes a second
FULL = 65536  # a pipe's worth of bytes
END = b""


class Pipe:
    """Gives pieces at their times, (seconds, bytes)."""

    def __init__(self, arrivals):
        self._arrivals = iter(arrivals)
        self._next = next(self._arrivals, None)
        self.now, self.given = 0.0, b""

    def waits(self, timeout):
        there = self._next is not None and self._next[0] <= self.now + timeout
        self.now = max(self.now, self._next[0]) if there else self.now + timeout
        return there

    def read(self, size):
        piece, self._next = self._next[1], next(self._arrivals, None)
        self.given += piece
        return piece


@pytest.fixture
def take(monkeypatch):
    """take(arrivals): (whether they are live, how many bytes were taken, the time behind it)."""

    def take_(arrivals):
        pipe = Pipe(arrivals)
        monkeypatch.setattr(backlog, "_waits", lambda source, timeout: source.waits(timeout))
        monkeypatch.setattr(backlog, "time", SimpleNamespace(monotonic=lambda: pipe.now))
        data, live = take_backlog(pipe, RATE)
        assert data == pipe.given  # nothing is lost on the way
        return live, len(data), pipe.now

    return take_


def spoken(period, start=0.0):
    """Pieces of a recorder, for ever."""
    return ((start + k * period, bytes(round(period * RATE))) for k in count(1))


def behind(pieces, arrivals):
    yield from ((0.0, piece) for piece in pieces)
    yield from arrivals


@pytest.mark.parametrize("period", [0.02, 0.125])
def test_a_recorder_whose_pipe_was_full(take, period):
    """It had half a second in its own buffer, too. All is dropped, up to the moment at which it is known."""
    live, taken, now = take(behind([bytes(FULL), bytes(RATE // 2)], spoken(period)))
    assert live and now == pytest.approx(0.5) and taken == FULL + RATE // 2 + round(0.5 / period) * period * RATE


def test_a_recorder_whose_pipe_was_not_full(take):
    live, taken, _ = take(behind([bytes(RATE // 2)], spoken(0.02)))
    assert live and taken == RATE // 2 + RATE // 2


@pytest.mark.parametrize(
    "arrivals",
    [
        [],  # nothing yet
        [(0.0, END)],
        [(0.0, bytes(448))],  # too little to be heard
        [(0.0, bytes(FULL)), (0.0, END)],  # a short file
        [(0.0, bytes(FULL)), (0.01, bytes(FULL)), (0.01, END)],  # a longer one
        [(0.0, bytes(FULL)), (0.3, bytes(100)), (0.4, END)],
        [(0.0, bytes(FULL))],  # a sentence of a program that speaks
        [(0.0, bytes(FULL)), (0.1, bytes(1000)), (2.0, bytes(FULL))],
        [(k / 1000, bytes(FULL)) for k in range(1000)],  # a long file
        [(0.0, bytes(FULL))] + [(k / 10, bytes(FULL)) for k in range(1, 9)],  # from a slow disk
        [(0.0, bytes(FULL)) for _ in range(1000)],  # longer than any recorder's buffer
    ],
)
def test_what_is_no_microphone(take, arrivals):
    live, taken, now = take(arrivals)
    assert not live and now <= 0.5 and taken <= 61 * RATE + FULL


@pytest.fixture
def pipe():
    """(path to read from, function that writes all and ends)."""
    readable, writable = os.pipe()

    def write(data):
        os.write(writable, data)
        os.close(writable)

    yield f"/dev/fd/{readable}", write
    os.close(readable)


def live_backlog(taken):
    """Takes the place of take_backlog: so many bytes, of something live."""
    return lambda source, bytes_per_second: (source.read(taken), True)


SAMPLES = np.arange(4000, dtype="<i2")


@pytest.mark.parametrize("size", [None, 0xFFFFFFFF, 2 * len(SAMPLES)])
def test_the_rest_is_whole(pipe, monkeypatch, size):
    """Whether the pipe holds samples alone or a WAV, of a length that is known or not; 3001 bytes end in a sample."""
    path, write = pipe
    head = b""
    if size is not None:
        form = struct.pack("<IHHIIHH", 16, 1, 1, 16000, 32000, 2, 16)
        head = b"RIFF\xff\xff\xff\xffWAVEfmt " + form + b"data" + struct.pack("<I", size)
    trailer = b"LIST\x04\x00\x00\x00abcd" if size == 2 * len(SAMPLES) else b""
    write(head + SAMPLES.tobytes() + trailer)
    monkeypatch.setattr("audio.reading.take_backlog", live_backlog(3001))
    with AudioReader(path, ("s16", 16000) if size is None else None) as reader:
        assert reader.drop_backlog() == 1500 / 16000
        samples = np.concatenate([block.samples[0] for block in reader])
        assert np.array_equal(np.rint(samples * 32768), SAMPLES[1500:]) and reader.damage is None


def test_files_have_no_backlog(tmp_path, monkeypatch):
    monkeypatch.setattr("audio.reading.take_backlog", live_backlog(3001))
    soundfile.write(tmp_path / "in.wav", SAMPLES, 16000)
    with AudioReader(tmp_path / "in.wav") as reader:
        assert reader.drop_backlog() == 0


@pytest.mark.parametrize(
    "options, to_pipe, dropped",
    [
        (["-s"], True, 1600),
        (["-s", "--every_sample"], True, 0),
        (["-s"], False, 0),  # nobody listens
        ([], True, 0),
    ],
)
def test_a_live_filter_drops_it_and_says_so(tmp_path, pipe, monkeypatch, capsys, options, to_pipe, dropped):
    path, write = pipe
    write(SAMPLES.tobytes())
    monkeypatch.setattr("audio.reading.take_backlog", live_backlog(3200))
    readable, writable = os.pipe()
    target = f"/dev/fd/{writable}" if to_pipe else str(tmp_path / "out.wav")
    raw = ["--raw", "s16", "--rate", "16000"]
    assert main([*small_voice(tmp_path), "-i", path, "-o", target, *raw, *options]) == 0
    os.close(writable)
    with os.fdopen(readable, "rb") as file:
        written = file.read() if to_pipe else soundfile.read(target, dtype="int16")[0].tobytes()
    assert len(written) == 2 * (len(SAMPLES) - dropped)
    said = capsys.readouterr().err
    assert ("dropped: 0.1 s that came in before all was ready" in said) == bool(dropped)


def test_nobody_hears_a_file_that_a_shell_writes(tmp_path, pipe, monkeypatch, capfdbinary):
    """Standard output is one here."""
    path, write = pipe
    write(SAMPLES.tobytes())
    monkeypatch.setattr("audio.reading.take_backlog", live_backlog(3200))
    raw = ["--raw", "s16", "--rate", "16000"]
    assert main([*small_voice(tmp_path), "-s", "-i", path, "-o", "-", *raw]) == 0
    captured = capfdbinary.readouterr()
    assert len(captured.out) == 2 * len(SAMPLES) and b"dropped" not in captured.err
