# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Where the network runs."""

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
    """A network that is ready to convert: open_stream(chunk_factor) gives a ChunkedStream for one voice."""

    name: str
    device: str
    open_stream: Callable[[int], ChunkedStream]


def has_card():
    """Whether the Tenstorrent driver shows a card."""
    return any(Path("/dev/tenstorrent").glob("[0-9]*"))


@contextmanager
def open_backend(name, model, device_id):
    """Opens a backend for a reference network. BackendError if it is not available."""
    if name == "ttnn":
        raise BackendError("the TTNN network is not part of this version yet; use --backend cpu")
    if name == "auto" and has_card():
        print("backend: cpu, though there is a Tenstorrent card: the TTNN network is not part of this version yet")
    elif name == "auto":
        print("backend: cpu (no Tenstorrent card found)")
    yield Backend("cpu", f"CPU, {torch.get_num_threads()} threads", lambda n: LLVCStream(model, n))
