# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Converting signals, offline, as a stream or as many streams at a time, and the figures of doing so."""

import time
from collections import deque

import numpy as np
import torch

from streaming.server import StreamServer


def convert_offline(stream, audio):
    """Converts samples [N] in one go -> (samples [N], seconds of compute)."""
    stream.reset()
    start = time.perf_counter()
    converted = torch.cat((stream.push(audio[None]), stream.flush()), dim=1)[0]
    return converted, time.perf_counter() - start


def timed_chunks(stream, audio):
    """Converts samples [N] chunk by chunk, as a microphone would give them -> (samples [N], seconds of each chunk)."""
    pieces, seconds = [], []
    stream.reset()
    for chunk in audio[None].split(stream.chunk_len, dim=1):
        start = time.perf_counter()
        ready = stream.push(chunk)
        elapsed = time.perf_counter() - start
        pieces.append(ready)
        if ready.shape[1]:  # the first chunk waits for its lookahead
            seconds.append(elapsed)
    pieces.append(stream.flush())
    return torch.cat(pieces, dim=1)[0], seconds


def convert_streaming(stream, audio, sample_rate):
    """timed_chunks -> (samples [N], figures of stream_figures)."""
    converted, seconds = timed_chunks(stream, audio)
    return converted, stream_figures(seconds, stream.engine, sample_rate)


def convert_concurrently(backend, signals, streams, chunk_factor, mode, sample_rate):
    """Converts signals [N], each as a stream of its own and up to `streams` of them at a time -> (signals, figures).

    As so many microphones would give them: every stream gets a chunk, and then all chunks are converted. Where a
    signal ends the next one joins. The figures are those of stream_figures, for the chunks of all streams at a time,
    and of the whole: aggregate_times_real_time is audio time of all signals / time that the conversion took.
    """
    waiting = deque(enumerate(signals))
    converted = [[] for _ in signals]
    active, seconds = {}, []  # signal -> (its stream, samples that did not go in yet)
    with StreamServer(backend.open_engine(chunk_factor, streams, mode)) as server:
        begin = time.perf_counter()
        while waiting or active:
            while waiting and len(active) < streams:
                number, samples = waiting.popleft()
                active[number] = server.open(), samples
            start = time.perf_counter()
            for number, (stream, samples) in active.items():
                if len(samples):
                    converted[number].append(stream.push(samples[: server.chunk_len]))
                else:
                    stream.finish()
                active[number] = stream, samples[server.chunk_len :]
            if not server.step():
                server.drain()
            ready = {number: stream.read() for number, (stream, _) in active.items()}
            if any(len(samples) for samples in ready.values()):
                seconds.append(time.perf_counter() - start)
            for number, samples in ready.items():
                converted[number].append(samples)
                if sum(map(len, converted[number])) == len(signals[number]):
                    active.pop(number)[0].close()
        elapsed = time.perf_counter() - begin
        figures = stream_figures(seconds, server.engine, sample_rate)
    total = sum(map(len, signals)) / sample_rate
    figures |= {
        "streams": streams,
        "seconds": total,
        "elapsed_s": elapsed,
        "aggregate_times_real_time": total / elapsed,
    }
    return [torch.cat(pieces) for pieces in converted], figures


def stream_figures(seconds, engine, sample_rate):
    """The figures of an engine's streams from the seconds that each chunk took (the first one apart).

    Times are in ms; jitter is p99 - p50, latency_ms algorithmic latency + mean compute, rtf compute time / audio
    time and times_real_time its inverse, which the paper calls RTF. Without a second chunk there is nothing to
    measure, and the measured figures are None.
    """
    first, steady = seconds[:1], np.array(seconds[1:]) * 1e3
    chunk_ms, latency_ms, wait_ms = (
        1e3 * samples / sample_rate for samples in (engine.chunk_len, engine.latency, engine.longest_wait)
    )
    figures = {
        "preparation": engine.preparation,
        "chunk_ms": chunk_ms,
        "algorithmic_latency_ms": latency_ms,
        "longest_wait_ms": wait_ms,
        "chunks": len(seconds),
        "first_chunk_ms": 1e3 * first[0] if first else None,
    }
    measured = ("mean", "p50", "p95", "p99", "max")
    if len(steady):
        values = (steady.mean(), *np.percentile(steady, (50, 95, 99)), steady.max())
        figures["compute_ms"] = times = {name: float(value) for name, value in zip(measured, values, strict=True)}
        times["jitter"] = times["p99"] - times["p50"]
        mean = times["mean"]
        figures |= {"latency_ms": latency_ms + mean, "rtf": mean / chunk_ms, "times_real_time": chunk_ms / mean}
    else:
        figures |= {"compute_ms": None, "latency_ms": None, "rtf": None, "times_real_time": None}
    return figures
