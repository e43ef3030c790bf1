# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A mock N150 or N300: ttnn runs every op's validation, allocation and program build on it, and no kernel.

ttnn has the device itself (a cluster description in TT_METAL_MOCK_CLUSTER_DESC_PATH). What the mock lacks on a
machine without Tenstorrent's compiler is something to compile kernels with; here that is a stand-in that makes an
empty program of every kernel. It has a cache of its own and a version string no genuine compiler has, so that its
programs cannot reach a card.
"""

import os
import struct
from pathlib import Path

TTNN_VERSION = "0.81.1"  # whose kernel loader accepts the program below

# The fuses of real boards: which rows of cores are missing, and the board numbers that name the type.
HARVEST_MASK = {"n150": 32, "n300": 65}
BOARD_ID = {"n150": 72059269369839682, "n300": 72058994491072686}

STUB_COMPILER = """#!/bin/sh
# Writes a dependency file and, in place of an object or program, {program}; a precompiled header is empty.
[ "$1" = --version ] && {{ echo "mock-stub 0"; exit 0; }}
while [ $# -gt 0 ]; do
    case "$1" in
        -o) output=$2; shift ;;
        -MF) dependencies=$2; shift ;;
        -c | c++-header) is_part=1 ;;
    esac
    shift
done
[ -n "$dependencies" ] && echo "$output:" > "$dependencies"
if [ -n "$is_part" ]; then : > "$output"; else cp {program} "$output"; fi
"""


def set_up(folder, board="n150"):
    """Points ttnn, not yet imported, at a mock board; `folder` takes its files. RuntimeError for another ttnn."""
    import importlib.metadata

    version = importlib.metadata.version("ttnn")
    if version != TTNN_VERSION:
        raise RuntimeError(f"the mock device is written for ttnn {TTNN_VERSION}, not {version}; see {__file__}")
    package = Path(importlib.util.find_spec("ttnn").origin).parent
    folder = Path(folder).resolve()
    binaries = folder / "root" / "runtime" / "sfpi" / "compiler" / "bin"
    binaries.mkdir(parents=True, exist_ok=True)
    for name in ("tt_metal", "ttnn", "runtime/hw"):
        if not (folder / "root" / name).exists():
            (folder / "root" / name).symlink_to(package / name)
    (folder / "cluster.yaml").write_text(_cluster(board))
    (folder / "program.elf").write_bytes(_empty_program())
    compiler = binaries / "riscv-tt-elf-g++"
    compiler.write_text(STUB_COMPILER.format(program=folder / "program.elf"))
    compiler.chmod(0o755)
    os.environ.update(
        TT_METAL_MOCK_CLUSTER_DESC_PATH=str(folder / "cluster.yaml"),
        TT_METAL_RUNTIME_ROOT=str(folder / "root"),
        TT_METAL_CACHE=str(folder / "cache"),
        TT_METAL_LOGS_PATH=str(folder),
        TT_LOGGER_LEVEL="error",
    )


def _cluster(board):
    chips = range(2 if board == "n300" else 1)
    links = "[{chip: 0, chan: 8}, {chip: 1, chan: 0}], [{chip: 0, chan: 9}, {chip: 1, chan: 1}]"
    fuses = f"{{noc_translation: true, harvest_mask: {HARVEST_MASK[board]}}}"
    return "\n".join(
        (
            "arch: {" + ", ".join(f"{chip}: Wormhole" for chip in chips) + "}",
            "chips: {" + ", ".join(f"{chip}: [{chip},0,0,0]" for chip in chips) + "}",
            f"ethernet_connections: [{links if board == 'n300' else ''}]",
            "chips_with_mmio: [0: 0]",
            "harvesting: {" + ", ".join(f"{chip}: {fuses}" for chip in chips) + "}",
            f"boards: [[{{board_id: {BOARD_ID[board]}}}, {{board_type: {board}}}, {{chips: {list(chips)}}}]]",
            "",
        )
    )


def _empty_program():
    """A 32-bit RISC-V ELF file with one loaded segment of returns, as small as ttnn's loader takes it."""
    address, code = 0x5000, struct.pack("<4I", *[0x8067] * 4)  # `ret`
    names = b"\0.text\0.rela.text\0.symtab\0.strtab\0\0\0"
    code_at, names_at = 84, 116
    sections_at = names_at + len(names)
    header = struct.pack(
        "<16sHHIIIIIHHHHHH",
        b"\x7fELF\1\1\1" + b"\0" * 9,
        *(2, 243, 1, address, 52, sections_at, 0, 52, 32, 1, 40, 5, 4),
    )
    segment = struct.pack("<8I", 1, code_at, address, address, 16, 16, 5, 16)
    symbol = b"\0" * 16
    sections = (
        (0,) * 10,
        (1, 1, 6, address, code_at, 16, 0, 0, 4, 0),  # .text
        (7, 4, 64, 0, 100, 0, 3, 1, 4, 12),  # .rela.text, empty
        (18, 2, 0, 0, 100, 16, 4, 1, 4, 16),  # .symtab
        (26, 3, 0, 0, names_at, len(names), 0, 0, 1, 0),  # .strtab
    )
    return header + segment + code + symbol + names + b"".join(struct.pack("<10I", *section) for section in sections)
