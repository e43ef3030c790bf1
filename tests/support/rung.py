# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Where the device tests run, and what their results are worth."""

import os
from pathlib import Path

from demo.backend import has_card

DESCRIPTION = {
    "tt-metal": "the device of tt-metal's fixtures",
    "card": "a card",
    "simulator": "the simulated Wormhole, real kernels",
    "mock": "the mock device, values by golden functions (no kernel runs)",
}


def _rung():
    tt_metal = Path(__file__).resolve().parents[2].parent.parent.parent  # where it would be
    if (tt_metal / "tt_metal").is_dir() and (tt_metal / "conftest.py").is_file():
        return "tt-metal"
    if has_card():
        return "card"
    return "simulator" if "TT_METAL_SIMULATOR" in os.environ else "mock"


RUNG = _rung()
