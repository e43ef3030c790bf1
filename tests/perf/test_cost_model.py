# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""docs/PERF.md predicts what the cost model predicts of the network as it is."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_prediction_is_current(rung):
    if rung != "mock":
        pytest.skip("needs the mock device")
    process = subprocess.run(
        [sys.executable, "tools/cost_model.py"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert process.returncode == 0, process.stderr
    table = process.stdout.strip()
    assert table.startswith("| n | B |") and "Streams at n = 1" in table
    assert table in (ROOT / "docs" / "PERF.md").read_text()
