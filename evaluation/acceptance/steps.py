# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The steps: each returns its figures, or raises CannotRun with what it lacks."""

import importlib.metadata
import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import torch

from audio.folder import required_audio_files
from audio.recording import read_audio, write_audio
from demo import cli
from demo.backend import has_card
from demo.voice import BUNDLED_CHECKPOINT, ROOT, find_published
from evaluation import evaluate
from reference.errors import LLVCError, one_line

from .corpus import CorpusError, fetch_target, fetch_utterances, listed

SAMPLE_RATE = 16000
MINUTE = 60 * SAMPLE_RATE  # samples that go through the demo in each mode
SYSFS = Path("/sys/class/tenstorrent")
BOARDS = ("n150", "n300")
STREAMS = 10
FRAME = 16  # samples, of the published configuration: a token

PCC_TESTS = [ROOT / "tests" / "pcc"]
PERF_TESTS = [ROOT / "tests" / "perf" / "test_e2e_perf.py", "-m", "models_performance_bare_metal"]
PERF_TESTS += ["-k", "not ten_minutes"]  # test_soak.py and that one are for an evening
DEVICE_PERF_TESTS = [ROOT / "tests" / "perf" / "test_device_perf.py", "-m", "models_device_performance_bare_metal"]


class CannotRun(LLVCError):
    """A step lacks something; the others go on."""


class Acceptance:
    """A run of the steps: options, folder, and the results of the steps that are done ({name: {"figures": ...}})."""

    def __init__(self, args, results):
        self.args, self.results = args, results
        self.folder = args.output
        self.on_card = args.backend == "ttnn"

    def figures(self, step):
        """What an earlier step found. CannotRun if it did not."""
        if self.results.get(step, {}).get("status") != "done" or is_of_other_weights(step, self.results):
            raise CannotRun(f"needs the step {step}, which was not done")
        return self.results[step]["figures"]

    def card(self):
        """The card, its firmware and its driver."""
        self._needs_card()
        nodes = sorted(SYSFS.glob("tenstorrent!*"))
        cards = [{name: _attribute(node / f"tt_{name}") for name in ("card_type", "fw_bundle_ver")} for node in nodes]
        boards = sorted({(card["card_type"] or "unknown")[:4] for card in cards})
        figures = {"cards": cards, "board": ", ".join(boards) or "unknown"}
        figures["driver"] = _attribute(Path("/sys/module/tenstorrent/version"))
        figures["ttnn"] = importlib.metadata.version("ttnn")
        if not set(boards) & set(BOARDS):
            print(f"card: {figures['board']} is none of {', '.join(BOARDS)}, for which the targets are")
        return figures

    def weights(self):
        """The published voice, or what speaks in its place."""
        path, line = find_published("llvc")
        return {"path": str(path), "is": line, "published": path != BUNDLED_CHECKPOINT}

    def pcc(self):
        """The tests of correctness, on the card."""
        return self._tests("pcc", PCC_TESTS)

    def perf(self):
        """The tests of speed by the host's clock, transfers included, on the card."""
        return self._tests("perf", PERF_TESTS)

    def device_perf(self):
        """The time of the kernels alone, by tt-metal's profiler, on the card."""
        return self._tests("device_perf", DEVICE_PERF_TESTS)

    def _needs_card(self):
        """CannotRun without a card: the tests would run on the mock device, and that is no result of a card."""
        if not self.on_card:
            raise CannotRun("is for a card, and this is --backend cpu")
        if not has_card():
            raise CannotRun("no card in /dev/tenstorrent; install Tenstorrent's driver (tt-kmd), or use --backend cpu")
        for name in ("TT_METAL_MOCK_CLUSTER_DESC_PATH", "TT_METAL_SIMULATOR"):
            if name in os.environ:
                raise CannotRun(f"{name} is set, with which nothing runs on the card; unset it")

    def _tests(self, name, arguments):
        self._needs_card()
        report, log = self.folder / f"{name}.xml", self.folder / f"{name}.log"
        command = [sys.executable, "-m", "pytest", "-q", f"--junitxml={report.resolve()}", *map(str, arguments)]
        with log.open("w") as output:
            code = subprocess.run(command, cwd=ROOT, stdout=output, stderr=subprocess.STDOUT).returncode
        if code not in (0, 1) or not report.exists():  # 1: tests failed
            raise LLVCError(f"pytest ended with {code}; see {log}")
        figures = read_junit(report)
        if not figures["passed"] and not figures["failed"]:
            raise CannotRun(f"all {figures['skipped']} tests were skipped: {figures['why_skipped']}")
        if figures["failed"]:
            print(f"{name}: {len(figures['failed'])} tests failed; see {log}")
        return figures

    def corpus(self):
        """The utterances that are judged."""
        names = listed()[: self.args.utterances]
        return {"utterances": fetch_utterances(self.args.corpus, self.folder / "input", names)}

    def voice(self):
        """Speech of the target voice."""
        if self.args.target:
            return {"folder": str(self.args.target), "files": len(required_audio_files(self.args.target))}
        published = self.figures("weights")["published"]
        folder = self.folder / ("target_speaker" if published else "target_of_demo_voice")
        if published:
            try:
                return {"folder": str(folder), "files": fetch_target(folder)}
            except CorpusError as error:
                raise CorpusError(f"{one_line(error)}; or name a folder of speaker 8312 with --target") from None
        self.figures("corpus")
        # Nobody has the demo voice: what it should make of the utterances is computed (checkpoints/README.md).
        command = [sys.executable, "-m", "training", "target"]
        command += ["--input", (self.folder / "input").resolve(), "--out", folder.resolve()]
        process = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
        if process.returncode:
            raise CannotRun((process.stderr.strip().splitlines() or ["the demo voice's target failed"])[-1])
        return {"folder": str(folder), "files": len(required_audio_files(folder))}

    def demo(self):
        """A minute of speech through the demo in each mode."""
        weights = self.figures("weights")["path"]
        source = self.folder / "minute.wav"
        if not source.exists():
            write_audio(source, self._minute(), SAMPLE_RATE)
        modes = {"offline": [], "stream n=1": ["-s", "-n", "1"], "stream n=2": ["-s", "-n", "2"]}
        modes[f"{STREAMS} streams, latency"] = ["--streams", str(STREAMS)]
        if self.on_card:
            modes[f"{STREAMS} streams, throughput"] = ["--streams", str(STREAMS), "--mode", "throughput"]
        figures = {}
        for name, options in modes.items():
            print(f"demo: {name}")
            stem = name.replace(" ", "_").replace(",", "")
            output, report = self.folder / "demo" / f"{stem}.wav", self.folder / "demo" / f"{stem}.json"
            argv = ["-p", weights, "-i", str(source), "-o", str(output), "--json", str(report)]
            if cli.run(cli.parse_args([*argv, "--backend", self.args.backend, *options])):
                raise LLVCError(f"{name}: the demo did not convert {source}")
            content = json.loads(report.read_text())
            found = content["streaming"] or content["files"][0].get("streaming") or content["files"][0]["offline"]
            tokens = found["rtf"] and found.get("streams", 1) * content["sample_rate"] / FRAME / found["rtf"]
            figures[name] = found | {"device": content["device"], "tokens_per_s": tokens}
        return figures

    def _minute(self):
        """Speech of the corpus, or of the example where there is none, repeated to a minute."""
        try:
            self.figures("corpus")
            paths = required_audio_files(self.folder / "input")
        except CannotRun:
            paths = [ROOT / "test_wavs" / "example.wav"]
        audio = torch.cat([read_audio(path, SAMPLE_RATE) for path in paths[:10]])
        return audio.repeat(-(-MINUTE // len(audio)))[:MINUTE]

    def evaluation(self):
        """How good the voice is: python -m evaluation on the utterances."""
        self.figures("corpus")
        argv = ["--checkpoint", self.figures("weights")["path"], "--input", str(self.folder / "input")]
        argv += ["--target", self.figures("voice")["folder"], "--output", str(self.folder / "evaluation")]
        argv += ["--backend", self.args.backend, "--recogniser", self.args.recogniser, "--chunk_factors", "1", "2"]
        evaluate.run(evaluate.parse_args(argv), evaluate.open_backend)
        report = json.loads((self.folder / "evaluation" / "figures.json").read_text())
        figures = {mode["mode"]: mode["summary"] for mode in report["modes"]}
        provenance = {name: report[name] for name in ("speaker_model", "recogniser", "listener", "versions", "device")}
        return figures | {"source": report["controls"]["source"]} | provenance


STEPS = ("card", "weights", "pcc", "perf", "device_perf", "corpus", "voice", "demo", "evaluation")
OF_WEIGHTS = ("voice", "demo", "evaluation")  # what depends on whose voice it is


def weights_in(results):
    """The weights that the step of this name found; None before."""
    return results.get("weights", {}).get("figures", {}).get("path")


def is_of_other_weights(step, results):
    """Whether a result is that of another voice than the one that is there now."""
    return step in OF_WEIGHTS and results.get(step, {}).get("weights") != weights_in(results)


def is_done(step, results):
    """Whether a run may leave a step as it is. The published voice is looked for until it is there."""
    if results.get(step, {}).get("status") != "done" or is_of_other_weights(step, results):
        return False
    return step != "weights" or results[step]["figures"]["published"]


def _attribute(path):
    """The content of a file of the driver; None where this driver does not have it."""
    try:
        return path.read_text().strip()
    except OSError:
        return None


def read_junit(path):
    """Figures of a pytest run: what passed, failed or was skipped and why, and the PCC and speeds that it recorded."""
    passed, failed, skipped, reasons, pccs, speeds = 0, [], 0, {}, [], []
    for case in ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            failed.append(f"{case.get('classname')}::{case.get('name')}")
        elif (skip := case.find("skipped")) is not None:
            skipped += 1
            reasons[skip.get("message")] = reasons.get(skip.get("message"), 0) + 1
        else:
            passed += 1
        for prop in case.iter("property"):
            if prop.get("name") == "pcc":
                pccs.append(float(prop.get("value")))
            elif prop.get("name") == "speed":
                speeds.append(json.loads(prop.get("value")))
    return {
        "passed": passed,
        "failed": failed,
        "skipped": skipped,
        "why_skipped": "; ".join(f"{reason} ({count})" for reason, count in reasons.items()),
        "worst_pcc": min(pccs, default=None),
        "speeds": speeds,
    }
