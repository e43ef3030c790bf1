# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What the tests on the device share: cases, speech, and the reference's activations."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from support.golden import fill_by_rule, golden

from reference.checkpoint import load_model
from reference.llvc import LLVC
from tt.device import DEVICE_PARAMS
from tt.stock.layout import Layout

# Configuration, chunk factor, batch size; chunks in a row are CHUNKS. Two windows of two streams show what could be
# mixed up, one of each what a shape of one could hide.
CASES = [("llvc", 1, 1), ("llvc", 2, 2), ("llvc_nc", 1, 1), ("readme_defaults", 1, 1)]
CHUNKS = 3

DEMO_VOICE = Path(__file__).resolve().parents[2] / "checkpoints" / "demo_voice.safetensors"

BLOCK_PCC = 0.9995
NETWORK_PCC = 0.999

on_device = pytest.mark.parametrize("device_params", [DEVICE_PARAMS], indirect=True)


def for_all_cases(test):
    """Runs a device test for every case of CASES."""
    return on_device(pytest.mark.parametrize("case", CASES, ids=str)(test))


def pcc(value, expected):
    """Pearson's correlation of all values."""
    return float(torch.corrcoef(torch.stack((value.flatten(), expected.flatten())))[0, 1])


def demo_voice():
    """The network with the bundled voice's weights; skips the test in tt-metal, which takes no file that large."""
    if not DEMO_VOICE.exists():
        pytest.skip(f"needs {DEMO_VOICE}")
    return load_model(DEMO_VOICE, golden("llvc").model.config)


def allocated(device):
    """Bytes per bank that are taken of L1 and DRAM."""
    import ttnn

    views = (ttnn.get_memory_view(device, kind) for kind in (ttnn.BufferType.L1, ttnn.BufferType.DRAM))
    return [view.total_bytes_allocated_per_bank for view in views]


@dataclass
class Activations:
    """The reference's activations of one offline call on real speech, of chunks of the given layout."""

    model: LLVC
    layout: Layout
    audio: torch.Tensor  # [B, N]
    features: torch.Tensor  # in_conv's output, like the next two [B, T, C]
    e: torch.Tensor
    decoded: torch.Tensor
    output: torch.Tensor  # [B, N]


def speech(name, batch_size, length):
    """Real speech, another part of it in each stream: [B, length]."""
    audio = torch.from_numpy(golden(name).arrays["audio"])[6000:]
    assert len(audio) >= length, f"the recording of {name} is too short"
    return torch.stack([audio.roll(-1600 * b)[:length] * (1 - 0.02 * b) for b in range(batch_size)])


def audible_before_the_start(name, gated=True):
    """A network of a golden configuration's sizes, its prenet of gated blocks or of leaky ReLU, with biases that make
    it far off where its prenet hears silence."""
    params = golden(name).params
    prenet = {**params["convnet_config"], "use_residual_blocks": gated}
    model = fill_by_rule(LLVC(**{**params, "convnet_config": prenet}))
    with torch.no_grad():
        for block in model.convnet_pre.down_convs:
            if gated:
                block.filter.bias.fill_(0.4)
                block.gate.bias.fill_(8)
            else:
                block.conv[1].bias.fill_(0.4)
    return model.eval()


def activations(name, chunk_factor, batch_size, chunks=CHUNKS):
    """Runs the reference over `chunks` chunks from the start of the streams."""
    model = golden(name).model
    layout = Layout(model.config, chunk_factor, batch_size)
    audio = speech(name, batch_size, chunks * layout.frames * model.config.L)
    kept = {}
    modules = {"features": model.in_conv, "e": model.mask_gen.encoder, "decoded": model.mask_gen.decoder}
    hooks = [
        module.register_forward_hook(
            lambda _m, _i, output, key=key: kept.update({key: output[0] if isinstance(output, tuple) else output})
        )
        for key, module in modules.items()
    ]
    with torch.no_grad():
        output = model(audio[:, None])[:, 0]
    for hook in hooks:
        hook.remove()
    kept["features"] = kept["features"].transpose(1, 2)
    return Activations(model=model, layout=layout, audio=audio, output=output, **kept)


def chunk_of(x, layout, chunk):
    """Frames [B, T, C] -> those of one chunk, [B, frames, C]."""
    return x[:, chunk * layout.frames : (chunk + 1) * layout.frames]
