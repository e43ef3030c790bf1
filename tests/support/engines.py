# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The engines on the CPU, which all have to pass the same tests, how they may behave, and what they hold."""

from streaming.onnx_engine import OnnxEngine
from streaming.torch_engine import TorchEngine

ENGINES = {"torch": TorchEngine, "onnx": OnnxEngine}


def delayed(engine, chunks=1):
    """The engine like a pipelined device: a chunk is out when so many more are in."""

    class Delayed(engine):
        depth = chunks

        def __init__(self, *arguments, **options):
            self._done = []
            super().__init__(*arguments, **options)

        def _submit(self, *arguments):
            super()._submit(*arguments)
            self._done.append(super()._collect())

        def _collect(self):
            return self._done.pop(0)

        def _abandon(self):
            super()._abandon()
            self._done.clear()

    return Delayed


def failing(engine):
    """The engine, which raises its `fault` at the end of `fails_in`, _submit or _collect, where it has one."""

    class Failing(engine):
        fault, fails_in = None, "_submit"

        def _fail_in(self, where):
            if self.fault is not None and where == self.fails_in:
                raise self.fault

        def _submit(self, *arguments):
            super()._submit(*arguments)
            self._fail_in("_submit")

        def _collect(self):
            audio = super()._collect()
            self._fail_in("_collect")
            return audio

    return Failing


def held_bytes(engine):
    """Bytes of the state that each engine keeps of its streams."""
    if isinstance(engine, OnnxEngine):
        return sum(run.buffer.nbytes for stream in engine._streams for run in stream.runs)
    return sum(tensor.untyped_storage().nbytes() for tensor in (*engine._state, engine._fresh))
