# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The acceptance run, with a loopback server for hub and corpus, stand-in judges, and the mock device for a card."""

import hashlib
import io
import json
import tarfile
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from huggingface_hub import constants
from support.blocks import on_device
from support.golden import load_golden
from support.hub import isolated, published_checkpoint, serving, use_endpoint

from demo import cli
from demo import voice as weights
from demo.backend import Backend
from demo.download_weights import CHECKPOINT_PATH, REPO_ID
from evaluation import evaluate
from evaluation.acceptance import corpus, steps
from evaluation.acceptance.__main__ import ALL_MET, NOT_ALL_MET, main, parse_args
from evaluation.acceptance.steps import STEPS, Acceptance, CannotRun, read_junit
from evaluation.acceptance.targets import MET, MISSED, TARGETS, UNMEASURED, judged
from evaluation.evaluate import Judges

pytestmark = pytest.mark.slow

PATH = CHECKPOINT_PATH.format(name="llvc")
WORDS = "WORDS OF A BOOK"
SAMPLES = 700


def flac(seconds_off=0):
    audio = load_golden("llvc").arrays["audio"][8000 + seconds_off :][:SAMPLES]
    file = io.BytesIO()
    soundfile.write(file, audio, 16000, format="FLAC")
    return file.getvalue()


def test_clean(names):
    """test-clean.tar.gz with these utterances."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:

        def add(path, data):
            entry = tarfile.TarInfo(f"LibriSpeech/test-clean/{path}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))

        for k, name in enumerate(names):
            folder = name.rsplit("-", 1)[0].replace("-", "/")
            add(f"{folder}/{name}.flac", flac(500 * k))
            add(f"{folder}/{name.rsplit('-', 1)[0]}.trans.txt", f"{name} {WORDS}\n".encode())
    return file.getvalue()


test_clean.__test__ = False


class Files(dict):
    """What the server has, whatever stands behind a question mark, but for the rows of a split."""

    def get(self, path, default=None):
        path, _, query = path.partition("?")
        if path == "/filter":
            return super().get("train.360" if "train.360" in query else "train.100", default)
        return super().get(path, default)


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return published_checkpoint(tmp_path_factory.mktemp("published"))


class Encoder:
    name = "a stand-in for voices"

    def embed(self, samples):
        return np.array([1.0, float(torch.as_tensor(samples).abs().mean())])


class Answer:
    """The same whatever it hears."""

    def __init__(self, what, answer):
        self.name, self.answer = f"a stand-in for {what}", answer

    def __call__(self, samples):
        return self.answer


@pytest.fixture
def server(monkeypatch, tmp_path, published):
    """Hub, corpus and rows on 127.0.0.1; judges that need no models."""
    names = corpus.listed()[:2]
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "ROOT", tmp_path / "project")
    judges = Judges(Encoder(), Answer("words", WORDS), Answer("opinions", 3.0))
    monkeypatch.setattr(evaluate, "open_judges", lambda recogniser: judges)
    monkeypatch.setattr(steps, "MINUTE", 1300)
    for plot in ("_plot_latency", "_plot_utterance"):  # which test_evaluate.py looks at
        monkeypatch.setattr(f"evaluation.report.{plot}", lambda *_: None)
    threads = torch.get_num_threads()
    files = Files({f"/{REPO_ID}/resolve/main/{PATH}": published, "/resources/12/test-clean.tar.gz": test_clean(names)})
    with isolated(monkeypatch, {"llvc": hashlib.sha256(published).hexdigest()}), serving(files) as server:
        use_endpoint(monkeypatch, server.url)
        monkeypatch.setattr(corpus, "ROWS", f"{server.url}/filter")
        rows = [
            {"row": {"id": f"8312-1-{k:04}", "audio": [{"src": f"{server.url}/a{k}/audio.flac?signed=1"}]}}
            for k in (0, 1)
        ]
        files["train.360"], files["train.100"] = b'{"rows": []}', json.dumps({"rows": rows}).encode()
        files["/a0/audio.flac"], files["/a1/audio.flac"] = flac(), flac(700)
        download = torchaudio.datasets.librispeech.download_url_to_file

        def from_here(url, path, hash_prefix):
            assert url.startswith("http://www.openslr.org/") and hash_prefix
            download(url.replace("http://www.openslr.org", server.url), path)

        monkeypatch.setattr(torchaudio.datasets.librispeech, "download_url_to_file", from_here)
        yield server
    torch.set_num_threads(threads)


def run(tmp_path, *options):
    return main(["--output", str(tmp_path / "acceptance"), "--utterances", "2", *options])


def results_in(tmp_path):
    return json.loads((tmp_path / "acceptance" / "acceptance.json").read_text())["steps"]


def test_an_interrupt_says_that_what_was_done_is_kept(monkeypatch, tmp_path, capsys):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Acceptance, "weights", interrupted)
    assert run(tmp_path, "--backend", "cpu", "--only", "weights") == 130
    assert "what was done is kept, run this again" in capsys.readouterr().err


def test_all_that_needs_no_card(server, tmp_path, capsys):
    assert run(tmp_path, "--backend", "cpu") == NOT_ALL_MET
    results = results_in(tmp_path)
    assert {name: result["status"] for name, result in results.items()} == {
        **dict.fromkeys(("card", "pcc", "perf", "device_perf"), "cannot run"),
        **dict.fromkeys(("weights", "corpus", "voice", "demo", "evaluation"), "done"),
    }
    assert "from the hub" in results["weights"]["figures"]["is"]
    assert results["corpus"]["figures"] == {"utterances": 2} and results["voice"]["figures"]["files"] == 2
    assert list(results["demo"]["figures"]) == ["offline", "stream n=1", "stream n=2", "10 streams, latency"]
    assert results["evaluation"]["figures"]["stream n=2"]["token_accuracy"] > 99
    out = capsys.readouterr().out
    for line in ("token accuracy", "card: cannot run", "WER", "RTF, n = 1", "DNSMOS"):
        assert line in out
    folder = tmp_path / "acceptance"
    page = (folder / "acceptance.html").read_text()
    assert page.count("<tr>") == 1 + len(TARGETS) and "0.404" in page and "evaluation/report.html" in page
    assert "not measured" in page  # PCC on the device
    perf, validation = ((folder / name).read_text().splitlines() for name in ("PERF.md", "VALIDATION.md"))
    table = (Path(__file__).parents[2] / "docs" / "PERF.md").read_text()
    head = next(line for line in table.splitlines() if line.startswith("| board | setting |"))
    assert [line.count("|") for line in perf] == [head.count("|")] * 3
    assert len(validation) == 3 and all("CPU" in line for line in validation)

    # Again: only what could not run is tried again.
    asked = len(server.requests)
    assert run(tmp_path, "--backend", "cpu") == NOT_ALL_MET
    out = capsys.readouterr().out
    assert out.count("done before") == 5 and len(server.requests) == asked
    again = results_in(tmp_path)
    assert again["demo"] == results["demo"] and again["card"]["date"] >= results["card"]["date"]

    # --only: this one, whatever was.
    assert run(tmp_path, "--backend", "cpu", "--only", "demo") == NOT_ALL_MET
    only = results_in(tmp_path)
    assert only["demo"] != results["demo"] and only["evaluation"] == results["evaluation"]

    # Results of other options are not mixed with these.
    assert run(tmp_path, "--backend", "cpu", "--recogniser", "pocketsphinx") == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "--recogniser pocketsphinx" in said and "name another --output" in said
    assert results_in(tmp_path) == only


TESTS = """
import json, pytest

def test_good(record_property):
    record_property("pcc", 0.99993)
    times = dict.fromkeys(("mean", "p50", "p95", "p99", "max", "jitter"), 0.2)
    figures = {"rtf": 0.01, "compute_ms": times, "latency_ms": 15.2, "tokens_per_s": 99999.0}
    record_property("speed", json.dumps({"board": "N150", "setting": "latency", "n": 1, "B": 1} | figures))

def test_worse(record_property):
    record_property("pcc", 0.9995)
    assert False

@pytest.mark.skip(reason="no second chip")
def test_left_out():
    pass
"""


def as_with_a_card(monkeypatch):
    monkeypatch.setattr(steps, "has_card", lambda: True)
    monkeypatch.delenv("TT_METAL_MOCK_CLUSTER_DESC_PATH", raising=False)


@pytest.fixture
def device_tests(tmp_path, monkeypatch):
    """A file of tests in place of those of the device."""
    path = tmp_path / "test_stand_in.py"
    path.write_text(TESTS)
    for name in ("PCC_TESTS", "PERF_TESTS"):
        monkeypatch.setattr(steps, name, [path])
    monkeypatch.setattr(steps, "DEVICE_PERF_TESTS", [path, "-k", "left_out"])


@on_device
def test_on_the_mock_device(device, rung, server, device_tests, tmp_path, monkeypatch, capsys, TtLLVC):
    from support import golden_ops

    if rung != "mock":
        pytest.skip("stands in for a card; with one, run python -m evaluation.acceptance")

    @contextmanager
    def open_mock(name, model, *_):
        assert name == "ttnn"
        network = TtLLVC.from_reference(device, model)
        yield Backend("ttnn", "mock N150", network.engine, network.offline_chunk_factor, "latency")

    golden_ops.keep_no_values()  # tests/e2e looks at them
    for module in (cli, evaluate):
        monkeypatch.setattr(module, "open_backend", open_mock)
    as_with_a_card(monkeypatch)
    monkeypatch.setattr(steps, "STREAMS", 2)
    monkeypatch.setattr(steps, "MINUTE", 430)
    node = tmp_path / "sys" / "tenstorrent!0"
    node.mkdir(parents=True)
    (node / "tt_card_type").write_text("n150d\n")
    (node / "tt_fw_bundle_ver").write_text("19.1.0.0\n")
    monkeypatch.setattr(steps, "SYSFS", node.parent)
    assert run(tmp_path, "--backend", "ttnn", "--utterances", "1") == NOT_ALL_MET
    results = results_in(tmp_path)
    assert {name: r["status"] for name, r in results.items()} == dict.fromkeys(STEPS, "done") | {
        "device_perf": "cannot run"
    }
    assert "no second chip (1)" in results["device_perf"]["why"]
    assert results["card"]["figures"]["board"] == "n150" and results["card"]["figures"]["ttnn"]
    assert results["pcc"]["figures"]["worst_pcc"] == 0.9995 and len(results["pcc"]["figures"]["failed"]) == 1
    assert "2 streams, throughput" in results["demo"]["figures"]
    printed = capsys.readouterr().out
    assert "n150, firmware 19.1.0.0" in printed and "1 tests failed" in printed
    assert (
        "| N150 | latency | 1 | 1 | 0.010 | 0.20, 0.20, 0.20, 0.20, 0.20 | 0.20 | 15.2 | 99999 |"
        in (tmp_path / "acceptance" / "PERF.md").read_text()
    )
    assert (
        "1 passed, 1 failed, 1 skipped | worst PCC 0.999500" in (tmp_path / "acceptance" / "VALIDATION.md").read_text()
    )


def test_what_fails_does_not_stop_the_rest(server, tmp_path, capsys):
    """No corpus, then no speech of the target: the steps that need them say so, and a later run makes up for it."""
    good, rows = server.files["/resources/12/test-clean.tar.gz"], server.files.pop("train.100")
    server.files["/resources/12/test-clean.tar.gz"] = good[: len(good) // 2]
    assert run(tmp_path, "--backend", "cpu") == NOT_ALL_MET
    results = results_in(tmp_path)
    assert results["corpus"]["status"] == results["voice"]["status"] == "failed"
    assert "test-clean cannot be had" in results["corpus"]["why"]
    assert "404" in results["voice"]["why"] and "--target" in results["voice"]["why"]
    assert results["evaluation"] == results["evaluation"] | {
        "status": "cannot run",
        "why": "needs the step corpus, which was not done",
    }
    assert results["demo"]["status"] == "done"
    assert "Traceback" not in capsys.readouterr().err

    server.files["/resources/12/test-clean.tar.gz"], server.files["train.100"] = good, rows
    run(tmp_path, "--backend", "cpu")
    assert results_in(tmp_path)["evaluation"]["status"] == "done"


def test_the_published_voice_takes_the_place_of_the_demo_voice(server, tmp_path, capsys):
    """Once it can be had, nothing of the demo voice is left among the results."""
    server.status["HEAD"] = 503
    options = ["--backend", "cpu", "--target", str(Path(__file__).parents[2] / "test_wavs")]
    run(tmp_path, *options)
    before = results_in(tmp_path)
    assert not before["weights"]["figures"]["published"] and before["evaluation"]["status"] == "done"
    server.status["HEAD"] = 200
    run(tmp_path, *options, "--only", "weights")
    capsys.readouterr()
    run(tmp_path, *options, "--only", "evaluation")
    assert "needs the step voice" in capsys.readouterr().err
    run(tmp_path, *options)
    after = results_in(tmp_path)
    assert after["weights"]["figures"]["published"] and after["corpus"] == before["corpus"]
    for step in ("demo", "evaluation"):
        assert after[step]["status"] == "done" and after[step]["figures"] != before[step]["figures"]
    assert capsys.readouterr().out.count("done before") == 2


@pytest.mark.parametrize("answer", [b"<html>", b'{"rows": [{"row": {"id": "8312-1-0000"}}]}', b'{"error": "busy"}'])
def test_odd_answers_are_told(server, tmp_path, answer):
    server.files["train.360"] = server.files["train.100"] = answer
    with pytest.raises(corpus.CorpusError, match="not understood|no speech of speaker 8312"):
        corpus.fetch_target(tmp_path)
    assert not list(tmp_path.iterdir())


def test_an_utterance_that_the_corpus_lacks(server, tmp_path):
    with pytest.raises(corpus.CorpusError, match=r"lacks 1 of 2 utterances \(1-2-0000"):
        corpus.fetch_utterances(tmp_path / "corpus", tmp_path / "input", [corpus.listed()[0], "1-2-0000"])
    assert not (tmp_path / "input").exists()


def test_the_demo_voice_is_compared_with_what_it_should_say(server, tmp_path):
    pytest.importorskip("pyworld", reason="run: make training")
    (tmp_path / "input").mkdir()
    soundfile.write(tmp_path / "input" / "a.wav", load_golden("llvc").arrays["audio"][:24000], 16000)
    args = parse_args(["--backend", "cpu", "--output", str(tmp_path)])
    done = {"weights": {"published": False, "path": "here"}, "corpus": {"utterances": 1}}
    results = {name: {"status": "done", "figures": figures} for name, figures in done.items()}
    assert Acceptance(args, results).voice()["files"] == 1
    with pytest.raises(CannotRun, match="needs the step weights"):
        Acceptance(args, {}).voice()


def test_a_broken_file_of_results(server, tmp_path, capsys):
    (tmp_path / "acceptance").mkdir()
    (tmp_path / "acceptance" / "acceptance.json").write_text('{"steps": ')
    assert run(tmp_path, "--backend", "cpu") == 1
    assert "cannot be read" in (said := capsys.readouterr().err) and said.count("\n") == 1


@pytest.mark.parametrize("variable", [None, "TT_METAL_MOCK_CLUSTER_DESC_PATH", "TT_METAL_SIMULATOR"])
def test_what_is_no_card_is_not_taken_for_one(tmp_path, device_tests, monkeypatch, variable):
    """The tests would run all the same, on the mock device or a simulator."""
    as_with_a_card(monkeypatch)
    if variable:
        monkeypatch.setenv(variable, "something")
    else:
        monkeypatch.setattr(steps, "has_card", lambda: False)
    acceptance = Acceptance(parse_args(["--backend", "ttnn", "--output", str(tmp_path)]), {})
    for step in (acceptance.card, acceptance.pcc, acceptance.perf, acceptance.device_perf):
        with pytest.raises(CannotRun, match=variable or "no card in /dev/tenstorrent"):
            step()


def test_a_run_of_pytest_is_read(tmp_path, device_tests, monkeypatch):
    as_with_a_card(monkeypatch)
    args = parse_args(["--backend", "ttnn", "--output", str(tmp_path)])
    figures = Acceptance(args, {}).pcc()
    assert figures == read_junit(tmp_path / "pcc.xml")
    assert (figures["passed"], figures["skipped"], figures["why_skipped"]) == (1, 1, "no second chip (1)")
    assert [name.split("::")[-1] for name in figures["failed"]] == ["test_worse"]
    assert figures["speeds"][0]["rtf"] == 0.01


def results_of(rtf=0.05, p99=10.0, wer=1.0):
    times = {"p99": p99}
    stream = {"rtf": rtf, "compute_ms": times, "algorithmic_latency_ms": 15.0, "tokens_per_s": 1000 / rtf}
    demo = {f"stream n={n}": stream for n in (1, 2)} | {"10 streams, latency": {"rtf": 0.5}}
    summary = {"similarity_target": 71.0, "wer_text": wer, "token_accuracy": 99.0, "dnsmos": 3.1}
    evaluation = {"stream n=1": summary, "source": {"dnsmos": 3.2, "wer_text": 0.9}}
    done = {"demo": demo, "evaluation": evaluation, "pcc": {"worst_pcc": 0.9999}}
    return {name: {"status": "done", "figures": figures} for name, figures in done.items()}


@pytest.mark.parametrize(
    "results, verdicts",
    [
        (results_of(), set()),
        (results_of(rtf=0.3), {"RTF, n = 1 < 0.3", "RTF, n = 1 < 0.1", "RTF, n = 2 < 0.3", "RTF, n = 2 < 0.1"}),
        (results_of(rtf=0.2), {"RTF, n = 1 < 0.1", "RTF, n = 2 < 0.1"}),
        (results_of(p99=35.0), {"latency, n = 1, p99 < 50", "latency, n = 2, p99 < 50"}),
        (results_of(wer=3.0), {"WER < 3"}),
    ],
)
def test_verdicts(results, verdicts):
    missed = {f"{target.name} {target.wanted}" for target, _, verdict in judged(results) if verdict == MISSED}
    assert missed == verdicts
    assert not any(verdict == UNMEASURED for _, _, verdict in judged(results))


def test_nothing_measured_is_nothing_met():
    verdicts = [verdict for _, _, verdict in judged({"demo": {"status": "failed", "why": "a fault"}})]
    assert MET not in verdicts and UNMEASURED in verdicts


def test_all_met_ends_well(tmp_path, monkeypatch):
    results = {step: {"status": "done", "figures": {"published": True}} for step in STEPS} | results_of()
    monkeypatch.setattr("evaluation.acceptance.__main__.read_results", lambda args: results)
    monkeypatch.setattr("evaluation.acceptance.__main__.statuses", lambda *_: [])
    monkeypatch.setattr("evaluation.acceptance.__main__.write", lambda *_: None)
    monkeypatch.setattr("evaluation.acceptance.__main__.provenance", lambda *_: "today")
    assert run(tmp_path, "--backend", "cpu") == ALL_MET


def test_the_fixed_list():
    names = corpus.listed()
    assert len(set(names)) == len(names) == 50 and len({name.split("-")[0] for name in names}) == 40


@pytest.mark.parametrize("options", [["--only", "singing"], ["--utterances", "0"], ["--recogniser", "ears"]])
def test_wrong_options(options, capsys):
    with pytest.raises(SystemExit) as stopped:
        main(options)
    assert stopped.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_a_download_that_fails_leaves_what_is_there(monkeypatch, tmp_path):
    (tmp_path / ".download").mkdir()
    (tmp_path / ".download" / "mine").touch()

    def fail(*_, **__):
        raise OSError("no connection")

    monkeypatch.setattr(torchaudio.datasets, "LIBRISPEECH", fail)
    with pytest.raises(corpus.CorpusError, match="cannot be had"):
        corpus.fetch_utterances(tmp_path, tmp_path / "speech", ["1-2-0003"])
    assert sorted(tmp_path.rglob("*")) == [tmp_path / ".download", tmp_path / ".download" / "mine"]
