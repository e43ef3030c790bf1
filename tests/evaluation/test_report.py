# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Every figure of an evaluation stands where its heading says, and nothing that a file says is taken for HTML."""

import csv
import json
from types import SimpleNamespace

import pytest
import torch

from evaluation import report

SUMMARY = {
    "token_accuracy": 97.256,
    "pcc": 0.9876543,
    "si_sdr_db": 21.26,
    "max_error": 0.0123,
    "border_rms": 1.23e-4,
    "elsewhere_rms": 4.56e-5,
    "similarity_target": 71.26,
    "similarity_source": 52.36,
    "similarity_source_target": 43.46,
    "wer_source": 12.36,
    "wer_text": 34.56,
    "rtf": 0.1236,
    "compute_ms": {"mean": 4.0, "p50": 3.456, "p95": 5.0, "p99": 7.896, "max": 9.0, "jitter": 4.44},
    "tokens_per_s": 8090.6,
}
SHOWN = {
    "token acc. %": "97.26",
    "PCC": "0.987654",
    "SI-SDR dB": "21.3",
    "max error": "1.2e-02",
    "border / elsewhere": "1.2e-04 / 4.6e-05",
    "sim. target %": "71.3",
    "sim. source %": "52.4",
    "source to target %": "43.5",
    "WER source %": "12.4",
    "WER text %": "34.6",
    "RTF": "0.124",
    "p50 ms": "3.46",
    "p99 ms": "7.90",
    "tokens/s": "8091",
}
HOSTILE = "<b>&.wav"


def shown(figures):
    return dict(zip((name for name, _, _ in report.COLUMNS), report.cells(figures), strict=True))


@pytest.fixture
def figures():
    """Of one utterance, offline and as a stream."""
    rows = [{"utterance": HOSTILE, "seconds": 0.5, "words": "<i>heard"} | SUMMARY]
    del rows[0]["compute_ms"]
    offline = {"mode": "offline", "summary": SUMMARY | {"compute_ms": None}, "utterances": rows, "chunk_ms": []}
    stream = {"mode": "stream n=1", "summary": SUMMARY, "utterances": rows, "chunk_ms": [3.0, 4.0]}
    source, target = {"wer_source": 0.0, "wer_text": 23.46}, {"wer_source": 45.67, "wer_text": None}
    return {
        "date": "2026-01-01",
        "backend": "cpu",
        "device": "CPU, 1 thread",
        "versions": {"torch": "2", "numpy": "1"},
        "checkpoint": "voice.pth",
        "speaker_model": "an ear",
        "recogniser": "another",
        "listener": "a third",
        "controls": {"source_words": ["<u>said"], "source": source, "target": target},
        "modes": [offline, stream],
        "missed": ["offline: 3 < 4"],
    }


def test_every_figure_in_its_column():
    assert SHOWN.items() <= shown(SUMMARY).items()
    assert set(shown({}).values()) == {"–"}
    assert shown({"border_rms": 1e-3, "elsewhere_rms": None})["border / elsewhere"] == "1.0e-03 / 0.0e+00"
    assert shown({"compute_ms": None, "border_rms": None})["p50 ms"] == "–"


def test_where_the_figures_come_from(figures):
    lines = report.heading(figures)
    assert lines[0] == "voice.pth on backend cpu (CPU, 1 thread), 2026-01-01"
    assert lines[1].startswith("torch 2, numpy 1; voices by an ear, words by another")
    assert lines[2:] == [
        "the recogniser's own WER on the sources: 23.5% against the text",
        "the recogniser's own WER on the aligned targets: 45.7% against what it hears in the sources",
    ]
    figures["controls"] = {"source": {"wer_source": 0.0, "wer_text": None}, "target": None}
    assert len(report.heading(figures)) == 2


def test_the_table(figures):
    lines = report.table(figures)
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[lines.index("") + 1 :]]
    assert table[0] == ["mode", *shown({})] and set("".join(table[1])) == {"-"}
    assert table[2] == ["offline", *report.cells(SUMMARY | {"compute_ms": None})]
    assert table[3] == ["stream n=1", *report.cells(SUMMARY)]
    assert len(set(map(len, lines[lines.index("") + 1 :]))) == 1  # columns


def test_the_files(tmp_path, figures):
    samples = 0.1 * torch.sin(torch.arange(8000) / 10)
    utterance = SimpleNamespace(name=HOSTILE, audio=samples, target=None)
    outputs = {"offline": [0.5 * samples], "stream n=1": [samples]}
    report.write_report(tmp_path, figures, [utterance], outputs, [0.5 * samples])

    page = (tmp_path / "report.html").read_text()
    for tag in ("<b>", "<i>", "<u>", "3 < 4"):
        assert tag not in page
    for text in ("&lt;b&gt;&amp;.wav", "source: “&lt;u&gt;said”", "converted: “&lt;i&gt;heard”", "3 &lt; 4", "97.26"):
        assert text in page
    assert json.loads((tmp_path / "figures.json").read_text()) == figures
    names = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*.*")}
    assert names == {
        *("report.html", "figures.json", "figures.csv", "plots/latency.png", "plots/000.png"),
        *("audio/000_source.wav", "audio/000_converted.wav"),
    }

    lines = list(csv.DictReader((tmp_path / "figures.csv").open()))
    assert [(line["mode"], line["utterance"]) for line in lines] == [
        ("offline", "all"),
        ("offline", HOSTILE),
        ("stream n=1", "all"),
        ("stream n=1", HOSTILE),
    ]
    for line in lines:
        assert (line["pcc"], line["border_rms"], line["backend"]) == ("0.9876543", "0.000123", "cpu")
        assert line["versions"] == "torch=2 numpy=1"
    assert [line["p99_ms"] for line in lines] == ["", "", "7.896", ""]


def test_a_report_without_faults_or_streams(tmp_path, figures):
    figures["modes"], figures["missed"] = figures["modes"][:1], []
    samples = 0.1 * torch.sin(torch.arange(8000) / 10)
    utterance = SimpleNamespace(name="a.wav", audio=samples, target=samples)
    report.write_report(tmp_path, figures, [utterance], {"offline": [samples]}, [samples])
    page = (tmp_path / "report.html").read_text()
    assert "All targets met." in page and "missed" not in page and "latency.png" not in page
    assert "audio/000_target.wav" in page and (tmp_path / "audio" / "000_target.wav").exists()
