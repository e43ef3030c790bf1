# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Corpora on a real Ray cluster of two nodes: the demo's samples, whatever dies on the way."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import soundfile
from support.corpus import ROOT, contents, json_lines, leftovers, record

from corpus.__main__ import main
from demo import cli
from demo.backend import available_cores

FILES = 12
WAIT_S = 600  # at most: a busy machine takes as long as it takes

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """A folder of files of mixed length, rate and format, and two that are none."""
    folder = tmp_path_factory.mktemp("in")
    for i in range(FILES):
        rate, suffix = ((16000, "wav"), (44100, "flac"), (8000, "wav"))[i % 3]
        record(folder / f"{i % 4}" / f"{i:02d}.{suffix}", 0.2 + 0.3 * i, seed=i, rate=rate, channels=1 + i % 2)
    (folder / "corrupt.wav").write_bytes(b"RIFF, or so it says")
    (folder / "empty.flac").touch()
    return folder


@pytest.fixture(scope="module")
def undisturbed(cluster, recordings, voice, tmp_path_factory):
    """What a run without disturbance leaves."""
    output = tmp_path_factory.mktemp("out")
    assert main([*voice, "-i", str(recordings), "-o", str(output)]) == 1  # two cannot be read
    return output


def test_the_samples_are_those_of_the_demo(undisturbed, recordings, voice, tmp_path):
    assert cli.main([*voice, "-i", str(recordings), "-o", str(tmp_path)]) == 1
    rows = json_lines(undisturbed / "manifest.jsonl")
    assert len(rows) == FILES
    for row in rows:
        expected, rate = soundfile.read(tmp_path / row["source_audio_filepath"], dtype="int16")
        value, value_rate = soundfile.read(undisturbed / row["audio_filepath"], dtype="int16")
        assert rate == value_rate == row["sample_rate"] and (value == expected).all(), row
    assert [row["path"] for row in json_lines(undisturbed / "failed.jsonl")] == ["corrupt.wav", "empty.flac"]
    assert not leftovers(undisturbed)


@pytest.fixture
def misbehave(workers_path, monkeypatch):
    """misbehave(name): the actors are of this class of support.corpus_workers."""

    def choose(name):
        from support import corpus_workers

        monkeypatch.setattr("corpus.pipeline.RayConverter", getattr(corpus_workers, name))

    return choose


def while_running(output, action, results=3):
    """Does something as soon as so many results are there; returns its thread."""

    def run():
        deadline = time.monotonic() + WAIT_S
        while len(list(output.rglob("[0-9][0-9].*"))) < results and time.monotonic() < deadline:
            time.sleep(0.02)
        action()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def workers():
    """The processes of Ray's actors that convert."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            name = (entry / "cmdline").read_bytes()
        except OSError:
            continue
        if name.startswith(b"ray::SlowConverter"):
            found.append(int(entry.name))
    return found


def test_actors_that_die_before_they_begin(cluster, recordings, voice, tmp_path, monkeypatch, capsys, misbehave):
    misbehave("StillbornConverter")
    monkeypatch.setattr("corpus.pipeline.MOST_LOSSES", 1)
    assert main([*voice, "-i", str(recordings), "-o", str(tmp_path), "--actors", "1"]) == 1
    error = capsys.readouterr().err
    assert "actors die before they begin with a file" in error and error.count("\n") == 1


def test_a_killed_actor(cluster, undisturbed, recordings, voice, tmp_path, misbehave):
    misbehave("SlowConverter")
    killed = []

    def kill():
        killed.append(workers()[0])
        os.kill(killed[0], signal.SIGKILL)

    thread = while_running(tmp_path, kill)
    assert main([*voice, "-i", str(recordings), "-o", str(tmp_path)]) == 1
    thread.join()
    assert killed and contents(tmp_path) == contents(undisturbed) and not leftovers(tmp_path)


def test_a_killed_driver(cluster, undisturbed, recordings, voice, tmp_path, workers_path):
    options = [*voice, "-i", str(recordings), "-o", str(tmp_path)]
    process = subprocess.Popen(
        [sys.executable, "-m", "support.corpus_workers", *options, "--address", cluster.address],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join((str(ROOT), workers_path))},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    thread = while_running(tmp_path, process.kill)
    assert process.wait(WAIT_S) == -signal.SIGKILL, process.stderr.read()
    thread.join()
    there = contents(tmp_path)
    assert 0 < len(there) < FILES and "manifest.jsonl" not in there
    times = {name: (tmp_path / name).stat().st_mtime_ns for name in there}
    assert main(options) == 1
    assert contents(tmp_path) == contents(undisturbed) and not leftovers(tmp_path)
    kept = [name for name in there if (tmp_path / name).stat().st_mtime_ns == times[name]]
    assert len(kept) >= len(there) - 2  # all but those that were there and not yet recorded


def test_a_file_that_kills_its_worker_twice(cluster, voice, tmp_path, misbehave):
    for i in range(6):
        record(tmp_path / "in" / f"{i}{' poison' if i == 2 else ''}.wav", seed=i)
    misbehave("FragileConverter")
    options = [*voice, "-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--actors", "1", "--streams", "3"]
    for _ in range(2):  # the second run knows
        assert main(options) == 1
        failed = json_lines(tmp_path / "out" / "failed.jsonl")
        assert [row["path"] for row in failed] == ["2 poison.wav"] and "quarantined" in failed[0]["reason"]
        assert len(json_lines(tmp_path / "out" / "manifest.jsonl")) == 5


def test_a_killed_node(cluster, undisturbed, recordings, voice, tmp_path, misbehave):
    """Last in this file: takes a node of the cluster."""
    misbehave("SlowConverter")
    thread = while_running(tmp_path, lambda: cluster.remove_node(cluster.second, allow_graceful=False))
    assert main([*voice, "-i", str(recordings), "-o", str(tmp_path)]) == 1
    thread.join()
    cluster.second = cluster.add_node(num_cpus=1)
    assert contents(tmp_path) == contents(undisturbed) and not leftovers(tmp_path)


def test_on_this_machine_alone(voice, tmp_path, recordings, undisturbed):
    """Without a cluster, as people type it: interrupted, then run again; nothing but its own lines is printed."""
    output, temporary = tmp_path / "out", tmp_path / ("x" * 100)  # too long for sockets
    temporary.mkdir()
    command = [sys.executable, "-m", "corpus", *voice, "-i", str(recordings), "-o", str(output)]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    environment.pop("RAY_ADDRESS", None)
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a runner in the background ignores it
    )
    # As a terminal does: to the program and to what it has started.
    thread = while_running(output, lambda: os.killpg(process.pid, signal.SIGINT), results=1)
    _, errors = process.communicate(timeout=WAIT_S)
    thread.join()
    assert process.returncode == 130 and errors == "interrupted; the same command goes on from there\n"
    process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=WAIT_S)
    assert process.returncode == 1
    assert process.stderr.splitlines() == [f"error: {row['reason']}" for row in json_lines(output / "failed.jsonl")]
    assert process.stdout.splitlines()[0] == f"{FILES + 2} files on {available_cores()} actors, backend cpu"
    assert contents(output) == contents(undisturbed)
