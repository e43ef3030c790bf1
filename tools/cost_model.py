# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What a chunk should cost on an N150: a prediction from what can be counted without one. Prints two tables.

Of stock operations python tools/cost_model.py counts programs, products and bytes on ttnn's mock device, and adds up
what each must take: a cost per replayed program, products at the matrix units' rate, bytes at the memories' rates. The
low figure is a floor, the high one assumes that the units reach a quarter of their rate and DRAM half of it.

Of the fused program it takes the cycles that tools/kernel_cycles.py found, the replay of one program, and the
transfers; the high figure assumes twice the cycles.

Nothing overlaps, and the host's own work is not in it. Measured figures are in docs/PERF.md, where there are any.
"""

import functools
import math
import sys
import tempfile
from bisect import bisect_right
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

# Low and high. A public TTNN version of this network takes 5.25 ms for some 590 calls: 8.9 us each with all they do.
PROGRAM_US = (6.0, 9.0)
UNIT_SHARE = (1.0, 0.25)  # of the matrix units' rate
DRAM_SHARE = (1.0, 0.5)

CORES = 64
CYCLES_PER_TILE_PRODUCT = {"LoFi": 16, "HiFi2": 32, "HiFi3": 48, "HiFi4": 64}  # 32 x 32 x 32, at 1 GHz
DRAM_BYTES_PER_US = 288e3
PCIE_BYTES_PER_US = 32e3

# Cycles of a round of the fused program, by a group's streams (docs/PERF.md); of four: with all four groups at work.
ROUND_CYCLES = {1: 67_243, 2: 80_057, 4: 148_791}
CYCLES_MARGIN = (1, 2)
TRANSFER_US = (5.0, 7.0)  # of a small transfer, each way

CASES = [(n, batch_size) for batch_size in (1, 8, 10, 32, 64) for n in (1, 2, 4)]
FUSED_CASES = [(n, batch_size) for batch_size in (1, 4, 8, 16, 64, 370) for n in (1, 2, 4)]
FUSED_STREAMS = range(8, 2001, 8)
REAL_TIME_SHARE = 0.3
STREAMS = range(2, 513, 2)


@dataclass
class Count:
    """What one chunk takes."""

    programs: int = 0
    tile_cycles: float = 0  # of the matrix units, all cores together
    dram_bytes: int = 0
    pcie_bytes: int = 0

    def microseconds(self, high):
        return (
            self.programs * PROGRAM_US[high]
            + self.tile_cycles / CORES / 1e3 / UNIT_SHARE[high]
            + self.dram_bytes / DRAM_BYTES_PER_US / DRAM_SHARE[high]
            + self.pcie_bytes / PCIE_BYTES_PER_US
        )


def count(tt_model, chunk_factor, batch_size):
    """Runs a chunk's ops and adds up what they take."""
    import ttnn
    from support import golden_ops

    total = Count()
    with tt_model.stream(chunk_factor, batch_size) as stream:
        buffers = stream.engine.runner.buffers[0]
        ttnn.graph.begin_graph_capture(ttnn.graph.RunMode.NORMAL)
        stream.engine.streams(buffers)
        graph = ttnn.graph.end_graph_capture()
        names = (node["params"].get("name", "") for node in graph if node["node_type"] == "function_start")
        total.programs = sum(name.endswith("Operation") for name in names)
        for call in golden_ops.calls_of(buffers.trace):
            if call.is_view:
                continue
            for place in [*call.operands, *filter(None, call.targets)]:
                if place.key[0] == ttnn.BufferType.DRAM:
                    total.dram_bytes += place.tiles * 32 * 32 * (4 if place.dtype == ttnn.float32 else 2)
            if call.name in ("linear", "matmul"):
                fidelity = call.kwargs["compute_kernel_config"].math_fidelity.name
                inner = -(-call.operands[1].shape[-2] // 32)
                total.tile_cycles += call.targets[0].tiles * inner * CYCLES_PER_TILE_PRODUCT[fidelity]
        for buffer in (buffers.rows, buffers.samples):
            total.pcie_bytes += math.prod(buffer.padded_shape) * 4
    return total


def row(tt_model, chunk_factor, batch_size):
    """A line of the Markdown table of stock operations."""
    c = count(tt_model, chunk_factor, batch_size)
    low, high = c.microseconds(False) / 1e3, c.microseconds(True) / 1e3
    chunk_ms = 13 * chunk_factor
    return (
        f"| {chunk_factor} | {batch_size} | {c.programs} | {c.tile_cycles / CORES / 1e6:.2f} | "
        f"{c.dram_bytes / 1e6:.1f} | {c.pcie_bytes / 1e3:.0f} | {low:.2f} to {high:.2f} | "
        f"{low / chunk_ms:.3f} to {high / chunk_ms:.3f} |"
    )


def table(tt_model):
    """Lines of a Markdown table."""
    lines = [
        "| n | B | programs | products, ms of 64 cores | DRAM, MB | PCIe, kB | chunk, ms | RTF |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    lines += [row(tt_model, *case) for case in CASES]
    counted = functools.cache(functools.partial(count, tt_model, 1))
    most = [
        STREAMS[bisect_right(STREAMS, REAL_TIME_SHARE * 13e3, key=lambda b: counted(b).microseconds(high)) - 1]
        for high in (True, False)
    ]
    lines += ["", f"Streams at n = 1 and RTF below {REAL_TIME_SHARE}: {most[0]} to {most[1]} on one chip."]
    return lines


def fused_microseconds(layout, high):
    """Of a chunk of all streams of a tt.fused.layout.Layout."""
    rounds = layout.rounds * layout.windows
    numbers = layout.numbers
    bytes_ = 4 * layout.batch_size * layout.windows * (numbers["PAGE"] + numbers["FRAMES"] * numbers["HOP"])
    return (
        PROGRAM_US[high]
        + rounds * ROUND_CYCLES[layout.streams] / 1e3 * CYCLES_MARGIN[high]
        + 2 * TRANSFER_US[high]
        + bytes_ / PCIE_BYTES_PER_US
    )


def fused_table(tt_model):
    """Lines of a Markdown table."""
    lines = ["| n | B | groups x rounds x lanes x in a tile | chunk, ms | RTF |", "|--:|--:|--:|--:|--:|"]

    def figures(chunk_factor, batch_size):
        layout = tt_model.network.layout(chunk_factor, batch_size)
        return layout, [fused_microseconds(layout, high) / 1e3 for high in (False, True)]

    for chunk_factor, batch_size in FUSED_CASES:
        layout, (low, high) = figures(chunk_factor, batch_size)
        chunk_ms = 13 * chunk_factor
        lines.append(
            f"| {chunk_factor} | {batch_size} | "
            f"{layout.groups} x {layout.rounds} x {layout.lanes} x {layout.sharing} | "
            f"{low:.2f} to {high:.2f} | {low / chunk_ms:.4f} to {high / chunk_ms:.4f} |"
        )
    most = [max(b for b in FUSED_STREAMS if figures(1, b)[1][high] <= 13) for high in (True, False)]
    lines += ["", f"Streams in real time at n = 1: {most[0]} to {most[1]} on one chip."]
    return lines


def main():
    from loguru import logger

    logger.remove()  # ttnn's remarks on graph capture
    from support import mock_device

    with tempfile.TemporaryDirectory(prefix="llvc_mock_") as folder:
        mock_device.set_up(folder)
        import ttnn
        from support import golden_ops
        from support.golden import load_golden

        from ttnn_llvc import DEVICE_PARAMS, TtLLVC

        device = ttnn.open_device(device_id=0, **DEVICE_PARAMS)
        golden_ops.install(device, DEVICE_PARAMS["num_command_queues"])
        golden_ops.keep_no_values()
        try:
            model = load_golden("llvc").model
            stock = table(TtLLVC.from_reference(device, model, "stock"))
            fused = fused_table(TtLLVC.from_reference(device, model, "fused"))
            print("\n".join([*stock, "", *fused]))
        finally:
            golden_ops.uninstall()
            ttnn.close_device(device)


if __name__ == "__main__":
    main()
