# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Mask, out_conv and overlap-add on the device, frames of the chunk before reaching into this one."""

from support.blocks import BLOCK_PCC, CHUNKS, activations, for_all_cases


@for_all_cases
def test_synthesis(device, case, run_block, measure):
    a = activations(*case)
    chunk = a.layout.frames * a.model.config.L
    values = run_block(device, a, "synthesis", CHUNKS)
    measure("mask and out_conv", case, values, list(a.output[:, : CHUNKS * chunk].split(chunk, dim=1)), BLOCK_PCC)
