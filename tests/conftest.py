# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Prints what device tests measured as tables at the end of a run, with the rung it was measured on."""

import json
from importlib.metadata import version
from types import SimpleNamespace

import pytest
import torch
from support.blocks import pcc
from support.rung import DESCRIPTION, RUNG
from support.rung3 import write_record

from tt.errors import UnsupportedOption
from tt.fused.layout import GRID_WIDTH, cores_of

PCC_HEAD = "block                  kernels configuration     n   B  worst PCC   max error      peak"
PROGRAM_HEAD = "configuration     n   B  block       programs  L1 per core at most (B)  what"
TRANSFER_HEAD = "configuration     n   B   bytes up per chunk   bytes down"
SPEED_HEAD = (
    "board  setting          n   B    RTF  ms per chunk: mean    p50    p95    p99    max  jitter  latency ms  tokens/s"
)


def add_row(request, head, row):
    """Tells a row of the table with that head in the test's report, which is what parallel processes hand over."""
    request.node.add_report_section("call", head, row)


def pytest_collection_modifyitems(items):
    """For parallel runs: a file's tests stay together, and one process has all that keep time, which take longest."""
    items.sort(key=lambda item: "realtime" not in item.keywords)
    for item in items:
        group = "realtime" if "realtime" in item.keywords else item.path.stem
        item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def ttnn():
    """The module. Tests that want it, and whatever imports it, ask for it here: to collect them takes no ttnn."""
    import ttnn

    return ttnn


@pytest.fixture(scope="session")
def TtLLVC(ttnn):
    """The class."""
    from ttnn_llvc import TtLLVC

    return TtLLVC


@pytest.fixture
def one_group(monkeypatch, ttnn):
    """Makes fused networks use one group of cores only, so that few streams share it."""
    from tt.fused.network import FusedNetwork

    original = FusedNetwork.layout

    def layout(self, *arguments, **options):
        self._grid = SimpleNamespace(x=GRID_WIDTH, y=cores_of(self.config) // GRID_WIDTH)
        return original(self, *arguments, **options)

    monkeypatch.setattr(FusedNetwork, "layout", layout)


@pytest.fixture(params=["fused", "stock"])
def kernels(request):
    """The kernels that a device test runs with."""
    return request.param


@pytest.fixture
def make_network(kernels, TtLLVC):
    """make_network(device, model): a TtLLVC of these kernels; skips what they do not take."""

    def make(device, model):
        try:
            return TtLLVC.from_reference(device, model, kernels)
        except UnsupportedOption as error:
            pytest.skip(str(error))

    return make


@pytest.fixture
def run_block(kernels):
    """run_block(device, activations, block, chunks): see support/stock_blocks.py."""
    from support import fused_blocks, stock_blocks

    def run(device, a, block, chunks):
        from tt.fused.network import why_not

        if kernels == "fused" and (reason := why_not(device, a.model.config)):
            pytest.skip(f"the fused kernels do not take {reason}")
        return (fused_blocks if kernels == "fused" else stock_blocks).run_block(device, a, block, chunks)

    return run


@pytest.fixture
def measure(request):
    """measure(block, case, values, expected, least): tabulates worst PCC and largest error, asserts PCC >= least.

    values and expected are lists, one entry per chunk.
    """

    def measure_(block, case, values, expected, least):
        worst = min(pcc(value, e) for value, e in zip(values, expected, strict=True))
        value, target = torch.cat([v.flatten() for v in values]), torch.cat([e.flatten() for e in expected])
        error, peak = float((value - target).abs().max()), float(target.abs().max())
        name, chunk_factor, batch_size = case
        kernels = "fused" if "fused" in request.node.keywords else "stock"
        where = f"{block:22} {kernels:7} {name:16} {chunk_factor:>2} {batch_size:>3}"
        row = f"{where} {worst:10.6f} {error:11.3g} {peak:9.3g}"
        add_row(request, PCC_HEAD, row)
        request.node.user_properties += [("pcc", round(worst, 6)), ("error", error), ("peak", peak)]
        assert worst >= least, f"{block}: PCC {worst} on {RUNG}"

    return measure_


@pytest.fixture
def tabulate_programs(request):
    """tabulate_programs(case, block, programs, peak, what): a row of the table of programs per chunk."""

    def tabulate(case, block, programs, peak, what):
        name, chunk_factor, batch_size = case
        row = f"{name:16} {chunk_factor:>2} {batch_size:>3}  {block:10} {programs:>9}  {peak:>23}  {what}"
        add_row(request, PROGRAM_HEAD, row)

    return tabulate


@pytest.fixture
def tabulate_transfers(request):
    """tabulate_transfers(case, up, down): a row of the table of bytes per chunk."""

    def tabulate(case, up, down):
        name, chunk_factor, batch_size = case
        row = f"{name:16} {chunk_factor:>2} {batch_size:>3} {up:>20} {down:>12}"
        add_row(request, TRANSFER_HEAD, row)

    return tabulate


@pytest.fixture
def tabulate_speed(request):
    """tabulate_speed(board, setting, n, B, figures): a row of the table of speeds."""

    def tabulate(board, setting, chunk_factor, batch_size, figures):
        times = figures["compute_ms"]
        columns = "".join(f"{times[name]:7.2f}" for name in ("p50", "p95", "p99", "max"))
        row = (
            f"{board:6} {setting:15} {chunk_factor:>2} {batch_size:>3} {figures['rtf']:6.3f} {times['mean']:19.2f}"
            f"{columns} {times['jitter']:7.2f} {figures['latency_ms']:11.2f} {figures['tokens_per_s']:9.0f}"
        )
        add_row(request, SPEED_HEAD, row)
        names = ("rtf", "compute_ms", "latency_ms", "tokens_per_s")
        speed = {"board": board, "setting": setting, "n": chunk_factor, "B": batch_size}
        speed |= {name: figures[name] for name in names}
        request.node.user_properties.append(("speed", json.dumps(speed)))

    return tabulate


def pytest_terminal_summary(terminalreporter):
    calls = [r for outcome in ("passed", "failed") for r in terminalreporter.stats.get(outcome, []) if r.when == "call"]
    if RUNG in ("simulator", "card"):
        write_record([r for r in calls if "fused" in r.keywords], RUNG)
    for head in (PCC_HEAD, PROGRAM_HEAD, TRANSFER_HEAD, SPEED_HEAD):
        rows = [text for report in calls for name, text in report.sections if name == f"Captured {head} call"]
        if rows:
            terminalreporter.section(f"measured on {DESCRIPTION[RUNG]}, ttnn {version('ttnn')}")
            for line in (head, *rows):
                terminalreporter.write_line(line)
