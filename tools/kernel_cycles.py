# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What the network's kernels take, in cycles of a simulated Wormhole: measures what is missing, prints a table.

python tools/kernel_cycles.py --recorder FOLDER [CASE ...]

FOLDER holds a module `cycles` that runs ttnn on a cycle-approximate simulator: setup(), called before ttnn is imported,
and record(name), a context whose `launches` say of every program its `cycles` and whether it is `unfinished`. It is no
part of this repository. A case takes minutes, so what was measured stays in --results until the program changes.

The simulator charges the least cost that is documented, and there is neither dispatch nor a host: all figures are
floors. They do not depend on values, so weights are random, samples are zeros and the results are not looked at.
"""

import argparse
import hashlib
import importlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from demo.program import exit_code  # noqa: E402

PROGRAM = ROOT / "tt/fused/program.py"
KERNELS = ROOT / "tt/fused/kernels"
CONFIG = ROOT / "experiments/llvc/config.json"
RESULTS = ROOT / "generated/kernel_cycles.json"

NETWORK = ("frontend", "encoder", "decoder", "synthesis")
MID_STREAM = 45  # the number of the window that is measured: all rings are full, and most reads wrap
WINDOW_CYCLES = 13_000_000  # of 13 ms at 1 GHz
GROUPS = 4  # that the 64 cores of an N150 make
MARGIN = 2  # between a floor and what to count on, until a card says more

RISCVS = 5  # of a core, in the order of kernels/clock.h: state, exchange, and unpack, math, pack of compute
CLOCK_WORDS = 64  # of each in its log


@dataclass(frozen=True)
class Case:
    """A program: some blocks of the network, for windows x rounds x lanes x sharing on each of some groups of cores."""

    title: str
    parts: tuple = NETWORK
    groups: int = 1
    lanes: int = 1
    sharing: int = 1
    rounds: int = 1
    windows: int = 1
    state_in_dram: bool = False
    number: int = MID_STREAM
    stamped: bool = False  # keeps the kernels' time stamps

    @property
    def streams(self):
        return self.groups * self.lanes * self.sharing * self.rounds


CASES = {
    "network": Case("the network"),
    "start": Case("the network, first window of a stream", number=0),
    "frontend": Case("prenet and in_conv alone", parts=("frontend",)),
    "encoder": Case("encoder alone", parts=("encoder",)),
    "decoder": Case("decoder alone", parts=("decoder",)),
    "synthesis": Case("mask and out_conv alone", parts=("synthesis",)),
    "windows": Case("the network, two windows", windows=2),
    "rounds": Case("the network, one stream after the other", rounds=2),
    "pair": Case("the network, two streams in a tile, state in DRAM", sharing=2, state_in_dram=True),
    "pairs": Case("the network, two such pairs side by side", lanes=2, sharing=2, state_in_dram=True),
    "pairs-rounds": Case("the network, these four by four", lanes=2, sharing=2, rounds=2, state_in_dram=True),
    "frontend-pair": Case("prenet and in_conv alone, two streams in a tile", parts=("frontend",), sharing=2),
    "encoder-pair": Case("encoder alone, two streams in a tile", parts=("encoder",), sharing=2, state_in_dram=True),
    "decoder-pair": Case("decoder alone, two streams in a tile", parts=("decoder",), sharing=2),
    "synthesis-pair": Case("mask and out_conv alone, two streams in a tile", parts=("synthesis",), sharing=2),
    "decoder-groups": Case("decoder alone, on four groups", parts=("decoder",), groups=GROUPS),
    "groups": Case("the network, on four groups", groups=GROUPS),
    "pairs-groups": Case(
        "the network, two pairs side by side on four groups", groups=GROUPS, lanes=2, sharing=2, state_in_dram=True
    ),
    "stamps": Case("the network with time stamps", stamped=True),
}


class Results:
    """What was measured, by case, in a file that belongs to one version of the program."""

    def __init__(self, path):
        self.path = path
        sources = b"".join(file.read_bytes() for file in [*sorted(KERNELS.iterdir()), PROGRAM])
        self.kernels = hashlib.sha256(sources).hexdigest()
        known = json.loads(path.read_text()) if path.exists() else {}
        self.cases = known.get("cases", {}) if known.get("kernels") == self.kernels else {}

    def add(self, name, result):
        self.cases[name] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"kernels": self.kernels, "cases": self.cases}) + "\n")

    def cycles(self, name):
        """The cycles of a case; None if it was not measured."""
        return self.cases.get(name, {}).get("cycles")


def load_recorder(folder):
    """The module `cycles` of a folder, set up; SystemExit says what is missing."""
    if folder is None:
        raise SystemExit("no cycle recorder: name its folder with --recorder or CYCLES_RECORDER")
    sys.path.insert(0, str(folder))
    try:
        recorder = importlib.import_module("cycles")
    except ImportError as error:
        raise SystemExit(f"{folder}: no cycle recorder ({error})") from None
    os.environ.setdefault("CYCLES_VALUES", "0")
    try:
        recorder.setup()
    except (RuntimeError, OSError) as error:
        raise SystemExit(f"the cycle recorder cannot start: {error}") from None
    return recorder


def measure(case, recorder, device, model):
    """A case's {"cycles", "cores"}; of a stamped one also "stamps" [core][RISC-V][stamp]."""
    import torch
    import ttnn

    from tt.fused import program, weights
    from tt.fused.layout import GRID_WIDTH, Layout, cores_of
    from tt.fused.numbers import TILE

    grid = SimpleNamespace(x=GRID_WIDTH, y=case.groups * cores_of(model.config) // GRID_WIDTH)
    arrangement = case.lanes, case.sharing, case.state_in_dram
    layout = Layout.of(model.config, case.windows, case.streams, grid, *arrangement, case.parts)
    n = layout.numbers
    tensors = program.Tensors(
        program.upload_constants(device, weights.constants(model, layout), layout),
        program.upload_constants(device, weights.exact_constants(model, layout), layout, ttnn.float32),
        program.Shared(device, layout),
        program.zeros(device, layout, program.scratch_rows(layout), tiled=False),
        program.make_state(device, layout),
    )
    set_window_number(tensors.state, layout, case.number)

    def pages(values):
        memory = ttnn.L1_MEMORY_CONFIG
        return ttnn.from_torch(values, ttnn.float32, layout=ttnn.ROW_MAJOR_LAYOUT, device=device, memory_config=memory)

    values = torch.zeros(case.streams, 1, case.windows, n["PAGE"])
    words = values[..., -n["WORDS"] :].view(torch.int32)
    words[..., n["WORD_FRAMES"]] = n["FRAMES"]
    words[:, 0, 0, n["WORD_STARTS"]] = int(case.number == 0)
    rows = pages(values)
    samples = pages(torch.zeros(case.streams, 1, case.windows, n["FRAMES"] * n["HOP"]))

    log = None
    if case.stamped:
        log_rows = RISCVS * CLOCK_WORDS // TILE
        zeros = torch.zeros(log_rows, layout.cores * TILE, dtype=torch.int32)
        log = program.upload(device, zeros, program.columns(layout, log_rows), ttnn.uint32, tiled=False)
    blocks = weights.prenet_blocks(model)
    descriptor = program.make_program(layout, tensors, rows, samples, blocks, log and log.buffer_address())
    with recorder.record(case.title) as recording:
        ttnn.generic_op([rows, *tensors.all, samples], descriptor)
        ttnn.synchronize_device(device)
    (launch,) = recording.launches
    if launch["unfinished"]:
        raise SystemExit(f"{case.title}: not finished after {launch['cycles']:,} cycles")
    result = {"cycles": launch["cycles"], "cores": layout.groups * layout.cores}
    if case.stamped:
        stamps = ttnn.to_torch(log).reshape(log_rows, layout.cores, TILE).transpose(0, 1)
        result["stamps"] = stamps.reshape(layout.cores, RISCVS, CLOCK_WORDS).tolist()
    return result


def set_window_number(state, layout, number):
    """Has all streams count their next window as the number-th: the first word of each core's state of a stream."""
    import torch
    import ttnn

    from tt.fused.numbers import FRAME_BYTES, TILE

    host = ttnn.to_torch(state)
    halves_of_words = host.view(torch.int16)
    if layout.state_in_dram:  # a page per stream and core
        halves_of_words[..., 0] = number
    else:  # a column per core
        halves_of_words[..., :: layout.numbers["STATE_BYTES"] // FRAME_BYTES, ::TILE] = number
    ttnn.copy_host_to_device_tensor(ttnn.from_torch(host, layout=ttnn.ROW_MAJOR_LAYOUT), state)


def measure_all(names, folder, results):
    """Measures cases on one simulated device."""
    recorder = load_recorder(folder)
    import ttnn

    from reference.config import load_config
    from reference.llvc import LLVC
    from ttnn_llvc import DEVICE_PARAMS

    model = LLVC.from_config(load_config(CONFIG)[0]).eval()
    device = ttnn.open_device(device_id=0, worker_l1_size=DEVICE_PARAMS["worker_l1_size"])
    try:
        for name in names:
            print(f"measuring {CASES[name].title}", file=sys.stderr, flush=True)
            results.add(name, measure(CASES[name], recorder, device, model))
    finally:
        ttnn.close_device(device)


def table(results):
    """The measured cases as Markdown, and what follows from them."""
    lines = ["| program | groups | streams | windows | cores | cycles |", "|---|--:|--:|--:|--:|--:|"]
    for name, case in CASES.items():
        if cycles := results.cycles(name):
            cores = results.cases[name]["cores"]
            lines.append(f"| {case.title} | {case.groups} | {case.streams} | {case.windows} | {cores} | {cycles:,} |")
    lines += ["", *conclusions(results.cycles)]
    return "\n".join(lines)


def conclusions(cycles):
    """What another stream costs its group of cores, and how many streams a chip converts in real time, by case."""
    network = cycles("network")
    for name, what in (("windows", "window"), ("rounds", "stream after the first"), ("pair", "stream in its tiles")):
        if network and (more := cycles(name)):
            yield f"Another {what}: {more - network:,} cycles."
    pair, round_of_four = cycles("pair"), cycles("pairs")
    if pair and round_of_four:
        yield f"Another pair beside it: {round_of_four - pair:,} cycles."
    if round_of_four and (two_rounds := cycles("pairs-rounds")):
        round_of_four = two_rounds - round_of_four
        yield f"Another round of two pairs: {round_of_four:,} cycles."
    if round_of_four:
        at_once, alone = cycles("pairs-groups"), cycles("pairs")
        if not at_once:
            at_once, alone = cycles("groups"), network
        if at_once and alone:
            yield f"On {GROUPS} groups at once: {at_once / alone - 1:+.1%}."
            round_of_four = round_of_four * at_once // alone
        streams = GROUPS * 4 * (WINDOW_CYCLES // round_of_four)
        yield f"Streams in real time on {GROUPS} groups: {streams}, with a margin of {MARGIN} {streams // MARGIN}."


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; none: prints the known")
    parser.add_argument("--recorder", type=Path, default=os.environ.get("CYCLES_RECORDER"), help="folder of `cycles`")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"default {RESULTS.relative_to(ROOT)}")
    args = parser.parse_args()
    if unknown := set(args.cases) - set(CASES):
        parser.error(f"no case {', '.join(sorted(unknown))}; there are {', '.join(CASES)}")
    results = Results(args.results)
    if missing := [name for name in args.cases if name not in results.cases]:
        measure_all(missing, args.recorder, results)
    if not results.cases:
        raise SystemExit(f"{args.results}: nothing measured of these kernels yet; name cases and a recorder")
    print(table(results))


if __name__ == "__main__":
    sys.exit(exit_code(main))
