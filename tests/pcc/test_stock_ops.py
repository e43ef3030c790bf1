# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Where selections lie, and how often: by hand, for matrices whose size decides."""

import pytest
import torch
from support.blocks import on_device

STREAMS = 3


@pytest.fixture
def ops_of(device, ttnn):
    """ops_of(rows): Ops that upload nothing; a constant is its copies, and its memory."""
    from tt.stock.ops import Ops

    class Kept(Ops):
        def constant(self, tensor, dtype=ttnn.bfloat16, memory=None):
            return tensor.shape[0], (memory or self.memory).buffer_type.name

    return lambda rows: Kept(device, rows)


@pytest.fixture(autouse=True)
def _grid(device):
    grid = device.compute_with_storage_grid_size()
    if (grid.x, grid.y) != (8, 8):
        pytest.skip("worked out for 8 x 8 cores")


@on_device
@pytest.mark.parametrize(
    "rows, columns, copies, memory",
    [
        (32, 32, STREAMS, "L1"),
        (480, 1088, STREAMS, "L1"),  # short: a copy for each stream
        (512, 1024, 1, "L1"),  # tall, and 2^20 bytes
        (512, 1056, 1, "DRAM"),
        (480, 1120, STREAMS, "DRAM"),
        (512, 16384, 1, "DRAM"),  # 512 tiles for each of 16 cores: as much as one may hold
        (512, 16416, STREAMS, "DRAM"),
        (2048, 16384, 1, "DRAM"),  # the same for 64 cores
        (2080, 8192, 1, "DRAM"),  # one of them has two rows of 256 tiles
        (2080, 8224, STREAMS, "DRAM"),
    ],
)
def test_copies_of_a_selection(ops_of, rows, columns, copies, memory):
    assert ops_of(64).selection(torch.zeros(1, 1).expand(rows, columns), STREAMS) == (copies, memory)


@on_device
def test_few_rows_are_spread_by_columns(ops_of):
    """A core for each tile column, in whole rows of eight; nothing of many rows, or of more columns than cores."""
    few, many = ops_of(256), ops_of(288)
    assert not few.many_rows and many.many_rows
    assert [few._column_grid(32 * columns) for columns in (1, 8, 9, 12, 16, 64, 72)] == [
        (1, 1),
        (8, 1),
        None,
        None,
        (8, 2),
        (8, 8),
        None,
    ]
    assert many._column_grid(512) is None
