# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""An engine whose result is known and whose time is told."""

from types import SimpleNamespace

from streaming.engine import ChunkEngine

SAMPLE_RATE = 16000
GAIN = 0.5  # exact in float32


class FakeEngine(ChunkEngine):
    """Halves every sample; a chunk takes `compute` seconds of `clock`, a callable that is told them."""

    def __init__(self, batch_size, chunk_factor=1, compute=0.0, elapse=lambda seconds: None):
        config = SimpleNamespace(L=16, chunk_len=208, lookahead_len=16)
        super().__init__(config, chunk_factor, batch_size)
        self.compute, self._elapse = compute, elapse
        self.fail = False
        self.calls = []  # streams of the latest chunks

    def restart(self, streams):
        pass

    def _submit(self, streams, samples, frames):
        if self.fail:
            raise OSError("the card fell out")
        self._elapse(self.compute)
        self.calls = [*self.calls[-99:], len(samples)]
        self._audio = GAIN * samples[:, : self.chunk_len]

    def _collect(self):
        return self._audio

    def _abandon(self):
        self._audio = None

    def close(self):
        self._audio = None
