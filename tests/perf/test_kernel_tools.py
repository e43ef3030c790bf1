# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The tools that measure the kernels on a cycle simulator, without one; and what docs/KERNELS.md counts."""

import json
import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from reference.config import load_config
from tools import kernel_cycles, kernel_timeline

ROOT = Path(__file__).resolve().parents[2]
CORES = 16


@pytest.fixture
def results(tmp_path):
    return kernel_cycles.Results(tmp_path / "results.json")


def timeline(results, file):
    command = [sys.executable, "tools/kernel_timeline.py", str(file), "--results", str(results.path)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)


def stamps(per_riscv):
    """The stamps of cores that run in step; the first at 1000."""
    log = [[1000 + time for time in times] + [0] * (kernel_cycles.CLOCK_WORDS - len(times)) for times in per_riscv]
    return {"cycles": 1, "cores": CORES, "stamps": [log] * CORES}


def test_a_missing_recorder_is_told_in_one_line(tmp_path):
    for options, message in (
        ([], "no cycle recorder"),
        (["--recorder", str(tmp_path)], f"{tmp_path}: no cycle recorder"),
    ):
        process = subprocess.run(
            [sys.executable, "tools/kernel_cycles.py", "--results", str(tmp_path / "none.json"), *options, "network"],
            cwd=ROOT,
            env={"PATH": ""},
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert process.returncode == 1
        assert process.stderr.startswith(message) and process.stderr.count("\n") == 1


def test_results_belong_to_one_version_of_the_kernels(results):
    results.add("network", {"cycles": 80_000, "cores": CORES})
    assert kernel_cycles.Results(results.path).cycles("network") == 80_000
    known = json.loads(results.path.read_text())
    results.path.write_text(json.dumps(known | {"kernels": "others"}))
    assert kernel_cycles.Results(results.path).cycles("network") is None


def test_what_follows_from_the_cycles(results):
    measured = {"network": 80_000, "pair": 100_000, "pairs": 170_000, "pairs-rounds": 330_000, "pairs-groups": 187_000}
    for name, cycles in measured.items():
        results.add(name, {"cycles": cycles, "cores": CORES})
    table = kernel_cycles.table(results)
    assert "| the network | 1 | 1 | 1 | 16 | 80,000 |" in table
    assert "Another stream in its tiles: 20,000 cycles." in table
    assert "Another pair beside it: 70,000 cycles." in table
    assert "Another round of two pairs: 160,000 cycles." in table
    assert "On 4 groups at once: +10.0%." in table
    assert "Streams in real time on 4 groups: 1168, with a margin of 2 584." in table  # 13,000,000 / 176,000 = 73


def test_the_time_axis_is_drawn_from_the_stamps(results, tmp_path):
    compute = [0, 10_000, 12_000, 50_000, 75_000, 80_000]
    kinds = kernel_timeline.exchange_kinds(load_config(kernel_cycles.CONFIG)[0])
    exchange = [2_000 * i for i in range(len(kinds) + 2)]
    state = [0, 1_000, 40_000, 60_000, 78_000, 80_000]
    results.add("stamps", stamps([state, exchange, compute, compute, compute]))
    process = timeline(results, tmp_path / "axis.svg")
    assert process.returncode == 0, process.stderr
    assert "encoder: 38,000 cycles" in process.stdout and "its first sums are there: 2,000" in process.stdout
    svg = (tmp_path / "axis.svg").read_text()
    widths = [float(width) for width in re.findall(r'<rect x="[\d.]+" y="50" width="([\d.]+)"', svg)]
    assert widths[2] / widths[0] == pytest.approx(3.8, abs=0.02)
    for kind, colour in kernel_timeline.COLOURS.items():
        assert svg.count(f'stroke="{colour}"') == kinds.count(kind) + 1  # and the legend

    results.add("stamps", stamps([state, exchange[:-1], compute, compute, compute]))
    process = timeline(results, tmp_path / "none.svg")
    assert process.returncode == 1 and "kernels and tool differ" in process.stderr
    assert not (tmp_path / "none.svg").exists()


def test_exchanges_are_those_of_the_kernels():
    header = (kernel_cycles.KERNELS / "exchanges.h").read_text()
    kinds = kernel_timeline.exchange_kinds(load_config(kernel_cycles.CONFIG)[0])
    words = {"share_sums": "sums", "share_tiles": "frames", "exchange.send": "samples"}
    layers = {"exchange_encoder": 8, "exchange_decoder": 1}
    found = ["samples"]  # exchange_frontend meets without a gather
    for name, body in re.findall(r"void (exchange_(?:encoder|decoder|synthesis))\(.*?\{\n(.*?)\n\}", header, re.DOTALL):
        calls = [words[call] for call in re.findall(r"(share_\w+|exchange\.send)\(", body)]
        before = name == "exchange_decoder"
        found += calls[:before] + calls[before:] * layers.get(name, 1)
    assert kinds == found


def test_the_document_counts_what_there_is():
    from tt.fused import program
    from tt.fused.layout import Layout
    from tt.fused.numbers import FRAME_BYTES

    text = (ROOT / "docs" / "KERNELS.md").read_text()
    config = load_config(kernel_cycles.CONFIG)[0]
    layouts = [Layout.of(config, 1, streams, SimpleNamespace(x=8, y=2)) for streams in (1, 2, 4)]
    for name, count in {
        "constants, bfloat16 (370 tiles)": lambda n, _: n["CONSTANT_TILES"] * 2048,
        "constants, float32 (5 tiles)": lambda n, _: n["EXACT_TILES"] * 4096,
        "buffers that other cores write, or that are filled in part": lambda n, _: program.shared_bytes(n),
        "buffers of the program": lambda n, _: program.own_bytes(n),
        "scratch": lambda _, layout: program.scratch_rows(layout) * FRAME_BYTES,
        "state of each stream": lambda n, _: n["STATE_BYTES"],
    }.items():
        columns = " | ".join(f"{count(layout.numbers, layout):,}" for layout in layouts)
        assert f"| {name} | {columns} |" in text
