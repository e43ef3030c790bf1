# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""LLVC in TTNN: everything between the samples that go in and the samples that come out runs on the device."""

from collections import deque
from dataclasses import asdict

import torch

from reference.checkpoint import load_model
from reference.config import load_config
from streaming.engine import MODES, ChunkEngine
from streaming.server import StreamServer
from streaming.stream import ChunkedStream
from tt.device import DEVICE_PARAMS
from tt.errors import DeviceMemoryError, UnsupportedOption
from tt.fused.network import FusedNetwork, why_not
from tt.memory import memory_errors
from tt.runner import ChunkRunner, release_traces
from tt.stock.network import StockNetwork

# Offline conversion is the stream in chunks of about this many: the same samples, in memory that does not grow.
OFFLINE_FRAMES = 64

KERNELS = ("auto", "fused", "stock")


class TtLLVC:
    """The network on a device, its weights uploaded once.

    `kernels`: "fused" is one program a chunk, of kernels of our own; "stock" is ttnn's own operations; "auto" takes
    the fused ones for the configurations that they are made for. `kernels` says afterwards which it is, and `why`
    why not the fused ones. UnsupportedOption for a configuration that these kernels do not take.
    """

    def __init__(self, device, model, kernels="auto"):
        if kernels not in KERNELS:
            raise ValueError(f"kernels must be one of {', '.join(KERNELS)}, not {kernels!r}")
        if model.training:
            raise ValueError("the network is in training mode; call model.eval() first")
        self.why = why_not(device, model.config) if kernels == "auto" else None
        if kernels == "auto":
            kernels = "stock" if self.why else "fused"
        self.kernels = kernels
        self.device = device
        self.config = model.config
        self.offline_chunk_factor = max(1, OFFLINE_FRAMES // model.config.dec_chunk_size)
        release_traces(device)
        with memory_errors("the network's weights", "close other networks on it"):
            self.network = {"fused": FusedNetwork, "stock": StockNetwork}[kernels](device, model)

    @classmethod
    def from_reference(cls, device, model, kernels="auto"):
        """The device twin of a reference LLVC."""
        return cls(device, model, kernels)

    @classmethod
    def from_checkpoint(cls, device, path, config_path, kernels="auto"):
        """The network of a checkpoint and its config.json; errors as reference.checkpoint.load_model's."""
        return cls(device, load_model(path, load_config(config_path)[0]), kernels)

    def engine(self, chunk_factor=1, batch_size=1, mode="latency"):
        """Opens a TtLLVCEngine. For `mode` see streaming.engine.MODES and tt/runner.py."""
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
        """The MemoryPlan of streams. Allocates nothing."""
        return self.network.plan(chunk_factor, batch_size, mode)


class TtLLVCEngine(ChunkEngine):
    """A batch of streams on the device: streaming.engine.ChunkEngine's contract.

    The host keeps the raw samples that the next chunk needs again. State stays on the device at fixed addresses, and a
    chunk is one upload, one replay and one download whatever its streams do. A mesh of chips shares the batch.
    DeviceMemoryError for streams that do not fit. To be closed before the device is.
    """

    def __init__(self, tt_model, chunk_factor=1, batch_size=1, mode="latency"):
        super().__init__(tt_model.config, chunk_factor, batch_size)
        if mode not in MODES:
            raise ValueError(f"mode must be one of {', '.join(MODES)}, not {mode!r}")
        self.depth = MODES[mode]
        chunk_factor, batch_size = self.chunk_factor, self.batch_size
        what = f"{batch_size} streams in chunks of {chunk_factor} x {tt_model.config.chunk_len} samples"
        plan = tt_model.plan(chunk_factor, batch_size, mode)
        if plan.lacking:
            raise DeviceMemoryError(
                f"the device has too little {' and '.join(plan.lacking)} for {what} ({plan}); take fewer "
                "or shorter ones, or close others"
            )
        self._places = deque()  # on the device, of the streams in the chunks under way: their numbers
        release_traces(tt_model.device)
        with memory_errors(what):
            self.streams = tt_model.network.open(plan)
            self.runner = ChunkRunner(tt_model.device, self.streams, self.streams.buffers, mode)
        self.preparation = asdict(self.runner.preparation)

    def restart(self, streams):
        self.streams.restart(streams)

    def _submit(self, streams, samples, frames):
        self.runner.submit(self.streams.pack(streams, samples, frames))
        self._places.append(streams)

    def _collect(self):
        return self.streams.unpack(self.runner.collect(), self._places.popleft())

    def _abandon(self):
        self._places.clear()
        self.runner.abandon()

    def close(self):
        self.runner.release()
        self.streams = None


__all__ = ["DEVICE_PARAMS", "KERNELS", "DeviceMemoryError", "TtLLVC", "TtLLVCEngine", "UnsupportedOption"]
