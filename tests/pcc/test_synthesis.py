# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Mask, out_conv and overlap-add on the device, frames of the chunk before reaching into this one."""

import ttnn
from support.blocks import (
    BLOCK_PCC,
    CHUNKS,
    activations,
    all_move,
    chunk_of,
    for_all_cases,
    from_rows,
    ops_for,
    to_rows,
)

from tt.stock.ops import TILE
from tt.stock.synthesis import TtSynthesis


@for_all_cases
def test_synthesis(device, case, measure):
    a = activations(*case)
    layout, ops, L = a.layout, ops_for(device, a.layout), a.model.config.L
    synthesis = TtSynthesis(device, a.model)
    state = synthesis.init_state(ops, layout)
    control = all_move(ops, layout)
    out = ops.state((layout.batch_size, 1, layout.rows, TILE), ttnn.float32)
    values, expected = [], []
    for chunk in range(CHUNKS):
        decoded, e, features = (to_rows(ops, chunk_of(x, layout, chunk), layout) for x in (a.decoded, a.e, a.features))
        synthesis(ops, decoded, e, features, state, control, out)
        samples = from_rows(out, layout)[..., :L]
        values.append(samples.flatten(1))
        expected.append(chunk_of(a.output.reshape(layout.batch_size, -1, L), layout, chunk).flatten(1))
    measure("mask and out_conv", case, values, expected, BLOCK_PCC)
