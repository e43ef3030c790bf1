# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""How every program ends: with one line where the cause lies with the user, whatever its output is connected to."""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.golden import small_voice

from audio import reading
from demo import cli, download_weights, export
from demo.program import exit_code
from evaluation import evaluate
from live import __main__ as live
from live import serve
from reference.errors import LLVCError

ROOT = Path(__file__).resolve().parents[2]


def raising(error):
    def program():
        raise error

    return program


@pytest.mark.parametrize(
    "error, code, line",
    [
        (LLVCError("two\nlines"), 1, "error: two lines"),
        (FileNotFoundError(2, "No such file or directory", "a.wav"), 1, "error: a.wav: No such file or directory"),
        (MemoryError(), 1, "error: not enough memory"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_users_cause_is_one_line(capsys, error, code, line):
    assert exit_code(raising(error)) == code
    assert capsys.readouterr().err == f"{line}\n"


def test_what_they_do_not_cause_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        exit_code(raising(ZeroDivisionError()))


def test_codes(capsys):
    assert exit_code(lambda: None) == 0 and exit_code(lambda: 3) == 3
    assert capsys.readouterr().err == ""


def test_an_interrupt_while_a_library_reads(capsys, tmp_path, monkeypatch):
    """Which calls back, and would lose it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    soundfile.write(tmp_path / "a.flac", np.zeros(1000), 16000)
    read = reading._Source.read

    def interrupting(self, size):
        if size > 1000:  # FFmpeg's, not those of a header
            signal.raise_signal(signal.SIGINT)
        return read(self, size)

    monkeypatch.setattr(reading._Source, "read", interrupting)

    def program():
        with reading.AudioReader(tmp_path / "a.flac") as reader:
            return len(list(reader))

    try:
        assert exit_code(program) == 130
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err == "interrupted\n"


def test_an_error_behind_an_interrupt_is_one(capsys):
    """As numpy, interrupted in its import, has no attributes. Without an interrupt the error is told."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)

    def program(interrupt):
        with suppress(KeyboardInterrupt):
            if interrupt:
                signal.raise_signal(signal.SIGINT)
        raise LLVCError("not installed")

    try:
        assert exit_code(lambda: program(True)) == 130
        assert exit_code(lambda: program(False)) == 1
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        assert exit_code(lambda: program(True)) == 1
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)
    assert capsys.readouterr().err.splitlines() == ["interrupted", "error: not installed", "error: not installed"]


def test_an_interrupt_while_libraries_load():
    """Some would lose it there. A process that ignores interrupts goes on loading."""
    code = (
        "import signal, sys\n"
        "from demo.program import exit_code, loading\n"
        "signal.signal(signal.SIGINT, getattr(signal, sys.argv[1]))\n"
        "def program():\n"
        "    with loading():\n"
        "        try:\n"
        "            signal.raise_signal(signal.SIGINT)\n"
        "        except BaseException:\n"
        "            pass\n"
        "    print(signal.getsignal(signal.SIGINT) == signal.SIG_IGN)\n"
        "sys.exit(exit_code(program))\n"
    )
    for handler, expected in (("default_int_handler", (130, "", "interrupted\n")), ("SIG_IGN", (0, "True\n", ""))):
        process = subprocess.run([sys.executable, "-c", code, handler], cwd=ROOT, capture_output=True, text=True)
        assert (process.returncode, process.stdout, process.stderr) == expected


def test_an_interrupt_that_a_library_swallows_stops_the_conversion(recording, tmp_path, monkeypatch, capsys):
    """In an import, say: nothing is written, and the next run is none the worse."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    load, target = cli.load_voice, recording.parent / "out.wav"

    def swallowing(*arguments):
        with suppress(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)
        return load(*arguments)

    options = [*small_voice(tmp_path), "-i", str(recording), "-o", str(target)]
    try:
        monkeypatch.setattr(cli, "load_voice", swallowing)
        assert cli.main(options) == 130 and not target.exists()
        assert capsys.readouterr().err.endswith("interrupted\n")
        monkeypatch.undo()
        assert cli.main(options) == 0 and target.exists()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("program", [cli, evaluate, export, live, serve])
def test_every_program_ends_so(program, capsys, monkeypatch):
    monkeypatch.setattr(program, "parse_args", lambda argv: raising(LLVCError("wrong"))())
    assert program.main([]) == 1
    assert capsys.readouterr().err == "error: wrong\n"


def test_the_download_ends_so(capsys, monkeypatch, tmp_path):
    for error, code, line in (
        (LLVCError("wrong"), 1, "error: wrong\n"),
        (PermissionError(13, "Permission denied", "x"), 1, "error: x: Permission denied\n"),
        (KeyboardInterrupt(), 130, "interrupted; files that are complete are kept, run this again for the rest\n"),
    ):
        monkeypatch.setattr(download_weights, "download", lambda *_, error=error: raising(error)())
        assert download_weights.main(["llvc", "--local_dir", str(tmp_path)]) == code
        assert capsys.readouterr().err == line


@pytest.fixture
def recording(tmp_path):
    soundfile.write(tmp_path / "in.wav", np.full(1000, 0.1), 16000)
    return tmp_path / "in.wav"


def demo(recording, *options, redirect=""):
    """demo.py with a small voice, by a shell that redirects what it writes."""
    voice = small_voice(recording.parent)
    command = [sys.executable, str(ROOT / "demo.py"), *voice, "-i", str(recording), *map(str, options)]
    environment = os.environ | {"PYTHONUNBUFFERED": ""}  # messages are written at the end
    shell = ["sh", "-c", f'"$@" {redirect}', "sh", *command]
    return subprocess.run(shell, cwd=recording.parent, env=environment, capture_output=True, text=True, timeout=600)


@pytest.mark.slow
@pytest.mark.parametrize(
    "redirect, code, message",
    [
        ("<&- >&-", 0, None),
        (">&- 2>&-", 0, None),
        (">/dev/full", 1, "error: standard output: No space left on device"),
        ("| true", 0, None),
    ],
)
def test_standard_streams_that_are_closed_or_full(recording, redirect, code, message):
    """The result is there in any case, and holds no messages."""
    process = demo(recording, "-o", "out.wav", redirect=redirect)
    assert process.returncode == code and "Traceback" not in process.stderr
    assert process.stderr == "" if message is None else process.stderr == f"{message}\n"
    assert soundfile.info(recording.parent / "out.wav").frames == 1000


def test_a_result_for_a_closed_stdout(recording):
    process = demo(recording, "-o", "-", redirect=">&-")
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1] == "error: standard output: cannot be written (it is closed)"


@pytest.mark.slow
def test_a_disk_that_is_full(recording):
    """As the shell's limit makes it. What was there stays, and no half file."""
    outputs = [recording.parent / name for name in ("out.wav", "out.json", "out.png")]
    for path in outputs:
        path.write_bytes(b"old")
    soundfile.write(recording, np.random.default_rng(0).uniform(-0.1, 0.1, 16000), 16000)
    voice = small_voice(recording.parent)
    command = [sys.executable, "-c", LIMITED, str(ROOT), str(recording), *map(str, outputs), *voice]
    process = subprocess.run(command, cwd=recording.parent, capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stderr
    errors = [line for line in process.stderr.splitlines() if line.startswith("error: ")]
    for path, error in zip(outputs, errors, strict=True):
        assert f"{path.name}: cannot be written (File too large)" in error
        assert path.read_bytes() == b"old"
    assert not [path for path in recording.parent.iterdir() if path.name.startswith(".llvc")]


# A conversion for each output. From the moment on when the voice is loaded a file may hold 300 bytes.
LIMITED = """
import resource, signal, sys
sys.path.insert(0, sys.argv[1])
from demo import cli
load_voice = cli.load_voice
def limited(*arguments):
    loaded = load_voice(*arguments)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300, resource.RLIM_INFINITY))
    return loaded
cli.load_voice = limited
sound, report, picture, *voice = sys.argv[3:]
for options in (["-o", sound], ["-o", "/dev/null", "--json", report], ["-o", "/dev/null", "--plot", picture]):
    assert cli.main([*voice, "-i", sys.argv[2], *options]) == 1
"""
