# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The demo as people type it."""

import errno
import json
import math
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.fake_engine import GAIN, FakeEngine
from support.golden import load_golden, small_voice

from audio.loudness import LoudnessMeter
from audio.writing import FFmpegWriter
from demo import backend, cli, plan
from demo.backend import Backend
from demo.cli import main, parse_args
from demo.voice import DEFAULT_CHECKPOINT
from streaming.onnx_engine import OnnxEngine

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "test_wavs" / "example.wav"
ADDRESS = "https://example.org//a%20b.wav"


@pytest.fixture(autouse=True)
def _one_thread_setting_per_test():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def small(tmp_path):
    return small_voice(tmp_path)


@pytest.fixture
def speech(tmp_path):
    path = tmp_path / "in.wav"
    soundfile.write(path, load_golden("small").arrays["audio"], 16000)
    return path


def test_defaults():
    args = vars(parse_args([]))
    assert args == {
        "checkpoint_path": "llvc_models/models/checkpoints/llvc/G_500000.pth",
        "config_path": "experiments/llvc/config.json",
        "input_file": "test_wavs/example.wav",
        "output_file": "converted_output.wav",
        "streaming": False,
        "chunk_factor": 1,
        "backend": "auto",
        "kernels": "auto",
        "threads": None,
        "device_id": None,
        "streams": None,
        "mode": "latency",
        "channels": "mix",
        "output_rate": None,
        "raw": None,
        "rate": None,
        "match_loudness": False,
        "metadata": True,
        "strict": False,
        "plot": None,
        "every_sample": False,
        "json": None,
    }


def test_a_newcomer_without_a_checkpoint(tmp_path):
    """From any folder, with nothing but an input."""
    process = subprocess.run(
        [sys.executable, str(ROOT / "demo.py"), "--backend", "cpu"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert process.returncode == 0, process.stderr
    if not (ROOT / DEFAULT_CHECKPOINT).exists():
        assert "the bundled demo voice" in process.stdout and "demo.download_weights" in process.stdout
        before, after = soundfile.read(EXAMPLE)[0], soundfile.read(tmp_path / "converted_output.wav")[0]
        assert before.shape == after.shape and not np.allclose(before, after, atol=0.01)  # another voice
    assert "written: converted_output.wav" in process.stdout


def test_streaming_gives_the_offline_file(tmp_path, small, speech, capsys):
    offline, streamed = tmp_path / "offline.wav", tmp_path / "streamed.wav"
    assert main([*small, "-i", str(speech), "-o", str(offline)]) == 0
    for n in ("1", "2", "8"):
        assert main([*small, "-i", str(speech), "-o", str(streamed), "-s", "-n", n]) == 0
        a, b = soundfile.read(offline, dtype="int16")[0], soundfile.read(streamed, dtype="int16")[0]
        assert a.shape == b.shape == soundfile.read(speech)[0].shape
        assert np.abs(a.astype(int) - b).max() <= 1  # rounding
    expected = load_golden("small").arrays["offline"]
    assert np.abs(a / 32768 - expected).max() < 1e-4
    assert "backend" not in capsys.readouterr().out  # it was named


# Threads of PyTorch that wait for one another keep a busy machine busy.
@pytest.mark.parametrize("options", [["--backend", "torch", "--threads", "1"], ["--backend", "cpu", "--threads", "2"]])
def test_engines_on_the_cpu(tmp_path, small, speech, options):
    expected = load_golden("small").arrays["offline"]
    for streaming in ([], ["-s"], ["--streams", "2"]):
        figures, out = tmp_path / "figures.json", tmp_path / "out.wav"
        assert main([*small, "-i", str(speech), "-o", str(out), "--json", str(figures), *options, *streaming]) == 0
        assert np.abs(soundfile.read(out)[0] - expected).max() < 1e-4
        assert json.loads(figures.read_text())["backend"] == options[1]


def test_without_onnx_runtime_pytorch_does_it(tmp_path, small, speech, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "streaming.onnx_engine", None)
    out = tmp_path / "out.wav"
    assert main([*small, "-i", str(speech), "-o", str(out)]) == 0
    assert "backend: torch (ONNX Runtime" in capsys.readouterr().out
    assert np.abs(soundfile.read(out)[0] - load_golden("small").arrays["offline"]).max() < 1e-4


def test_streaming_report(tmp_path, small, speech, capsys):
    figures = tmp_path / "figures.json"
    out = tmp_path / "out.wav"
    assert main([*small, "-i", str(speech), "-o", str(out), "-s", "-n", "2", "--json", str(figures)]) == 0
    printed = capsys.readouterr().out
    for text in ("chunk                26.0 ms", "algorithmic latency  28.0 ms", "p99", "x real time", "first chunk"):
        assert text in printed
    written = json.loads(figures.read_text())
    assert written["backend"] == "cpu" and written["failed"] == []
    stream = written["files"][0]["streaming"]
    assert stream["chunks"] == len(load_golden("small").arrays["audio"]) // 416
    compute = stream["compute_ms"]  # of which tests/demo/test_convert.py works out the rest by hand
    assert 0 < compute["p50"] <= compute["p95"] <= compute["p99"] <= compute["max"]


@pytest.mark.parametrize("streams", [1, 2, 5, 7])
def test_concurrent_streams_give_the_offline_files(tmp_path, small, capsys, streams):
    """Five files of all lengths, more and fewer than there are streams."""
    folder, offline, out = (tmp_path / name for name in ("in", "offline", "out"))
    folder.mkdir()
    audio = load_golden("small").arrays["audio"]
    lengths = {f"{k}.wav": length for k, length in enumerate((1, 3000, 208 * 4, 7000, 2999))}
    for name, length in lengths.items():
        soundfile.write(folder / name, audio[-length:], 16000)
    figures = tmp_path / "figures.json"
    options = [*small, "-i", str(folder)]
    assert main([*options, "-o", str(offline)]) == 0
    assert main([*options, "-o", str(out), "--streams", str(streams), "-n", "2", "--json", str(figures)]) == 0
    for name, length in lengths.items():
        a, b = (soundfile.read(where / name, dtype="int16")[0] for where in (offline, out))
        assert len(a) == len(b) == length and np.abs(a.astype(int) - b).max() <= 1
    printed = capsys.readouterr().out
    assert "x real time in aggregate" in printed and "converted 5 of 5 files" in printed
    written = json.loads(figures.read_text())["streaming"]
    assert written["streams"] == streams and written["seconds"] == pytest.approx(sum(lengths.values()) / 16000)


def test_copies_of_one_file_as_concurrent_streams(tmp_path, small, speech, capsys):
    out, picture, figures = tmp_path / "out.wav", tmp_path / "plot.png", tmp_path / "figures.json"
    options = [*small, "-i", str(speech), "-o", str(out), "--plot", str(picture), "--json", str(figures)]
    assert main([*options, "--streams", "3"]) == 0
    expected = load_golden("small").arrays["offline"]
    assert np.abs(soundfile.read(out)[0] - expected).max() < 1e-4
    written = json.loads(figures.read_text())
    assert written["streaming"]["seconds"] == pytest.approx(3 * len(expected) / 16000)
    assert len(written["files"]) == 1 and picture.exists()
    assert "3 streams" in capsys.readouterr().out


def test_concurrent_streams_with_a_bad_file(tmp_path, small, speech, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    (folder / "b.wav").write_text("no audio")
    assert main([*small, "-i", str(folder), "-o", str(out), "--streams", "2"]) == 1
    assert "converted 0 of 1 files" in capsys.readouterr().out
    shutil.copy(speech, folder / "a.wav")
    assert main([*small, "-i", str(folder), "-o", str(out), "--streams", "2"]) == 1
    captured = capsys.readouterr()
    assert "b.wav: not an audio file" in captured.err and "converted 1 of 2 files" in captured.out
    assert [path.name for path in out.iterdir()] == ["a.wav"]


BAD = {
    "the disk is full": (OSError(errno.ENOSPC, "No space left on device"), "b.wav: cannot be written (No space left"),
    "the quota": (OSError(errno.EDQUOT, "Disk quota exceeded"), "b.wav: cannot be written (Disk quota exceeded)"),
    "any other": (ZeroDivisionError("boom"), "b.wav: boom"),
}


@pytest.mark.parametrize("streams", [[], ["--streams", "2"]])
@pytest.mark.parametrize("error, message", BAD.values(), ids=BAD)
def test_one_file_that_cannot_be_written_leaves_the_others(
    tmp_path, small, speech, capsys, monkeypatch, error, message, streams
):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in ("a.wav", "b.wav", "c.wav"):
        shutil.copy(speech, folder / name)
    write = FFmpegWriter._write

    def broken(self, samples):
        if Path(self.path).name == "b.wav":
            raise error
        write(self, samples)

    monkeypatch.setattr(FFmpegWriter, "_write", broken)
    assert main([*small, "-i", str(folder), "-o", str(out), *streams]) == 1
    captured = capsys.readouterr()
    assert message in captured.err and captured.err.count("error: ") == 1
    assert "converted 2 of 3 files" in captured.out
    assert sorted(path.name for path in out.iterdir()) == ["a.wav", "c.wav"]


def test_an_engine_that_fails_ends_the_streams_it_had(tmp_path, small, capsys, monkeypatch):
    """What was complete stays, what was under way is named, what comes later is converted."""
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    audio = load_golden("small").arrays["audio"]
    for name, length in {"a": 200, "b": 3000, "c": 3000, "d": 1000}.items():
        soundfile.write(folder / f"{name}.wav", audio[:length], 16000)
    calls, submit = [], OnnxEngine._submit

    def failing(self, *arguments):
        calls.append(arguments)
        if len(calls) == 5:
            raise RuntimeError("the card fell out")
        submit(self, *arguments)

    monkeypatch.setattr(OnnxEngine, "_submit", failing)
    assert main([*small, "-i", str(folder), "-o", str(out), "--streams", "2"]) == 1
    captured = capsys.readouterr()
    lines = sorted(line.rpartition("/")[2] for line in captured.err.splitlines() if "error: " in line)
    assert lines == ["b.wav: the card fell out", "c.wav: the card fell out"]
    assert "converted 2 of 4 files" in captured.out
    assert sorted(path.name for path in out.iterdir()) == ["a.wav", "d.wav"]
    with torch.no_grad():
        expected = load_golden("small").model(torch.from_numpy(audio[None, None, :1000]))[0, 0].numpy()
    assert np.abs(soundfile.read(out / "d.wav")[0] - expected).max() < 1e-4


def test_threads_by_default(tmp_path, small, speech, monkeypatch):
    """For a file those that are idle, as others would slow it down; one for each stream."""
    monkeypatch.setattr(cli, "available_cores", lambda: 4)
    monkeypatch.setattr(cli, "idle_cores", lambda: 3)
    figures = tmp_path / "figures.json"
    for options, threads in (([], "3 threads"), (["-s"], "1 thread"), (["--streams", "2"], "2 threads")):
        options = [*small, "-i", str(speech), "-o", str(tmp_path / "out.wav"), "--json", str(figures), *options]
        assert main(options) == 0
        assert json.loads(figures.read_text())["device"] == f"CPU, {threads}"
        assert torch.get_num_threads() == 1  # of the resampler


def test_a_network_too_large_for_onnx(monkeypatch, capsys):
    monkeypatch.setattr(backend, "MOST_ONNX_BYTES", 1000)
    with backend.open_backend("cpu", load_golden("small").model) as opened:
        assert opened.name == "torch"
    assert (
        capsys.readouterr().out == "backend: torch (ONNX Runtime, which is faster, takes networks of less than 2 GiB)\n"
    )


def test_idle_cores(monkeypatch):
    monkeypatch.setattr(backend, "_cores", lambda: 4)
    monkeypatch.setattr(backend, "cpu_quota", lambda: math.inf)
    for load, cores in ((0.0, 4), (0.2, 4), (0.9, 3), (2.1, 2), (3.0, 1), (9.0, 1)):
        monkeypatch.setattr(os, "getloadavg", lambda load=load: (load, 0.0, 0.0))
        assert backend.idle_cores() == cores


def test_audio_shorter_than_a_chunk(tmp_path, small, capsys):
    path, out = tmp_path / "short.wav", tmp_path / "out.wav"
    soundfile.write(path, np.full(100, 0.1), 16000)
    assert main([*small, "-i", str(path), "-o", str(out), "-s"]) == 0
    assert len(soundfile.read(out)[0]) == 100
    assert "not measured" in capsys.readouterr().out


def test_other_rates_come_out_at_the_networks(tmp_path, small):
    path, out = tmp_path / "in.flac", tmp_path / "out.flac"
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, (44100, 2)), 44100)
    assert main([*small, "-i", str(path), "-o", str(out)]) == 0
    info = soundfile.info(out)
    assert (info.samplerate, info.channels, info.frames, info.subtype) == (16000, 1, 16000, "PCM_16")


def test_plot(tmp_path, small, speech):
    picture, source = tmp_path / "plot.png", tmp_path / "a$x_{y$.wav"  # no formula
    shutil.copy(speech, source)
    assert main([*small, "-i", str(source), "-o", str(tmp_path / "out$.wav"), "--plot", str(picture)]) == 0
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"


@pytest.mark.parametrize("streaming", [[], ["-s"], ["--streams", "1"]])
def test_match_loudness(tmp_path, small, speech, streaming):
    """To half a LU, where asked for. (Without it, other tests say, the file holds what the network said.)"""
    quiet = tmp_path / "quiet.wav"
    soundfile.write(quiet, np.tile(soundfile.read(speech)[0], 3), 16000)
    out = tmp_path / "out.wav"

    def lufs(path):
        meter = LoudnessMeter(1, 16000)
        meter.push(soundfile.read(path)[0][None])
        return meter.lufs[0]

    assert main([*small, "-i", str(quiet), "-o", str(out), *streaming]) == 0
    assert abs(lufs(out) - lufs(quiet)) > 1
    assert main([*small, "-i", str(quiet), "-o", str(out), "--match_loudness", *streaming]) == 0
    assert lufs(out) == pytest.approx(lufs(quiet), abs=0.5)


def test_a_folder_with_a_bad_file(tmp_path, small, speech, capsys):
    folder, out = tmp_path / "in", tmp_path / "out"
    (folder / "sub").mkdir(parents=True)
    shutil.copy(speech, folder / "a.wav")
    (folder / "b.wav").write_text("no audio")
    soundfile.write(folder / "sub" / "c.flac", np.full(3000, 0.1), 8000)
    figures = tmp_path / "figures.json"
    assert main([*small, "-i", str(folder), "-o", str(out), "--json", str(figures)]) == 1
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()) == ["a.wav", "sub/c.flac"]
    captured = capsys.readouterr()
    assert "b.wav: not an audio file" in captured.err and "converted 2 of 3 files" in captured.out
    written = json.loads(figures.read_text())
    assert len(written["files"]) == 2 and [Path(f["input"]).name for f in written["failed"]] == ["b.wav"]
    (folder / "b.wav").unlink()
    assert main([*small, "-i", str(folder), "-o", str(out)]) == 0


def test_links_in_a_folder_are_converted_once_or_named(tmp_path, small, speech, capsys):
    folder, outside, out = (tmp_path / name for name in ("in", "outside", "out"))
    folder.mkdir()
    (outside / "sub").mkdir(parents=True)
    for path in (folder / "plain.wav", outside / "linked.wav", outside / "sub" / "deep.wav"):
        shutil.copy(speech, path)
    (folder / "note.txt").write_text("no audio")
    links = {"file.wav": outside / "linked.wav", "folder": outside / "sub", "again.wav": folder / "plain.wav"}
    links |= {"loop": folder, "nothing.wav": tmp_path / "gone.wav"}
    for name, target in links.items():
        (folder / name).symlink_to(target)
    figures = tmp_path / "figures.json"
    assert main([*small, "-i", str(folder), "-o", str(out), "--json", str(figures)]) == 0
    results = ["file.wav", "folder/deep.wav", "plain.wav"]
    assert sorted(p.relative_to(out).as_posix() for p in out.rglob("*") if p.is_file()) == results
    said = capsys.readouterr().out
    left_out = [Path(left["path"]).name for left in json.loads(figures.read_text())["left_out"]]
    assert left_out == ["again.wav", "loop", "note.txt", "nothing.wav"]
    for name in left_out:
        assert f"left out: {folder / name} (" in said


def test_results_inside_the_folder_are_not_converted_again(tmp_path, small):
    soundfile.write(tmp_path / "a.wav", np.full(300, 0.1), 16000)
    for _ in range(2):
        assert main([*small, "-i", str(tmp_path), "-o", str(tmp_path / "out")]) == 0
    assert [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.wav")].count("out/a.wav") == 1
    assert not (tmp_path / "out" / "out").exists()


@pytest.mark.parametrize(
    "options",
    [
        ["-n", "0"],
        ["-n", "x"],
        ["-n", "10000"],
        ["-n", "9" * 5000],
        ["--backend", "gpu"],
        ["--streams", "0"],
        ["--mode", "fast"],
        ["--device_id", "-1"],
        ["--loud"],
        ["-i"],
        *([option, ADDRESS] for option in ("-i", "-o", "-p", "-c", "--json", "--plot")),
    ],
)
def test_wrong_flags_get_one_line(options, capsys):
    with pytest.raises(SystemExit) as stop:
        main(options)
    assert stop.value.code == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1
    assert ADDRESS not in options or f"{ADDRESS} is an address; download it first" in err


@pytest.mark.parametrize(
    "options, message",
    [
        (["-i", "{tmp}/none.wav"], "none.wav: no such file"),
        (["-i", "{tmp}/none.wav", "--streams", "2"], "none.wav: no such file"),
        (["-i", "{tmp}/none", "-o", "{tmp}/out"], "none: no such file or folder; name an audio file or a folder"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.wav", "-s", "--mode", "throughput"], "is for --backend ttnn"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/in.wav"], "would be overwritten"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/link.wav"], "would be overwritten"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.wav", "--json", "{tmp}/out.wav"], "two outputs"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.wav", "--json", "{tmp}/in.wav"], "would be overwritten"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.wav", "--json", "{tmp}/small.json"], "would be overwritten"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.wav", "--json", "{tmp}/small.pth"], "would be overwritten"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.wav", "--json", "{tmp}/bundled.safetensors"], "would be overwritten"),
        (["-i", "{tmp}/loop.wav", "-o", "{tmp}/out.wav"], "no such file"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/" + "x" * 300 + ".wav"], "File name too long"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.wav", "-p", "x" * 5000], "File name too long"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.wav", "--plot", "{tmp}/plot.pdf"], "ends in .png"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.xyz"], "no audio format"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}"], "would be overwritten"),
        (["-i", "{tmp}", "-o", "{tmp}/out.wav"], "name a folder with -o"),
        (["-i", "{tmp}", "-o", "{tmp}"], "would be overwritten"),
        (["-i", "{tmp}/no_audio", "-o", "{tmp}/out"], "no audio files"),
        (["-i", "{tmp}", "-o", "{tmp}/out", "--plot", "{tmp}/plot.png"], "--plot draws one file"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.wav", "-c", "{tmp}/none.json"], "no such configuration"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.wav", "-p", "{tmp}/none.pth"], "no such checkpoint"),
        (["-i", "{tmp}/in.wav", "-o", "{tmp}/out.wav", "-c", "{root}/experiments/llvc/config.json"], "do not fit"),
    ],
)
def test_bad_input_gets_one_line_and_changes_nothing(tmp_path, small, speech, capsys, monkeypatch, options, message):
    (tmp_path / "no_audio").mkdir()
    (tmp_path / "bundled.safetensors").write_bytes(b"the voice that comes with the demo")
    monkeypatch.setattr(plan, "BUNDLED_CHECKPOINT", tmp_path / "bundled.safetensors")
    os.link(speech, tmp_path / "link.wav")
    (tmp_path / "loop.wav").symlink_to("loop.wav")
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    options = [option.format(tmp=tmp_path, root=ROOT) for option in options]
    assert main([*small, *options]) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_ttnn_without_a_device(tmp_path, small, speech, capsys, monkeypatch):
    options = [*small, "-i", str(speech), "-o", str(tmp_path / "out.wav"), "--backend", "ttnn"]
    monkeypatch.setattr(backend, "has_card", lambda: False)
    monkeypatch.delenv("TT_METAL_SIMULATOR", raising=False)
    monkeypatch.delenv("TT_METAL_MOCK_CLUSTER_DESC_PATH", raising=False)
    assert main(options) == 1
    assert "needs a Tenstorrent card" in capsys.readouterr().err
    monkeypatch.setenv("TT_METAL_MOCK_CLUSTER_DESC_PATH", "mock.yaml")
    assert main(options) == 1
    assert "a mock device computes nothing" in capsys.readouterr().err
    assert not (tmp_path / "out.wav").exists()


def test_auto_never_takes_a_mock_device(tmp_path, small, speech, capsys, monkeypatch):
    monkeypatch.setattr(backend, "has_card", lambda: False)
    monkeypatch.setenv("TT_METAL_MOCK_CLUSTER_DESC_PATH", "mock.yaml")
    assert main([*small, "-i", str(speech), "-o", str(tmp_path / "out.wav"), "--backend", "auto"]) == 0
    assert "backend: cpu (no Tenstorrent card found)" in capsys.readouterr().out


def test_the_bundled_weights_do_not_stand_in_for_another_configuration(tmp_path, capsys):
    if (ROOT / DEFAULT_CHECKPOINT).exists():
        pytest.skip("the published checkpoint is there")
    config = str(ROOT / "experiments" / "llvc_nc" / "config.json")
    assert main(["-c", config, "-o", str(tmp_path / "out.wav")]) == 1
    assert "the bundled one fits only" in capsys.readouterr().err


def test_a_checkpoint_in_the_default_place_is_taken(tmp_path, small, speech, monkeypatch):
    (tmp_path / DEFAULT_CHECKPOINT).parent.mkdir(parents=True)
    (tmp_path / "small.pth").rename(tmp_path / DEFAULT_CHECKPOINT)
    monkeypatch.chdir(tmp_path)
    assert main(["-c", "small.json", "--backend", "cpu", "-i", str(speech), "-o", "out.wav"]) == 0
    assert np.abs(soundfile.read("out.wav")[0] - load_golden("small").arrays["offline"]).max() < 1e-4


@pytest.mark.parametrize(
    "options, streams, engine",
    [
        ([], 1, (5, 1, "throughput")),  # offline in the chunks that are the backend's
        (["-n", "2"], 1, (5, 1, "throughput")),
        (["-s", "-n", "2"], 1, (2, 1, "latency")),
        (["--streams", "3", "-n", "2"], 3, (2, 3, "latency")),
        (["--streams", "3", "--mode", "throughput"], 3, (1, 3, "throughput")),
    ],
)
def test_what_is_asked_of_the_backend(tmp_path, small, speech, monkeypatch, options, streams, engine):
    asked = []

    @contextmanager
    def open_fake(name, model, *arguments):
        def open_engine(chunk_factor, batch_size, mode):
            asked.append((chunk_factor, batch_size, mode))
            return FakeEngine(batch_size, chunk_factor)

        asked.append((name, *arguments))
        yield Backend("fake", "a test", open_engine, offline_chunk_factor=5, offline_mode="throughput")

    monkeypatch.setattr(cli, "open_backend", open_fake)
    given = ["--backend", "ttnn", "--device_id", "1", "--kernels", "stock", "--threads", "2"]
    out = tmp_path / "out.wav"
    assert main([*small, "-i", str(speech), "-o", str(out), *given, *options]) == 0
    assert asked == [("ttnn", 1, streams, "stock", 2), engine]
    assert np.abs(soundfile.read(out)[0] - GAIN * soundfile.read(speech)[0]).max() < 1e-4


@pytest.mark.parametrize("streams", [[], ["--streams", "2"]])
def test_an_interrupt_leaves_nothing_half_written(tmp_path, small, streams):
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for i in range(200):
        soundfile.write(folder / f"{i:03}.wav", np.zeros(16000), 16000)
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "demo.py"), *small, "-i", str(folder), "-o", str(out), *streams],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a runner in the background ignores it
    )
    deadline = time.monotonic() + 600
    while not list(out.glob("*.wav")) and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=600)
    assert process.returncode == 130
    assert "interrupted" in err and "Traceback" not in err
    written = list(out.iterdir())
    assert 0 < len(written) < 200
    assert all(path.suffix == ".wav" and soundfile.info(path).frames == 16000 for path in written)
