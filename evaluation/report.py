# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""An evaluation's figures as a table, JSON, CSV and an HTML page."""

import csv
import html
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from audio.files import replacing
from audio.recording import write_audio
from demo.plot import draw_spectrogram, save

from .judges import SAMPLE_RATE

# Heading, figure, format. Error rates in percent, times in ms.
COLUMNS = [
    ("token acc. %", "token_accuracy", "{:.2f}"),
    ("PCC", "pcc", "{:.6f}"),
    ("SI-SDR dB", "si_sdr_db", "{:.1f}"),
    ("max error", "max_error", "{:.1e}"),
    ("border / elsewhere", "border", "{}"),
    ("sim. target %", "similarity_target", "{:.1f}"),
    ("sim. source %", "similarity_source", "{:.1f}"),
    ("source to target %", "similarity_source_target", "{:.1f}"),
    ("WER source %", "wer_source", "{:.1f}"),
    ("WER text %", "wer_text", "{:.1f}"),
    ("DNSMOS", "dnsmos", "{:.2f}"),
    ("RTF", "rtf", "{:.3f}"),
    ("p50 ms", "p50", "{:.2f}"),
    ("p99 ms", "p99", "{:.2f}"),
    ("tokens/s", "tokens_per_s", "{:.0f}"),
]


def cells(figures):
    """The figures of a mode or utterance, formatted for COLUMNS."""
    times = figures.get("compute_ms") or {}
    values = figures | {name: times.get(name) for name in ("p50", "p99")}
    if figures.get("border_rms") is not None:
        values["border"] = f"{figures['border_rms']:.1e} / {figures['elsewhere_rms'] or 0:.1e}"
    return ["–" if values.get(name) is None else form.format(values[name]) for _, name, form in COLUMNS]


def heading(figures):
    """Where the figures come from, and what the judges make of other speech than the network's, a line each."""
    versions = ", ".join(f"{name} {version}" for name, version in figures["versions"].items())
    lines = [
        f"{figures['checkpoint']} on backend {figures['backend']} ({figures['device']}), {figures['date']}",
        f"{versions}; voices by {figures['speaker_model']}, words by {figures['recogniser']}, "
        f"opinions by {figures['listener']}",
    ]
    for name, what in (("source", "the sources"), ("target", "the aligned targets")):
        rates = figures["controls"][name] or {}
        for against in ("source", "text"):
            rate = rates.get(f"wer_{against}")
            if rate is not None and (name, against) != ("source", "source"):
                reference = "what it hears in the sources" if against == "source" else "the text"
                lines.append(f"the recogniser's own WER on {what}: {rate:.1f}% against {reference}")
        if rates.get("dnsmos") is not None:
            lines.append(f"DNSMOS of {what}: {rates['dnsmos']:.2f}")
    return lines


def table(figures):
    """A line for every mode, Markdown, below the heading's lines."""
    rows = [["mode", *(name for name, _, _ in COLUMNS)]]
    rows += [[mode["mode"], *cells(mode["summary"])] for mode in figures["modes"]]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ["| " + " | ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)) + " |" for row in rows]
    return [*heading(figures), "", lines[0], "|" + "|".join("-" * (w + 2) for w in widths) + "|", *lines[1:]]


def write_report(folder, figures, utterances, outputs, references):
    """Writes figures.json, figures.csv, report.html and the audio and plots that it shows into a folder.

    utterances [Utterance], outputs {mode: [samples [N]]}, references [samples [N]]. FileError if it cannot be written.
    """
    folder = Path(folder)
    _write_csv(folder / "figures.csv", figures)
    histogram = any(mode["chunk_ms"] for mode in figures["modes"])
    if histogram:
        _plot_latency(folder / "plots" / "latency.png", figures)
    sections = []
    for index, utterance in enumerate(utterances):
        converted = {mode: signals[index] for mode, signals in outputs.items()}
        signals = {"source": utterance.audio, "converted": converted["offline"]}
        if utterance.target is not None:
            signals["target"] = utterance.target
        players = []
        for name, samples in signals.items():
            path = Path("audio") / f"{index:03}_{name}.wav"
            write_audio(folder / path, samples, SAMPLE_RATE)
            players.append(f'<figure><figcaption>{name}</figcaption><audio controls src="{path}"></audio></figure>')
        plot = Path("plots") / f"{index:03}.png"
        _plot_utterance(folder / plot, signals, converted, references[index])
        rows = [(mode["mode"], mode["utterances"][index]) for mode in figures["modes"]]
        sections.append(
            f"<h2>{html.escape(utterance.name)}</h2>{''.join(players)}"
            f"<p>source: “{html.escape(figures['controls']['source_words'][index])}”<br>"
            f"converted: “{html.escape(rows[0][1]['words'])}”</p>"
            f'{_html_table(rows)}<img src="{plot}" alt="spectrograms and error over time">'
        )
    missed = "".join(f"<li>{html.escape(line)}</li>" for line in figures["missed"])
    body = [
        "<h1>Evaluation</h1>",
        "".join(f"<p>{html.escape(line)}</p>" for line in heading(figures)),
        _html_table([(mode["mode"], mode["summary"]) for mode in figures["modes"]]),
        f"<p>Targets missed:</p><ul>{missed}</ul>" if missed else "<p>All targets met.</p>",
        '<img src="plots/latency.png" alt="latency histogram">' if histogram else "",
        *sections,
    ]
    with replacing(folder / "figures.json") as path:
        path.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    with replacing(folder / "report.html") as path:
        path.write_text(PAGE.format(body="\n".join(body)), encoding="utf-8")


PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>LLVC evaluation</title>
<style>
body {{ font: 15px/1.5 sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; font-size: 13px; margin: 1rem 0 }}
th, td {{ border-bottom: 1px solid #ccc; padding: .2rem .6rem; text-align: right }}
figure {{ display: inline-block; margin: 0 1rem 0 0 }}
img {{ max-width: 100% }}
</style>
{body}
</html>
"""


def _html_table(rows):
    head = "".join(f"<th>{name}</th>" for name in ("mode", *(name for name, _, _ in COLUMNS)))
    lines = ["".join(f"<td>{html.escape(cell)}</td>" for cell in (mode, *cells(figures))) for mode, figures in rows]
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _write_csv(path, figures):
    """One line per mode and utterance, and one per mode for the whole; each says where it comes from."""
    versions = " ".join(f"{name}={version}" for name, version in figures["versions"].items())
    origin = {name: figures[name] for name in ("date", "backend", "device", "checkpoint", "recogniser", "listener")}
    origin["versions"] = versions
    lines = []
    for mode in figures["modes"]:
        times = {f"{name}_ms": ms for name, ms in (mode["summary"].get("compute_ms") or {}).items()}
        whole = {name: value for name, value in mode["summary"].items() if name != "compute_ms"} | times
        lines += [{"mode": mode["mode"], "utterance": "all"} | whole]
        lines += [{"mode": mode["mode"]} | row for row in mode["utterances"]]
    names = list(dict.fromkeys(name for line in lines for name in line)) + list(origin)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        writer.writerows(line | origin for line in lines)


def _plot_latency(path, figures):
    """Histograms of the time that chunks take, and the time they may take."""
    figure, axis = plt.subplots(figsize=(10, 3), layout="constrained")
    timed = [mode for mode in figures["modes"] if mode["chunk_ms"]]
    slowest = max(np.percentile(mode["chunk_ms"], 99.5) for mode in timed)
    for mode in timed:
        axis.hist(np.minimum(mode["chunk_ms"], slowest), bins=80, histtype="step", label=mode["mode"])
    axis.set(xlabel="ms of compute per chunk (the slowest in the last bin)", ylabel="chunks", yscale="log")
    axis.legend()
    save(figure, path)


def _plot_utterance(path, signals, converted, reference):
    """Spectrograms of an utterance, and each mode's error against the reference over time."""
    figure, axes = plt.subplots(
        len(signals) + 1, 1, sharex=True, figsize=(10, 2 + 2 * len(signals)), layout="constrained"
    )
    for axis, (name, samples) in zip(axes, signals.items(), strict=False):
        draw_spectrogram(axis, samples, SAMPLE_RATE)
        axis.set_ylabel(f"{name}, Hz")
    window = SAMPLE_RATE // 50
    for mode, samples in converted.items():
        error = (samples - reference)[: len(reference) // window * window].reshape(-1, window)
        decibels = 20 * np.log10(np.sqrt(np.mean(np.square(error.double().numpy()), axis=1)) + 1e-9)
        axes[-1].plot(np.arange(len(decibels)) * window / SAMPLE_RATE, decibels, linewidth=0.8, label=mode)
    axes[-1].set(xlabel="seconds", ylabel="error, dBFS", xlim=(0, len(reference) / SAMPLE_RATE))
    axes[-1].legend(loc="upper right", ncols=len(converted))
    save(figure, path)
