# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""How good a checkpoint is on a backend: python -m evaluation --input FOLDER --target FOLDER.

Fidelity to the PyTorch reference, streaming against offline, speaker similarity, word error rate, DNSMOS and speed of
every utterance, as a table, JSON, CSV and an HTML page with plots and audio.
"""

import argparse
import importlib.metadata
import platform
import sys
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
import torch
from tqdm import tqdm

from demo.backend import add_backend, open_backend
from demo.convert import convert_offline, stream_figures, timed_chunks
from demo.program import Parser, count, exit_code, file_path
from demo.voice import BUNDLED_CHECKPOINT, DEFAULT_CONFIG, Voice
from reference.errors import not_installed
from streaming.stream import ChunkedStream

from . import metrics
from .judges import (
    RECOGNISERS,
    SAMPLE_RATE,
    Dnsmos,
    JudgeError,
    SpeakerEncoder,
    mean_voice,
    similarity,
    word_error_rate,
)
from .report import table, write_report
from .utterances import EvaluationError, read_utterances

PACKAGES = ("torch", "numpy", "resemblyzer", "jiwer", "pocketsphinx", "speechmos", "ttnn")
OF_ONE_UTTERANCE = ("utterance", "seconds", "words", "wer_source", "wer_text")  # figures that have no mean
MET, MISSED = 0, 3  # exit codes; 1 is for errors, 2 for wrong options


@dataclass
class Judges:
    """encoder: samples -> embedding; recogniser: samples -> words; listener: samples -> opinion; all with a name."""

    encoder: object
    recogniser: object
    listener: object


def parse_args(argv=None):
    """Parses the command line; ends the program with one line and code 2 if it is wrong."""
    parser = Parser(
        prog="python -m evaluation",
        description="Measure a checkpoint on a backend: fidelity, speaker similarity, word error rate, speed.",
        epilog="Exit codes: 0 all targets met, 3 a target missed, 1 an error, 2 wrong options.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    file, folder = {"type": file_path, "metavar": "FILE"}, {"type": folder_path, "metavar": "FOLDER"}
    add("--checkpoint", default=str(BUNDLED_CHECKPOINT), help="weights of the voice", **file)
    add("--config", default=DEFAULT_CONFIG, help="configuration that the weights belong to", **file)
    add_backend(add)
    add("--input", required=True, help="speech to convert; FILE.txt beside it: its words", **folder)
    add("--target", required=True, help="speech of the target voice", **folder)
    add("--output", default=Path("evaluated"), help="where the report goes", **folder)
    add("--chunk_factors", type=count(1), nargs="*", default=[1, 2, 4], metavar="N", help="streams to evaluate")
    add("--recogniser", choices=RECOGNISERS, default="pocketsphinx", help="what counts the words")
    add("--seconds", type=duration, metavar="S", help="only the first seconds of each file")
    add("--min_similarity", type=percentage, default=70.0, metavar="PERCENT", help="speaker similarity to the target")
    add("--max_wer", type=percentage, default=3.0, metavar="PERCENT", help="word error rate")
    add("--min_token_accuracy", type=percentage, default=95.0, metavar="PERCENT", help="frames as the reference's")
    return parser.parse_args(argv)


def folder_path(text):
    return Path(file_path(text))


def percentage(text):
    value = float(text)
    if not 0 <= value <= 1000:
        raise argparse.ArgumentTypeError(f"{text!r} is not a percentage")
    return value


def duration(text):
    value = float(text)
    if not 0 < value < 1e6:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds")
    return value


@torch.inference_mode()
def reference_output(model, audio):
    """What the PyTorch network makes of audio [N] in one pass, whose decoder windows are those of any stream."""
    return model(audio[None, None])[0, 0]


def convert_all(backend, chunk_factor, utterances, sample_rate):
    """Converts all utterances, offline for chunk_factor None -> ([samples [N]], speed, ms of every chunk)."""
    offline = chunk_factor is None
    factor, mode = (backend.offline_chunk_factor, backend.offline_mode) if offline else (chunk_factor, "latency")
    outputs, seconds = [], []
    with ChunkedStream(backend.open_engine(factor, 1, mode)) as stream:
        for utterance in tqdm(utterances, desc=mode_name(chunk_factor), unit="file", leave=False):
            if offline:
                converted, elapsed = convert_offline(stream, utterance.audio)
                seconds.append(elapsed)
            else:
                converted, elapsed = timed_chunks(stream, utterance.audio)
                seconds += elapsed[1:] if seconds else elapsed  # a stream's first chunk is no steady state
            outputs.append(converted)
        if offline:
            speed, chunk_ms = {"rtf": sum(seconds) * sample_rate / sum(map(len, outputs))}, []
        else:
            figures = stream_figures(seconds, stream.engine, sample_rate)
            speed = {name: figures[name] for name in ("rtf", "compute_ms", "latency_ms")}
            chunk_ms = [1e3 * s for s in seconds[1:]]
    return outputs, speed, chunk_ms


def mode_name(chunk_factor):
    return "offline" if chunk_factor is None else f"stream n={chunk_factor}"


def compare(converted, reference, offline, frame_len, chunk_len):
    """Figures of one utterance that need no judge; `offline` and `chunk_len` are None for offline conversion itself."""
    figures = {
        "token_accuracy": metrics.token_accuracy(converted, reference, frame_len),
        "pcc": metrics.pcc(converted, reference),
        "si_sdr_db": metrics.si_sdr(converted, reference),
        "max_error": metrics.max_error(converted, reference),
    }
    if offline is not None:
        border, elsewhere = metrics.border_error(converted, offline, chunk_len, frame_len)
        figures |= {"max_error_to_offline": metrics.max_error(converted, offline)}
        figures |= {"border_rms": border, "elsewhere_rms": elsewhere}
    return figures


def mean_of(rows, name):
    """The mean of a figure over the rows that have it, else None."""
    values = [row[name] for row in rows if row.get(name) is not None]
    return float(np.mean(values)) if values else None


class Evaluation:
    """An evaluation under way: what is the same for every mode is computed once.

    utterances [Utterance]; targets {path: samples [N]}. What holds no speech is left out, and said.
    EvaluationError if nothing is left.
    """

    def __init__(self, voice, utterances, targets, judges):
        self.model, self.sample_rate, self.judges = voice.model, voice.sample_rate, judges
        voices = {str(path): self._voice(samples, f"target {path}") for path, samples in targets.items()}
        voices = {name: voice for name, voice in voices.items() if voice is not None}
        sources = [(u, voice) for u in utterances if (voice := self._voice(u.audio, u.name)) is not None]
        for what, found in (("input", sources), ("target", voices)):
            if not found:
                raise EvaluationError(f"no speech found in any file of the {what} folder")
        utterances = self.utterances = [utterance for utterance, _ in sources]
        self.sources = [voice for _, voice in sources]
        self.references = [reference_output(self.model, u.audio) for u in utterances]
        self.heard = [judges.recogniser(u.audio) for u in tqdm(utterances, desc="words", unit="file", leave=False)]
        # The target voice, for each utterance without the file that holds the utterance itself.
        self.targets = []
        for utterance in utterances:
            others = [voice for name, voice in voices.items() if name != utterance.name]
            self.targets.append(mean_voice(others or list(voices.values())))

    def _voice(self, samples, name):
        """The embedding; None, and said, for samples without speech."""
        try:
            return self.judges.encoder.embed(samples)
        except JudgeError as error:
            tqdm.write(f"not judged: {name}: {error}", file=sys.stderr)
            return None

    def mode(self, backend, chunk_factor, offline):
        """Figures of one way to convert -> (figures, [samples [N]]); `offline` is what offline conversion gave."""
        outputs, speed, chunk_ms = convert_all(backend, chunk_factor, self.utterances, self.sample_rate)
        rows = [
            self._utterance(i, converted, offline and offline[i], chunk_factor) for i, converted in enumerate(outputs)
        ]
        summary = {name: mean_of(rows, name) for name in rows[0] if name not in OF_ONE_UTTERANCE}
        for name in ("max_error", "max_error_to_offline"):
            if name in summary:
                summary[name] = max(row[name] for row in rows)
        summary |= self._word_error_rates([row["words"] for row in rows])
        summary |= speed
        summary["tokens_per_s"] = speed["rtf"] and self.sample_rate / self.model.config.L / speed["rtf"]
        name = mode_name(chunk_factor)
        return {"mode": name, "summary": summary, "utterances": rows, "chunk_ms": chunk_ms}, outputs

    def controls(self):
        """What recogniser and listener make of the sources and of the aligned targets: what is not the network's."""
        aligned = [i for i, u in enumerate(self.utterances) if u.target is not None]
        words = [self.judges.recogniser(self.utterances[i].target) for i in aligned]
        return {
            "source_words": self.heard,
            "source": self._word_error_rates(self.heard) | {"dnsmos": self._opinion(u.audio for u in self.utterances)},
            "target": (
                self._word_error_rates(words, aligned)
                | {"dnsmos": self._opinion(self.utterances[i].target for i in aligned)}
                if aligned
                else None
            ),
        }

    def _opinion(self, signals):
        """The mean DNSMOS of signals [N]."""
        return mean_of([{"dnsmos": self.judges.listener(samples)} for samples in signals], "dnsmos")

    def _utterance(self, index, converted, offline, chunk_factor):
        utterance, config = self.utterances[index], self.model.config
        if not torch.isfinite(converted).all():
            raise EvaluationError(f"{utterance.name}: the converted audio is not finite; check the checkpoint")
        chunk_len = chunk_factor and chunk_factor * config.chunk_len
        row = {"utterance": utterance.name, "seconds": len(converted) / self.sample_rate}
        row |= compare(converted, self.references[index], offline, config.L, chunk_len)
        row |= self._similarities(index, self._voice(converted, f"{utterance.name}, converted"))
        row["words"] = self.judges.recogniser(converted)
        row["dnsmos"] = self.judges.listener(converted)
        return row | self._word_error_rates([row["words"]], [index])

    def _similarities(self, index, voice):
        """In percent: of the converted voice to target and source, and of source to target."""
        source, target = self.sources[index], self.targets[index]
        pairs = {"target": (voice, target), "source": (voice, source), "source_target": (source, target)}
        return {
            f"similarity_{name}": None if voice is None and name != "source_target" else 100 * similarity(*pair)
            for name, pair in pairs.items()
        }

    def _word_error_rates(self, words, indices=None):
        """Of the words of these utterances, all by default, against those of the source and the reference texts."""
        indices = range(len(self.utterances)) if indices is None else indices
        texts = [(self.utterances[i].text, w) for i, w in zip(indices, words, strict=True)]
        texts = [(text, w) for text, w in texts if text is not None]
        return {
            "wer_source": word_error_rate([self.heard[i] for i in indices], words),
            "wer_text": word_error_rate(*zip(*texts, strict=True)) if texts else None,
        }


def evaluate(backend, voice, utterances, targets, judges, args):
    """All figures -> (figures, outputs, Evaluation): what the JSON file holds, {mode: [samples]}, what was judged."""
    evaluation = Evaluation(voice, utterances, targets, judges)
    modes, outputs, offline = [], {}, None
    for factor in (None, *args.chunk_factors):
        mode, converted = evaluation.mode(backend, factor, offline)
        offline = offline or converted
        modes.append(mode)
        outputs[mode["mode"]] = converted
    figures = {**provenance(backend, voice, judges, args), "controls": evaluation.controls(), "modes": modes}
    figures["missed"] = missed(figures)
    return figures, outputs, evaluation


def provenance(backend, voice, judges, args):
    """What every figure is worth: when, on what and with what it was measured."""
    versions = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "backend": backend.name,
        "device": backend.device,
        "versions": versions,
        "checkpoint": voice.name,
        "speaker_model": judges.encoder.name,
        "recogniser": judges.recogniser.name,
        "listener": judges.listener.name,
        "targets": {
            "min_similarity": args.min_similarity,
            "max_wer": args.max_wer,
            "min_token_accuracy": args.min_token_accuracy,
        },
    }


def missed(figures):
    """The targets that were not met, a line each. Something that could not be measured is not met."""
    lines = []
    targets = figures["targets"]
    for mode in figures["modes"]:
        s = mode["summary"]

        def check(ok, text, mode=mode):
            if not ok:
                lines.append(f"{mode['mode']}: {text}")

        accuracy, wanted = s["token_accuracy"], targets["min_token_accuracy"]
        check(accuracy is not None and accuracy > wanted, f"token accuracy {show(accuracy)}% is not above {wanted:g}%")
        to_target, to_source = s["similarity_target"], s["similarity_source"]
        wanted = targets["min_similarity"]
        check(
            to_target is not None and to_target > wanted,
            f"speaker similarity {show(to_target)}% is not above {wanted:g}%",
        )
        check(
            to_target is not None and to_target > to_source,
            f"nearer to the source ({show(to_source)}%) than to the target voice",
        )
        against = "text" if s["wer_text"] is not None else "source"
        wer, wanted = s[f"wer_{against}"], targets["max_wer"]
        check(wer is not None and wer < wanted, f"WER against the {against} {show(wer)}% is not below {wanted:g}%")
        if s.get("border_rms") is not None:
            # Rounding differs with the shapes of a computation, but may not know where a chunk begins.
            near, far = s["border_rms"], s["elsewhere_rms"] or 0.0
            check(near <= 2 * far + 1e-6, f"error at chunk borders {near:.1e}, elsewhere {far:.1e}")
    return lines


def show(value):
    """A percentage for people."""
    return "not measured" if value is None else f"{value:.1f}"


def open_judges(recogniser):
    """The judges, with the recogniser of that name. EvaluationError if a package is missing."""
    try:
        return Judges(SpeakerEncoder(), RECOGNISERS[recogniser](), Dnsmos())
    except ImportError as error:
        raise EvaluationError(not_installed(error, "evaluation")) from None


def main(argv=None, open_backend=open_backend):
    """Evaluates with these arguments, the command line's by default; returns the exit code."""
    return exit_code(lambda: run(parse_args(argv), open_backend))


def run(args, open_backend):
    """Does what the options say; returns the exit code. LLVCError if nothing could be done."""
    voice = Voice.load(args.checkpoint, args.config)
    if voice.sample_rate != SAMPLE_RATE:
        raise EvaluationError(
            f"{args.config}: the models that judge speech take {SAMPLE_RATE} Hz, not {voice.sample_rate}"
        )
    utterances, targets = read_utterances(args.input, args.target, args.output, voice.sample_rate, args.seconds)
    judges = open_judges(args.recogniser)
    torch.set_num_threads(1)  # as the demo's streams, so that speeds compare
    with open_backend(args.backend, voice.model, args.device_id) as backend:
        figures, audio, evaluation = evaluate(backend, voice, utterances, targets, judges, args)
    write_report(args.output, figures, evaluation.utterances, audio, evaluation.references)
    print("\n".join(table(figures)))
    for line in figures["missed"]:
        print(f"missed: {line}")
    print(f"written: {args.output / 'report.html'}, figures.json, figures.csv")
    return MISSED if figures["missed"] else MET
