# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The sizes of the one-program network: which configurations it takes, and how streams are spread over a chip."""

from dataclasses import dataclass
from functools import cached_property

from reference.config import NUM_HEADS, LLVCConfig

from .numbers import FACE, HOP, PARTS, TILE, numbers, prenet_rows

GRID_WIDTH = 8  # of a group of cores
MOST_CORES = 16  # of a group: each has a flag on every other one, and a core has sixteen
MOST_SHARING = 2  # streams in a tile: a window has up to FACE frames
MOST_LANES = 2  # tiles of streams that a group works on side by side
NETWORK = tuple(PARTS)
MOST_OVERLAP = 8  # frames
MOST_QUADS = 12  # of the prenet's rows in the destination registers
MOST_ARGUMENTS = 341  # of a kernel


def wrong_shape(config):
    """Why the kernels do not take the sizes of an LLVCConfig, in a few words; None if they do."""
    c = config
    window = c.dec_buf_len + c.dec_chunk_size
    prenet = c.convnet_config
    weights = sum(4 + 2 * size for size in prenet.kernel_sizes)  # and other words of the prenet's blocks
    reasons = {
        f"L {c.L} (not {HOP})": c.L != HOP,
        f"dec_chunk_size {c.dec_chunk_size} (more than {FACE})": c.dec_chunk_size > FACE,
        f"dec_buf_len + dec_chunk_size {window} (more than {TILE})": window > TILE,
        f"out_buf_len {c.out_buf_len} (more than {MOST_OVERLAP})": c.out_buf_len > MOST_OVERLAP,
        f"enc_dim {c.enc_dim} (no multiple of {TILE} up to {MOST_CORES * TILE})": c.enc_dim % TILE
        or c.enc_dim > MOST_CORES * TILE,
        f"dec_dim {c.dec_dim} (no multiple of {TILE} up to {NUM_HEADS * TILE})": c.dec_dim % TILE
        or c.dec_dim > NUM_HEADS * TILE,
        "proj: false": not c.proj,
        "a prenet of several channels": prenet.convnet_prenet and set(prenet.out_channels) != {1},
        f"a prenet that looks back {sum(prenet.contexts)} samples": prenet_rows(c)["PRENET_QUADS"] > MOST_QUADS,
        "a prenet of so many weights": prenet.convnet_prenet and weights >= MOST_ARGUMENTS,
    }
    return next((reason for reason, applies in reasons.items() if applies), None)


@dataclass(frozen=True)
class Layout:
    """Streams of one chip on groups of cores, `windows` windows of each: a group converts rounds x lanes x sharing.

    The streams of a lane share its tiles (kernels/numbers.h has a drawing).
    """

    config: LLVCConfig
    windows: int
    batch_size: int
    groups: int
    lanes: int
    sharing: int
    rounds: int
    state_in_dram: bool
    parts: tuple = NETWORK

    @classmethod
    def of(cls, config, windows, batch_size, grid, lanes=None, sharing=None, state_in_dram=False, parts=NETWORK):
        """For batch_size streams on a grid of cores: as few in a group as can be; where there are more than groups, two
        in a tile, then two tiles side by side, then one after the other. batch_size may grow to fill the groups."""
        per_group = -(-batch_size // groups_on(grid, config))
        sharing = sharing or min(MOST_SHARING, per_group)
        lanes = lanes or min(MOST_LANES, -(-per_group // sharing))
        rounds = -(-per_group // (lanes * sharing))
        groups = -(-batch_size // (rounds * lanes * sharing))
        slots = groups * rounds * lanes * sharing
        return cls(config, windows, slots, groups, lanes, sharing, rounds, state_in_dram, parts)

    @classmethod
    def full(cls, config, grid):
        """A stream on each of all the groups that a grid of cores has."""
        return cls.of(config, 1, groups_on(grid, config), grid)

    @property
    def streams(self):
        """Of a group in a round."""
        return self.lanes * self.sharing

    @property
    def streams_per_group(self):
        return self.rounds * self.streams

    @property
    def cores(self):
        """Cores of a group."""
        return cores_of(self.config)

    def decoder_column(self, core):
        """The tile column that a core of a group works on of what is dec_dim wide."""
        return core % (self.cores // 2) % (self.config.dec_dim // TILE)

    @cached_property
    def numbers(self):
        """What the kernels are told, by name."""
        return numbers(self)


def groups_on(grid, config):
    """How many groups of cores a grid has: one above the other."""
    return grid.y // (cores_of(config) // GRID_WIDTH)


def cores_of(config):
    """Cores that a group needs: one per tile column of whatever is widest, in whole rows of the grid."""
    columns = max(config.enc_dim // TILE, NUM_HEADS, 2 * config.dec_dim // TILE)
    return -(-columns // GRID_WIDTH) * GRID_WIDTH
