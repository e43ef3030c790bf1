# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The encoder on the device, its history carried from chunk to chunk."""

from support.blocks import (
    BLOCK_PCC,
    CHUNKS,
    activations,
    all_move,
    chunk_of,
    for_all_cases,
    from_rows,
    on_device,
    ops_for,
    to_rows,
)

from tt.stock.encoder import TtEncoder


@for_all_cases
def test_encoder(device, case, measure):
    check_encoder(device, case, CHUNKS, measure)


@on_device
def test_longer_than_the_longest_context(device, measure):
    """24 chunks of 13 frames; the last layer looks back 256 frames."""
    check_encoder(device, ("llvc", 1, 1), 24, measure)


def check_encoder(device, case, chunks, measure):
    a = activations(*case, chunks=chunks)
    layout, ops = a.layout, ops_for(device, a.layout)
    encoder = TtEncoder(device, a.model.mask_gen.encoder)
    state = encoder.init_state(ops, layout)
    control = all_move(ops, layout)
    values = []
    for chunk in range(chunks):
        x = to_rows(ops, chunk_of(a.features, layout, chunk), layout)
        values.append(from_rows(encoder(ops, x, state, control), layout))
    measure(f"encoder, {chunks} chunks", case, values, [chunk_of(a.e, layout, c) for c in range(chunks)], BLOCK_PCC)
