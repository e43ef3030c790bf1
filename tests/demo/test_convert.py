# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Converting with an engine that halves every sample and takes 2 ms a chunk: samples and figures worked by hand."""

from itertools import islice
from types import SimpleNamespace

import pytest
import torch
from support.fake_engine import GAIN, FakeEngine

from demo import convert
from streaming.stream import ChunkedStream

SAMPLE_RATE = 16000
AUDIO = torch.rand(3 * 208 + 100, generator=torch.Generator().manual_seed(0)) - 0.5


@pytest.fixture
def make_engine(monkeypatch):
    """make_engine(batch_size): an engine in a time in which only chunks take any."""
    now = [0.0]

    def elapse(seconds):
        now[0] += seconds

    monkeypatch.setattr(convert.time, "perf_counter", lambda: now[0])
    return lambda batch_size=1: FakeEngine(batch_size, compute=0.002, elapse=elapse)


def test_offline(make_engine):
    audio, seconds = convert.convert_offline(ChunkedStream(make_engine()), AUDIO)
    assert torch.equal(audio, GAIN * AUDIO)
    assert seconds == pytest.approx(4 * 0.002)  # three chunks, and the rest


def test_chunk_by_chunk(make_engine):
    """A time for each chunk, when its lookahead is there; what flush takes is none of a live stream's."""
    audio, seconds = convert.timed_chunks(ChunkedStream(make_engine()), AUDIO)
    assert torch.equal(audio, GAIN * AUDIO)
    assert seconds == pytest.approx(3 * [0.002])


@pytest.mark.parametrize("chunked", [False, True])
def test_what_a_failed_file_left_is_not_in_the_next_one(make_engine, chunked):
    stream = ChunkedStream(make_engine())
    blocks = convert.convert_blocks(stream, [torch.ones(1, 300), torch.ones(1, 300)], [], chunked)
    assert len(list(islice(blocks, 1))) == 1  # is given up with samples inside
    again = torch.cat(list(convert.convert_blocks(stream, [AUDIO[None]], [], chunked)), dim=1)
    assert torch.equal(again[0], GAIN * AUDIO)


def test_streams_at_a_time(make_engine):
    """Three signals on two places: the third joins where the second ends. A step of all is one chunk."""
    engine = make_engine(2)
    backend = SimpleNamespace(open_engine=lambda chunk_factor, streams, mode: engine)
    signals = [AUDIO, AUDIO[:100], AUDIO[:250]]
    audio, figures = convert.convert_concurrently(backend, signals, 2, 1, "latency", SAMPLE_RATE)
    assert all(torch.equal(a, GAIN * signal) for a, signal in zip(audio, signals, strict=True))
    assert figures["streams"] == 2
    assert figures["seconds"] == pytest.approx((724 + 100 + 250) / 16000)
    assert sum(engine.calls) == 4 + 1 + 2
    assert figures["elapsed_s"] == pytest.approx(0.002 * len(engine.calls))
    assert figures["aggregate_times_real_time"] == pytest.approx(1074 / 16000 / (0.002 * len(engine.calls)))
    assert figures["chunks"] == len(engine.calls) and figures["compute_ms"]["max"] == pytest.approx(2)


ENGINE = SimpleNamespace(chunk_len=208, latency=240, longest_wait=224, preparation={"compile_s": 1.5})


def test_the_figures_of_a_stream():
    """The first chunk takes 500 ms, the others 1, 2, ..., 101."""
    figures = convert.stream_figures([0.5, *(k / 1000 for k in range(1, 102))], ENGINE, SAMPLE_RATE)
    times = {"mean": 51, "p50": 51, "p95": 96, "p99": 100, "max": 101, "jitter": 100 - 51}
    assert figures.pop("preparation") == {"compile_s": 1.5}
    assert figures.pop("compute_ms") == pytest.approx(times)
    assert figures == pytest.approx(
        {
            "chunk_ms": 13,
            "algorithmic_latency_ms": 15,
            "longest_wait_ms": 14,
            "chunks": 102,
            "first_chunk_ms": 500,
            "latency_ms": 15 + 51,
            "rtf": 51 / 13,
            "times_real_time": 13 / 51,
        }
    )


@pytest.mark.parametrize("seconds, first", [([], None), ([0.5], 500)])
def test_the_figures_of_less_than_two_chunks(seconds, first):
    figures = convert.stream_figures(seconds, ENGINE, SAMPLE_RATE)
    assert (figures["chunks"], figures["first_chunk_ms"]) == (len(seconds), first)
    assert [figures[name] for name in ("compute_ms", "latency_ms", "rtf", "times_real_time")] == 4 * [None]
