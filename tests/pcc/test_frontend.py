# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Framing, prenet and in_conv on the device, from the start of the stream."""

import torch
import ttnn
from support.blocks import BLOCK_PCC, CHUNKS, activations, chunk_of, for_all_cases, from_rows, ops_for

from tt.stock.frontend import Framing, TtFrontend
from tt.stock.ops import upload


@for_all_cases
def test_frontend(device, case, measure):
    a = activations(*case)
    layout, lookahead = a.layout, a.model.config.lookahead_len
    ops, frontend = ops_for(device, a.layout), TtFrontend(device, a.model)
    framing = Framing(frontend.row, layout, layout.batch_size)
    audio = torch.nn.functional.pad(a.audio, (0, lookahead))
    step = layout.frames * a.model.config.L
    frames = torch.full((layout.batch_size,), layout.frames)
    values = []
    for chunk in range(CHUNKS):
        rows = framing(slice(None), audio[:, chunk * step : (chunk + 1) * step + lookahead], frames)
        rows = upload(device, rows, dtype=ttnn.float32, memory=ops.memory)
        values.append(from_rows(frontend(ops, rows), layout))
    measure("prenet and in_conv", case, values, [chunk_of(a.features, layout, c) for c in range(CHUNKS)], BLOCK_PCC)
