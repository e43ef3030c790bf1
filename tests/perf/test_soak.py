# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What only a card can show of the fused kernels: races between cores, with all of them busy for minutes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from support.rung import RUNG

from tools.soak import PERIOD, soak

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
CHUNKS = 10000


@pytest.mark.card
@pytest.mark.skipif(RUNG not in ("card", "tt-metal"), reason="what timing opens only shows on a card")
@pytest.mark.timeout(2100)
@pytest.mark.parametrize("watcher", [False, True])
def test_ten_thousand_chunks(watcher):
    """In a process of its own: the watcher is chosen before the device opens."""
    environment = {**os.environ, **({"TT_METAL_WATCHER": "10"} if watcher else {})}
    process = subprocess.run(
        [sys.executable, ROOT / "tools" / "soak.py", "--chunks", str(CHUNKS), "--streams", "4"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert process.returncode == 0, process.stderr
    assert f"{CHUNKS} chunks" in process.stdout


class Scripted:
    """A stream whose output is that of its script; `fault`: the push that differs."""

    chunk_len = 4

    def __init__(self, fault=None):
        self.fault, self.pushes = fault, 0

    def reset(self):
        pass

    def push(self, piece):
        self.pushes += 1
        return piece + (torch.tensor([[0.0], [1e-7]]) if self.pushes == self.fault else 0)


def test_the_first_difference_is_found():
    audio = torch.rand(2, PERIOD * Scripted.chunk_len)
    assert soak(Scripted(), audio, 3 * PERIOD) is None
    assert soak(Scripted(fault=2 * PERIOD + 8), audio, 3 * PERIOD) == (2 * PERIOD + 7, 1)
    assert soak(Scripted(fault=PERIOD + 1), audio, 3 * PERIOD) == (PERIOD, 1)
