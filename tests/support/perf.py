# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What the performance tests share: timing chunks, and reports as tt-metal's CI collects them."""

import time
from pathlib import Path

import pytest
import torch

from demo.convert import stream_figures

SAMPLE_RATE = 16000
BOARDS = ("N150", "N300")


def board():
    """The board that ttnn finds, of BOARDS; skips the test on another."""
    import ttnn

    name = str(ttnn.cluster.get_cluster_type()).split(".")[-1]
    if name not in BOARDS:
        pytest.skip(f"no expectations for {name}; they are for {', '.join(BOARDS)}")
    return name


def time_chunks(stream, audio, chunks):
    """Pushes `chunks` chunks of audio [B, N], again and again from its start -> (seconds of each, output [B, ..]).

    A push is all that a chunk takes, by the host's clock: framing, upload, computation, download. The first push
    also brings the lookahead and is not among them.
    """
    lookahead = stream.engine.lookahead_len
    stream.push(audio[:, :lookahead])
    pieces = audio.roll(-lookahead, dims=1).split(stream.chunk_len, dim=1)
    pieces = [piece for piece in pieces if piece.shape[1] == stream.chunk_len]
    seconds, output = [], []
    for k in range(chunks):
        start = time.perf_counter()
        output.append(stream.push(pieces[k % len(pieces)]))
        seconds.append(time.perf_counter() - start)
    return seconds, torch.cat(output, dim=1)


def chunk_figures(seconds, stream):
    """demo.convert.stream_figures of these chunks, and frames of all streams per second as tokens_per_s."""
    figures = stream_figures(seconds, stream.engine, SAMPLE_RATE)
    frames = stream.batch_size * stream.chunk_len // stream.engine.frame_len
    return figures | {"tokens_per_s": 1e3 * frames / figures["compute_ms"]["mean"]}


def report_perf(model_name, setting, batch_size, first_s, chunk_s, expected_first_s, expected_chunk_s):
    """Writes perf_<model>_<setting>_<date>.csv where the tests run, as tt-metal's CI collects it."""
    try:
        from models.perf.perf_utils import prep_perf_report
    except ImportError:
        prep_perf_report = _prep_perf_report
    prep_perf_report(
        model_name=model_name,
        batch_size=batch_size,
        inference_and_compile_time=first_s,
        inference_time=chunk_s,
        expected_compile_time=expected_first_s,
        expected_inference_time=expected_chunk_s,
        comments=setting,
        inference_time_cpu=None,
    )


def _prep_perf_report(
    model_name,
    batch_size,
    inference_and_compile_time,
    inference_time,
    expected_compile_time,
    expected_inference_time,
    comments,
    inference_time_cpu,
):
    """The same file without tt-metal at hand."""
    row = {
        "Model": model_name,
        "Setting": comments,
        "Batch": str(batch_size),
        "First Run (sec)": f"{inference_and_compile_time:.2f}",
        "Second Run (sec)": f"{inference_time:.2f}",
        "Compile Time (sec)": f"{inference_and_compile_time - inference_time:.2f}",
        "Expected Compile Time (sec)": f"{expected_compile_time:.2f}",
        "Inference Time (sec)": f"{inference_time:.4f}",
        "Expected Inference Time (sec)": f"{expected_inference_time:.4f}",
        "Throughput (batch*inf/sec)": f"{batch_size / inference_time:.4f}",
        "Inference Time CPU (sec)": "unknown" if inference_time_cpu is None else f"{inference_time_cpu:.4f}",
        "Throughput CPU (batch*inf/sec)": (
            "unknown" if inference_time_cpu is None else f"{batch_size / inference_time_cpu:.4f}"
        ),
    }
    path = Path(f"perf_{model_name.replace('/', '_')}_{comments}_{time.strftime('%Y_%m_%d')}.csv")
    path.write_text(", ".join(row) + "\n" + ", ".join(row.values()))
