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
        self.reset()

    def push(self, samples):
        """Takes samples [B, any length] in -1 .. 1; returns the audio [B, k] that is ready, k may be 0.

        ValueError, and nothing taken, for another shape or samples that are not finite. RuntimeError after a chunk
        failed, until the streams are reset.
        """
        self._check_usable()
        samples = checked_samples(samples, (self.batch_size, None))
        self._pending = torch.cat((self._pending, samples), dim=1)
        ready = []
        while self._pending.shape[1] >= self.chunk_len + self.engine.lookahead_len:
            ready += self._convert(self.chunk_len)
        self._pending = self._pending.clone()  # a view would keep all that was pushed alive
        return self._joined(ready)

    def flush(self):
        """Ends the streams: returns the audio still owed, in total as much as went in. The next push starts anew."""
        self._check_usable()
        ready = []
        while self._pending.shape[1]:
            ready += self._convert(min(self.chunk_len, self._pending.shape[1]))
        ready += self._run(self.engine.drain)
        self.reset()
        return self._joined(ready)

    def reset(self):
        """Starts the streams anew with the next sample pushed. What they still owe is dropped."""
        self._check_open()
        self.engine.drain()
        self.engine.restart(self.engine.all_streams)
        self._pending = torch.zeros(self.batch_size, 0)
        self._broken = False

    def close(self):
        """Gives the state back; every later call but close raises RuntimeError."""
        if not self._closed:
            self._closed = True
            self._pending = None
            self.engine.close()

    def _check_usable(self):
        self._check_open()
        if self._broken:
            raise RuntimeError("a chunk failed and its audio is lost; reset() starts the streams anew")

    def _convert(self, length):
        """Starts the next `length` samples, a chunk or what is left of one; returns the audio that is ready."""
        window = self.chunk_len + self.engine.lookahead_len
        samples = F.pad(self._pending, (0, window - self._pending.shape[1]))  # or cut to it
        self._pending = self._pending[:, length:]
        frames = torch.full((self.batch_size,), -(-length // self.engine.frame_len))
        return self._run(self.engine.convert, length, self.engine.all_streams, samples, frames)

    def _run(self, call, *arguments):
        """Calls the engine; returns the audio [B, k] of the chunks that it finished."""
        try:
            return [audio[:, :length] for length, audio in call(*arguments)]
        except BaseException:
            self._broken = True
            raise

    def _joined(self, ready):
        return torch.cat([torch.zeros(self.batch_size, 0), *ready], dim=1)
