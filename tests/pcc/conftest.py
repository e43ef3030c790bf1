# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Collects what the tests measured and prints it as one table, with the rung it was measured on."""

from importlib.metadata import version

import pytest
import torch
from support.blocks import pcc
from support.rung import DESCRIPTION, RUNG

ROWS = []


@pytest.fixture
def measure():
    """measure(block, case, values, expected, least): keeps worst PCC and largest error, asserts PCC >= least.

    values and expected are lists, one entry per chunk.
    """

    def measure_(block, case, values, expected, least):
        worst = min(pcc(value, e) for value, e in zip(values, expected, strict=True))
        value, target = torch.cat([v.flatten() for v in values]), torch.cat([e.flatten() for e in expected])
        error, peak = float((value - target).abs().max()), float(target.abs().max())
        name, chunk_factor, batch_size = case
        ROWS.append(f"{block:22} {name:16} {chunk_factor:>2} {batch_size:>3} {worst:10.6f} {error:11.3g} {peak:9.3g}")
        assert worst >= least, f"{block}: PCC {worst} on {RUNG}"

    return measure_


def pytest_terminal_summary(terminalreporter):
    if ROWS:
        terminalreporter.section(f"PCC against the reference on: {DESCRIPTION[RUNG]}")
        terminalreporter.write_line(f"ttnn {version('ttnn')}")
        terminalreporter.write_line("block                  configuration     n   B  worst PCC   max error      peak")
        for row in ROWS:
            terminalreporter.write_line(row)
