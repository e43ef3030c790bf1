# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Where a chunk's frames lie: every decoder window of every stream in tiles of its own.

Activations are [B, 1, rows, C]: per stream n windows, each its chunk of frames and then padding up to whole tiles.
So a window is a run of tiles and [B, 1, rows, C] <-> [B * n, 1, window_rows, C] costs nothing. What stands in the
padding rows does not matter: every shift of frames is a selection that never reads them.
"""

from dataclasses import dataclass, replace

from reference.config import ENCODER_KERNEL_SIZE, LLVCConfig

TILE = 32

# The selections of a program grow with the square of its frames: longer ones cost more than they save.
MOST_FRAMES = 320


def round_up(size):
    """The next multiple of a tile's side."""
    return -(-size // TILE) * TILE


@dataclass(frozen=True)
class Layout:
    """The layout of chunks of `windows` decoder windows (the chunk factor n) for a batch of streams."""

    config: LLVCConfig
    windows: int
    batch_size: int

    @property
    def frames(self):
        """Frames of one stream in a chunk."""
        return self.windows * self.config.dec_chunk_size

    @property
    def window_rows(self):
        return round_up(self.config.dec_chunk_size)

    @property
    def rows(self):
        """Rows of one stream in a chunk."""
        return self.windows * self.window_rows

    def row(self, frame):
        """The row of a frame."""
        window, offset = divmod(frame, self.config.dec_chunk_size)
        return window * self.window_rows + offset

    @property
    def part(self):
        """The layout of the equal parts that a chunk is converted in, one after the other; itself if it is short."""
        most = max(1, MOST_FRAMES // self.config.dec_chunk_size)
        return replace(self, windows=max(n for n in range(1, most + 1) if self.windows % n == 0))

    @property
    def total_rows(self):
        return self.batch_size * self.rows

    @property
    def working_set(self):
        """Bytes of history and activations that exist at one time, at their most: at the end of the encoder."""
        layers = self.config.num_enc_layers
        history = round_up((ENCODER_KERNEL_SIZE - 1) * (2**layers - 1))
        past = (ENCODER_KERNEL_SIZE - 1) * layers * self.rows
        inputs = layers * self.rows
        # The history, its next version, and both with the inputs between them.
        return 2 * self.batch_size * self.config.enc_dim * (2 * history + past + inputs + (history + inputs))
