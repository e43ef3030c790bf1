# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Where the frames of the stock network lie, worked out by hand: windows of llvc are 13 frames in a tile of 32 rows."""

from dataclasses import replace

import pytest
from support.golden import load_params

from reference.config import LLVCConfig
from tt.stock.layout import Layout, round_up

CONFIG = LLVCConfig.from_params(load_params("llvc"))


def test_whole_tiles():
    assert [round_up(size) for size in (0, 1, 31, 32, 33, 510)] == [0, 32, 32, 32, 64, 512]


def test_rows_of_windows():
    layout = Layout(CONFIG, windows=4, batch_size=3)
    assert (layout.frames, layout.window_rows, layout.rows, layout.total_rows) == (52, 32, 128, 384)
    assert [layout.row(frame) for frame in (0, 12, 13, 27, 51)] == [0, 12, 32, 65, 108]
    assert Layout(replace(CONFIG, dec_chunk_size=33), 2, 1).window_rows == 64


@pytest.mark.parametrize("windows, part", [(1, 1), (2, 2), (23, 23), (24, 24), (25, 5), (26, 13), (29, 1), (48, 24)])
def test_long_chunks_are_converted_in_equal_parts(windows, part):
    """Of up to 24 windows, which are 312 frames."""
    layout = Layout(CONFIG, windows, 2)
    assert layout.part == Layout(CONFIG, part, 2)


def test_a_window_of_many_frames_is_a_part():
    assert Layout(replace(CONFIG, dec_chunk_size=330, use_pos_enc=False), 3, 1).part.windows == 1


@pytest.mark.parametrize(
    "windows, batch_size, rows",
    [(1, 1, 2 * 512 + 16 * 32 + 8 * 32 + 512 + 8 * 32), (2, 3, 2 * 512 + 16 * 64 + 8 * 64 + 512 + 8 * 64)],
)
def test_what_exists_at_one_time(windows, batch_size, rows):
    """Rows of 512 channels in bfloat16: two histories of 512 frames, 16 past taps and 8 inputs, and both joined."""
    assert Layout(CONFIG, windows, batch_size).working_set == rows * batch_size * 512 * 2
