# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Framing, prenet and in_conv on the device, from the start of the stream."""

from support.blocks import BLOCK_PCC, CHUNKS, activations, chunk_of, for_all_cases


@for_all_cases
def test_frontend(device, case, run_block, measure):
    a = activations(*case)
    values = run_block(device, a, "frontend", CHUNKS)
    expected = [chunk_of(a.features, a.layout, chunk) for chunk in range(CHUNKS)]
    measure("prenet and in_conv", case, values, expected, BLOCK_PCC)
