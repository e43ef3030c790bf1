# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What streams need of a chip's memory, told before any of it is taken."""

import math
import re
from contextlib import contextmanager
from dataclasses import dataclass

import ttnn

from reference.errors import LLVCError

from .stock.ops import TILE, Ops

# Of each core's L1, for the circular buffers of the largest program. Measured are up to 280 KiB, for eight streams at
# n = 2; tests/perf compares what it captures.
PROGRAM_BYTES = 320 * 1024

MEMORIES = {"L1": ttnn.BufferType.L1, "DRAM": ttnn.BufferType.DRAM}
PLACES = (ttnn.L1_MEMORY_CONFIG, ttnn.DRAM_MEMORY_CONFIG)  # of state and activations, the better one first


class DeviceMemoryError(LLVCError):
    """Streams that do not fit into the device's memory."""


@dataclass(frozen=True)
class MemoryPlan:
    """Bytes per bank of each memory (L1: per core; DRAM: a twelfth of a chip's), by the memories' names."""

    memory: object  # ttnn's memory configuration for state and activations
    held: dict  # for as long as the streams live: state, selections, buffers of input and output
    working: dict  # while a chunk runs: activations, and in L1 the programs' circular buffers
    free: dict  # on the chip, the weights already there
    banks: dict

    def needs(self, memory):
        """Bytes per bank."""
        return self.held[memory] + self.working[memory]

    def total(self, memory):
        """Bytes in all banks of a chip."""
        return self.needs(memory) * self.banks[memory]

    @property
    def lacking(self):
        """Names of the memories of which there is too little."""
        return [memory for memory in MEMORIES if self.needs(memory) > self.free[memory]]

    def __str__(self):
        """What is needed of what is free, in all banks of a chip."""
        return ", ".join(
            f"{memory} {self.total(memory) / 2**20:.1f} of "
            f"{self.free[memory] * self.banks[memory] / 2**20:,.0f} MiB free"
            for memory in MEMORIES
        )


class TallyingOps(Ops):
    """Ops that allocate nothing and add up what they would."""

    def __init__(self, device, rows, memory):
        super().__init__(device, rows, memory)
        views = {memory: ttnn.get_memory_view(device, kind) for memory, kind in MEMORIES.items()}
        self.banks = {memory: view.num_banks for memory, view in views.items()}
        self.free = {memory: view.total_bytes_free_per_bank for memory, view in views.items()}
        self.held = dict.fromkeys(MEMORIES, 0)

    def constant(self, tensor, dtype=ttnn.bfloat16, memory=None):
        *outer, rows, columns = tensor.shape
        tiles = math.prod(outer) * -(-rows // TILE) * -(-columns // TILE)
        name = _name(memory or self.memory)
        tile_bytes = TILE * TILE * (4 if dtype == ttnn.float32 else 2)
        self.held[name] += -(-tiles // self.banks[name]) * tile_bytes

    def plan(self, working_set):
        """The plan for what was added up, with activations of so many bytes in all."""
        working = {"L1": PROGRAM_BYTES, "DRAM": 0}
        working[_name(self.memory)] += -(-working_set // self.banks[_name(self.memory)])
        return MemoryPlan(self.memory, self.held, working, self.free, self.banks)


def _name(memory_config):
    return next(name for name, kind in MEMORIES.items() if memory_config.buffer_type == kind)


@contextmanager
def memory_errors(what):
    """Turns ttnn's out-of-memory errors into one line about `what`."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if re.search("Out of Memory|beyond max L1 size|clash with L1 buffers", text):
            memory = "DRAM" if "DRAM buffer" in text else "L1"
        elif "trace region" in text:
            memory = "trace region (trace_region_size of open_device)"
        else:
            raise
        raise DeviceMemoryError(
            f"the device has too little {memory} for {what}; take fewer or shorter ones, or close others"
        ) from None
