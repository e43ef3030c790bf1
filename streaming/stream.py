# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Exact streaming: the output of a stream is the offline output, however the input is sliced.

A ChunkedStream feeds an engine a batch of streams that share a clock. Streams that come and go one by one are served
in server.py.
"""

import torch
from torch.nn import functional as F

from .engine import Closeable, checked_samples


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
            self._ready[streams] = 0
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
        missing = self.chunk_len + self.engine.lookahead_len - samples.shape[1]
        samples = F.pad(samples, (0, missing)) if missing else samples
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
