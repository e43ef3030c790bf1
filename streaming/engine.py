# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The contract of an engine, which converts chunks of a batch of streams, and what all streams share."""

import math
from abc import ABC, abstractmethod
from collections import deque
from numbers import Integral

import numpy as np
import torch

from .rings import MAX_SAMPLE

# Of an engine that can pipeline, by name: the chunks that may be under way when the next one comes.
MODES = {"latency": 0, "throughput": 1}


def checked_samples(samples, shape):
    """Samples, a tensor or array, as float32.

    ValueError if they are not floating-point, finite, within +-MAX_SAMPLE and of this shape (None: any length).
    """
    if isinstance(samples, np.ndarray):
        # torch takes neither negative strides nor another machine's byte order, nor what it may not write to.
        samples = np.array(samples, dtype=samples.dtype.newbyteorder("="), order="C")
    try:
        samples = torch.as_tensor(samples)
    except (TypeError, ValueError, RuntimeError) as error:
        raise ValueError(f"samples must be floating-point numbers in -1 .. 1 ({error})") from None
    if not samples.is_floating_point():
        raise ValueError(f"samples must be floating-point numbers in -1 .. 1, not {samples.dtype}")
    if samples.dim() != len(shape) or any(n is not None and n != m for n, m in zip(shape, samples.shape, strict=True)):
        wanted = ", ".join("any length" if n is None else str(n) for n in shape)
        raise ValueError(f"samples must have the shape [{wanted}], not {list(samples.shape)}")
    samples = samples.detach().float()
    peak = float(samples.abs().max()) if samples.numel() else 0.0  # not a number if a sample is not
    if math.isfinite(peak) and peak <= MAX_SAMPLE:
        return samples
    if math.isfinite(peak):
        raise ValueError(f"samples of {peak:.3g}: full scale is 1, and more than {MAX_SAMPLE:g} is refused")
    finite = torch.isfinite(samples).all(dim=-1)
    where = f" in stream {finite.logical_not().nonzero().flatten().tolist()}" if samples.dim() > 1 else ""
    raise ValueError(f"samples that are not finite{where}")


class Closeable:
    """Something with a close(), behind which it is of no use; `with` closes it."""

    _name = "stream"
    _closed = False

    def __enter__(self):
        self._check_open()
        return self

    def __exit__(self, *_):
        self.close()

    def _check_open(self):
        if self._closed:
            raise RuntimeError(f"the {self._name} is closed")


class ChunkEngine(ABC):
    """A network with the state of a batch of streams, which it converts chunk by chunk.

    `streams` is everywhere an ascending list of stream numbers, as long as the batch if it names all of them. Streams
    that a call does not name stay as they are. `depth` chunks may still be under way when convert() returns.
    """

    depth = 0
    preparation = None  # seconds until the engine was ready, by step, where that takes any

    def __init__(self, config, chunk_factor, batch_size):
        for name, value in (("chunk_factor", chunk_factor), ("batch_size", batch_size)):
            if isinstance(value, bool) or not isinstance(value, Integral) or value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}")
        self.chunk_factor, self.batch_size = int(chunk_factor), int(batch_size)
        self.all_streams = list(range(self.batch_size))
        self.frame_len = config.L
        self.chunk_len = self.chunk_factor * config.chunk_len
        self.lookahead_len = config.lookahead_len
        self._under_way = deque()

    @property
    def latency(self):
        """The algorithmic latency in samples as the paper counts it, chunk + 2 * lookahead, and chunks under way."""
        return (1 + self.depth) * self.chunk_len + 2 * self.lookahead_len

    @property
    def longest_wait(self):
        """Samples after which a sample is out at the latest: one lookahead less than the paper counts."""
        return (1 + self.depth) * self.chunk_len + self.lookahead_len

    @abstractmethod
    def restart(self, streams):
        """Puts these streams back to their start: their next chunk is their first."""

    @abstractmethod
    def _submit(self, streams, samples, frames):
        """Starts a chunk of these streams behind those under way; arguments as convert's."""

    @abstractmethod
    def _collect(self):
        """The audio [S, chunk_len], or of fewer frames where no stream has more, of the oldest chunk not collected."""

    @abstractmethod
    def _abandon(self):
        """Forgets all chunks that were submitted and not collected."""

    def convert(self, tag, streams, samples, frames):
        """Starts a chunk of these S streams; returns what is finished now, oldest first: [(its tag, its audio)].

        samples [S, chunk_len + lookahead_len]; frames [S] says how many frames of the chunk are there, fewer than
        all only at the end of a stream (samples behind them are zero, audio behind them means nothing). The next
        chunk follows chunk_len samples further on. After an exception every stream must be restarted.
        """
        try:
            self._submit(streams, samples, frames)
            self._under_way.append(tag)
            return [self._finish() for _ in range(len(self._under_way) - self.depth)]
        except BaseException:
            self._forget()
            raise

    def drain(self):
        """Waits for the chunks under way; returns them as convert does."""
        try:
            return [self._finish() for _ in range(len(self._under_way))]
        except BaseException:
            self._forget()
            raise

    def _finish(self):
        audio = self._collect()
        return self._under_way.popleft(), audio

    def _forget(self):
        self._under_way.clear()
        self._abandon()

    @abstractmethod
    def close(self):
        """Gives back what the engine holds."""
