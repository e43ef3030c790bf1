# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What the network's kernels take, in cycles of a simulated Wormhole: runs the cases that are missing, prints a table.

python tools/kernel_cycles.py --recorder FOLDER [CASE ...]

FOLDER holds a module `cycles` that runs ttnn on a cycle-approximate simulator: setup(), to be called before ttnn is
imported, and record(name), whose `launches` say the `cycles` and `cores` of every program. No such module is part of
this repository. A case takes minutes, so what was measured stays in --results until the kernels change.

The costs that the simulator charges are the least that is documented, there is no dispatch and no host: the figures
are floors. They do not depend on values, so weights are random and samples zero.
"""

import argparse
import hashlib
import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

KERNELS = ROOT / "tt/fused/kernels"
CONFIG = ROOT / "experiments/llvc/config.json"
RECORDER = "CYCLES_RECORDER"  # environment variable

NETWORK = ("frontend", "encoder", "decoder", "synthesis")
GROUPS = 4  # of 16 cores on a chip's 64
WINDOW_NUMBER = 45  # of the streams measured: no ring is at its start, the reads of most wrap


@dataclass(frozen=True)
class Case:
    """An arrangement of streams whose program is measured."""

    title: str
    parts: tuple = NETWORK
    groups: int = 1
    lanes: int = 1
    rounds: int = 1
    windows: int = 1
    state_in_dram: bool = False
    number: int = WINDOW_NUMBER
    stamped: bool = False  # also gives the time stamps of every core

    @property
    def streams(self):
        return self.groups * self.lanes * self.rounds


CASES = {
    "network": Case("whole network, one stream"),
    "start": Case("the same, first window of a stream", number=0),
    "frontend": Case("prenet and in_conv alone", parts=("frontend",)),
    "encoder": Case("encoder alone", parts=("encoder",)),
    "decoder": Case("decoder alone", parts=("decoder",)),
    "synthesis": Case("mask and out_conv alone", parts=("synthesis",)),
    "windows": Case("two windows of one stream", windows=2),
    "rounds": Case("two streams, one after the other", rounds=2),
    "lanes": Case("two streams side by side", lanes=2),
    "lanes-dram": Case("the same, state in DRAM", lanes=2, state_in_dram=True),
    "lanes-rounds-dram": Case("four streams, two by two, state in DRAM", lanes=2, rounds=2, state_in_dram=True),
    "groups": Case("four streams on 64 cores", groups=GROUPS),
    "stamps": Case("whole network with time stamps", stamped=True),
}


class Results:
    """What was measured, by case, in a file that belongs to one version of the kernels."""

    def __init__(self, path):
        self.path = path
        self.kernels = hashlib.sha256(b"".join(f.read_bytes() for f in sorted(KERNELS.iterdir()))).hexdigest()
        known = json.loads(path.read_text()) if path.exists() else {}
        self.cases = known.get("cases", {}) if known.get("kernels") == self.kernels else {}

    def add(self, name, result):
        self.cases[name] = result
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(json.dumps({"kernels": self.kernels, "cases": self.cases}))

    def cycles(self, name):
        return self.cases[name]["cycles"] if name in self.cases else None


def measure(case, cycles, device, model):
    """{"cycles", "cores"} of a case's program, and of a stamped one "stamps": [core][RISC-V][stamp]."""
    import torch
    import ttnn

    from tt.fused import program, weights
    from tt.fused.layout import GRID_WIDTH, Layout, cores_of

    rows_of_cores = cores_of(model.config) // GRID_WIDTH
    layout = Layout.of(
        model.config,
        case.windows,
        case.streams,
        SimpleNamespace(x=GRID_WIDTH, y=case.groups * rows_of_cores),
        case.lanes,
        case.state_in_dram,
        case.parts,
    )
    n = layout.numbers
    tensors = program.Tensors(
        program.upload_constants(device, weights.constants(model, layout), layout),
        program.upload_constants(device, weights.exact_constants(model, layout), layout, ttnn.float32),
        program.Shared(device, layout),
        program.zeros(device, layout, program.scratch_rows(layout), tiled=False),
        program.make_state(device, layout),
    )
    set_window_number(tensors.state, layout, case.number)

    pages = torch.zeros(case.streams, 1, case.windows, n["PAGE"])
    words = pages[..., -n["WORDS"] :].view(torch.int32)
    words[..., n["WORD_FRAMES"]] = n["FRAMES"]
    words[:, 0, 0, n["WORD_STARTS"]] = int(case.number == 0)
    on_l1 = {"layout": ttnn.ROW_MAJOR_LAYOUT, "device": device, "memory_config": ttnn.L1_MEMORY_CONFIG}
    rows = ttnn.from_torch(pages, dtype=ttnn.float32, **on_l1)
    samples = torch.zeros(case.streams, 1, case.windows, n["FRAMES"] * n["HOP"])
    samples = ttnn.from_torch(samples, dtype=ttnn.float32, **on_l1)

    clock_log = None
    if case.stamped:
        log_rows = RISCVS * CLOCK_WORDS // 32
        memory = program.columns(layout, log_rows)
        zeros = torch.zeros(log_rows, layout.cores * 32, dtype=torch.int32)
        clock_log = program.upload(device, zeros, memory, ttnn.uint32, tiled=False)
    descriptor = program.make_program(
        layout, tensors, rows, samples, weights.prenet_biases(model), clock_log and clock_log.buffer_address()
    )
    with cycles.record(case.title) as recording:
        ttnn.generic_op([rows, *tensors.all, samples], descriptor)
        ttnn.synchronize_device(device)
    (launch,) = recording.launches
    if launch["unfinished"]:
        raise SystemExit(f"{case.title}: the program did not finish in {launch['cycles']:,} cycles")
    result = {"cycles": launch["cycles"], "cores": layout.groups * layout.cores, "streams": case.streams}
    if case.stamped:
        stamps = ttnn.to_torch(clock_log)[0, 0].reshape(log_rows, layout.cores, 32).transpose(0, 1)
        result["stamps"] = stamps.reshape(layout.cores, RISCVS, CLOCK_WORDS).tolist()
    return result


RISCVS = 5  # of a core, in the order of kernels/clock.h: state, exchange, and unpack, math, pack of compute
CLOCK_WORDS = 64


def set_window_number(state, layout, number):
    """Puts all streams to their number-th window: the first word of each state."""
    import torch
    import ttnn

    host = ttnn.to_torch(state)
    words = host.view(torch.int16)
    if layout.state_in_dram:
        words[..., 0] = number
    else:
        rows_of_state = layout.numbers["STATE_BYTES"] // program_row_bytes()
        words[:, :, ::rows_of_state, ::32] = number
    ttnn.copy_host_to_device_tensor(ttnn.from_torch(host, dtype=ttnn.bfloat16, layout=ttnn.ROW_MAJOR_LAYOUT), state)


def program_row_bytes():
    from tt.fused.program import ROW_BYTES

    return ROW_BYTES


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"of {', '.join(CASES)}; all if none is named")
    parser.add_argument("--recorder", type=Path, default=os.environ.get(RECORDER))
    parser.add_argument("--results", type=Path, default=ROOT / "generated/kernel_cycles.json")
    args = parser.parse_args()
    results = Results(args.results)
    missing = [name for name in args.cases or CASES if name not in results.cases]
    if missing:
        os.environ.setdefault("CYCLES_VALUES", "0")
        sys.path.insert(0, str(args.recorder))
        import cycles

        cycles.setup()
        import ttnn

        from reference.config import load_config
        from reference.llvc import LLVC
        from ttnn_llvc import DEVICE_PARAMS

        model = LLVC.from_config(load_config(CONFIG)[0]).eval()
        device = ttnn.open_device(device_id=0, **{**DEVICE_PARAMS, "trace_region_size": 0})
        for name in missing:
            results.add(name, measure(CASES[name], cycles, device, model))
            print(name, results.cases[name]["cycles"], flush=True)
        ttnn.close_device(device)


if __name__ == "__main__":
    main()
