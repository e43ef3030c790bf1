# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The sizes of the one-program network: which configurations it takes, and how streams are spread over a chip."""

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from reference.config import NUM_HEADS, LLVCConfig

KERNELS = Path(__file__).resolve().parent / "kernels"

TILE = 32
FACE = 16
GRID_WIDTH = 8  # of a group of cores
MOST_CORES = 16  # of a group: each has a flag on every other one, and a core has sixteen
MOST_LANES = 2  # streams that a group converts side by side
PARTS = {"frontend": 1, "encoder": 2, "decoder": 4, "synthesis": 8}
NETWORK = tuple(PARTS)
SKIPS = {None: 0, "none": 0, "add": 1, "multiply": 2}
NEW = 8  # samples that a row of the prenet has of its own
MOST_OVERLAP = 8  # frames


def wrong_shape(config):
    """Why the kernels do not take the sizes of an LLVCConfig, in a few words; None if they do."""
    c = config
    window = c.dec_buf_len + c.dec_chunk_size
    reasons = {
        f"L {c.L} (not {FACE})": c.L != FACE,
        f"dec_chunk_size {c.dec_chunk_size} (more than {FACE})": c.dec_chunk_size > FACE,
        f"dec_buf_len + dec_chunk_size {window} (more than {TILE})": window > TILE,
        f"out_buf_len {c.out_buf_len} (more than {MOST_OVERLAP})": c.out_buf_len > MOST_OVERLAP,
        f"enc_dim {c.enc_dim} (no multiple of {TILE} up to {MOST_CORES * TILE})": c.enc_dim % TILE
        or c.enc_dim > MOST_CORES * TILE,
        f"dec_dim {c.dec_dim} (no multiple of {TILE} up to {NUM_HEADS * TILE})": c.dec_dim % TILE
        or c.dec_dim > NUM_HEADS * TILE,
        "proj: false": not c.proj,
        "a prenet of several channels": c.convnet_config.convnet_prenet and set(c.convnet_config.out_channels) != {1},
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


@dataclass(frozen=True)
class Layout:
    """Streams of one chip on groups of cores: a group converts rounds x lanes of them, `windows` windows of each."""

    config: LLVCConfig
    windows: int
    batch_size: int
    groups: int
    lanes: int
    rounds: int
    state_in_dram: bool
    parts: tuple = NETWORK

    @classmethod
    def of(cls, config, windows, batch_size, grid, lanes=None, state_in_dram=False, parts=NETWORK):
        """For batch_size streams on a grid of cores: as few in a group as can be, two side by side where there are
        more than groups. batch_size may grow to fill the groups."""
        per_group = -(-batch_size // groups_on(grid, config))
        lanes = lanes or min(MOST_LANES, per_group)
        rounds = -(-per_group // lanes)
        groups = -(-batch_size // (rounds * lanes))
        return cls(config, windows, groups * rounds * lanes, groups, lanes, rounds, state_in_dram, parts)

    @classmethod
    def full(cls, config, grid):
        """A stream on each of all the groups that a grid of cores has."""
        return cls.of(config, 1, groups_on(grid, config), grid)

    @property
    def streams_per_group(self):
        return self.rounds * self.lanes

    @property
    def cores(self):
        """Cores of a group."""
        return cores_of(self.config)

    def decoder_column(self, core):
        """The tile column that a core of a group works on of what is dec_dim wide."""
        return core % (self.cores // 2) % (self.config.dec_dim // TILE)

    @cached_property
    def compile_time_args(self):
        """The named compile-time arguments of all kernels."""
        c = self.config
        prenet = c.convnet_config
        contexts = prenet.contexts
        row_columns = -(-(sum(contexts) + NEW) // TILE)
        return {
            "prenet_blocks": len(contexts),
            "prenet_gated": int(prenet.use_residual_blocks),
            "prenet_combine": SKIPS[prenet.combine_residuals],
            "prenet_skip": SKIPS[prenet.skip_connection],
            "prenet_columns": row_columns,
            "prenet_bands": min(row_columns, 1 + -(-max(contexts, default=0) // TILE)),
            "layers": c.num_enc_layers,
            "decoder_layers": c.num_dec_layers,
            "enc_columns": c.enc_dim // TILE,
            "dec_columns": c.dec_dim // TILE,
            "frames": c.dec_chunk_size,
            "past": c.dec_buf_len,
            "overlap": c.out_buf_len,
            "cores": self.cores,
            "lanes": self.lanes,
            "rounds": self.rounds,
            "windows": self.windows,
            "state_in_dram": int(self.state_in_dram),
            "parts": sum(PARTS[part] for part in self.parts),
        }

    @cached_property
    def numbers(self):
        """The constants of kernels/layout.h for this layout, by name."""
        return header_constants((KERNELS / "layout.h").read_text(), self.compile_time_args)


def groups_on(grid, config):
    """How many groups of cores a grid has: one above the other."""
    return grid.y // (cores_of(config) // GRID_WIDTH)


def cores_of(config):
    """Cores that a group needs: one per tile column of whatever is widest, in whole rows of the grid."""
    columns = max(config.enc_dim // TILE, NUM_HEADS, 2 * config.dec_dim // TILE)
    return -(-columns // GRID_WIDTH) * GRID_WIDTH


def header_constants(text, compile_time_args):
    """The `constexpr uint32_t NAME = expression;` of a kernel header and their values; its functions too."""
    statement = r"constexpr (?:uint32_t|bool) (\w+)(\((?:uint32_t \w+)?\))? (?:= ([^;]+);|\{ return ([^;]+); \})"
    names = {"arg": lambda name: compile_time_args[name]}
    for name, parameter, value, body in re.findall(statement, text):
        expression = re.sub(r'get_named_compile_time_arg_val\("(\w+)"\)', r'arg("\1")', value or body)
        expression = re.sub(r"^(.+?) \? (.+) : (.+)$", r"(\2) if (\1) else (\3)", expression).replace("/", "//")
        if parameter:
            names[name] = eval(f"lambda {parameter[1:-1].replace('uint32_t ', '')}: {expression}", names)
        else:
            names[name] = eval(expression, names)
    return {name: value for name, value in names.items() if isinstance(value, int)}
