# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The encoder on the device, its history carried from chunk to chunk."""

from support.blocks import BLOCK_PCC, CHUNKS, activations, chunk_of, for_all_cases, on_device


@for_all_cases
def test_encoder(device, case, run_block, measure):
    a = activations(*case)
    values = run_block(device, a, "encoder", CHUNKS)
    expected = [chunk_of(a.e, a.layout, chunk) for chunk in range(CHUNKS)]
    measure("encoder", case, values, expected, BLOCK_PCC)


@on_device
def test_longer_than_the_longest_context(device, run_block, measure):
    """24 chunks of 13 frames; the last layer looks back 256 frames, the fused kernels by rings of windows."""
    case, chunks = ("llvc", 1, 1), 24
    a = activations(*case, chunks=chunks)
    values = run_block(device, a, "encoder", chunks)
    expected = [chunk_of(a.e, a.layout, chunk) for chunk in range(chunks)]
    measure(f"encoder, {chunks} chunks", case, values, expected, BLOCK_PCC)
