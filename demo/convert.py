# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Converting one signal, offline or as a stream, and the figures of doing so."""

import time

import numpy as np
import torch


def convert_offline(backend, audio):
    """Converts samples [N] -> (samples [N], seconds of compute)."""
    with backend.open_stream(backend.offline_chunk_factor) as stream:
        start = time.perf_counter()
        converted = torch.cat((stream.push(audio[None]), stream.flush()), dim=1)[0]
        return converted, time.perf_counter() - start


def convert_streaming(backend, audio, chunk_factor, sample_rate):
    """Converts samples [N] chunk by chunk, as a microphone would give them -> (samples [N], figures).

    The figures are those of stream_figures.
    """
    pieces, seconds = [], []
    with backend.open_stream(chunk_factor) as stream:
        for chunk in audio[None].split(stream.chunk_len, dim=1):
            start = time.perf_counter()
            ready = stream.push(chunk)
            elapsed = time.perf_counter() - start
            pieces.append(ready)
            if ready.shape[1]:  # the first chunk waits for its lookahead
                seconds.append(elapsed)
        pieces.append(stream.flush())
        figures = stream_figures(seconds, stream, sample_rate)
    return torch.cat(pieces, dim=1)[0], figures


def stream_figures(seconds, stream, sample_rate):
    """The figures of a stream from the seconds that each of its chunks took (the first one apart).

    Times are in ms; latency_ms is algorithmic latency + mean compute; rtf is compute time / audio time and
    times_real_time its inverse, which the paper calls RTF. Without a second chunk there is nothing to measure,
    and the measured figures are None.
    """
    first, steady = seconds[:1], np.array(seconds[1:]) * 1e3
    chunk_ms, latency_ms, wait_ms = (
        1e3 * samples / sample_rate for samples in (stream.chunk_len, stream.latency, stream.longest_wait)
    )
    figures = {
        "chunk_ms": chunk_ms,
        "algorithmic_latency_ms": latency_ms,
        "longest_wait_ms": wait_ms,
        "chunks": len(seconds),
        "first_chunk_ms": 1e3 * first[0] if first else None,
    }
    measured = ("mean", "p50", "p95", "p99", "max")
    if len(steady):
        values = (steady.mean(), *np.percentile(steady, (50, 95, 99)), steady.max())
        figures["compute_ms"] = {name: float(value) for name, value in zip(measured, values, strict=True)}
        mean = figures["compute_ms"]["mean"]
        figures |= {"latency_ms": latency_ms + mean, "rtf": mean / chunk_ms, "times_real_time": chunk_ms / mean}
    else:
        figures |= {"compute_ms": None, "latency_ms": None, "rtf": None, "times_real_time": None}
    return figures
