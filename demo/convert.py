# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Converting signals, offline, as a stream or as many streams at a time, and the figures of doing so."""

import time
from array import array
from dataclasses import dataclass, field

import numpy as np
import torch

from streaming.server import ServedStream, StreamServer


def convert_blocks(stream, blocks, seconds, chunked=False):
    """Converts blocks of samples [B, any length] as they come; yields audio [B, k], in total as much as goes in.

    Appends the seconds of compute of every step to `seconds`. chunked: as a microphone would give them, at most a chunk
    at a time; `seconds` then gets those of each chunk that came out (the first one waits for its lookahead).
    """
    stream.reset()
    for block in blocks:
        for samples in block.split(stream.chunk_len, dim=1) if chunked else (block,):
            start = time.perf_counter()
            ready = stream.push(samples)
            elapsed = time.perf_counter() - start
            if ready.shape[1] or not chunked:
                seconds.append(elapsed)
            if ready.shape[1]:
                yield ready
    start = time.perf_counter()
    rest = stream.flush()
    if not chunked:
        seconds.append(time.perf_counter() - start)
    yield rest


def convert_offline(stream, audio):
    """Converts samples [N] in one go -> (samples [N], seconds of compute)."""
    seconds = []
    return torch.cat(list(convert_blocks(stream, [audio[None]], seconds)), dim=1)[0], sum(seconds)


def timed_chunks(stream, audio):
    """Converts samples [N] chunk by chunk, as a microphone would give them -> (samples [N], seconds of each chunk)."""
    seconds = []
    return torch.cat(list(convert_blocks(stream, [audio[None]], seconds, chunked=True)), dim=1)[0], seconds


class Job:
    """A signal to convert as one of many streams: where its samples come from and where they go."""

    def read(self, count):
        """The next samples [at most count], [0] at the end."""
        raise NotImplementedError

    def write(self, samples):
        """Takes converted samples [k]."""
        raise NotImplementedError

    def finish(self):
        """All samples were written."""

    def fail(self, error):
        """Reading, converting or writing failed; the job is over."""
        raise error


class SignalJob(Job):
    """Samples [N] in memory."""

    def __init__(self, samples):
        self._left, self._pieces = samples, []

    def read(self, count):
        samples, self._left = self._left[:count], self._left[count:]
        return samples

    def write(self, samples):
        self._pieces.append(samples)

    @property
    def converted(self):
        return torch.cat(self._pieces)


@dataclass(eq=False)
class Running:
    """A job under way on its stream of a StreamServer."""

    job: Job
    stream: ServedStream
    owed: int = 0  # samples that went in and did not come out
    all_in: bool = False
    audio: torch.Tensor = field(default_factory=lambda: torch.zeros(0))  # [k] that came out and is not delivered

    def feed(self, count):
        """Gives the stream the job's next samples, at most `count`; returns how many these were."""
        if self.all_in:
            return 0
        samples = self.job.read(count)
        if len(samples):
            self.owed += len(samples)
            self.audio = self.stream.push(samples)
        else:
            self.stream.finish()
            self.all_in = True
        return len(samples)

    def collect(self):
        """Takes what else has come out of the stream."""
        self.audio = torch.cat((self.audio, self.stream.read()))

    def deliver(self):
        """Gives the job what came out; returns whether that was all of it."""
        self.job.write(self.audio)
        self.owed -= len(self.audio)
        self.audio = self.audio[:0]
        if self.owed or not self.all_in:
            return False
        self.job.finish()
        return True


def convert_concurrently(backend, signals, streams, chunk_factor, mode, sample_rate):
    """convert_jobs of signals [N] -> (signals, figures)."""
    jobs = [SignalJob(samples) for samples in signals]
    figures = convert_jobs(backend, jobs, streams, chunk_factor, mode, sample_rate)
    return [job.converted for job in jobs], figures


def convert_jobs(backend, jobs, streams, chunk_factor, mode, sample_rate):
    """Converts Jobs, each as a stream of its own and up to `streams` of them at a time; returns the figures.

    As so many microphones would give them: every stream gets a chunk, and then all chunks are converted. Where a
    signal ends the next one joins. A job that fails leaves alone; if the engine fails, all that it was converting
    fail, each by itself, and the next ones start anew. The figures are those of stream_figures, for the chunks of all
    streams at a time, and of the whole: aggregate_times_real_time is audio time of all signals / time that the
    conversion took.
    """
    with StreamServer(backend.open_engine(chunk_factor, streams, mode)) as server:
        return serve_jobs(server, jobs, sample_rate)


def serve_jobs(server, jobs, sample_rate):
    """convert_jobs on a StreamServer that is there, all of whose places are free; leaves them so."""
    waiting, running = iter(jobs), []
    seconds, total, begin = array("d"), 0, time.perf_counter()

    def attempt(culprit, action, *arguments):
        """What a running job does itself, or the engine for all (culprit None). Who fails by it leaves its place."""
        try:
            return action(*arguments)
        except Exception as error:
            for other in list(running):
                if culprit in (None, other) or other.stream.broken:
                    running.remove(other)
                    other.stream.close()
                    other.job.fail(error)

    while True:
        while len(running) < server.engine.batch_size and (job := next(waiting, None)) is not None:
            try:
                running.append(Running(job, server.open()))
            except Exception as error:  # an engine that failed and cannot start anew
                job.fail(error)
        if not running:
            break
        start = time.perf_counter()
        for run in list(running):
            if run in running:
                total += attempt(run, run.feed, server.chunk_len) or 0
        if attempt(None, server.step) == 0:
            attempt(None, server.drain)
        for run in running:
            run.collect()
        if any(len(run.audio) for run in running):
            seconds.append(time.perf_counter() - start)
        for run in list(running):
            if run in running and attempt(run, run.deliver):
                running.remove(run)
                run.stream.close()
    elapsed = time.perf_counter() - begin
    figures = stream_figures(seconds, server.engine, sample_rate)
    total /= sample_rate
    figures |= {
        "streams": server.engine.batch_size,
        "seconds": total,
        "elapsed_s": elapsed,
        "aggregate_times_real_time": total / elapsed,
    }
    return figures


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
