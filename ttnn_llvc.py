# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""LLVC in TTNN: everything between the samples that go in and the samples that come out runs on the device."""

from collections import deque
from dataclasses import asdict

import torch

from reference.checkpoint import load_model
from reference.config import NUM_HEADS, load_config
from reference.errors import LLVCError
from reference.server import StreamServer
from reference.streaming import ChunkedStream, ChunkEngine
from tt.memory import PLACES, DeviceMemoryError, TallyingOps, memory_errors
from tt.runner import MODES, ChunkRunner, make_buffers, release_traces
from tt.stock.decoder import TtDecoder
from tt.stock.encoder import TtEncoder
from tt.stock.frontend import Framing, TtControl, TtFrontend
from tt.stock.layout import Layout
from tt.stock.ops import TILE, Ops
from tt.stock.synthesis import TtSynthesis

# A trace of the published network takes 0.8 MB: room for some forty of them.
TRACE_REGION_BYTES = 32 * 2**20

# What the network needs of ttnn.open_device or ttnn.open_mesh_device.
DEVICE_PARAMS = {"l1_small_size": 32768, "trace_region_size": TRACE_REGION_BYTES, "num_command_queues": 2}

# The selections of a chunk grow with the square of its frames: longer chunks cost more than they save.
MAX_FRAMES = 320

# Offline conversion is the stream in chunks of about this many: the same samples, in memory that does not grow.
OFFLINE_FRAMES = 64


class UnsupportedOption(LLVCError):
    """A configuration that the reference computes and the device does not."""


def check_supported(config):
    """Raises UnsupportedOption naming the option of an LLVCConfig that the device network does not support."""
    prenet = config.convnet_config
    has_prenet = prenet.convnet_prenet
    faults = {
        "proj: false": not config.proj,
        "use_residual_blocks: false": has_prenet and not prenet.use_residual_blocks,
        f"combine_residuals: {prenet.combine_residuals}": has_prenet
        and prenet.combine_residuals in ("add", "multiply"),
        f"out_channels: {list(prenet.out_channels)} (only single channels)": has_prenet
        and set(prenet.out_channels) != {1},
        f"L: {config.L} (at most {TILE})": config.L > TILE,
        f"enc_dim: {config.enc_dim} (multiples of {TILE})": config.enc_dim % TILE != 0,
        f"dec_dim: {config.dec_dim} (multiples of {NUM_HEADS * TILE})": config.dec_dim % (NUM_HEADS * TILE) != 0,
    }
    for option, is_fault in faults.items():
        if is_fault:
            raise UnsupportedOption(f"the TTNN network does not support {option}; use the CPU backend")


class TtLLVC:
    """The network on a device, its weights uploaded once.

    UnsupportedOption for a configuration that only the reference computes.
    """

    def __init__(self, device, model):
        check_supported(model.config)
        if model.training:
            raise ValueError("the network is in training mode; call model.eval() first")
        release_traces(device)
        self.device = device
        self.config = model.config
        self.offline_chunk_factor = max(1, OFFLINE_FRAMES // model.config.dec_chunk_size)
        self.frontend = TtFrontend(device, model)
        self.control = TtControl(device, self.frontend.row)
        self.encoder = TtEncoder(device, model.mask_gen.encoder)
        self.decoder = TtDecoder(device, model)
        self.synthesis = TtSynthesis(device, model)

    @classmethod
    def from_reference(cls, device, model):
        """The device twin of a reference LLVC."""
        return cls(device, model)

    @classmethod
    def from_checkpoint(cls, device, path, config_path):
        """The network of a checkpoint and its config.json; errors as reference.checkpoint.load_model's."""
        return cls(device, load_model(path, load_config(config_path)[0]))

    def engine(self, chunk_factor=1, batch_size=1, mode="latency"):
        """Opens a TtLLVCEngine. For `mode` see tt/runner.py."""
        return TtLLVCEngine(self, chunk_factor, batch_size, mode)

    def stream(self, chunk_factor=1, batch_size=1, mode="latency"):
        """Opens a ChunkedStream: batch_size streams that share a clock."""
        return ChunkedStream(self.engine(chunk_factor, batch_size, mode))

    def serve(self, batch_size, chunk_factor=1, mode="latency"):
        """Opens a StreamServer: up to batch_size streams that come and go."""
        return StreamServer(self.engine(chunk_factor, batch_size, mode))

    def convert(self, audio):
        """Converts whole signals [B, N] -> [B, N]."""
        with self.stream(self.offline_chunk_factor, audio.shape[0], mode="throughput") as stream:
            return torch.cat((stream.push(audio), stream.flush()), dim=1)

    def plan(self, chunk_factor=1, batch_size=1, mode="latency"):
        """The MemoryPlan of streams: in L1 if they fit beside what is there, else in DRAM. Allocates nothing."""
        layout, _ = self.layout(chunk_factor, batch_size)
        for memory in PLACES:
            ops = TallyingOps(self.device, layout.total_rows, memory)
            self.init_state(ops, layout)
            make_buffers(ops, *self.buffer_shapes(layout), mode)
            plan = ops.plan(layout.working_set)
            if not plan.lacking:
                break
        return plan

    def layout(self, chunk_factor, batch_size):
        """(the Layout on each chip, the streams on all chips: batch_size or a few more that pause).

        UnsupportedOption for chunks that are too long.
        """
        most = MAX_FRAMES // self.config.dec_chunk_size
        if chunk_factor > most:
            raise UnsupportedOption(f"the TTNN network takes chunk factors up to {most}, not {chunk_factor}")
        chips = self.device.get_num_devices()
        streams_per_chip = -(-batch_size // chips)
        return Layout(self.config, chunk_factor, streams_per_chip), chips * streams_per_chip

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
        return (*shape, self.frontend.row.width), (*shape, TILE)

    def restart(self, ops, state, control):
        """Zeroes the state of streams that start with this chunk."""
        for tensor in state_tensors(state):
            ops.restart(tensor, control.fresh)

    def __call__(self, ops, rows, state, samples):
        """One chunk on the device: rows as Framing makes them, uploaded -> `samples` [B, 1, rows, L of one tile]."""
        control = self.control(ops, rows)
        self.restart(ops, state, control)
        features = self.frontend(ops, rows)
        e = self.encoder(ops, features, state["encoder"], control)
        decoded = self.decoder(ops, e, state["decoder"], control)
        self.synthesis(ops, decoded, e, features, state["synthesis"], control, samples)


def state_tensors(state):
    """The tensors of a state that chunks change in place."""
    return [tensor for block in state.values() for tensor in block.tensors]


class TtLLVCEngine(ChunkEngine):
    """A batch of streams on the device: reference.streaming.ChunkEngine's contract.

    The host frames raw samples and puts output samples in order. State stays on the device at fixed addresses, and a
    chunk is one upload, one replay and one download whatever its streams do. A mesh of chips shares the batch.
    DeviceMemoryError for streams that do not fit.
    """

    def __init__(self, network, chunk_factor=1, batch_size=1, mode="latency"):
        super().__init__(network.config, chunk_factor, batch_size)
        layout, slots = network.layout(chunk_factor, batch_size)
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
        self.depth = MODES[mode]
        what = f"{batch_size} streams in chunks of {chunk_factor} x {network.config.chunk_len} samples"
        self.plan = network.plan(chunk_factor, batch_size, mode)
        if self.plan.lacking:
            raise DeviceMemoryError(
                f"the device has too little {' and '.join(self.plan.lacking)} for {what} ({self.plan}); take fewer "
                "or shorter ones, or close others"
            )
        self._layout, self._slots = layout, slots
        self._framing = Framing(network.frontend.row, layout, slots)
        self._places = deque()  # of the streams in the chunks under way
        release_traces(network.device)
        with memory_errors(what):
            self.ops = ops = Ops(network.device, layout.total_rows, self.plan.memory)
            self.state = network.init_state(ops, layout)
            self.runner = ChunkRunner(
                ops,
                lambda rows, samples: network(ops, rows, self.state, samples),
                *network.buffer_shapes(layout),
                mode,
            )
        self.preparation = asdict(self.runner.preparation)

    def restart(self, streams):
        self._framing.restart(self._index(streams))

    def _index(self, streams):
        """Streams as places of the batch on the device, which may be larger by a few."""
        return slice(self.batch_size) if streams == slice(None) else streams

    def _submit(self, streams, samples, frames):
        places = self._index(streams)
        self.runner.submit(self._framing(places, samples, frames))
        self._places.append(places)

    def _collect(self):
        layout = self._layout
        samples = self.runner.collect()
        samples = samples.reshape(self._slots, layout.windows, layout.window_rows, TILE)[self._places.popleft()]
        samples = samples[:, :, : layout.config.dec_chunk_size, : self.frame_len]
        return samples.reshape(len(samples), -1)

    def _abandon(self):
        self._places.clear()
        self.runner.abandon()

    def close(self):
        self.runner.release()
        self.state = None
