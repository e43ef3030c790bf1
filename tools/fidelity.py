# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What each choice of arithmetic costs: PCC of every block against the reference, with one choice changed at a time.

python tools/fidelity.py on a card, or on a simulator that TT_METAL_SIMULATOR names. A mock device rounds as torch
does, whatever the choice, so it is refused.
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
import ttnn  # noqa: E402
from support.blocks import activations, all_move, chunk_of, from_rows, pcc, to_rows  # noqa: E402

from tt.stock.decoder import TtDecoder  # noqa: E402
from tt.stock.encoder import TtEncoder  # noqa: E402
from tt.stock.frontend import Framing, TtFrontend  # noqa: E402
from tt.stock.ops import TILE, Ops, upload  # noqa: E402
from tt.stock.synthesis import TtSynthesis  # noqa: E402
from ttnn_llvc import DEVICE_PARAMS  # noqa: E402

CASE = ("llvc", 1, 1)
CHUNKS = 3

HIFI4, HIFI2, LOFI = ttnn.MathFidelity.HiFi4, ttnn.MathFidelity.HiFi2, ttnn.MathFidelity.LoFi
# name: changes to (the compute configuration of arithmetic, that of selections)
CHOICES = {
    "as chosen: HiFi4, selections HiFi2": ({}, {}),
    "arithmetic HiFi2": ({"math_fidelity": HIFI2}, {}),
    "arithmetic LoFi": ({"math_fidelity": LOFI}, {}),
    "arithmetic without float32 accumulation": ({"fp32_dest_acc_en": False}, {}),
    "arithmetic with approximations": ({"math_approx_mode": True}, {}),
    "selections LoFi": ({}, {"math_fidelity": LOFI}),
}


def changed_ops(device, layout, arithmetic, selections):
    """The network's Ops with other compute configurations."""
    ops = Ops(device, layout.total_rows)
    common = {"math_approx_mode": False, "fp32_dest_acc_en": True, "packer_l1_acc": True}
    config = ttnn.init_device_compute_kernel_config
    ops.precise = config(device.arch(), **{"math_fidelity": HIFI4, **common, **arithmetic})
    ops.exact = config(device.arch(), **{"math_fidelity": HIFI2, **common, **selections})
    return ops


def measure(device, ops):
    """Worst PCC over the chunks, block by block, each on the reference's own input."""
    a = activations(*CASE, chunks=CHUNKS)
    layout, model, L = a.layout, a.model, a.model.config.L
    frontend, encoder = TtFrontend(device, model), TtEncoder(device, model.mask_gen.encoder)
    decoder, synthesis = TtDecoder(device, model), TtSynthesis(device, model)
    states = [block.init_state(ops, layout) for block in (encoder, decoder, synthesis)]
    framing = Framing(frontend.row, layout, layout.batch_size)
    frames = torch.full((layout.batch_size,), layout.frames)
    control = all_move(ops, layout)
    out = ops.state((layout.batch_size, 1, layout.rows, TILE), ttnn.float32)
    audio = torch.nn.functional.pad(a.audio, (0, L))
    worst = [1.0] * 4
    for chunk in range(CHUNKS):
        features, e, decoded = (chunk_of(x, layout, chunk) for x in (a.features, a.e, a.decoded))
        samples = chunk_of(a.output.reshape(1, -1, L), layout, chunk)
        step = layout.frames * L
        rows = framing(slice(None), audio[:, chunk * step : (chunk + 1) * step + L], frames)
        rows = upload(device, rows, dtype=ttnn.float32, memory=ops.memory)
        on_device = [to_rows(ops, x, layout) for x in (features, e, decoded)]
        synthesis(ops, on_device[2], on_device[1], on_device[0], states[2], control, out)
        values = (
            from_rows(frontend(ops, rows), layout),
            from_rows(encoder(ops, on_device[0], states[0], control), layout),
            from_rows(decoder(ops, on_device[1], states[1], control), layout),
            from_rows(out, layout)[..., :L],
        )
        expected = (features, e, decoded, samples)
        worst = [min(w, pcc(v, x)) for w, v, x in zip(worst, values, expected, strict=True)]
    return worst


def main():
    if "TT_METAL_MOCK_CLUSTER_DESC_PATH" in os.environ:
        sys.exit("error: a mock device does not compute; unset TT_METAL_MOCK_CLUSTER_DESC_PATH")
    device = ttnn.open_device(device_id=0, **DEVICE_PARAMS)
    try:
        print("| choice | prenet, in_conv | encoder | decoder | mask, out_conv |\n|---|--:|--:|--:|--:|")
        for name, changes in CHOICES.items():
            layout = activations(*CASE, chunks=CHUNKS).layout
            worst = measure(device, changed_ops(device, layout, *changes))
            print(f"| {name} | " + " | ".join(f"{value:.6f}" for value in worst) + " |", flush=True)
    finally:
        ttnn.close_device(device)


if __name__ == "__main__":
    main()
