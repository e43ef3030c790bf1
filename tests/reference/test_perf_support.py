# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What the performance tests are made of, on the CPU network: what they time, and what CI reads of them."""

import csv
import time

import pytest
import torch
from support.golden import load_golden
from support.perf import chunk_figures, report_perf, time_chunks

from demo.convert import stream_figures
from streaming.stream import ChunkedStream
from streaming.torch_engine import TorchEngine

# What tt-metal's tool that merges reports expects.
COLUMNS = [
    "Model",
    "Setting",
    "Batch",
    "First Run (sec)",
    "Second Run (sec)",
    "Compile Time (sec)",
    "Expected Compile Time (sec)",
    "Inference Time (sec)",
    "Expected Inference Time (sec)",
    "Throughput (batch*inf/sec)",
    "Inference Time CPU (sec)",
    "Throughput CPU (batch*inf/sec)",
]


def test_every_timed_push_is_one_chunk():
    golden = load_golden("small")
    audio = torch.from_numpy(golden.arrays["audio"])[None, : 5 * 208]
    with ChunkedStream(TorchEngine(golden.model)) as stream:
        seconds, output = time_chunks(stream, audio, 12)
        assert len(seconds) == 12 and output.shape == (1, 12 * 208)
        figures = chunk_figures(seconds, stream)
    assert figures["tokens_per_s"] == pytest.approx(13 / (sum(seconds[1:]) / 11))
    with torch.no_grad():  # the audio over and over
        expected = golden.model(audio.repeat(1, 3)[:, None])[:, 0, : output.shape[1]]
    assert (output - expected).abs().max() < 1e-5 * expected.abs().max()


class Sleepy(TorchEngine):
    def _submit(self, *arguments):
        time.sleep(0.02)
        super()._submit(*arguments)


def test_the_time_of_a_push_counts_all_of_it():
    golden = load_golden("small")
    audio = torch.zeros(1, 2080)
    with ChunkedStream(TorchEngine(golden.model)) as stream:
        stream.engine = Sleepy(golden.model)
        seconds, _ = time_chunks(stream, audio, 3)
    assert min(seconds) >= 0.02


def test_figures_of_known_times():
    engine = TorchEngine(load_golden("small").model)
    times = stream_figures([9.0, *(k / 1000 for k in range(1, 102))], engine, 16000)
    values = {name: round(value, 6) for name, value in times["compute_ms"].items()}
    assert values == {"mean": 51, "p50": 51, "p95": 96, "p99": 100, "max": 101, "jitter": 49}
    assert times["first_chunk_ms"] == 9000
    assert times["rtf"] == pytest.approx(51 / 13) and times["latency_ms"] == pytest.approx(15 + 51)


def test_the_report_has_the_columns_that_ci_merges(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    report_perf("llvc/n1", "latency", 10, 3.5, 0.0012, 120.0, 0.0013)
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("perf_llvc_n1_latency_") and path.suffix == ".csv"
    header, row = csv.reader(path.read_text().splitlines(), skipinitialspace=True)
    assert header == COLUMNS
    values = dict(zip(header, row, strict=True))
    assert values["Inference Time (sec)"] == "0.0012" and values["Expected Inference Time (sec)"] == "0.0013"
    assert values["Throughput (batch*inf/sec)"] == "8333.3333" and values["Compile Time (sec)"] == "3.50"
