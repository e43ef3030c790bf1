# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Projections and decoder on the device, windows reaching into the chunks before."""

from support.blocks import BLOCK_PCC, CHUNKS, activations, chunk_of, for_all_cases


@for_all_cases
def test_decoder(device, case, run_block, measure):
    a = activations(*case)
    values = run_block(device, a, "decoder", CHUNKS)
    expected = [chunk_of(a.decoded, a.layout, chunk) for chunk in range(CHUNKS)]
    measure("decoder", case, values, expected, BLOCK_PCC)
