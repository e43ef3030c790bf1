# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""End-to-end speed on a card, by the host's clock: framing, upload, computation and download of every chunk.

Every test warms up first, then times, prints a row of figures, writes a report for CI, and asserts the ceilings below.
RTF is computation time / audio time of one stream: all streams of a batch are converted in that time. Latency is the
algorithmic latency (chunk + 2L, in throughput mode a chunk more) + the time of a chunk. docs/PERF.md says what is
expected and why. Nothing here means anything without a card, so there all of it is skipped.
"""

import pytest
import torch
from support.blocks import NETWORK_PCC, allocated, golden, on_device, pcc, speech
from support.perf import board, chunk_figures, report_perf, time_chunks
from support.rung import RUNG

# The least that is asked of the model, whatever the chunk: at n = 1, 2, 4 and up to ten streams.
FLOOR_RTF = 0.3
FLOOR_LATENCY_MS = 100.0

# Ours, by board, for the fused kernels: 'single' is one stream at n = 1. Predicted (tools/cost_model.py), and not yet
# measured on a card.
MAX_RTF_SINGLE = {"N150": 0.03, "N300": 0.03}
MAX_LATENCY_SINGLE_MS = {"N150": 15.5, "N300": 15.5}
MAX_RTF_TEN_STREAMS = {"N150": 0.1, "N300": 0.1}
MAX_RTF_MANY_STREAMS = {"N150": 1.0, "N300": 1.0}  # 32 to 100 on one chip: they must keep up
MAX_RTF_OFFLINE = {"N150": 0.1, "N300": 0.1}
MAX_PREPARATION_S = {"N150": 120.0, "N300": 120.0}  # compilation of all kernels from an empty cache among it
MAX_DRIFT = 1.1  # median of the last minute / of the first one

CHUNKS = 500  # that are timed
WARM_UP = 50
MINUTES = 10

pytestmark = [
    pytest.mark.skipif(RUNG not in ("card", "tt-metal"), reason="measures a card, and there is none"),
    pytest.mark.models_performance_bare_metal,
]


def timed(device, chunk_factor, batch_size, mode, setting, tabulate_speed, ceiling):
    """Times chunks of a stream, tabulates and reports them; returns (figures, seconds, output)."""
    from ttnn_llvc import TtLLVC

    with TtLLVC.from_reference(device, golden("llvc").model).stream(chunk_factor, batch_size, mode) as stream:
        preparation = sum(stream.engine.preparation.values())
        audio = speech("llvc", batch_size, 20000)
        time_chunks(stream, audio, WARM_UP)
        stream.reset()
        seconds, output = time_chunks(stream, audio, CHUNKS)
        figures = chunk_figures(seconds, stream)
    tabulate_speed(board(), setting, chunk_factor, batch_size, figures)
    chunk_s = figures["chunk_ms"] / 1e3
    report_perf(
        f"llvc_n{chunk_factor}_b{batch_size}",
        setting,
        batch_size,
        preparation,
        figures["compute_ms"]["mean"] / 1e3,
        MAX_PREPARATION_S[board()],
        ceiling * chunk_s,
    )
    assert preparation <= MAX_PREPARATION_S[board()]
    return figures, seconds, output


def latency_p99(figures):
    """Latency in ms of all but one chunk in a hundred."""
    return figures["algorithmic_latency_ms"] + figures["compute_ms"]["p99"]


@on_device
@pytest.mark.parametrize("chunk_factor", [1, 2, 4])
def test_a_single_stream(device, chunk_factor, tabulate_speed):
    ceiling = MAX_RTF_SINGLE[board()] if chunk_factor == 1 else FLOOR_RTF
    figures, _, _ = timed(device, chunk_factor, 1, "latency", "latency", tabulate_speed, ceiling)
    assert figures["rtf"] <= ceiling
    assert latency_p99(figures) < FLOOR_LATENCY_MS
    if chunk_factor == 1:
        assert latency_p99(figures) <= MAX_LATENCY_SINGLE_MS[board()]


@on_device
@pytest.mark.parametrize("milliseconds", [50, 100, 200])
def test_long_chunks(device, milliseconds, tabulate_speed):
    """Their own length is most of their latency: what is on top of it must stay below the floor."""
    chunk_factor = round(milliseconds / 13)
    figures, _, _ = timed(device, chunk_factor, 1, "latency", f"{milliseconds}ms", tabulate_speed, FLOOR_RTF)
    assert figures["rtf"] < FLOOR_RTF
    assert latency_p99(figures) - figures["chunk_ms"] < FLOOR_LATENCY_MS


@on_device
@pytest.mark.parametrize("mode", ["latency", "throughput"])
@pytest.mark.parametrize("chunk_factor", [1, 2, 4])
@pytest.mark.parametrize("batch_size", [10, 32, 64, 100])
def test_concurrent_streams(device, chunk_factor, batch_size, mode, tabulate_speed):
    ceiling = (MAX_RTF_TEN_STREAMS if batch_size <= 10 else MAX_RTF_MANY_STREAMS)[board()]
    figures, _, _ = timed(device, chunk_factor, batch_size, mode, mode, tabulate_speed, ceiling)
    assert figures["rtf"] < ceiling
    if batch_size <= 10 and mode == "latency":
        assert latency_p99(figures) < FLOOR_LATENCY_MS


@on_device
@pytest.mark.parametrize("batch_size", [10, 64])
def test_concurrent_streams_on_both_chips(mesh_device, batch_size, tabulate_speed):
    ceiling = (MAX_RTF_TEN_STREAMS if batch_size <= 10 else MAX_RTF_MANY_STREAMS)[board()]
    figures, _, _ = timed(mesh_device, 1, batch_size, "throughput", "two_chips", tabulate_speed, ceiling)
    assert figures["rtf"] < ceiling


@on_device
@pytest.mark.parametrize("batch_size", [1, 10, 32, 64])
def test_offline(device, batch_size, tabulate_speed, TtLLVC):
    """Whole signals, as `convert` does it: long chunks, pipelined."""
    chunk_factor = TtLLVC.from_reference(device, golden("llvc").model).offline_chunk_factor
    ceiling = MAX_RTF_OFFLINE[board()] if batch_size <= 10 else MAX_RTF_MANY_STREAMS[board()]
    figures, _, _ = timed(device, chunk_factor, batch_size, "throughput", "offline", tabulate_speed, ceiling)
    assert figures["rtf"] < ceiling


@on_device
@pytest.mark.timeout(60 * (MINUTES + 5))
def test_ten_minutes_without_drift(device, tabulate_speed, TtLLVC):
    """Neither time nor memory nor samples: a minute of speech again and again gives the same every time."""
    minute = 60 * 16000 // 208
    with TtLLVC.from_reference(device, golden("llvc").model).stream() as stream:
        audio = speech("llvc", 1, 96 * 208)
        period = audio.shape[1]
        before = allocated(device)
        seconds, output = time_chunks(stream, audio, MINUTES * minute)
        tabulate_speed(board(), f"{MINUTES} minutes", 1, 1, chunk_figures(seconds, stream))
        assert allocated(device) == before
    rounds = output[:, : output.shape[1] // period * period].reshape(-1, period)[1:]  # the first one starts cold
    assert torch.equal(rounds, rounds[:1].expand_as(rounds))
    with torch.no_grad():
        expected = golden("llvc").model(torch.cat((audio, audio), dim=1)[:, None])[0, 0, period : 2 * period - 16]
    assert pcc(rounds[0, : len(expected)], expected) >= NETWORK_PCC
    first, last = (torch.tensor(part).median() for part in (seconds[WARM_UP:minute], seconds[-minute:]))
    assert last / first <= MAX_DRIFT
