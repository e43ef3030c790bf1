# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What streams need of a chip's memory, told before any of it is taken."""

import re
from contextlib import contextmanager
from dataclasses import dataclass

import ttnn

from .errors import DeviceMemoryError

MEMORIES = {"L1": ttnn.BufferType.L1, "DRAM": ttnn.BufferType.DRAM}


@dataclass(frozen=True)
class MemoryPlan:
    """Streams, and the bytes per bank that they need of each memory (L1: per core; DRAM: a twelfth of a chip's)."""

    held: dict  # for as long as the streams live: state, selections, buffers of input and output
    working: dict  # while a chunk runs: activations, and in L1 the programs' circular buffers
    free: dict  # on the chip, the weights already there
    banks: dict
    place: str  # the memory that the streams' state is in
    layout: object  # of the streams on each chip: a Layout of the network that planned them
    pairs: int  # of buffers of input and output

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


class Tally:
    """Adds up, per bank of each memory, what streams would take."""

    def __init__(self, device):
        views = {memory: ttnn.get_memory_view(device, kind) for memory, kind in MEMORIES.items()}
        self.banks = {memory: view.num_banks for memory, view in views.items()}
        self.free = {memory: view.total_bytes_free_per_bank for memory, view in views.items()}
        self.held = dict.fromkeys(MEMORIES, 0)

    def add_pages(self, memory, pages, page_bytes):
        """Pages that are spread over all banks."""
        self.held[memory] += -(-pages // self.banks[memory]) * page_bytes

    def add_sharded(self, bytes_):
        """Bytes of a shard: it takes them of every core's L1, whichever cores have one."""
        self.held["L1"] += bytes_

    def plan(self, working, place, layout, pairs):
        """The plan for what was added up and what a chunk takes while it runs, per bank by memory."""
        working = {**dict.fromkeys(MEMORIES, 0), **working}
        return MemoryPlan(self.held, working, self.free, self.banks, place, layout, pairs)


@contextmanager
def memory_errors(what, advice="take fewer or shorter ones, or close others"):
    """Turns ttnn's out-of-memory errors into one line about `what`."""
    try:
        yield
    except RuntimeError as error:
        text = str(error)
        if re.search("Out of Memory|beyond max L1 size|clash with L1 buffers", text):
            memory = "DRAM" if "DRAM buffer" in text else "L1"
        elif "trace region" in text:
            memory = "trace region (trace_region_size of open_device)"
        elif "kernel config buffer" in text:
            raise DeviceMemoryError(
                "the device has too little memory for kernels: open it with ttnn_llvc.DEVICE_PARAMS, whose "
                "worker_l1_size leaves enough"
            ) from None
        else:
            raise
        raise DeviceMemoryError(f"the device has too little {memory} for {what}; {advice}") from None
