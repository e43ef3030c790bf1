# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The evaluation as people run it, and that it notices what is broken."""

import csv
import json
import re
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import soundfile
import torch
from support.fake_engine import FakeEngine
from support.golden import load_golden

pytest.importorskip("resemblyzer", reason="run: make evaluation", exc_type=ImportError)

from demo import convert
from demo.backend import Backend  # noqa: E402
from demo.voice import BUNDLED_CHECKPOINT, Voice  # noqa: E402
from evaluation.evaluate import (  # noqa: E402
    MET,
    MISSED,
    Evaluation,
    evaluate,
    main,
    missed,
)
from evaluation.judges import SpeakerEncoder  # noqa: E402
from evaluation.utterances import EvaluationError, Utterance, read_utterances  # noqa: E402
from streaming.torch_engine import TorchEngine  # noqa: E402

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("judges_on_one_thread")]

FAILED = 1
ROOT = Path(__file__).resolve().parents[2]
TEXT = "a few words"


@pytest.fixture(autouse=True)
def _threads_stay():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def folders(tmp_path_factory, person):
    """Input: a person with text, a machine without; target: the first's, and another's. A good second each."""
    root = tmp_path_factory.mktemp("evaluation")
    machine = soundfile.read(ROOT / "test_wavs" / "example.wav")[0][: len(person)]
    for folder, files in (("in", {"a": person, "b": machine}), ("target", {"a": person, "other": machine[::-1]})):
        (root / folder).mkdir()
        for name, samples in files.items():
            soundfile.write(root / folder / f"{name}.wav", samples, 16000)
    (root / "in" / "a.txt").write_text(TEXT)
    return root


def as_voice(model):
    return Voice(model, 16000, Path("x"))


def options(folders, output, *more):
    required = ["--input", str(folders / "in"), "--target", str(folders / "target"), "--output", str(output)]
    return [*required, "--backend", "cpu", *more]


@pytest.fixture(scope="module")
def report(folders, tmp_path_factory):
    """The bundled voice's report."""
    folder = tmp_path_factory.mktemp("report")
    code = main(options(folders, folder, "--chunk_factors", "3", "--max_wer", "0"))
    return code, folder, json.loads((folder / "figures.json").read_text())


def test_every_figure_is_there_and_says_where_it_comes_from(report):
    code, folder, figures = report
    assert code == MISSED  # no WER is below 0
    assert figures["backend"] == "cpu" and figures["device"] == "CPU, 1 thread"
    assert torch.__version__.startswith(figures["versions"]["torch"]) and figures["date"].startswith("20")
    assert figures["checkpoint"] == BUNDLED_CHECKPOINT.name
    assert [mode["mode"] for mode in figures["modes"]] == ["offline", "stream n=3"]
    for mode in figures["modes"]:
        s = mode["summary"]
        assert s["token_accuracy"] == 100 and s["pcc"] > 0.999999 and s["max_error"] < 1e-5 and s["si_sdr_db"] > 80
        assert s["tokens_per_s"] == pytest.approx(1000 / s["rtf"])
        for name in ("similarity_target", "similarity_source", "similarity_source_target"):
            assert 0 < s[name] <= 100.001
        assert s["wer_source"] is not None and s["wer_text"] is not None
        assert 1 < s["dnsmos"] < 5
        if mode["mode"] != "offline":
            assert s["max_error_to_offline"] < 1e-5 and s["border_rms"] < 1e-5
            assert s["compute_ms"]["p50"] <= s["compute_ms"]["p99"]
            assert len(mode["chunk_ms"]) > 5
    assert figures["controls"]["source"]["wer_source"] == 0
    assert (
        figures["controls"]["source"]["wer_text"] is not None
        and figures["controls"]["target"]["wer_text"]
        == (
            figures["controls"]["source"]["wer_text"]  # the aligned target is the source itself here
        )
    )
    assert 1 < figures["controls"]["target"]["dnsmos"] < 5 and "DNSMOS" in figures["listener"]
    assert not any("token accuracy" in line or "border" in line for line in figures["missed"])
    assert "stream n=3: WER against the text" in "".join(figures["missed"])

    lines = list(csv.DictReader((folder / "figures.csv").open()))
    assert len(lines) == 2 * (2 + 1)
    for line in lines:
        assert line["backend"] == "cpu" and line["device"] and line["date"] and "torch=" in line["versions"]
    page = (folder / "report.html").read_text()
    for name in re.findall(r'src="([^"]+)"', page):
        assert (folder / name).stat().st_size > 1000, name
    assert page.count("<audio") == 3 + 2 and "latency.png" in page and "a.wav" in page


class Noisy(TorchEngine):
    def _collect(self):
        audio = super()._collect()
        return audio + 0.3 * audio.std() * torch.randn(audio.shape)


class Late(TorchEngine):
    """A sample behind."""

    def _collect(self):
        return super()._collect().roll(1, dims=-1)


class Clicking(TorchEngine):
    """Wrong by a little where a chunk begins."""

    def _collect(self):
        audio = super()._collect().clone()
        audio[:, 0] += 0.01
        return audio


def summary(**changes):
    good = {"token_accuracy": 99.0, "similarity_target": 80.0, "similarity_source": 50.0, "wer_source": 1.0}
    good |= {"wer_text": None, "border_rms": 1e-7, "elsewhere_rms": 1e-7}
    targets = {"min_similarity": 70.0, "max_wer": 3.0, "min_token_accuracy": 95.0}
    return {"targets": targets, "modes": [{"mode": "offline", "summary": good | changes}]}


@pytest.mark.parametrize(
    "changes, expected",
    [
        ({}, None),
        ({"token_accuracy": 95.0}, "token accuracy 95.0% is not above 95%"),
        ({"token_accuracy": None}, "token accuracy not measured"),
        ({"similarity_target": 69.9}, "speaker similarity"),
        ({"similarity_source": 81.0}, "nearer to the source"),
        ({"wer_source": 3.0}, "WER against the source 3.0%"),
        ({"wer_text": 40.0}, "WER against the text 40.0%"),  # real text counts for more
        ({"wer_source": None}, "not measured"),
        ({"border_rms": 1e-3}, "chunk borders"),
    ],
)
def test_targets(changes, expected):
    lines = missed(summary(**changes))
    assert (lines == []) if expected is None else (len(lines) == 1 and expected in lines[0]), lines


class Voices:
    """Stands for an embedding model: the voice of samples is their first two."""

    name = "stub"

    def embed(self, samples):
        return samples[:2].double().numpy()


class Words:
    """Stands for a recogniser: as many words as a sample says, at most."""

    name = "stub"

    def __call__(self, samples):
        return " ".join("abcd"[: round(10 * float(samples[2]))])


class Opinion:
    name = "stub"

    def __call__(self, samples):
        return 3.0


JUDGES = SimpleNamespace(encoder=Voices(), recogniser=Words(), listener=Opinion())


@pytest.fixture
def deaf(monkeypatch):
    """Judges of whom only the first, of voices, is the real one."""
    deaf = SimpleNamespace(encoder=SpeakerEncoder(), recogniser=JUDGES.recogniser, listener=JUDGES.listener)
    monkeypatch.setattr("evaluation.evaluate.open_judges", lambda recogniser: deaf)


def test_one_silent_file_does_not_end_it(folders, tmp_path, capsys, deaf):
    """It is left out and named, among the inputs and among the targets."""
    for name in ("in", "target"):
        shutil.copytree(folders / name, tmp_path / name)
        soundfile.write(tmp_path / name / "silent.wav", torch.zeros(16000).numpy(), 16000)
    argv = options(tmp_path, tmp_path / "out", "--chunk_factors", "--seconds", "2")
    assert main(argv) in (MET, MISSED)
    out, err = capsys.readouterr()
    assert "not judged: silent.wav: " in err and "not judged: target silent.wav: " in err
    figures = json.loads((tmp_path / "out" / "figures.json").read_text())
    assert [line for line in out.splitlines() if line.startswith("missed: ")] == [
        f"missed: {line}" for line in figures["missed"]
    ]
    assert [row["utterance"] for row in figures["modes"][0]["utterances"]] == ["a.wav", "b.wav"]


def test_targets_that_are_met(folders, report, tmp_path, deaf):
    """The bundled voice is nearer to what it said itself than to the sources."""
    (tmp_path / "said").mkdir()
    for path in (report[1] / "audio").glob("*_converted.wav"):
        shutil.copy(path, tmp_path / "said")
    argv = options(folders, tmp_path / "out", "--chunk_factors", "--max_wer", "1000")
    assert main([*argv, "--target", str(tmp_path / "said")]) == MET


@pytest.mark.parametrize(
    "engine, found",
    [
        (TorchEngine, None),
        (Noisy, "token accuracy"),
        (Late, "token accuracy"),
        (Clicking, "error at chunk borders"),
    ],
)
def test_a_broken_backend_is_found(engine, found):
    torch.manual_seed(0)
    golden = load_golden("small")
    audio = torch.from_numpy(golden.arrays["audio"])
    backend = Backend("broken", "a test", lambda n, b, mode: engine(golden.model, n, b), 64, "latency")
    args = SimpleNamespace(chunk_factors=[1], min_similarity=0, max_wer=0, min_token_accuracy=99.9)
    utterances = [Utterance("a.wav", audio, None, None)]
    figures, _, _ = evaluate(backend, as_voice(golden.model), utterances, {Path("t.wav"): audio}, JUDGES, args)
    lines = [line for line in figures["missed"] if "token accuracy" in line or "border" in line]
    assert any(line.startswith(f"stream n=1: {found}") for line in lines) if found else lines == []


class Halving(FakeEngine):
    """Takes 1 ms for the first chunk of a stream and 3 ms for the others, in a time of its own."""

    now = 0.0

    def restart(self, streams):
        self.first = True

    def _submit(self, *arguments):
        super()._submit(*arguments)
        Halving.now += 0.001 if self.first else 0.003
        self.first = False


def halving_backend(engine=Halving):
    return Backend("fake", "a test", lambda n, b, mode: engine(b, n), 4, "latency")


class Network(SimpleNamespace):
    """Halves too, but for an error in the last sample."""

    def __call__(self, audio):
        audio = 0.5 * audio
        audio[..., -1] += self.error
        return audio


def spoken(voice, words, length=208 * 4):
    samples = 0.1 * torch.randn(length, generator=torch.Generator().manual_seed(length))
    samples[:3] = torch.tensor([*voice, words / 10])
    return samples


@pytest.fixture
def evaluation(monkeypatch):
    """Two utterances, of which the second is in the target folder as well, and another file there."""
    monkeypatch.setattr(convert.time, "perf_counter", lambda: Halving.now)
    a, b = spoken((0.8, 0.0), 4), spoken((0.0, 0.8), 4, 208 * 8)
    utterances = [Utterance("a.wav", a, "a b c d", None), Utterance("b.wav", b, None, b)]
    targets = {Path("b.wav"): spoken((0.0, 0.8), 4), Path("other.wav"): spoken((0.6, 0.8), 4)}
    config = SimpleNamespace(L=16, chunk_len=208, lookahead_len=16)
    return Evaluation(as_voice(Network(config=config, error=0.25)), utterances, targets, JUDGES)


def test_the_target_voice_is_without_the_utterance_itself(evaluation):
    rows = evaluation.mode(halving_backend(), None, None)[0]["utterances"]
    # a is judged by the mean of both, (0.3, 0.8); b by the other alone, (0.6, 0.8).
    assert [row["similarity_target"] for row in rows] == pytest.approx([100 * 0.3 / 0.73**0.5, 80])
    assert [row["similarity_source"] for row in rows] == pytest.approx([100, 100])
    assert [row["similarity_source_target"] for row in rows] == pytest.approx([100 * 0.3 / 0.73**0.5, 80])


def test_errors_are_the_largest_and_all_else_is_a_mean(evaluation):
    evaluation.references[1] = evaluation.references[1] - 0.5
    mode, _ = evaluation.mode(halving_backend(), None, None)
    first, second = mode["utterances"]
    assert (first["max_error"], second["max_error"]) == pytest.approx((0.25, 0.5))
    assert mode["summary"]["max_error"] == pytest.approx(0.5)
    assert mode["summary"]["pcc"] == pytest.approx((first["pcc"] + second["pcc"]) / 2)


def test_words_of_the_reference_and_of_what_was_said(evaluation):
    """Half as loud, two of four words are heard: two deletions of four words, not insertions into two."""
    summary = evaluation.mode(halving_backend(), None, None)[0]["summary"]
    assert summary["wer_source"] == summary["wer_text"] == pytest.approx(50)
    controls = evaluation.controls()
    assert controls["source_words"] == ["a b c d"] * 2
    assert controls["source"]["wer_text"] == 0 and controls["target"]["wer_text"] is None


def test_speed(evaluation):
    """Streams of 4 and 8 chunks, of which the last waits for flush; a stream's first chunk is left out."""
    mode, _ = evaluation.mode(halving_backend(), 1, [0.5 * u.audio for u in evaluation.utterances])
    assert mode["chunk_ms"] == pytest.approx([3.0] * (2 + 6))
    assert mode["summary"]["rtf"] == pytest.approx(3 / 13)
    assert mode["summary"]["tokens_per_s"] == pytest.approx(1000 / (3 / 13))
    offline = evaluation.mode(halving_backend(), None, None)[0]["summary"]
    # In chunks of 4: one, and two; the last one by flush.
    assert offline["rtf"] == pytest.approx((0.001 + 0.001 + 0.003) / (12 * 0.013))


def test_streams_are_compared_with_offline_conversion():
    class Worse(Halving):
        """Wrong by 0.01 for each window of a chunk beyond the first."""

        def _collect(self):
            factor = self.chunk_len // 208
            return super()._collect() + (0.01 * (factor - 1) if factor < 4 else 0.0)

    a = spoken((0.8, 0.0), 4)
    args = SimpleNamespace(chunk_factors=[1, 2, 3], min_similarity=0, max_wer=0, min_token_accuracy=0)
    network = Network(config=SimpleNamespace(L=16, chunk_len=208, lookahead_len=16), error=0.0)
    figures, outputs, _ = evaluate(
        halving_backend(Worse), as_voice(network), [Utterance("a.wav", a, None, None)], {Path("t"): a}, JUDGES, args
    )
    errors = [mode["summary"].get("max_error_to_offline") for mode in figures["modes"]]
    assert errors[0] is None and errors[1:] == pytest.approx([0, 0.01, 0.02], abs=1e-6)
    assert torch.equal(outputs["offline"][0], 0.5 * a)


def test_audio_that_is_not_finite_is_an_error(evaluation):
    class Broken(Halving):
        def _collect(self):
            return super()._collect() * float("nan")

    with pytest.raises(EvaluationError, match="a.wav: the converted audio is not finite"):
        evaluation.mode(halving_backend(Broken), None, None)


def test_the_words_of_a_file_are_not_those_of_its_beginning(folders, tmp_path):
    for seconds, text in ((1, None), (3, TEXT)):
        utterances, targets = read_utterances(folders / "in", folders / "target", tmp_path, 16000, seconds)
        assert [u.name for u in utterances] == ["a.wav", "b.wav"] and utterances[0].text == text
        assert len(utterances[0].audio) == len(targets[Path("a.wav")]) <= seconds * 16000


def test_another_sample_rate(folders, tmp_path, capsys):
    config = json.loads((ROOT / "experiments" / "llvc" / "config.json").read_text())
    config["data"]["sr"] = 8000
    (tmp_path / "config.json").write_text(json.dumps(config))
    assert main(options(folders, tmp_path / "out", "--config", str(tmp_path / "config.json"))) == FAILED
    assert "take 16000 Hz, not 8000" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change, complaint",
    [
        (("--input", "nowhere"), "nowhere: no such folder; name a folder of audio files"),
        (("--target", "nowhere"), "nowhere: no such folder; name a folder of audio files"),
        (("--checkpoint", "nowhere.pth"), "nowhere.pth"),
        (("--config", "nowhere.json"), "nowhere.json"),
        (("--backend", "ttnn"), "use --backend cpu"),
    ],
)
def test_one_line_says_what_is_wrong(folders, tmp_path, capsys, change, complaint):
    assert main([*options(folders, tmp_path / "out"), *change]) == FAILED
    printed = capsys.readouterr()
    assert printed.err.startswith("error: ") and complaint in printed.err and "Traceback" not in printed.err
    named = re.findall(r"(?<!\S)--?[a-z_]+", printed.err)  # options of other programs help nobody
    assert set(named) <= {"--backend"}
    assert not (tmp_path / "out").exists()


def test_bad_folders(folders, tmp_path, capsys):
    (tmp_path / "empty").mkdir()
    assert main([*options(folders, tmp_path / "out"), "--input", str(tmp_path / "empty")]) == FAILED
    assert "no audio files" in capsys.readouterr().err
    (tmp_path / "silent").mkdir()
    soundfile.write(tmp_path / "silent" / "a.wav", torch.zeros(16000).numpy(), 16000)
    assert main([*options(folders, tmp_path / "out"), "--target", str(tmp_path / "silent")]) == FAILED
    assert "no speech found" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_inputs_are_not_overwritten(folders, capsys):
    assert main(options(folders, folders / "in")) == FAILED
    assert "would overwrite" in capsys.readouterr().err
    assert sorted(path.name for path in (folders / "in").iterdir()) == ["a.txt", "a.wav", "b.wav"]


@pytest.mark.parametrize(
    "option",
    [
        "--input=http://host//folder",
        "--checkpoint=s3://a//b",
        "--max_wer=-1",
        "--max_wer=few",
        "--min_similarity=nan",
        "--seconds=0",
        "--chunk_factors=0",
    ],
)
def test_bad_options(folders, tmp_path, option):
    with pytest.raises(SystemExit) as stopped:
        main([*options(folders, tmp_path), option])
    assert stopped.value.code == 2
