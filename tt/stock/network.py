# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The network of ttnn's own operations: some 140 programs a chunk, and every configuration that they can express."""

import math

import ttnn

from streaming.engine import MODES
from tt.errors import UnsupportedOption
from tt.memory import Tally
from tt.runner import Buffers

from .decoder import TtDecoder
from .encoder import TtEncoder
from .frontend import Framing, TtControl, TtFrontend
from .layout import TILE, Layout
from .ops import Ops
from .synthesis import TtSynthesis

# Of each core's L1, for the circular buffers of the largest program. Measured are up to 280 KiB, for eight streams at
# n = 2; tests/perf compares what it captures.
PROGRAM_BYTES = 320 * 1024

PLACES = {"L1": ttnn.L1_MEMORY_CONFIG, "DRAM": ttnn.DRAM_MEMORY_CONFIG}  # of state and activations, the better first


def check_supported(config):
    """Raises UnsupportedOption naming the option of an LLVCConfig that these operations do not support."""
    for name in ("enc_dim", "dec_dim"):
        size = getattr(config, name)
        if size % TILE:  # a norm of part of a tile
            raise UnsupportedOption(
                f"the TTNN network takes {name} in multiples of {TILE}, a tile's side, not {size}; use the CPU backend"
            )


class StockNetwork:
    """The network on a device, its weights uploaded once. UnsupportedOption as check_supported."""

    def __init__(self, device, model):
        check_supported(model.config)
        self.device = device
        self.config = model.config
        self.frontend = TtFrontend(device, model)
        self.control = TtControl(device, self.frontend.row)
        self.encoder = TtEncoder(device, model.mask_gen.encoder)
        self.decoder = TtDecoder(device, model)
        self.synthesis = TtSynthesis(device, model)

    def plan(self, chunk_factor, batch_size, mode):
        """The MemoryPlan of streams: in L1 if they fit beside what is there, else in DRAM. Allocates nothing."""
        layout, pairs = self.layout(chunk_factor, batch_size), 1 + MODES[mode]
        for name, memory in PLACES.items():
            ops = TallyingOps(self.device, layout.part.total_rows, memory)
            self.init_state(ops, layout.part)
            make_buffers(ops, *self.buffer_shapes(layout), pairs)
            tally = ops.tally
            activations = -(-layout.part.working_set // tally.banks[name])
            working = {"L1": PROGRAM_BYTES}
            working[name] = working.get(name, 0) + activations
            plan = tally.plan(working, name, layout, pairs)
            if not plan.lacking:
                break
        return plan

    def layout(self, chunk_factor, batch_size):
        """The Layout on each chip; on all of them it has batch_size streams, or one more that pauses."""
        return Layout(self.config, chunk_factor, -(-batch_size // self.device.get_num_devices()))

    def init_state(self, ops, layout):
        """The state at the start of all streams, and the selections for this layout, block by block."""
        return {
            "encoder": self.encoder.init_state(ops, layout),
            "decoder": self.decoder.init_state(ops, layout),
            "synthesis": self.synthesis.init_state(ops, layout),
        }

    def buffer_shapes(self, layout):
        """Shapes of the rows that go in and the samples that come out, on each chip."""
        shape = (layout.batch_size, 1, layout.rows)
        return (*shape, self.frontend.row.width), (*shape, self.synthesis.width)

    def restart(self, ops, state, control):
        """Zeroes the state of streams that start with this chunk."""
        for tensor in state_tensors(state):
            ops.restart(tensor, control.fresh)

    def __call__(self, ops, rows, state, samples):
        """One chunk on the device: rows as Framing makes them, uploaded -> `samples` [B, 1, rows, L in whole tiles]."""
        batch_size, _, all_rows, width = rows.shape
        if all_rows * batch_size == ops.rows:
            wave = self._convert(ops, rows, state)
        else:
            part_rows = ops.rows // batch_size
            corners = (
                ([0, 0, first, 0], [batch_size, 1, first + part_rows, width]) for first in range(0, all_rows, part_rows)
            )
            parts = (ttnn.slice(rows, *corner, memory_config=ops.memory) for corner in corners)
            wave = ops.concat([self._convert(ops, part, state) for part in parts])
        ttnn.tanh(wave, output_tensor=samples)

    def _convert(self, ops, rows, state):
        """One part of a chunk, to what the samples are the tanh of."""
        control = self.control(ops, rows)
        self.restart(ops, state, control)
        features = self.frontend(ops, rows)
        e = self.encoder(ops, features, state["encoder"], control)
        decoded = self.decoder(ops, e, state["decoder"], control)
        return self.synthesis(ops, decoded, e, features, state["synthesis"], control)

    def open(self, plan):
        """StockStreams as planned."""
        return StockStreams(self, plan.layout, PLACES[plan.place], plan.pairs)


class StockStreams:
    """The state of a batch of streams on the device, and their samples on the host."""

    def __init__(self, network, layout, memory, pairs):
        self._network, self._layout = network, layout
        self._slots = network.device.get_num_devices() * layout.batch_size
        self.ops = Ops(network.device, layout.part.total_rows, memory)
        self.state = network.init_state(self.ops, layout.part)
        self.buffers = make_buffers(self.ops, *network.buffer_shapes(layout), pairs)
        self._framing = Framing(network.frontend.row, layout, self._slots)

    @property
    def tensors(self):
        """What chunks change in place."""
        return state_tensors(self.state)

    def restart(self, places):
        """Puts the streams in these places to their start."""
        self._framing.restart(places)

    def pack(self, places, samples, frames):
        """What is uploaded for a chunk of these streams, see Framing."""
        return self._framing(places, samples, frames)

    def __call__(self, buffers):
        """One chunk on the device."""
        self._network(self.ops, buffers.rows, self.state, buffers.samples)

    def unpack(self, samples, places):
        """What was downloaded -> the audio [S, chunk] of these streams."""
        layout = self._layout
        samples = samples.reshape(self._slots, layout.windows, layout.window_rows, -1)[places]
        samples = samples[:, :, : layout.config.dec_chunk_size, : layout.config.L]
        return samples.reshape(len(samples), -1)


def make_buffers(ops, rows_shape, samples_shape, pairs):
    """So many pairs of buffers."""
    return [Buffers(ops.state(rows_shape, ttnn.float32), ops.state(samples_shape, ttnn.float32)) for _ in range(pairs)]


def state_tensors(state):
    """The tensors of a state that chunks change in place."""
    return [tensor for block in state.values() for tensor in block.tensors]


class TallyingOps(Ops):
    """Ops that allocate nothing and add up what they would, in `tally`."""

    def __init__(self, device, rows, memory):
        super().__init__(device, rows, memory)
        self.tally = Tally(device)

    def constant(self, tensor, dtype=ttnn.bfloat16, memory=None):
        *outer, rows, columns = tensor.shape
        tiles = math.prod(outer) * -(-rows // TILE) * -(-columns // TILE)
        memory = memory or self.memory
        name = next(name for name, place in PLACES.items() if place.buffer_type == memory.buffer_type)
        self.tally.add_pages(name, tiles, TILE * TILE * (4 if dtype == ttnn.float32 else 2))
