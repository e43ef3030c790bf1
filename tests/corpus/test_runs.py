# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Runs end complete, and a rerun does what is missing or has changed: nothing is lost, and nothing done twice."""

import ctypes
import multiprocessing
import os
import sys
import tempfile
import tracemalloc
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.corpus import STATE, contents, json_lines, leftovers, record
from support.fake_engine import FakeEngine

import corpus.job
from audio.reading import AudioReader, Block
from corpus.__main__ import main
from corpus.cluster import LONGEST_SOCKET, SOCKET_BYTES, start, temporary_folder
from corpus.converter import CorpusConverter, Settings, claimed_card
from corpus.folder import FolderCorpus
from corpus.item import CorpusError, Source, inside_name, plan_items
from corpus.progress import Progress
from corpus.run import plan_units
from corpus.state import State
from demo.backend import Backend
from demo.tracks import ConversionOptions


@pytest.fixture
def made(tmp_path):
    """Four recordings, the options that convert them, and where to."""
    for i in range(4):
        record(tmp_path / "in" / f"{i}.wav", 0.2 + 0.1 * i, seed=i)
    return ["-i", tmp_path / "in", "-o", tmp_path / "out"]


def times(folder):
    return {path.name: path.stat().st_mtime_ns for path in Path(folder).glob("?.*")}


def changed(before, after):
    return {name for name in after if after[name] != before.get(name)}


def test_a_rerun_does_nothing(convert, made, tmp_path, capsys):
    assert convert(*made) == 0
    first, before = contents(tmp_path), times(tmp_path / "out")
    assert convert(*made) == 0
    assert "4 were there already" in capsys.readouterr().out
    assert contents(tmp_path) == first and times(tmp_path / "out") == before and not leftovers(tmp_path / "out")


def alter_input(folder):
    record(folder / "in" / "1.wav", seed=9)


def lose_result(folder):
    (folder / "out" / "1.wav").unlink()


def truncate_result(folder):
    os.truncate(folder / "out" / "1.wav", 100)


def lose_record(folder):
    path = folder / "out" / STATE / "records.jsonl"
    path.write_text("".join(line for line in path.read_text().splitlines(True) if '"1.wav"' not in line))


def add_input(folder):
    record(folder / "in" / "5.wav")


@pytest.mark.parametrize("alter", [alter_input, lose_result, truncate_result, lose_record, add_input])
def test_a_rerun_does_what_is_missing_or_has_changed(convert, made, tmp_path, alter):
    assert convert(*made) == 0
    before = times(tmp_path / "out")
    alter(tmp_path)
    assert convert(*made) == 0
    assert changed(before, times(tmp_path / "out")) == {"5.wav" if alter is add_input else "1.wav"}
    assert convert("-i", tmp_path / "in", "-o", tmp_path / "fresh") == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


@pytest.mark.parametrize("option", [["--channels", "first"], ["--format", "flac"], ["--output_rate", "8000"], ["-p"]])
def test_other_options_convert_anew(convert, made, tmp_path, option, voice):
    assert convert(*made) == 0
    if option == ["-p"]:  # a checkpoint that is a little different
        copy, weights = tmp_path / "copy.pth", torch.load(voice[voice.index("-p") + 1])
        next(iter(weights["model"].values())).mul_(0.5)
        torch.save(weights, copy)
        option = ["-p", copy]
    before = times(tmp_path / "out")
    assert convert(*made, *option) == 0
    assert len(changed(before, times(tmp_path / "out"))) == 4
    assert convert("-i", tmp_path / "in", "-o", tmp_path / "fresh", *option) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")  # and nothing of the run before


def test_from_files_to_shards_and_back(convert, made, tmp_path):
    outputs = {}
    for form in ("flac", "parquet", "flac"):
        assert convert(*made, "--format", form) == 0
        written = contents(tmp_path / "out")
        assert written == outputs.setdefault(form, written)
    assert not set(outputs["flac"]) & {name for name in outputs["parquet"] if name.startswith("data")}


def test_streams_and_channels(convert, tmp_path):
    for i in range(7):
        record(tmp_path / "in" / f"{i}.wav", 0.1 + 0.3 * (i % 3), seed=i, channels=1 + i % 3)
    outputs = {}
    for name, options in {"1": [], "3": ["--streams", "3"], "each": ["--channels", "each"]}.items():
        assert convert("-i", tmp_path / "in", "-o", tmp_path / name, *options) == 0
        outputs[name] = contents(tmp_path / name)
    assert outputs["1"] == outputs["3"]
    assert [soundfile.info(tmp_path / "each" / f"{i}.wav").channels for i in range(7)] == [1, 2, 3, 1, 2, 3, 1]
    assert (tmp_path / "each" / "0.wav").read_bytes() == outputs["1"]["0.wav"]


def test_a_source_that_vanished_keeps_its_result(convert, made, tmp_path):
    assert convert(*made) == 0
    first = contents(tmp_path / "out")
    (tmp_path / "in" / "1.wav").unlink()
    assert convert(*made) == 0 and contents(tmp_path / "out") == first
    assert convert(*made, "--output_rate", "8000") == 1  # what it was made of is needed
    assert json_lines(tmp_path / "out" / "failed.jsonl") == [{"path": "1.wav", "reason": "1.wav: no such file"}]


def test_a_failure_is_tried_again(convert, made, tmp_path):
    (tmp_path / "in" / "1.wav").write_bytes(b"")
    assert convert(*made) == 1
    record(tmp_path / "in" / "1.wav")
    assert convert(*made) == 0
    assert (tmp_path / "out" / "failed.jsonl").read_text() == ""


def test_damage_is_told(convert, made, tmp_path):
    os.truncate(tmp_path / "in" / "3.wav", 6000)
    for _ in range(2):
        assert convert(*made) == 1
        (failure,) = json_lines(tmp_path / "out" / "failed.jsonl")
        assert "damaged, ends after 0.19 of 0.50 s; converted up to there" in failure["reason"]
        assert "damage" in json_lines(tmp_path / "out" / "manifest.jsonl")[3]
    assert convert(*made, "--strict") == 1
    assert len(json_lines(tmp_path / "out" / "manifest.jsonl")) == 3


def test_a_file_that_is_still_written_to(convert, made, tmp_path, monkeypatch):
    read = corpus.job.ItemJob.read

    def read_and_grow(job, count):
        if job.item.output == "1.wav":
            os.utime(job._path, (1, 1))
        return read(job, count)

    monkeypatch.setattr(corpus.job.ItemJob, "read", read_and_grow)
    assert convert(*made) == 1
    assert "1.wav: changed while it was read" in json_lines(tmp_path / "out" / "failed.jsonl")[0]["reason"]
    assert not (tmp_path / "out" / "1.wav").exists()


def test_a_full_disk(convert, made, tmp_path, capsys):
    """The run stops with one line; with room the rerun ends as if nothing had been."""
    disk = tmp_path / "disk"
    disk.mkdir()
    if ctypes.CDLL(None, use_errno=True).mount(b"tmpfs", os.fsencode(disk), b"tmpfs", 0, b"size=56k"):
        pytest.skip("needs root, to mount a small file system")
    try:
        record(tmp_path / "in" / "4.wav", 1)
        options = ["-i", tmp_path / "in", "-o", disk / "out", "--format", "flac"]
        assert convert(*options) == 1
        error = capsys.readouterr().err
        assert error.count("\n") == 1 and "out: cannot be written (No space left on device)" in error
        assert not list(disk.rglob("*.part")) and not (disk / "out" / "manifest.jsonl").exists()
        assert ctypes.CDLL(None).mount(None, os.fsencode(disk), None, 32, b"size=1m") == 0
        assert convert(*options) == 0
        assert convert("-i", tmp_path / "in", "-o", tmp_path / "out", "--format", "flac") == 0
        assert contents(disk / "out") == contents(tmp_path / "out") and not leftovers(disk / "out")
    finally:
        ctypes.CDLL(None).umount(os.fsencode(disk))


def test_a_device_that_fails_stops_the_run(convert, made, tmp_path, capsys, monkeypatch):
    def fail(*_):
        raise RuntimeError("the card\nfell out")

    monkeypatch.setattr("streaming.server.StreamServer.step", fail)
    assert convert(*made) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "the card fell out; the same command goes on from there" in error
    monkeypatch.undo()


def as_nobody(folder, queue):
    os.setuid(65534)
    try:
        listed = FolderCorpus(str(folder), str(folder / "out"))
        queue.put(([source.name for source in listed.sources], listed.failures))
    except BaseException as error:
        queue.put(error)


def test_a_folder_without_permission():
    if os.getuid():
        pytest.skip("needs root, to be somebody else")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        record(folder / "a" / "0.wav")
        record(folder / "b" / "1.wav")
        (folder / "b").chmod(0o700)
        queue = multiprocessing.get_context("fork").Queue()
        process = multiprocessing.get_context("fork").Process(target=as_nobody, args=(folder, queue))
        process.start()
        names, failures = queue.get(timeout=600)
        process.join()
    assert names == ["a/0.wav"] and failures == [("b", "b: cannot be read (Permission denied)")]


@pytest.mark.parametrize(
    "options, complaint",
    [
        (["-i", "nowhere", "-o", "out"], "nowhere: no such file or folder"),
        (["-i", "in", "-o", "in"], "would overwrite inputs"),
        (["-i", "in/0.wav", "-o", "out"], "demo.py converts single files"),
        (["-i", "empty", "-o", "out"], "no audio files"),
        (["-i", "in", "-o", "out", "--channels", "each", "--streams", "2"], "leave it out for --channels each"),
        (["-i", "in", "-o", "out", "--actors", "9"], "--actors 9: the cluster has 1 CPU"),
        (["-i", "in", "-o", "out", "--backend", "ttnn"], "the cluster has no tt_device"),
        (["-i", "in", "-o", "in/0.wav"], "in/0.wav: cannot be written"),
        (["-i", "list.jsonl", "-o", "."], "would overwrite inputs"),
    ],
)
def test_what_cannot_run_is_told_in_one_line(convert, made, tmp_path, monkeypatch, capsys, options, complaint):
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("list.jsonl").write_text('{"audio_filepath": "in/0.wav"}\n')
    Path("list.jsonl").rename("manifest.jsonl")
    Path("list.jsonl").symlink_to("manifest.jsonl")
    assert convert(*options) == 1
    error = capsys.readouterr().err
    assert complaint in error and error.count("\n") == 1


def test_one_run_at_a_time_and_one_corpus_a_folder(convert, made, tmp_path, capsys):
    state = State(tmp_path / "out", "other")
    with state.locked(str(tmp_path / "in")):
        assert convert(*made) == 1
        assert "another run is writing there" in capsys.readouterr().err
    assert convert("-i", tmp_path / "in" / "..", "-o", tmp_path / "out") == 1
    assert "holds another corpus's results" in capsys.readouterr().err


def test_without_ray_one_line_says_what_to_install(made, voice, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main([*voice, *map(str, made)]) == 1
    error = capsys.readouterr().err
    assert "pyproject.toml:corpus" in error and error.count("\n") == 1


def test_units(tmp_path):
    """Long files first, several short ones together, none of them lost; what is there already in front."""
    seconds = [5, 900, 1, 1, 2, 40, 3, 60, 30, 7]
    sources = [Source(f"{i}.wav", f"/in/{i}.wav", f"{i}.wav", s) for i, s in enumerate(seconds)]
    items = plan_items(sources)
    (tmp_path / "3.wav").touch()
    before = {items[3].id: {"status": "done"}}
    settings = SimpleNamespace(streams=2, packed=None)
    units = plan_units(items, before, tmp_path, settings, actors=2)
    names = [[item.source.name for item, _ in unit] for unit in units]
    assert names == [["3.wav"], ["1.wav", "7.wav"], ["5.wav", "8.wav"], ["9.wav", "0.wav", "6.wav", "4.wav", "2.wav"]]


@given(
    st.lists(st.text("ab./", min_size=1, max_size=6).map(lambda name: f"{inside_name(name) or 'x'}.wav"), unique=True)
)
def test_results_have_names_of_their_own(names):
    names += [name.replace(".wav", ".mp3") for name in names[::2]]
    outputs = [item.output for item in plan_items([Source(name, name, name, 1) for name in names])]
    assert len(set(outputs)) == len(names) and all(output.endswith(".wav") for output in outputs)
    parents = {str(parent) for output in outputs for parent in Path(output).parents}
    assert not parents & set(outputs) and not any(".." in Path(output).parts for output in outputs)


def test_the_line_of_progress(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("corpus.progress.time.monotonic", lambda: now[0])
    progress = Progress(dict, files=1200, guessed_s=36000)
    now[0] += 100
    for i in range(300):
        progress.add(30, failed=i < 2)
    workers = {f"host:{i}": {"audio_s": 4500, "busy_s": 90 + i, "up_s": 100} for i in range(2)}
    assert progress.line(workers) == (
        "300 of 1,200 files · 2.50 h of audio · 90.0 x real time · 5 min left · 2 failed · actors 90, 91 % busy"
    )
    now[0] += 600
    assert "no actor at work for 10 min" in progress.line(workers)


class Endless(AudioReader):
    """Twelve minutes of 48 kHz stereo, made as they are read."""

    def __init__(self, *_):
        self.name, self.live, self.tags, self.damage = "synthetic", False, {}, None
        self.rate, self.channels, self.seconds = 48000, 2, 720

    def __iter__(self):
        block = Block(np.zeros((2, 48000), dtype=np.float32), 48000, ("FL", "FR"))
        for _ in range(720):
            yield block

    def close(self):
        pass


def test_a_long_file_in_bounded_memory(tmp_path, monkeypatch):
    """276 MB of samples through the actor, with a network that answers at once."""
    monkeypatch.setattr("audio.recording.AudioReader", Endless)
    record(tmp_path / "long.wav")
    engine = FakeEngine(2, chunk_factor=64)

    @contextmanager
    def open_backend(*_, streams):
        yield Backend("cpu", "none", lambda *_: engine, 64, "latency")

    settings = Settings(str(tmp_path / "out"), "run", {"backend": "cpu"}, 16000, 2, ConversionOptions())
    converter = CorpusConverter(settings, None, lambda *_: None, "here", lambda _: True, open_backend)
    item = plan_items([Source("long.wav", str(tmp_path / "long.wav"), "long.wav", 1)])[0]
    tracemalloc.start()
    result = converter.convert([(item, None)])
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert result["records"][0]["seconds"] == 720
    assert peak < 5e6


def test_every_worker_claims_a_card_of_its_own(tmp_path, monkeypatch):
    monkeypatch.setattr("corpus.converter.DEVICES", tmp_path)
    monkeypatch.setenv("TT_VISIBLE_DEVICES", "unset")
    with claimed_card():
        assert os.environ["TT_VISIBLE_DEVICES"] == "unset"  # there is one at most
    for name in ("0", "1", "by-id"):
        (tmp_path / name).touch()
    with claimed_card():
        assert os.environ["TT_VISIBLE_DEVICES"] == "0"
        with claimed_card():
            assert os.environ["TT_VISIBLE_DEVICES"] == "1"
            with pytest.raises(CorpusError, match="has 2 cards, all in use"), claimed_card():
                pass
    with claimed_card():
        assert os.environ["TT_VISIBLE_DEVICES"] == "0"


@pytest.mark.parametrize("address", ["127.0.0.1:9", "here", "ray://127.0.0.1:10001", "127.0.0.1:99999"])
def test_a_cluster_that_is_not_there_is_told_at_once(made, voice, capsys, address, monkeypatch):
    monkeypatch.setattr("ray.is_initialized", lambda: False)
    assert main([*voice, *map(str, made), "--address", address]) == 1
    error = capsys.readouterr().err
    assert address in error and error.count("\n") == 1


@pytest.mark.parametrize("length", [20, 150])
def test_ray_has_a_folder_whose_sockets_have_names_of_a_length_that_is_allowed(monkeypatch, length):
    with tempfile.TemporaryDirectory(dir="/tmp") as base:
        folder = Path(base, "x" * (length - len(base) - 1))
        folder.mkdir()
        monkeypatch.setattr("tempfile.tempdir", str(folder))
        with temporary_folder() as name:
            assert len(os.path.join(name, LONGEST_SOCKET)) <= SOCKET_BYTES
            assert Path(name).parent == (folder if length == 20 else Path("/tmp"))
            assert os.stat(name).st_mode & 0o77 == 0  # nobody else's
        assert not os.path.exists(name)


@pytest.mark.parametrize("actors, cores, cpus", [(None, 3, 3), (2, 3, 3), (4, 1, 4)])
def test_ray_of_this_machine_has_as_many_cpus_as_may_be_used(monkeypatch, actors, cores, cpus):
    monkeypatch.setattr("corpus.cluster.available_cores", lambda: cores)
    options = {}
    start(SimpleNamespace(init=options.update), None, actors, "/tmp/folder")
    assert options["num_cpus"] == cpus and options["_temp_dir"] == "/tmp/folder"
