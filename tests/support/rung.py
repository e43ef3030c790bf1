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
    "mock": "the mock device: layout, validity and algebra, values by golden functions (no kernel runs)",
}


ROOT = Path(__file__).resolve().parents[2]

# A mock device of whoever started the tests: a cluster description, as tt-metal's CI names one.
GIVEN_MOCK = "TT_METAL_MOCK_CLUSTER_DESC_PATH" in os.environ


def tt_metal_root():
    """The tt-metal checkout under whose models/ the project lies, at any depth; None if it stands alone."""
    for folder in ROOT.parents:
        is_root = (folder / "tt_metal").is_dir() and (folder / "conftest.py").is_file()
        if is_root and ROOT.relative_to(folder).parts[0] == "models":
            return folder
    return None


def _rung():
    if GIVEN_MOCK:
        return "mock"
    if tt_metal_root():
        return "tt-metal"
    if has_card():
        return "card"
    return "simulator" if "TT_METAL_SIMULATOR" in os.environ else "mock"


RUNG = _rung()
