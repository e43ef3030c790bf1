# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The network as one program: samples in, samples out, all state on the device (docs/KERNELS.md)."""

from dataclasses import replace
from itertools import product
from weakref import WeakValueDictionary

import torch
import ttnn

from streaming.engine import MODES
from tt.errors import UnsupportedOption
from tt.memory import MEMORIES, Tally
from tt.runner import Buffers

from . import weights
from .layout import Layout, groups_on, wrong_shape
from .numbers import FRAME_BYTES
from .program import (
    Shared,
    Tensors,
    make_program,
    make_state,
    own_bytes,
    scratch_rows,
    shared_bytes,
    tile_bytes,
    upload_constants,
    zeros,
)


def why_not(device, config):
    """Why the kernels do not take an LLVCConfig on a device, in a few words; None if they do."""
    if reason := wrong_shape(config):
        return reason
    layout = Layout.of(config, 1, 1, device.compute_with_storage_grid_size(), state_in_dram=True)
    n = layout.numbers
    weights_bytes = n["CONSTANT_TILES"] * tile_bytes(ttnn.bfloat16) + n["EXACT_TILES"] * tile_bytes(ttnn.float32)
    needed = weights_bytes + shared_bytes(n) + own_bytes(n) + scratch_rows(layout) * FRAME_BYTES
    there = ttnn.get_memory_view(device, ttnn.BufferType.L1).total_bytes_per_bank
    if needed > there:
        return f"{needed:,} bytes of weights and buffers on a core (more than {there:,})"
    return None


class FusedNetwork:
    """The network on a device, its weights uploaded once, for every group of cores that the chip has.

    UnsupportedOption for a configuration that the kernels do not take (see why_not).
    """

    def __init__(self, device, model):
        if reason := why_not(device, model.config):
            raise UnsupportedOption(f"the fused kernels do not take {reason}; use stock kernels or the CPU backend")
        self.device = device
        self.config = model.config
        self._grid = device.compute_with_storage_grid_size()
        full = Layout.full(model.config, self._grid)
        self.constants = upload_constants(device, weights.constants(model, full), full)
        self.exact = upload_constants(device, weights.exact_constants(model, full), full, ttnn.float32)
        self.prenet_blocks = weights.prenet_blocks(model)
        # By lanes and sharing; programs follow one another, so all streams can use the same.
        self._shared = WeakValueDictionary()

    def layout(self, chunk_factor, batch_size, **options):
        """The Layout on each chip; on all of them it has batch_size streams, or a few more that pause."""
        chips = self.device.get_num_devices()
        return Layout.of(self.config, chunk_factor, -(-batch_size // chips), self._grid, **options)

    def plan(self, chunk_factor, batch_size, mode):
        """The MemoryPlan of streams, exact to the byte: state in L1 if it fits, else in DRAM. Allocates nothing.

        Where what works on several streams at once does not fit the cores, they take turns.
        """
        pairs = 1 + MODES[mode]
        for options, place in product(({}, {"lanes": 1}, {"lanes": 1, "sharing": 1}), MEMORIES):
            layout = self.layout(chunk_factor, batch_size, **options, state_in_dram=place == "DRAM")
            n, pages = layout.numbers, layout.batch_size * chunk_factor
            tally = Tally(self.device)
            if (layout.lanes, layout.sharing) not in self._shared:
                tally.add_sharded(shared_bytes(n))
            tally.add_sharded(scratch_rows(layout) * FRAME_BYTES)
            if layout.state_in_dram:
                tally.add_pages("DRAM", layout.batch_size * layout.cores, n["STATE_BYTES"])
            else:
                tally.add_sharded(layout.streams_per_group * n["STATE_BYTES"])
            for width in (n["PAGE"], n["FRAMES"] * n["HOP"]):
                tally.add_pages("L1", pairs * pages, 4 * width)
            plan = tally.plan({"L1": own_bytes(n)}, place, layout, pairs)
            if not plan.lacking:
                break
        return plan

    def shared(self, layout):
        """The Shared tensors of a layout."""
        key = layout.lanes, layout.sharing
        shared = self._shared.get(key)
        if shared is None:
            everywhere = replace(layout, groups=groups_on(self._grid, self.config))
            self._shared[key] = shared = Shared(self.device, everywhere)
        return shared

    def open(self, plan):
        """FusedStreams as planned."""
        return FusedStreams(self, plan.layout, plan.pairs)


class FusedStreams:
    """The state of a batch of streams on the device, and their samples on the host."""

    def __init__(self, network, layout, pairs):
        self.layout = layout
        self._slots = network.device.get_num_devices() * layout.batch_size
        n, device = layout.numbers, network.device
        scratch = zeros(device, layout, scratch_rows(layout), tiled=False)
        state = make_state(device, layout)
        self._tensors = Tensors(network.constants, network.exact, network.shared(layout), scratch, state)
        self.buffers = [
            Buffers(*(_pages(device, layout, width) for width in (n["PAGE"], n["FRAMES"] * n["HOP"])))
            for _ in range(pairs)
        ]
        self._programs = {
            id(pair): make_program(layout, self._tensors, pair.rows, pair.samples, network.prenet_blocks)
            for pair in self.buffers
        }
        # A window begins `lookahead` samples before its own first one, and the prenet's field before that.
        self._past = torch.zeros(self._slots, n["FIELD"] + layout.config.lookahead_len)
        self._starts = torch.ones(self._slots, dtype=torch.int32)

    @property
    def tensors(self):
        """What chunks change in place."""
        return [self._tensors.state]

    @property
    def shared(self):
        """The Shared tensors that the program works in."""
        return self._tensors.shared

    def restart(self, places):
        """Puts the streams in these places to their start."""
        self._past[places] = 0
        self._starts[places] = 1

    def pack(self, places, samples, frames):
        """samples [S, chunk + lookahead] of these streams, frames [S] of which count -> [slots, 1, windows, PAGE].

        Streams that are not named get zeros: they pause.
        """
        layout, n = self.layout, self.layout.numbers
        windows, window_len = layout.windows, n["FRAMES"] * n["HOP"]
        samples = torch.cat((self._past[places], samples), dim=1)
        self._past[places] = samples[:, windows * window_len :][:, : self._past.shape[1]]

        width = n["PAGE"] - n["WORDS"]
        missing = (windows - 1) * window_len + width - samples.shape[1]  # of whole rows of the prenet
        samples = torch.nn.functional.pad(samples, (0, missing))
        words = torch.zeros(len(samples), windows, n["WORDS"], dtype=torch.int32)
        first = torch.arange(windows) * n["FRAMES"]
        words[..., n["WORD_FRAMES"]] = (frames[:, None] - first).clamp(0, n["FRAMES"])
        words[:, 0, n["WORD_STARTS"]] = self._starts[places]
        self._starts[places] = 0

        pages = torch.zeros(self._slots, 1, windows, n["PAGE"])
        pages[places, 0, :, :width] = samples.unfold(1, width, window_len)
        pages[places, 0, :, width:] = words.view(torch.float32)
        return pages

    def __call__(self, buffers):
        """One chunk on the device."""
        ttnn.generic_op([buffers.rows, *self._tensors.all, buffers.samples], self._programs[id(buffers)])

    def unpack(self, samples, places):
        """What was downloaded -> the audio [S, chunk] of these streams."""
        return samples.reshape(self._slots, -1)[places]


def _pages(device, layout, width):
    """Zeros, a row of `width` floats for every window of every stream."""
    rows = torch.zeros(layout.batch_size, 1, layout.windows, width)
    return ttnn.from_torch(
        rows,
        dtype=ttnn.float32,
        layout=ttnn.ROW_MAJOR_LAYOUT,
        device=device,
        memory_config=ttnn.L1_MEMORY_CONFIG,
    )
