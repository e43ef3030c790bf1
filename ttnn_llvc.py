# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""LLVC in TTNN: everything between the samples that go in and the samples that come out runs on the device."""

import re
from contextlib import contextmanager

import torch
import ttnn

from reference.checkpoint import load_model
from reference.config import NUM_HEADS, load_config
from reference.errors import LLVCError
from reference.streaming import ChunkedStream
from tt.decoder import TtDecoder
from tt.encoder import TtEncoder
from tt.frontend import Framing, TtFrontend
from tt.layout import Layout
from tt.ops import TILE, Ops, upload
from tt.synthesis import TtSynthesis

# What the network needs of ttnn.open_device.
DEVICE_PARAMS = {"l1_small_size": 32768}

# The selections of a chunk grow with the square of its frames: longer chunks cost more than they save.
MAX_FRAMES = 320

# Offline conversion is the stream in chunks of about this many: the same samples, in memory that does not grow.
OFFLINE_FRAMES = 64


class UnsupportedOption(LLVCError):
    """A configuration that the reference computes and the device does not."""


class DeviceMemoryError(LLVCError):
    """Streams that do not fit into the device's memory."""


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
        self.device = device
        self.config = model.config
        self.offline_chunk_factor = max(1, OFFLINE_FRAMES // model.config.dec_chunk_size)
        self.frontend = TtFrontend(device, model)
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

    def stream(self, chunk_factor=1, batch_size=1):
        """Opens a TtLLVCStream."""
        return TtLLVCStream(self, chunk_factor, batch_size)

    def convert(self, audio):
        """Converts whole signals [B, N] -> [B, N]."""
        with self.stream(self.offline_chunk_factor, audio.shape[0]) as stream:
            return torch.cat((stream.push(audio), stream.flush()), dim=1)

    def __call__(self, ops, rows, state):
        """One chunk on the device: rows as Framing makes them, uploaded -> samples [B, 1, rows, TILE]."""
        features = self.frontend(ops, rows)
        e = self.encoder(ops, features, state["encoder"])
        decoded = self.decoder(ops, e, state["decoder"])
        return self.synthesis(ops, decoded, e, features, state["synthesis"])


class TtLLVCStream(ChunkedStream):
    """Streams a batch of signals through the device: reference.streaming.LLVCStream's contract.

    The host frames raw samples and puts output samples in order; state stays on the device at fixed addresses.
    """

    def __init__(self, model, chunk_factor=1, batch_size=1):
        super().__init__(model.config, chunk_factor, batch_size)
        most = MAX_FRAMES // model.config.dec_chunk_size
        if chunk_factor > most:
            raise UnsupportedOption(f"the TTNN network takes chunk factors up to {most}, not {chunk_factor}")
        self._model = model
        self._layout = layout = Layout(model.config, chunk_factor, batch_size)
        self._ops = ops = Ops(model.device, layout.total_rows, layout.working_set)
        self._framing = Framing(model.frontend.row, layout)
        shape = (batch_size, 1, layout.rows, model.frontend.row.width)
        with self._memory_errors():
            self._rows = upload(model.device, torch.zeros(shape), dtype=ttnn.float32, memory=ops.memory)
            self._state = {
                "encoder": model.encoder.init_state(ops, layout),
                "decoder": model.decoder.init_state(ops, layout),
                "synthesis": model.synthesis.init_state(ops, layout),
            }
        self.reset()

    @contextmanager
    def _memory_errors(self):
        """Turns ttnn's out-of-memory errors into one line."""
        try:
            yield
        except RuntimeError as error:
            if not re.search("Out of Memory|beyond max L1 size|clash with L1 buffers", str(error)):
                raise
            memory = "DRAM" if "DRAM buffer" in str(error) else "L1"
            raise DeviceMemoryError(
                f"the device has too little {memory} for {self.batch_size} streams in chunks of "
                f"{self._layout.windows} x {self._layout.config.chunk_len} samples; take fewer or shorter ones"
            ) from None

    def _state_tensors(self):
        return [tensor for part in self._state.values() for tensor in part.tensors]

    def _restart(self, streams):
        self._framing.restart(streams)
        keep = self._mask(streams, 0.0)
        for state in self._state_tensors():
            ttnn.where(keep, state, 0.0, output_tensor=state)  # a product would keep what is not finite

    def _mask(self, streams, value):
        """[B, 1, 1, 1] on the device: `value` (0 or 1) for these streams, the other for all others."""
        mask = torch.full((self.batch_size, 1, 1, 1), 1.0 - value)
        mask[streams] = value
        return upload(self._model.device, mask, memory=self._ops.memory)

    def _convert(self, streams, samples):
        rows = self._framing(streams, samples)
        frames = (samples.shape[1] - self.lookahead_len) // self.frame_len
        ttnn.copy_host_to_device_tensor(_to_tiles(rows, ttnn.float32), self._rows)
        others = [] if streams == slice(None) else [ttnn.clone(state) for state in self._state_tensors()]
        windows = self._state["decoder"].layers[0].windows
        is_last = frames < self._layout.frames
        if is_last:  # frames that are not there count as zeros
            self._set_windows(windows, frames)
        try:
            with self._memory_errors():
                samples = ttnn.to_torch(self._model(self._ops, self._rows, self._state))
        finally:
            if is_last:
                self._set_windows(windows, self._layout.frames)
        if others:
            self._put_back(streams, others)
        layout = self._layout
        samples = samples.reshape(layout.batch_size, layout.windows, layout.window_rows, TILE)[streams]
        samples = samples[:, :, : layout.config.dec_chunk_size, : self.frame_len]
        return samples.reshape(len(samples), -1)[:, : frames * self.frame_len].float()

    def _set_windows(self, windows, frames):
        matrix = self._state["decoder"].windows_of(frames)
        ttnn.copy_host_to_device_tensor(_to_tiles(matrix.expand(*windows.shape), ttnn.bfloat16), windows)

    def _put_back(self, streams, states):
        """Gives all other streams the state that they had."""
        moved = self._mask(streams, 1.0)
        for state, before in zip(self._state_tensors(), states, strict=True):
            ttnn.where(moved, state, before, output_tensor=state)

    def close(self):
        super().close()
        self._state = self._rows = None


def _to_tiles(tensor, dtype):
    return ttnn.from_torch(tensor.contiguous(), dtype=dtype, layout=ttnn.TILE_LAYOUT)
