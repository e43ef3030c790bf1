# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Exact streaming: the output of a stream is the offline output, however the input is sliced."""

from abc import ABC, abstractmethod

import torch
from torch.nn import functional as F


class ChunkedStream(ABC):
    """A batch of streams that share a clock and are converted chunk by chunk.

    Output sample i of a stream belongs to its input sample i. A chunk is converted as soon as it and the
    lookahead behind it are there. This class keeps the samples in order; a subclass holds the state of the network
    and converts:

    _restart(streams)            puts the state of these streams back to the start
    _convert(streams, samples)   samples [S, T + lookahead] -> audio [S, T], T a chunk or, at the end of a stream,
                                 the whole frames that are left; the next call's samples follow T further on

    Its __init__ ends with reset(). `streams` indexes the batch: slice(None) for all of it, or a list of stream numbers.
    """

    def __init__(self, config, chunk_factor, batch_size):
        for name, value in (("chunk_factor", chunk_factor), ("batch_size", batch_size)):
            if type(value) is not int or value < 1:
                raise ValueError(f"{name} must be a positive integer, not {value!r}")
        self.batch_size = batch_size
        self.frame_len = config.L
        self.chunk_len = chunk_factor * config.chunk_len
        self.lookahead_len = config.lookahead_len
        self._closed = False

    @property
    def latency(self):
        """The algorithmic latency in samples as the paper counts it: chunk + 2 * lookahead."""
        return self.chunk_len + 2 * self.lookahead_len

    @property
    def longest_wait(self):
        """Samples after which a sample is out at the latest: one lookahead less than the paper counts."""
        return self.chunk_len + self.lookahead_len

    @abstractmethod
    def _restart(self, streams): ...

    @abstractmethod
    def _convert(self, streams, samples): ...

    def push(self, samples):
        """Takes samples [B, any length] in -1 .. 1; returns the audio [B, k] that is ready, k may be 0.

        ValueError, and nothing taken, for another shape or samples that are not finite.
        """
        self._check_open()
        samples = torch.as_tensor(samples)
        if not samples.is_floating_point():
            raise ValueError(f"samples must be floating-point numbers in -1 .. 1, not {samples.dtype}")
        samples = samples.detach().float()
        if samples.dim() != 2 or samples.shape[0] != self.batch_size:
            raise ValueError(f"samples must have the shape [{self.batch_size}, any length], not {list(samples.shape)}")
        finite = torch.isfinite(samples).all(dim=1)
        if not finite.all():
            raise ValueError(
                f"samples that are not finite in stream {finite.logical_not().nonzero().flatten().tolist()}"
            )

        self._pending = torch.cat((self._pending, samples), dim=1)
        self._received += samples.shape[1]
        self._make_room()
        while self._received - min(self._converted) >= self.longest_wait:
            self._convert_next(self.chunk_len)
        return self._take_ready()

    def flush(self):
        """Ends all streams: returns the audio still owed, in total as much as went in. The next push starts anew."""
        self._check_open()
        self._make_room()
        while min(self._converted) < self._received:
            self._convert_next(min(self.chunk_len, self._received - min(self._converted)))
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
            # Stream positions, in samples since the last time when all streams started together.
            self._received = self._emitted = 0
            self._converted = [0] * self.batch_size
            self._pending = torch.zeros(self.batch_size, 0)
            self._ready = torch.zeros(self.batch_size, 0)
            self._restart(slice(None))
        elif any(chosen):
            streams = [b for b in range(self.batch_size) if chosen[b]]
            for b in streams:
                self._converted[b] = self._received
            self._restart(streams)

    def close(self):
        """Gives the state back; every later call but close raises RuntimeError."""
        self._closed = True
        self._pending = self._ready = None

    def __enter__(self):
        self._check_open()
        return self

    def __exit__(self, *_):
        self.close()

    def _check_open(self):
        if self._closed:
            raise RuntimeError("the stream is closed")

    def _make_room(self):
        """Widens _ready to hold the audio of all samples received."""
        self._ready = F.pad(self._ready, (0, self._received - self._emitted - self._ready.shape[1]))

    def _convert_next(self, length):
        """Converts `length` samples of the streams that are furthest behind."""
        start = min(self._converted)
        streams = [b for b in range(self.batch_size) if self._converted[b] == start]
        index = slice(None) if len(streams) == self.batch_size else streams
        first = start - (self._received - self._pending.shape[1])
        whole = length + -length % self.frame_len + self.lookahead_len
        samples = self._pending[index, first : first + whole]
        samples = F.pad(samples, (0, whole - samples.shape[1]))
        ready = start - self._emitted
        self._ready[index, ready : ready + length] = self._convert(index, samples)[:, :length]
        for b in streams:
            self._converted[b] = start + length

    def _take_ready(self):
        """Hands out what is ready of all streams and keeps no more than is still needed."""
        converted = min(self._converted)
        count = converted - self._emitted
        audio = self._ready[:, :count]
        # Copies: a view would keep all that was pushed alive.
        self._ready = self._ready[:, count : max(self._converted) - self._emitted].clone()
        self._pending = self._pending[:, self._pending.shape[1] - (self._received - converted) :].clone()
        self._emitted = converted
        return audio


class LLVCStream(ChunkedStream):
    """Streams a batch of signals through the PyTorch network.

    with LLVCStream(model, chunk_factor=1, batch_size=1) as stream:
        audio = stream.push(samples)  # [1, any length] -> [1, k]
        ...
        audio = stream.flush()

    chunk_factor times the decoder's window (13 ms in the published network) is converted at a time. The prenet
    sees each sample once: windows overlap behind it, where the published script lets them overlap in front.
    """

    def __init__(self, model, chunk_factor=1, batch_size=1):
        if model.training:
            raise ValueError("the network is in training mode; call model.eval() first")
        super().__init__(model.config, chunk_factor, batch_size)
        self._model = model
        self.reset()

    @torch.inference_mode()
    def _restart(self, streams):
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

    @torch.inference_mode()
    def _convert(self, streams, samples):
        *buffers, prenet_ctx, overlap = (state[streams] for state in self._state)
        samples = samples.unsqueeze(1)
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
