# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Exact streaming: the output of a stream is the offline output, however the input is sliced.

An engine converts chunks of a batch of streams; a ChunkedStream feeds it a batch that shares a clock. Streams that
come and go one by one are served in reference/server.py.
"""

from abc import ABC, abstractmethod
from collections import deque

import torch
from torch.nn import functional as F


def checked_samples(samples, shape):
    """Samples as float32; ValueError if they are not floating-point, finite and of this shape (None: any length)."""
    samples = torch.as_tensor(samples)
    if not samples.is_floating_point():
        raise ValueError(f"samples must be floating-point numbers in -1 .. 1, not {samples.dtype}")
    if samples.dim() != len(shape) or any(n is not None and n != m for n, m in zip(shape, samples.shape, strict=True)):
        wanted = ", ".join("any length" if n is None else str(n) for n in shape)
        raise ValueError(f"samples must have the shape [{wanted}], not {list(samples.shape)}")
    samples = samples.detach().float()
    finite = torch.isfinite(samples).all(dim=-1)
    if not finite.all():
        where = f" in stream {finite.logical_not().nonzero().flatten().tolist()}" if samples.dim() > 1 else ""
        raise ValueError(f"samples that are not finite{where}")
    return samples


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

    `streams` indexes the batch everywhere: slice(None) for all of it, or a list of stream numbers. Streams that a
    call does not name stay as they are. `depth` chunks may still be under way when convert() returns.
    """

    depth = 0
    preparation = None  # seconds until the engine was ready, by step, where that takes any

    def __init__(self, config, chunk_factor, batch_size):
        for name, value in (("chunk_factor", chunk_factor), ("batch_size", batch_size)):
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}")
        self.batch_size = batch_size
        self.frame_len = config.L
        self.chunk_len = chunk_factor * config.chunk_len
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
    def _submit(self, streams, samples, frames): ...

    @abstractmethod
    def _collect(self):
        """The audio [S, chunk_len] of the oldest chunk that was submitted and not collected."""

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


class ChunkedStream(Closeable):
    """A batch of streams that share a clock.

    Output sample i of a stream belongs to its input sample i. A chunk is converted as soon as it and the lookahead
    behind it are there.
    """

    def __init__(self, engine):
        self.engine = engine
        self.batch_size = engine.batch_size
        self.chunk_len = engine.chunk_len
        self.latency = engine.latency
        self.longest_wait = engine.longest_wait
        self._broken = False
        self.reset()

    def push(self, samples):
        """Takes samples [B, any length] in -1 .. 1; returns the audio [B, k] that is ready, k may be 0.

        ValueError, and nothing taken, for another shape or samples that are not finite. RuntimeError after a chunk
        failed, until all streams are reset.
        """
        self._check_usable()
        samples = checked_samples(samples, (self.batch_size, None))
        self._pending = torch.cat((self._pending, samples), dim=1)
        self._received += samples.shape[1]
        self._make_room()
        while self._received - min(self._started) >= self.chunk_len + self.engine.lookahead_len:
            self._start_next(self.chunk_len)
        return self._take_ready()

    def flush(self):
        """Ends all streams: returns the audio still owed, in total as much as went in. The next push starts anew."""
        self._check_usable()
        self._make_room()
        while min(self._started) < self._received:
            self._start_next(min(self.chunk_len, self._received - min(self._started)))
        self._run(self.engine.drain)
        audio = self._take_ready()
        self.reset()
        return audio

    def reset(self, mask=None):
        """Starts the streams chosen by mask [B] (all by default) anew with the next sample pushed.

        What they still owe is dropped. If all are chosen that is the end of it: nobody is owed anything. Else the
        others do not notice, and where they get audio of the time before the reset, the chosen ones get zeros.
        Resets of some streams that do not fall on a border of chunks put the streams out of step: a push then
        returns what is ready of all of them, up to a chunk later.
        """
        self._check_open()
        chosen = torch.ones(self.batch_size) if mask is None else torch.as_tensor(mask)
        if chosen.shape != (self.batch_size,):
            raise ValueError(f"mask must have the shape [{self.batch_size}], not {list(chosen.shape)}")
        chosen = chosen.bool().tolist()
        if all(chosen):
            self.engine.drain()
            # Stream positions, in samples since the last time when all streams started together.
            self._received = self._emitted = 0
            self._started = [0] * self.batch_size
            self._converted = [0] * self.batch_size
            self._pending = torch.zeros(self.batch_size, 0)
            self._ready = torch.zeros(self.batch_size, 0)
            self.engine.restart(slice(None))
            self._broken = False
        elif any(chosen):
            self._check_usable()
            self._make_room()
            self._run(self.engine.drain)
            streams = [b for b in range(self.batch_size) if chosen[b]]
            for b in streams:
                self._started[b] = self._converted[b] = self._received
            self.engine.restart(streams)

    def close(self):
        """Gives the state back; every later call but close raises RuntimeError."""
        if not self._closed:
            self._closed = True
            self._pending = self._ready = None
            self.engine.close()

    def _check_usable(self):
        self._check_open()
        if self._broken:
            raise RuntimeError("a chunk failed and its audio is lost; reset() starts all streams anew")

    def _make_room(self):
        """Widens _ready to hold the audio of all samples received."""
        self._ready = F.pad(self._ready, (0, self._received - self._emitted - self._ready.shape[1]))

    def _start_next(self, length):
        """Starts `length` samples of the streams that are furthest behind."""
        start = min(self._started)
        streams = [b for b in range(self.batch_size) if self._started[b] == start]
        index = slice(None) if len(streams) == self.batch_size else streams
        first = start - (self._received - self._pending.shape[1])
        samples = self._pending[index, first : first + self.chunk_len + self.engine.lookahead_len]
        samples = F.pad(samples, (0, self.chunk_len + self.engine.lookahead_len - samples.shape[1]))
        frames = torch.full((len(streams),), -(-length // self.engine.frame_len))
        for b in streams:
            self._started[b] = start + length
        self._run(self.engine.convert, (index, streams, start, length), index, samples, frames)

    def _run(self, call, *arguments):
        """Calls the engine and puts the audio that it returns in its place."""
        try:
            finished = call(*arguments)
        except BaseException:
            self._broken = True
            raise
        for (index, streams, start, length), audio in finished:
            ready = start - self._emitted
            self._ready[index, ready : ready + length] = audio[:, :length]
            for b in streams:
                self._converted[b] = start + length

    def _take_ready(self):
        """Hands out what is ready of all streams and keeps no more than is still needed."""
        converted = min(self._converted)
        count = converted - self._emitted
        audio = self._ready[:, :count]
        # Copies: a view would keep all that was pushed alive.
        self._ready = self._ready[:, count : max(self._converted) - self._emitted].clone()
        self._pending = self._pending[:, self._pending.shape[1] - (self._received - min(self._started)) :].clone()
        self._emitted = converted
        return audio


class LLVCEngine(ChunkEngine):
    """The PyTorch network. The prenet sees each sample once: windows overlap behind it, where the published script
    lets them overlap in front."""

    def __init__(self, model, chunk_factor=1, batch_size=1):
        if model.training:
            raise ValueError("the network is in training mode; call model.eval() first")
        super().__init__(model.config, chunk_factor, batch_size)
        self._model = model
        self._audio = None
        self.restart(slice(None))

    @torch.inference_mode()
    def restart(self, streams):
        if streams == slice(None):
            buffers = self._model.init_buffers(self.batch_size)
            prenet_ctx = self._model.init_prenet_ctx(self.batch_size)
            overlap = torch.zeros(self.batch_size, 1, 2 * self.lookahead_len)  # of windows, behind the prenet
            self._state = [*buffers, prenet_ctx, overlap]
            self._fresh = torch.ones(self.batch_size, dtype=torch.bool)
        else:
            for state in self._state:
                state[streams] = 0
            self._fresh[streams] = True

    def _submit(self, streams, samples, frames):
        counts = sorted(set(frames.tolist()))
        if len(counts) == 1:
            self._audio = self._convert(streams, samples, counts[0])
            return
        numbers = torch.arange(self.batch_size)[streams]
        self._audio = torch.zeros(len(samples), self.chunk_len)
        for count in counts:  # streams that end with this chunk have fewer frames than the others
            chosen = frames == count
            audio = self._convert(numbers[chosen].tolist(), samples[chosen], count)
            self._audio[chosen, : audio.shape[1]] = audio

    def _collect(self):
        return self._audio

    def _abandon(self):
        self._audio = None

    @torch.inference_mode()
    def _convert(self, streams, samples, frames):
        *buffers, prenet_ctx, overlap = (state[streams] for state in self._state)
        samples = samples[:, None, : frames * self.frame_len + self.lookahead_len]
        fresh = self._fresh[streams]
        if self.lookahead_len and fresh.any():
            # As offline, silence as long as the lookahead precedes a stream's first sample.
            head = F.pad(samples[fresh, :, : self.lookahead_len], (self.lookahead_len, 0))
            overlap[fresh], prenet_ctx[fresh] = self._model.prenet(head, prenet_ctx[fresh])
        self._fresh[streams] = False

        window, prenet_ctx = self._model.prenet(samples[..., self.lookahead_len :], prenet_ctx)
        window = torch.cat((overlap, window), dim=-1)
        audio, *buffers = self._model.convert(window, *buffers)
        overlap = window[..., window.shape[-1] - 2 * self.lookahead_len :]
        self._keep(streams, [*buffers, prenet_ctx, overlap])
        return audio[:, 0]

    def _keep(self, streams, state):
        if streams == slice(None):
            self._state = state
        else:
            for kept, new in zip(self._state, state, strict=True):
                kept[streams] = new

    def close(self):
        self._state = self._fresh = self._audio = None


class LLVCStream(ChunkedStream):
    """Streams a batch of signals through the PyTorch network.

    with LLVCStream(model, chunk_factor=1, batch_size=1) as stream:
        audio = stream.push(samples)  # [1, any length] -> [1, k]
        ...
        audio = stream.flush()

    chunk_factor times the decoder's window (13 ms in the published network) is converted at a time.
    """

    def __init__(self, model, chunk_factor=1, batch_size=1):
        super().__init__(LLVCEngine(model, chunk_factor, batch_size))
