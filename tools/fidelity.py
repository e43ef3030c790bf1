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

import ttnn  # noqa: E402
from support.blocks import activations, pcc  # noqa: E402
from support.stock_blocks import RUN  # noqa: E402

from tt.stock.ops import Ops  # noqa: E402
from ttnn_llvc import DEVICE_PARAMS  # noqa: E402

CASE = ("llvc", 1, 1)
CHUNKS = 3

HIFI4, HIFI3, HIFI2, LOFI = (getattr(ttnn.MathFidelity, name) for name in ("HiFi4", "HiFi3", "HiFi2", "LoFi"))
# name: changes to (the compute configuration of arithmetic, that of selections)
CHOICES = {
    "as chosen: HiFi3, selections HiFi2": ({}, {}),
    "arithmetic HiFi4": ({"math_fidelity": HIFI4}, {}),
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
    ops.precise = config(device.arch(), **{"math_fidelity": HIFI3, **common, **arithmetic})
    ops.exact = config(device.arch(), **{"math_fidelity": HIFI2, **common, **selections})
    return ops


def measure(device, ops):
    """Worst PCC over the chunks, block by block, each on the reference's own input."""
    a = activations(*CASE, chunks=CHUNKS)
    expected = {"frontend": a.features, "encoder": a.e, "decoder": a.decoded, "synthesis": a.output}
    return [
        min(
            pcc(value, wanted)
            for value, wanted in zip(
                run(device, ops, a, a.layout, CHUNKS), expected[block].chunk(CHUNKS, dim=1), strict=True
            )
        )
        for block, run in RUN.items()
    ]


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
