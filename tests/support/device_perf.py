# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Time of the kernels by tt-metal's device profiler: what it profiles, its CSV, and what is expected per board.

Profiled are chunks of a stream in its steady state, between the signposts "start" and "stop": "replayed" from the
trace, and "launched" one program after the other. Blocks are told apart where they are programs of their own: those
of the stock network by signposts "block NAME" when launched, and by their numbers of programs when replayed. The fused
kernels are one program a chunk; their blocks are measured "alone", as programs of their own, whose launches come on
top: their sum is more than the chunk.
"""

import csv
import json
import os
from collections import Counter
from contextlib import nullcontext
from datetime import date
from pathlib import Path
from unittest import mock

from support.blocks import golden, speech

LAUNCHES = {"fused": ("replayed", "launched", "alone"), "stock": ("launched", "replayed")}
# The profiler's memory holds some 1,300 programs between two readings; the fused kernels' rings are full after 45.
WARM_UP = {"fused": 50, "stock": 4}
CHUNKS = 5
MARGIN = 0.03

START, STOP, BLOCK = "start", "stop", "block "
DURATION = "DEVICE KERNEL DURATION [ns]"
SESSION = "METAL TRACE REPLAY SESSION ID"
COLUMNS = ("OP CODE", "OP TYPE", DURATION, SESSION)

EXPECTED = Path(__file__).resolve().parents[1] / "perf" / "device_perf.json"

# Methods of tt.stock.network.StockNetwork, and the blocks that they are told by.
STOCK_BLOCKS = {
    "control": "flags",
    "restart": "flags",
    "frontend": "prenet",
    "encoder": "encoder",
    "decoder": "decoder",
    "synthesis": "synthesis",
}
FUSED_BLOCKS = {"frontend": "prenet", "encoder": "encoder", "decoder": "decoder", "synthesis": "synthesis"}


# What is profiled


def run_chunks(device, kernels, launch, signpost):
    """CHUNKS chunks in mid-stream between signposts, everything before them read out of the profiler's memory."""
    import ttnn

    from ttnn_llvc import TtLLVC

    model = golden("llvc").model
    if launch == "alone":
        return _run_blocks(device, model, signpost)
    network = TtLLVC.from_reference(device, model, kernels)
    slow = {"TT_METAL_SLOW_DISPATCH_MODE": "1"} if launch == "launched" else {}
    with mock.patch.dict(os.environ, slow):  # what a runner looks at when it opens
        stream = network.stream()
    with stream:
        audio = speech("llvc", 1, stream.chunk_len).repeat(1, WARM_UP[kernels] + CHUNKS + 1)
        pieces = audio.split(stream.chunk_len, dim=1)
        for piece in pieces[: WARM_UP[kernels] + 1]:
            stream.push(piece)
        ttnn.ReadDeviceProfiler(device)
        told_apart = (kernels, launch) == ("stock", "launched")
        with _blocks_marked(network.network, signpost) if told_apart else nullcontext():
            signpost(START)
            for piece in pieces[-CHUNKS:]:
                stream.push(piece)
            signpost(STOP)
        ttnn.ReadDeviceProfiler(device)


def _blocks_marked(network, signpost):
    """Sets a signpost before each block of a stock network, for as long as it is entered."""
    marked = {name: _marked(getattr(network, name), block, signpost) for name, block in STOCK_BLOCKS.items()}
    return mock.patch.multiple(network, **marked)


def _marked(call, block, signpost):
    def marked(*args, **kwargs):
        signpost(BLOCK + block)
        return call(*args, **kwargs)

    return marked


def _run_blocks(device, model, signpost):
    """Each block of the fused network as a program of its own, CHUNKS times."""
    import ttnn

    from tt.fused.network import FusedNetwork, FusedStreams

    network = FusedNetwork(device, model)
    prepared = {}
    for part in FUSED_BLOCKS:
        layout = network.layout(1, 1, parts=(part,), state_in_dram=True)
        streams = FusedStreams(network, layout, 1)
        for _ in range(WARM_UP["fused"]):
            streams(streams.buffers[0])
        prepared[part] = streams
    ttnn.synchronize_device(device)
    ttnn.ReadDeviceProfiler(device)
    signpost(START)
    for part, streams in prepared.items():
        signpost(BLOCK + FUSED_BLOCKS[part])
        for _ in range(CHUNKS):
            streams(streams.buffers[0])
        ttnn.synchronize_device(device)
    signpost(STOP)
    ttnn.ReadDeviceProfiler(device)


# What the profiler says


class ProfileError(ValueError):
    """A CSV that does not hold what was profiled."""


def read_section(path):
    """Rows of the profiler's CSV between the signposts "start" and "stop". ProfileError if there are none."""
    with Path(path).open(newline="") as file:
        reader = csv.DictReader(file)
        if missing := [name for name in COLUMNS if name not in (reader.fieldnames or ())]:
            raise ProfileError(f"{path}: no column {', '.join(missing)}; is it an ops_perf_results CSV?")
        rows = list(reader)
    marks = [i for i, row in enumerate(rows) if row["OP TYPE"] == "signpost" and row["OP CODE"] in (START, STOP)]
    if [rows[i]["OP CODE"] for i in marks] != [START, STOP]:
        raise ProfileError(f"{path}: not one signpost {START!r} and one {STOP!r} behind it")
    return rows[marks[0] + 1 : marks[1]]


def _programs(rows):
    """(block or None, ns, replay session) of each program, in order; host operations have no time on the device."""
    programs, block = [], None
    for row in rows:
        if row["OP TYPE"] == "signpost":
            block = row["OP CODE"].removeprefix(BLOCK) if row["OP CODE"].startswith(BLOCK) else block
        elif row[DURATION] not in ("", "-"):
            programs.append((block, float(row[DURATION]), row[SESSION]))
    return programs


def times_per_chunk(path, launch, programs=None):
    """ns per chunk of "chunk" and of each block that can be told apart -> ({name: ns}, {block: programs per chunk}).

    `programs`: those of each block in the order of a chunk, of a launched run, to tell blocks of a replayed one apart.
    ProfileError if the numbers of programs are not those of CHUNKS chunks.
    """
    found = _programs(read_section(path))
    if not found or len(found) % CHUNKS:
        raise ProfileError(f"{path}: {len(found)} programs are not those of {CHUNKS} chunks")
    if launch == "replayed":
        sessions = Counter(session for _, _, session in found)
        if "" in sessions or len(sessions) != CHUNKS or len(set(sessions.values())) != 1:
            raise ProfileError(f"{path}: not {CHUNKS} replays of one trace, but {dict(sessions)}")
        if programs:
            per_chunk = [block for block, count in programs.items() for _ in range(count)]
            if len(per_chunk) * CHUNKS != len(found):
                raise ProfileError(f"{path}: {len(found) // CHUNKS} programs a replay, {len(per_chunk)} when launched")
            found = [(per_chunk[i % len(per_chunk)], ns, None) for i, (_, ns, _) in enumerate(found)]
    times, counts = {}, Counter()
    for block, ns, _ in found:
        if block is not None:
            times[block] = times.get(block, 0.0) + ns / CHUNKS
            counts[block] += 1
    if launch != "alone":
        times["chunk"] = sum(ns for _, ns, _ in found) / CHUNKS
    if any(count % CHUNKS for count in counts.values()):
        raise ProfileError(f"{path}: programs of the blocks are not those of {CHUNKS} chunks: {dict(counts)}")
    return times, {block: count // CHUNKS for block, count in counts.items()}


def measured(profile, kernels):
    """{name of a figure: ns per chunk} of all launches; `profile` makes the CSV of one and returns its path."""
    figures, programs = {}, None
    for launch in LAUNCHES[kernels]:
        times, counts = times_per_chunk(profile(launch), launch, programs)
        programs = counts if launch == "launched" else programs
        figures |= {f"{kernels} {launch} {name} [ns]": ns for name, ns in times.items()}
    return figures


def table(figures, expected):
    """Lines for people: measured, expected, difference."""
    lines = [f"{'ns per chunk':34} {'measured':>10} {'expected':>10}"]
    for name, value in figures.items():
        wanted = expected.get(name)
        rest = f"{wanted:10.0f} {100 * (value / wanted - 1):+7.1f}%" if wanted else f"{'–':>10}"
        lines.append(f"{name:34} {value:10.0f} {rest}")
    return lines


# What is expected


def read_expected(board, kernels, path=EXPECTED):
    """{name: ns} of a board's kernels, empty until measured."""
    boards = json.loads(Path(path).read_text())["boards"]
    if board not in boards:
        raise ProfileError(f"{path}: no board {board}; it has {', '.join(boards)}")
    return {name: value for name, value in boards[board]["ns"].items() if name.startswith(kernels)}


def write_expected(board, figures, path=EXPECTED):
    """Puts measured figures in the place of a board's expected ones, with their date and ttnn's version."""
    import ttnn

    content = json.loads(Path(path).read_text())
    entry = content["boards"][board]
    entry["ns"] = entry["ns"] | {name: round(value) for name, value in figures.items()}
    entry["measured"] = f"{date.today().isoformat()}, ttnn {getattr(ttnn, '__version__', 'of the tree')}"
    path.write_text(json.dumps(content, indent=2) + "\n")


def check(figures, expected):
    """AssertionError if a figure is more than MARGIN from the expected one, either way; returns the limits.

    As tt-metal's check_device_perf, which is taken where it is at hand.
    """
    if missing := set(expected) ^ set(figures):
        raise AssertionError(f"measured and expected figures are not the same ones: {sorted(missing)}; run --update")
    try:
        from models.perf.device_perf_utils import check_device_perf
    except ImportError:
        check_device_perf = _check_device_perf
    return check_device_perf(figures, margin=MARGIN, expected_perf_cols=expected, assert_on_fail=True)


def _check_device_perf(post_processed_results, margin, expected_perf_cols, assert_on_fail):
    limits, outside = {}, []
    for name, wanted in expected_perf_cols.items():
        low, high = (1 - margin) * wanted, (1 + margin) * wanted
        limits |= {f"Lower Threshold {name}": low, f"Upper Threshold {name}": high}
        if not low <= post_processed_results[name] <= high:
            outside.append(f"{name}: {post_processed_results[name]:.0f}, not {low:.0f} to {high:.0f}")
    assert not (outside and assert_on_fail), "; ".join(outside)
    return limits
