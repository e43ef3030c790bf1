# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Projections and decoder on the device, windows reaching into the chunks before."""

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

from tt.stock.decoder import TtDecoder


@for_all_cases
def test_decoder(device, case, measure):
    a = activations(*case)
    layout, ops = a.layout, ops_for(device, a.layout)
    decoder = TtDecoder(device, a.model)
    state = decoder.init_state(ops, layout)
    control = all_move(ops, layout)
    values = []
    for chunk in range(CHUNKS):
        e = to_rows(ops, chunk_of(a.e, layout, chunk), layout)
        values.append(from_rows(decoder(ops, e, state, control), layout))
    measure("decoder", case, values, [chunk_of(a.decoded, layout, c) for c in range(CHUNKS)], BLOCK_PCC)
