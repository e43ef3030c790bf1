# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""An engine whose result is known and whose time is told."""

from tools.null_server import GAIN, NullEngine  # noqa: F401

SAMPLE_RATE = 16000


class FakeEngine(NullEngine):
    """Halves every sample; a chunk takes `compute` seconds of `clock`, a callable that is told them."""

    def __init__(self, batch_size, chunk_factor=1, compute=0.0, elapse=lambda seconds: None):
        super().__init__(batch_size, chunk_factor, compute, elapse)
        self.fail = False
        self.calls = []  # streams of the latest chunks

    def _submit(self, streams, samples, frames):
        if self.fail:
            raise OSError("the card fell out")
        self.calls = [*self.calls[-99:], len(samples)]
        super()._submit(streams, samples, frames)
