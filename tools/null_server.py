# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""python -m live.serve of the working directory's checkout, with an engine that computes nothing.

python tools/null_server.py ENGINE_MS [OPTIONS of live.serve]
"""

import os
import sys
import time
from contextlib import contextmanager
from types import SimpleNamespace

sys.path.insert(0, os.getcwd())

from streaming.engine import ChunkEngine  # noqa: E402

GAIN = 0.5  # exact in float32


class NullEngine(ChunkEngine):
    """Halves every sample; elapse(seconds) is called for what a chunk takes."""

    def __init__(self, batch_size, chunk_factor=1, compute=0.0, elapse=time.sleep):
        config = SimpleNamespace(L=16, chunk_len=208, lookahead_len=16)
        super().__init__(config, chunk_factor, batch_size)
        self.compute, self._elapse = compute, elapse

    def restart(self, streams):
        pass

    def _submit(self, streams, samples, frames):
        self._elapse(self.compute)
        self._audio = GAIN * samples[:, : self.chunk_len]

    def _collect(self):
        return self._audio

    def _abandon(self):
        self._audio = None

    def close(self):
        self._audio = None


def main(argv):
    from live import serve

    engine_ms, *options = argv

    @contextmanager
    def open_backend(*_arguments, **_options):
        def open_engine(chunk_factor, streams, _mode):
            return NullEngine(streams, chunk_factor, float(engine_ms) / 1000)

        yield SimpleNamespace(name="none", device=f"{engine_ms} ms a chunk", open_engine=open_engine)

    serve.open_backend = open_backend
    serve.has_runtime = lambda: False  # there is no voice to give to browsers
    serve.load_voice = lambda *_: SimpleNamespace(model=None, sample_rate=16000, name="half")
    return serve.main(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
