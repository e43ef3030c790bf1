# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The weights of a run as a checkpoint."""

from pathlib import Path

import safetensors.torch
import torch

from audio.files import replacing
from reference.checkpoint import load_model
from reference.errors import LLVCError


def export(run, config, path):
    """Writes run/best.pt as 16-bit safetensors or, where `path` ends in .pth, as the published scripts' own layout.

    That has float32 weights and, for training to go on from, an optimizer that has seen nothing. Returns the step.
    """
    path = Path(path)
    if path.suffix not in (".safetensors", ".pth"):
        raise LLVCError(f"{path}: give the file a name that ends in .safetensors or .pth")
    model = load_model(run / "best.pt", config)
    step = torch.load(run / "best.pt", map_location="cpu", weights_only=True)["step"]
    with replacing(path) as temporary:
        if path.suffix == ".safetensors":
            half = {name: value.half() for name, value in model.state_dict().items()}
            temporary.write_bytes(safetensors.torch.save(half))
        else:
            optimizer = torch.optim.AdamW(model.parameters(), 5e-4, (0.8, 0.999), 1e-9, 0.0)  # as they make it
            checkpoint = {"model": model.state_dict(), "optimizer": optimizer.state_dict()}
            torch.save({**checkpoint, "epoch": 0, "step": step, "learning_rate": 5e-4}, temporary)
    return step
