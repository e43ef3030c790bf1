# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The engines on the CPU, which all have to pass the same tests, and what they hold."""

from onnx_llvc.engine import OnnxEngine
from reference.streaming import LLVCEngine

ENGINES = {"torch": LLVCEngine, "onnx": OnnxEngine}


def held_bytes(engine):
    """Bytes of the state that each engine keeps of its streams."""
    if isinstance(engine, OnnxEngine):
        return sum(run.buffer.nbytes for stream in engine._streams for run in stream.runs)
    return sum(tensor.untyped_storage().nbytes() for tensor in (*engine._state, engine._fresh))
