# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Where the network runs."""

import math
import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from reference.errors import LLVCError, not_installed, one_line
from streaming.engine import ChunkEngine
from streaming.torch_engine import TorchEngine

from .program import count
from .quota import cpu_quota

MOST_ONNX_BYTES = 2**31  # of a graph with its weights
BACKENDS = ("auto", "cpu", "torch", "ttnn")
KERNELS = ("auto", "fused", "stock")  # of the ttnn backend, see ttnn_llvc.TtLLVC


class BackendError(LLVCError):
    """A backend that is not available."""


@dataclass
class Backend:
    """A network that is ready to convert.

    open_engine(chunk_factor, batch_size, mode) gives a ChunkEngine; `mode` is one of streaming.engine.MODES. Offline
    conversion is the stream in chunks of offline_chunk_factor, in offline_mode: the same samples, and the network's
    memory does not grow with the file.
    """

    name: str
    device: str
    open_engine: Callable[[int, int, str], ChunkEngine]
    offline_chunk_factor: int
    offline_mode: str


def add_backend(add):
    """Adds the options that say where to compute; `add` is a parser's add_argument."""
    add("--backend", choices=BACKENDS, default="auto", help="where to compute; auto takes a card if there is one")
    add("--device_id", type=count(0), metavar="N", help="which device, instead of 0 or, for streams, a whole N300")


def available_cores():
    """How many threads of this process may run all the time: by its cores and, in a container, its share of them."""
    return max(1, math.floor(min(_cores(), cpu_quota())))


def idle_cores():
    """How many of these find a core that nothing kept busy in the last minute; one in any case."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0
    return max(1, min(available_cores(), _cores() - math.ceil(load - 0.25)))


def _cores():
    """The cores that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()


def has_card():
    """Whether the Tenstorrent driver shows a card."""
    return any(Path("/dev/tenstorrent").glob("[0-9]*"))


@contextmanager
def open_backend(name, model, device_id=None, streams=1, kernels="auto", threads=1):
    """Opens a backend for a reference network and closes it afterwards. BackendError if it is not available.

    Without a device_id many streams get both chips of an N300, and all else device 0. `threads` is for the CPU: as
    many streams are converted at a time, and a single one takes them all.
    """
    if name == "auto":
        name = "ttnn" if has_card() else "cpu"
        print("backend: ttnn" if name == "ttnn" else "backend: cpu (no Tenstorrent card found)")
    if name in ("cpu", "torch"):
        engine = _onnx_engine(model, threads) if name == "cpu" else None
        if engine is None:
            name, engine = "torch", partial(TorchEngine, model)
            torch.set_num_threads(threads)

        def open_engine(chunk_factor, batch_size, mode):
            if mode != "latency":
                raise BackendError(f"--mode {mode} is for --backend ttnn: nothing goes on beside a CPU's computation")
            return engine(chunk_factor, batch_size)

        where = f"CPU, {threads} thread{'s' if threads > 1 else ''}"
        yield Backend(name, where, open_engine, offline_chunk_factor=64, offline_mode="latency")
        return

    ttnn = _import_ttnn()
    from ttnn_llvc import DEVICE_PARAMS, TtLLVC

    both = streams > 1 and device_id is None and ttnn.cluster.get_cluster_type() == ttnn.cluster.ClusterType.N300
    where = "both chips of an N300" if both else f"device {device_id or 0}"
    try:
        if both:
            device, close = ttnn.open_mesh_device(ttnn.MeshShape(1, 2), **DEVICE_PARAMS), ttnn.close_mesh_device
        else:
            device, close = ttnn.open_device(device_id=device_id or 0, **DEVICE_PARAMS), ttnn.close_device
    except Exception as error:  # whatever the driver makes of a missing, busy or broken card
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BackendError(f"{where}: does not open ({reason}); check the card and --device_id") from None
    try:
        if "TT_METAL_SIMULATOR" in os.environ:
            where = f"simulated Wormhole, {where}"
        tt_model = TtLLVC.from_reference(device, model, kernels)
        print(
            f"kernels: {tt_model.kernels}" + (f" (the fused ones do not take {tt_model.why})" if tt_model.why else "")
        )
        yield Backend("ttnn", where, tt_model.engine, tt_model.offline_chunk_factor, offline_mode="throughput")
    finally:
        close(device)


def _onnx_engine(model, threads):
    """What makes an OnnxEngine of (chunk_factor, batch_size); None, and a line that says so, if PyTorch has to do."""
    try:
        from streaming.onnx_engine import OnnxEngine
    except ImportError as error:
        print(f"backend: torch (ONNX Runtime, which is faster, cannot be imported: {one_line(error)})")
        return None
    if sum(4 * parameter.numel() for parameter in model.parameters()) >= MOST_ONNX_BYTES:
        print("backend: torch (ONNX Runtime, which is faster, takes networks of less than 2 GiB)")
        return None
    return partial(OnnxEngine, model, threads=threads)


def _import_ttnn():
    """ttnn, if there is something for it to run on and with its own messages down to errors."""
    if "TT_METAL_MOCK_CLUSTER_DESC_PATH" in os.environ:
        raise BackendError("a mock device computes nothing; unset TT_METAL_MOCK_CLUSTER_DESC_PATH or use --backend cpu")
    if not has_card() and "TT_METAL_SIMULATOR" not in os.environ:
        raise BackendError(
            "--backend ttnn needs a Tenstorrent card (there is none in /dev/tenstorrent) or a simulator named by "
            "TT_METAL_SIMULATOR; use --backend cpu"
        )
    os.environ.setdefault("TT_LOGGER_LEVEL", "error")
    try:
        from loguru import logger

        logger.remove()
        logger.add(sys.stderr, level="WARNING")
        import ttnn
    except ImportError as error:
        raise BackendError(not_installed(error, "card")) from None
    return ttnn
