# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""One chunk of a batch of streams as one upload, one replay of a trace and one download.

In latency mode everything goes through one command queue, strictly in order: nothing is faster for a chunk that
stands alone. In throughput mode transfers have a queue of their own and there are two pairs of buffers: while a chunk
computes, the one before it is downloaded and the one behind it uploaded. A trace knows fixed addresses only, so each
pair of buffers has a trace of its own instead of programs that copy.
"""

import os
import time
from dataclasses import dataclass
from weakref import WeakSet

import torch
import ttnn
from loguru import logger

COMPUTE_QUEUE, TRANSFER_QUEUE = 0, 1

# Of all networks: a trace may overwrite what any other one puts on its device, which does not tell what traces it has.
# Weakly, as runners that are dropped unclosed must not keep their memory.
_runners = WeakSet()


def release_traces(device):
    """To be called before anything that stays is allocated on a device.

    A trace writes its activations to addresses that the allocator takes for free. The traces of all runners are
    released, and captured again when they are next needed.
    """
    for runner in list(_runners):
        if runner.device is device:
            runner.release_trace()


@dataclass
class Buffers:
    """Input and output of a chunk at fixed addresses, and what belongs to them."""

    rows: ttnn.Tensor
    samples: ttnn.Tensor
    trace: object = None
    done: object = None  # the event behind the chunk's programs


@dataclass(frozen=True)
class Preparation:
    """Seconds until a runner was ready."""

    compile_s: float  # the first run, which builds and loads all programs
    warm_up_s: float  # the second run, every program launched from the host
    capture_s: float  # recording the traces, 0 without


class ChunkRunner:
    """Runs chunk(buffers), a callable that launches all programs of a chunk and allocates nothing that stays.

    `buffers` are as many pairs as `mode` needs. Several chips share a batch: each takes an equal part of its streams,
    the shapes of the buffers are those on one chip. Rows of zeros, which are run while preparing, must change nothing.
    """

    def __init__(self, device, chunk, buffers, mode):
        self.device = device
        self.buffers = buffers
        self._chunk = chunk
        chips = device.get_num_devices()
        self._mapper = ttnn.ShardTensorToMesh(self.device, dim=0) if chips > 1 else None
        self._composer = ttnn.ConcatMeshToTensor(self.device, dim=0) if chips > 1 else None
        batch_size, *row_shape = buffers[0].rows.shape
        self._rows_shape = (chips * batch_size, *row_shape)
        self._rows_layout = buffers[0].rows.layout
        self.traced = "TT_METAL_SLOW_DISPATCH_MODE" not in os.environ
        self._pipelined = self.traced and mode == "throughput"
        self._transfers = TRANSFER_QUEUE if self._pipelined else COMPUTE_QUEUE
        self._submitted = self._collected = 0
        self.preparation = self._prepare()
        _runners.add(self)

    def _prepare(self):
        marks = [time.perf_counter()]
        for _ in ("compile", "warm up"):
            self._run_idle(self.buffers[0])
            marks.append(time.perf_counter())
        self._capture()
        marks.append(time.perf_counter())
        if not self.traced:
            logger.warning("slow dispatch has no traces and one queue: every program of a chunk is launched by itself")
        return Preparation(*(b - a for a, b in zip(marks, marks[1:], strict=False)))

    def _run_idle(self, buffers):
        """Runs a chunk in which all streams pause, every program launched by itself."""
        ttnn.copy_host_to_device_tensor(self._on_host(torch.zeros(self._rows_shape)), buffers.rows)
        self._chunk(buffers)
        # Also: from here on both queues may touch what was uploaded through one.
        ttnn.synchronize_device(self.device)

    def _capture(self):
        """Records the chunk for each pair of buffers; nothing runs, the state stays as it is.

        An idle run must come first: which programs ttnn chooses depends on what else is allocated.
        """
        if not self.traced:
            return
        for buffers in self.buffers:
            trace = ttnn.begin_trace_capture(self.device, cq_id=COMPUTE_QUEUE)
            try:
                try:
                    self._chunk(buffers)
                finally:
                    ttnn.end_trace_capture(self.device, trace, cq_id=COMPUTE_QUEUE)
            except BaseException:
                ttnn.release_trace(self.device, trace)
                self.release_trace()
                raise
            buffers.trace = trace
        ttnn.synchronize_device(self.device)

    def submit(self, rows):
        """Uploads host rows [B, 1, rows, width] and starts their chunk."""
        buffers = self.buffers[self._submitted % len(self.buffers)]
        if self.traced and buffers.trace is None:
            self._run_idle(buffers)
            self._capture()
        ttnn.copy_host_to_device_tensor(self._on_host(rows), buffers.rows, cq_id=self._transfers)
        if self._pipelined:
            ttnn.wait_for_event(COMPUTE_QUEUE, ttnn.record_event(self.device, TRANSFER_QUEUE))
        if self.traced:
            ttnn.execute_trace(self.device, buffers.trace, cq_id=COMPUTE_QUEUE, blocking=False)
        else:
            self._chunk(buffers)
        if self._pipelined:
            buffers.done = ttnn.record_event(self.device, COMPUTE_QUEUE)
        self._submitted += 1

    def collect(self):
        """Waits for the oldest chunk that was not collected; downloads its samples [B, 1, rows, columns].

        The buffers are free again behind this on the transfer queue, where the next upload into them goes.
        """
        buffers = self.buffers[self._collected % len(self.buffers)]
        if self._pipelined:
            ttnn.wait_for_event(TRANSFER_QUEUE, buffers.done)
        samples = ttnn.to_torch(buffers.samples, mesh_composer=self._composer, cq_id=self._transfers)
        self._collected += 1
        return samples

    def abandon(self):
        """Waits for chunks under way and forgets them."""
        self._collected = self._submitted
        ttnn.synchronize_device(self.device)

    def release_trace(self):
        """Gives back the traces; the next chunk captures them again."""
        if any(buffers.trace is not None for buffers in self.buffers):
            ttnn.synchronize_device(self.device)
        for buffers in self.buffers:
            if buffers.trace is not None:
                ttnn.release_trace(self.device, buffers.trace)
                buffers.trace = None

    def release(self):
        """Gives back all that the runner holds on the device."""
        self.release_trace()
        _runners.discard(self)
        self.buffers = self._chunk = None

    def _on_host(self, rows):
        return ttnn.from_torch(rows, dtype=ttnn.float32, layout=self._rows_layout, mesh_mapper=self._mapper)
