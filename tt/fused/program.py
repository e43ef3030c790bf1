# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The program that converts a window of every stream: its kernels, buffers and what lies in L1 for them."""

from dataclasses import dataclass
from pathlib import Path

import torch
import ttnn

from .layout import GRID_WIDTH
from .numbers import ATTENTIONS, FRAME_BYTES, TILE

KERNELS = Path(__file__).resolve().parent / "kernels"

# Buffers in tensors of their own, all zero at first (kernels/numbers.h says why): their tiles.
SHARED = {
    "SHUT": (ttnn.float32, lambda n: 1),
    "FRAMED": (ttnn.float32, lambda n: 2 * n["LANES"]),
    "FEATURES": (ttnn.bfloat16, lambda n: n["LANES"]),
    "TAP": (ttnn.bfloat16, lambda n: 2 * n["TAPS"] * n["LANES"]),
    "STATS": (ttnn.float32, lambda n: n["LANES"] + 2),
    "GATHERED": (ttnn.bfloat16, lambda n: 2 * n["LANES"] * n["CORES"]),
    "E": (ttnn.bfloat16, lambda n: n["LANES"]),
    "PAST_KEYS": (ttnn.bfloat16, lambda n: 2 * ATTENTIONS * n["LANES"] * n["PAST_TILES"]),
    "SHIFTED": (ttnn.bfloat16, lambda n: n["OVERLAP"] * n["LANES"]),
    "SUMMANDS": (ttnn.float32, lambda n: (n["STREAMS"] + 1) * n["CORES"] // 4),
}

# Buffers of the program itself; several names: the same memory.
OWN = {
    ("ROWS",): (ttnn.float32, lambda n: 1),
    ("X", "X_NEW"): (ttnn.bfloat16, lambda n: n["LANES"]),
    ("RESIDUAL",): (ttnn.float32, lambda n: n["LANES"] + 1),
    ("VALUES",): (ttnn.bfloat16, lambda n: 2 * n["LANES"]),
    ("SCALED",): (ttnn.bfloat16, lambda n: n["LANES"]),
    ("SCALES",): (ttnn.float32, lambda n: 2 * n["LANES"]),
    ("PART",): (ttnn.bfloat16, lambda n: n["LANES"]),
    ("PART_EXACT",): (ttnn.float32, lambda n: n["LANES"]),
    ("PROJECTED", "PRESENT"): (ttnn.bfloat16, lambda n: n["LANES"]),
    ("QUERY",): (ttnn.bfloat16, lambda n: n["LANES"]),
    ("KEYS", "KEYS_NEW"): (ttnn.bfloat16, lambda n: 2 * ATTENTIONS * n["LANES"]),
    ("WEIGHTS",): (ttnn.float32, lambda n: n["LANES"] * (1 + n["PAST_TILES"])),
}

NOT_ROUNDED = ("ROWS", "SHUT", "RESIDUAL")  # loaded into dst as float32

# HiFi4 takes longer and is no more accurate for bfloat16 operands; with float32 accumulation ttnn advises against it.
FIDELITY = ttnn.MathFidelity.HiFi3


def tile_bytes(dtype):
    return TILE * TILE * (4 if dtype == ttnn.float32 else 2)


def cores_of_groups(layout):
    """The cores of all groups of a layout."""
    last = ttnn.CoreCoord(GRID_WIDTH - 1, layout.groups * layout.cores // GRID_WIDTH - 1)
    return ttnn.CoreRangeSet([ttnn.CoreRange(ttnn.CoreCoord(0, 0), last)])


def halves_of_groups(layout):
    """The upper and the lower rows of all groups; a group of one row has no lower ones."""
    rows = layout.cores // GRID_WIDTH
    upper = -(-rows // 2)

    def rows_of_groups(first, last):
        corners = [
            (ttnn.CoreCoord(0, group * rows + first), ttnn.CoreCoord(GRID_WIDTH - 1, group * rows + last))
            for group in range(layout.groups)
        ]
        return ttnn.CoreRangeSet([ttnn.CoreRange(*pair) for pair in corners])

    return rows_of_groups(0, upper - 1), rows_of_groups(upper, rows - 1) if upper < rows else ttnn.CoreRangeSet([])


def columns(layout, rows):
    """The memory of `rows` rows on all cores of all groups, a tile column each."""
    shard = ttnn.ShardSpec(cores_of_groups(layout), [rows, TILE], ttnn.ShardOrientation.ROW_MAJOR)
    return ttnn.MemoryConfig(ttnn.TensorMemoryLayout.WIDTH_SHARDED, ttnn.BufferType.L1, shard)


class Shared:
    """The tensors of SHARED on the device, by name."""

    def __init__(self, device, layout):
        self.by_name = {
            name: zeros(device, layout, tiles(layout.numbers) * TILE, dtype) for name, (dtype, tiles) in SHARED.items()
        }


def shared_bytes(numbers):
    """Bytes of each core's L1 that Shared takes."""
    return sum(tiles(numbers) * tile_bytes(dtype) for dtype, tiles in SHARED.values())


def own_bytes(numbers):
    """Bytes of each core's L1 that the program's own buffers take while it runs."""
    return sum(tiles(numbers) * tile_bytes(dtype) for dtype, tiles in OWN.values())


@dataclass(frozen=True)
class Tensors:
    """What a program works on, all on the device."""

    constants: ttnn.Tensor  # [rows, groups * cores * 32], a tile column per core, as weights.constants
    exact: ttnn.Tensor
    shared: "Shared"
    scratch: ttnn.Tensor  # row-major: SCRATCH_BYTES per stream of a round, their samples, the exchange kernel's counter
    state: ttnn.Tensor  # row-major: the streams' states, in a core's column or a page per stream and core

    @property
    def all(self):
        return [self.constants, self.exact, *self.shared.by_name.values(), self.scratch, self.state]


def make_program(layout, tensors, rows, samples, prenet_blocks, clock_log=None):
    """The ProgramDescriptor from `rows` [streams, 1, windows, PAGE] to `samples` [streams, 1, windows, FRAMES * HOP].

    `clock_log`: an L1 address for time stamps, see kernels/clock.h.
    """
    n = layout.numbers
    core_ranges = cores_of_groups(layout)
    by_name = {"CONSTANTS": tensors.constants, "EXACT": tensors.exact, **tensors.shared.by_name}
    buffers = [
        ttnn.cb_descriptor_from_sharded_tensor(n[name], tensor, core_ranges=core_ranges)
        for name, tensor in by_name.items()
    ]
    buffers += [
        ttnn.CBDescriptor(
            total_size=tiles(n) * tile_bytes(dtype),
            core_ranges=core_ranges,
            format_descriptors=[
                ttnn.CBFormatDescriptor(buffer_index=n[name], data_format=dtype, page_size=tile_bytes(dtype))
                for name in names
            ],
        )
        for names, (dtype, tiles) in OWN.items()
    ]

    scratch = tensors.scratch.buffer_address()
    wave = scratch + layout.streams * n["SCRATCH_BYTES"]
    counter = wave + layout.streams * n["SAMPLES"] * 4
    device = tensors.constants.device()
    upper, lower = halves_of_groups(layout)
    compute_args, exchange_args, state_args = [], [], []
    rows_of_cores = layout.cores // GRID_WIDTH
    for group in range(layout.groups):
        first_stream = group * layout.streams_per_group
        first = device.worker_core_from_logical_core(ttnn.CoreCoord(0, group * rows_of_cores))
        last = device.worker_core_from_logical_core(ttnn.CoreCoord(GRID_WIDTH - 1, (group + 1) * rows_of_cores - 1))
        for i in range(layout.cores):
            core = ttnn.CoreCoord(i % GRID_WIDTH, group * rows_of_cores + i // GRID_WIDTH)
            compute_args.append((core, [layout.decoder_column(i), *prenet_blocks]))
            corners = [first.x, first.y, last.x, last.y]
            if lower.contains(core):  # where NoC 1 enters and where it leaves
                corners = corners[2:] + corners[:2]
            exchange_args.append((core, [i, *corners, counter, wave, samples.buffer_address(), first_stream]))
            page = first_stream * layout.cores
            state = tensors.state.buffer_address()
            state_args.append((core, [i, rows.buffer_address(), first_stream, state, page, scratch]))

    compute = ttnn.ComputeConfigDescriptor(math_fidelity=FIDELITY, fp32_dest_acc_en=True)
    modes = [ttnn.UnpackToDestMode.Default] * 64
    for name in NOT_ROUNDED:
        modes[n[name]] = ttnn.UnpackToDestMode.UnpackToDestFp32
    compute.unpack_to_dest_mode = modes

    def kernel(name, config, cores, runtime_args, *accessed):
        return ttnn.KernelDescriptor(
            kernel_source=str(KERNELS / name),
            core_ranges=cores,
            compile_time_args=[
                arg for tensor in accessed for arg in ttnn.TensorAccessorArgs(tensor).get_compile_time_args()
            ],
            named_compile_time_args=list(n.items()),
            defines=[] if clock_log is None else [("CLOCK_LOG", str(clock_log))],
            runtime_args=[(core, args) for core, args in runtime_args if cores.contains(core)],
            config=config,
            compiler_include_paths=[str(KERNELS)],
        )

    # Packets go right and down on NoC 0, left and up on NoC 1, round the edges of the chip. So each half of a group
    # reaches the other one over a NoC of its own: going up on NoC 0 leads through the rows of all groups.
    kernels = [kernel("compute.cpp", compute, core_ranges, compute_args)]
    for cores, noc, other in ((upper, ttnn.NOC.NOC_0, ttnn.NOC.NOC_1), (lower, ttnn.NOC.NOC_1, ttnn.NOC.NOC_0)):
        if not cores.empty():
            exchange = ttnn.DataMovementConfigDescriptor(ttnn.DataMovementProcessor.RISCV_1, noc)
            state = ttnn.DataMovementConfigDescriptor(ttnn.DataMovementProcessor.RISCV_0, other)
            kernels.append(kernel("exchange.cpp", exchange, cores, exchange_args, samples))
            kernels.append(kernel("state.cpp", state, cores, state_args, rows, tensors.state))
    return ttnn.ProgramDescriptor(
        kernels=kernels,
        semaphores=[
            ttnn.SemaphoreDescriptor(id=i, core_ranges=core_ranges, initial_value=0) for i in range(layout.cores)
        ],
        cbs=buffers,
    )


def upload(device, rows, memory, dtype=ttnn.bfloat16, tiled=True):
    """Rows [R, C] on the device."""
    return ttnn.from_torch(
        rows[None, None].contiguous(),
        dtype=dtype,
        layout=ttnn.TILE_LAYOUT if tiled else ttnn.ROW_MAJOR_LAYOUT,
        device=device,
        memory_config=memory,
    )


def upload_constants(device, tile_rows, layout, dtype=ttnn.bfloat16):
    """A group's constant tiles [rows, cores * 32] on the cores of every group."""
    memory = columns(layout, tile_rows.shape[0])
    return upload(device, tile_rows.repeat(1, layout.groups), memory, dtype)


def zeros(device, layout, rows, dtype=ttnn.bfloat16, tiled=True):
    """Zeros, `rows` rows on every core."""
    width = layout.groups * layout.cores * TILE
    return upload(device, torch.zeros(rows, width), columns(layout, rows), dtype, tiled)


def scratch_rows(layout):
    """Rows of Tensors.scratch."""
    n = layout.numbers
    bytes_ = layout.streams * (n["SCRATCH_BYTES"] + n["SAMPLES"] * 4) + FRAME_BYTES
    return -(-bytes_ // FRAME_BYTES)


def make_state(device, layout):
    """The zero state of all streams."""
    streams, size = layout.streams_per_group, layout.numbers["STATE_BYTES"]
    if not layout.state_in_dram:
        return zeros(device, layout, streams * size // FRAME_BYTES, tiled=False)
    pages = torch.zeros(layout.groups * streams * layout.cores, size // 2)
    return upload(device, pages, ttnn.DRAM_MEMORY_CONFIG, tiled=False)
