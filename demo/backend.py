# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Where the network runs."""

import os
import sys
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from reference.errors import LLVCError
from reference.streaming import ChunkedStream, LLVCStream

BACKENDS = ("auto", "cpu", "ttnn")


class BackendError(LLVCError):
    """A backend that is not available."""


@dataclass
class Backend:
    """A network that is ready to convert.

    open_stream(chunk_factor) gives a ChunkedStream for one voice. Offline conversion is the stream in chunks of
    offline_chunk_factor: the same samples, and the network's memory does not grow with the file.
    """

    name: str
    device: str
    open_stream: Callable[[int], ChunkedStream]
    offline_chunk_factor: int


def has_card():
    """Whether the Tenstorrent driver shows a card."""
    return any(Path("/dev/tenstorrent").glob("[0-9]*"))


@contextmanager
def open_backend(name, model, device_id):
    """Opens a backend for a reference network and closes it afterwards. BackendError if it is not available."""
    if name == "auto":
        name = "ttnn" if has_card() else "cpu"
        print("backend: ttnn" if name == "ttnn" else "backend: cpu (no Tenstorrent card found)")
    if name == "cpu":
        threads = f"CPU, {torch.get_num_threads()} threads"
        yield Backend("cpu", threads, lambda n: LLVCStream(model, n), offline_chunk_factor=64)
        return

    ttnn = _import_ttnn()
    from ttnn_llvc import DEVICE_PARAMS, TtLLVC

    try:
        device = ttnn.open_device(device_id=device_id, **DEVICE_PARAMS)
    except Exception as error:  # whatever the driver makes of a missing, busy or broken card
        reason = next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
        raise BackendError(f"device {device_id} does not open ({reason}); check the card and --device_id") from None
    try:
        where = "simulated Wormhole" if "TT_METAL_SIMULATOR" in os.environ else f"device {device_id}"
        tt_model = TtLLVC.from_reference(device, model)
        yield Backend("ttnn", where, tt_model.stream, offline_chunk_factor=tt_model.offline_chunk_factor)
    finally:
        ttnn.close_device(device)


def _import_ttnn():
    """ttnn, if there is something for it to run on and with its own messages down to errors."""
    if "TT_METAL_MOCK_CLUSTER_DESC_PATH" in os.environ:
        raise BackendError("a mock device computes nothing; unset TT_METAL_MOCK_CLUSTER_DESC_PATH or use --backend cpu")
    if not has_card() and "TT_METAL_SIMULATOR" not in os.environ:
        raise BackendError(
            "--backend ttnn needs a Tenstorrent card (there is none in /dev/tenstorrent) or a simulator named by "
            "TT_METAL_SIMULATOR; use --backend cpu"
        )
    from loguru import logger

    logger.remove()
    logger.add(sys.stderr, level="WARNING")
    os.environ.setdefault("TT_LOGGER_LEVEL", "error")
    try:
        import ttnn
    except ImportError as error:
        raise BackendError(f"ttnn cannot be imported ({error}); install requirements.txt") from None
    return ttnn
