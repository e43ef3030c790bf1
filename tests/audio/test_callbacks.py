# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""No interrupt is lost in a library that calls back, wherever it comes; a process that ignores SIGINT ignores it."""

import os
import signal
import sys
import threading

import numpy as np
import pytest
import soundfile

from audio.callbacks import CalledBack
from audio.reading import AudioReader
from audio.writing import open_output

TIMES = 40


@pytest.fixture
def sigint(monkeypatch):
    """Python's own handler, whatever the process was started with; what would be lost is collected."""
    lost = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda handler: signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGINT, before)
    assert lost == []


def noise(path, seconds=2.0):
    with open_output(path, 16000) as writer:
        writer.write(np.random.default_rng(0).uniform(-0.5, 0.5, (1, round(16000 * seconds))).astype(np.float32))
    return path


def count(path):
    """The samples of a file."""
    with AudioReader(path) as reader:
        return sum(block.samples.shape[1] for block in reader)


def interrupting(at):
    """A CalledBack at whose `at`-th call an interrupt comes, before its method does anything."""

    class Interrupting(CalledBack):
        left = at

        def _tick(self):
            Interrupting.left -= 1
            if Interrupting.left == 0:
                signal.raise_signal(signal.SIGINT)

        def read(self, count):
            self._tick()
            return super().read(count)

        def write(self, data):
            self._tick()
            return super().write(data)

        def seek(self, *arguments):
            self._tick()
            return super().seek(*arguments)

        def tell(self):
            self._tick()
            return super().tell()

    return Interrupting


@pytest.mark.parametrize("suffix", [".flac", ".mp3", ".ogg", ".m4a", ".w64"])
def test_an_interrupt_in_any_call_while_a_file_is_read(tmp_path, monkeypatch, sigint, suffix):
    path, at = noise(tmp_path / f"a{suffix}"), 0
    while True:
        at += 1
        file = interrupting(at)
        monkeypatch.setattr("audio.reading.CalledBack", file)
        try:
            assert count(path) == 32000 and file.left > 0
            break  # fewer calls than that
        except KeyboardInterrupt:
            assert file.left <= 0
    assert at > 2


@pytest.mark.parametrize("suffix", [".wav", ".m4a", ".flac", ".mp3"])
def test_an_interrupt_in_any_call_while_a_file_is_written(tmp_path, monkeypatch, sigint, suffix):
    at = 0
    monkeypatch.setattr("audio.writing.check_writable", lambda *_: None)
    while True:
        at += 1
        file = interrupting(at)
        monkeypatch.setattr("audio.writing.CalledBack", file)
        try:
            noise(tmp_path / f"a{suffix}")
            assert file.left > 0
            break
        except KeyboardInterrupt:
            assert not list(tmp_path.iterdir())
    assert at > 2


def test_interrupts_at_any_moment(tmp_path, sigint):
    """40 of 40, of reading and writing without end."""
    source = noise(tmp_path / "a.flac", 1.0)
    main = threading.main_thread().ident
    for number in range(TIMES):
        sent = threading.Event()

        def send(sent=sent, delay=0.002 * (number % 20)):
            sent.wait(delay)
            signal.pthread_kill(main, signal.SIGINT)
            sent.set()

        left, thread = 5, threading.Thread(target=send)  # rounds after it was sent
        with pytest.raises(KeyboardInterrupt):
            thread.start()
            while left:
                left -= sent.is_set()
                with AudioReader(source) as reader, open_output(tmp_path / "b.m4a", 16000) as writer:
                    for block in reader:
                        writer.write(block.samples)
        thread.join()


def test_an_interrupt_while_a_pipe_says_nothing(tmp_path, sigint):
    """The library waits in a callback for what does not come."""
    content = noise(tmp_path / "a.ogg").read_bytes()
    os.mkfifo(tmp_path / "pipe")
    opened, main = threading.Event(), threading.main_thread().ident

    def send():
        with open(tmp_path / "pipe", "wb", buffering=0) as pipe:
            pipe.write(content[: len(content) // 2])
            signal.pthread_kill(main, signal.SIGINT)
            opened.wait(60)

    thread = threading.Thread(target=send)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        count(tmp_path / "pipe")
    opened.set()
    thread.join()


def test_a_handler_that_lets_it_go_on(tmp_path, monkeypatch, sigint):
    told = []
    sigint(lambda number, frame: told.append(number))
    monkeypatch.setattr("audio.reading.CalledBack", interrupting(2))
    assert count(noise(tmp_path / "a.flac")) == 32000 and told == [signal.SIGINT]


def test_a_process_that_ignores_it(tmp_path, monkeypatch, sigint):
    sigint(signal.SIG_IGN)
    monkeypatch.setattr("audio.reading.CalledBack", interrupting(2))
    assert count(noise(tmp_path / "a.flac")) == 32000
    assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN


def test_in_another_thread(tmp_path):
    """Where no handler can be set, and none runs."""
    soundfile.write(tmp_path / "a.flac", np.zeros(1000), 16000)
    counts = []
    thread = threading.Thread(target=lambda: counts.append(count(tmp_path / "a.flac")))
    thread.start()
    thread.join()
    assert counts == [1000]


def test_an_error_of_the_file_comes_out_once():
    class Broken:
        def write(self, data):
            raise OSError(5, "broken")

    file = CalledBack(Broken())
    with pytest.raises(OSError, match="broken"), file.calling():
        assert file.write(b"abc") == 0
    with file.calling():
        pass


def test_a_pipe_that_takes_nothing_now():
    """As raw files say it: with None."""

    class Full:
        def write(self, data):
            return None

    file = CalledBack(Full())
    with pytest.raises(BlockingIOError), file.calling():
        file.write(b"abc")
