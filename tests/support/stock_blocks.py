# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Single blocks of the network of stock operations, chunk by chunk, each on the reference's own input."""

import torch
import ttnn
from support.blocks import chunk_of

from tt.stock.decoder import TtDecoder
from tt.stock.encoder import TtEncoder
from tt.stock.frontend import Control, Framing, TtFrontend
from tt.stock.ops import Ops, upload
from tt.stock.synthesis import TtSynthesis


def run_block(device, a, block, chunks):
    """The output of a block for every chunk of some Activations: features, e, decoded [B, frames, C], audio [B, N]."""
    layout, ops = a.layout, Ops(device, a.layout.total_rows)
    return list(RUN[block](device, ops, a, layout, chunks))


def frontend(device, ops, a, layout, chunks):
    block, lookahead = TtFrontend(device, a.model), a.model.config.lookahead_len
    framing = Framing(block.row, layout, layout.batch_size)
    audio = torch.nn.functional.pad(a.audio, (0, lookahead))
    step = layout.frames * a.model.config.L
    frames = torch.full((layout.batch_size,), layout.frames)
    for chunk in range(chunks):
        rows = framing(list(range(layout.batch_size)), audio[:, chunk * step : (chunk + 1) * step + lookahead], frames)
        rows = upload(device, rows, dtype=ttnn.float32, memory=ops.memory)
        yield from_rows(block(ops, rows), layout)


def encoder(device, ops, a, layout, chunks):
    block = TtEncoder(device, a.model.mask_gen.encoder)
    state, control = block.init_state(ops, layout), all_move(ops, layout)
    for chunk in range(chunks):
        x = to_rows(ops, chunk_of(a.features, layout, chunk), layout)
        yield from_rows(block(ops, x, state, control), layout)


def decoder(device, ops, a, layout, chunks):
    block = TtDecoder(device, a.model)
    state, control = block.init_state(ops, layout), all_move(ops, layout)
    for chunk in range(chunks):
        e = to_rows(ops, chunk_of(a.e, layout, chunk), layout)
        yield from_rows(block(ops, e, state, control), layout)


def synthesis(device, ops, a, layout, chunks):
    block = TtSynthesis(device, a.model)
    state, control = block.init_state(ops, layout), all_move(ops, layout)
    for chunk in range(chunks):
        inputs = (to_rows(ops, chunk_of(x, layout, chunk), layout) for x in (a.decoded, a.e, a.features))
        samples = ttnn.tanh(block(ops, *inputs, state, control))
        yield from_rows(samples, layout)[..., : a.model.config.L].flatten(1)


RUN = {"frontend": frontend, "encoder": encoder, "decoder": decoder, "synthesis": synthesis}


def to_rows(ops, x, layout):
    """Frames of one chunk [B, frames, C] -> rows on the device; the padding rows hold garbage."""
    rows = torch.full((layout.batch_size, layout.windows, layout.window_rows, x.shape[-1]), 3.0)
    chunk = layout.config.dec_chunk_size
    rows[:, :, :chunk] = x.reshape(layout.batch_size, layout.windows, chunk, -1)
    return upload(ops.device, rows.reshape(layout.batch_size, 1, layout.rows, -1), memory=ops.memory)


def from_rows(tensor, layout):
    """Rows on the device -> frames [B, frames, C]."""
    rows = ttnn.to_torch(tensor).float().reshape(layout.batch_size, layout.windows, layout.window_rows, -1)
    return rows[:, :, : layout.config.dec_chunk_size].flatten(1, 2)


def all_move(ops, layout):
    """The Control of a chunk in which all streams go on, all frames there."""
    ones = torch.ones(layout.batch_size, 1, layout.rows, 1)
    zeros = torch.zeros(layout.batch_size, 1, 1, 1)
    return Control(*(upload(ops.device, mask, memory=ops.memory) for mask in (ones, ones[:, :, :1], zeros)))
