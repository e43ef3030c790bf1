# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""From the decoder's output to samples: the mask, its product with the features, and out_conv.

out_conv gives each frame (out_buf_len + 1) * L samples that overlap those of its neighbours. The linear map writes
every L of them into whole tiles of columns, which heads splitting turns into rows; one selection then adds up, for
every frame, the pieces that fall into its L samples.
"""

from dataclasses import dataclass

import torch.nn.functional as F
import ttnn

from reference.fold import dense_projection

from .layout import round_up
from .ops import Selection, upload, upload_linear, upload_row


@dataclass
class SynthesisState:
    past: ttnn.Tensor  # [B, 1, out_buf_len rounded up to tiles, enc_dim]: masked features before the chunk
    next_past: ttnn.Tensor  # selections: from [past; masked features],
    overlap_add: ttnn.Tensor  # and from their pieces, piece by piece

    @property
    def tensors(self):
        return [self.past]


class TtSynthesis:
    """Decoder output, encoder output and features -> samples before their tanh [B, 1, rows, L in whole tiles]."""

    def __init__(self, device, model):
        config = model.config
        self.pieces = config.out_buf_len + 1
        self.label = upload_row(device, model.label_embedding()) if config.skip_connection else None
        projection = model.mask_gen.proj_d2e[0]
        self.projection = None
        if config.proj:
            self.projection = upload_linear(device, dense_projection(projection), projection.bias)
        kernel = model.out_conv[0].weight[:, 0].detach()  # [enc_dim, pieces * L]
        kernel = kernel.reshape(config.enc_dim, self.pieces, config.L)
        self.width = round_up(config.L)  # columns of a frame's samples
        self.out_conv = upload(device, F.pad(kernel, (0, self.width - config.L)).flatten(1))

    def init_state(self, ops, layout):
        """The zero state at the start of all streams, and the selections for this layout."""
        past_len = layout.config.out_buf_len
        past_rows = round_up(past_len)
        rows = past_rows + layout.rows

        def source(frame):
            return past_len + frame if frame < 0 else past_rows + layout.row(frame)

        next_past = Selection(past_rows, rows)
        for j in range(past_len):
            next_past.pick(j, source(layout.frames - past_len + j))
        overlap_add = Selection(layout.rows, self.pieces * rows)
        for frame in range(layout.frames):
            for piece in range(self.pieces):
                overlap_add.pick(layout.row(frame), piece * rows + source(frame - piece))
        return SynthesisState(
            past=ops.state((layout.batch_size, 1, past_rows, layout.config.enc_dim)),
            next_past=ops.selection(next_past.matrix, layout.batch_size),
            overlap_add=ops.selection(overlap_add.matrix, layout.batch_size),
        )

    def __call__(self, ops, decoded, e, features, state, control):
        mask = ops.linear(decoded, *self.projection, activation="relu") if self.projection else decoded
        if self.label is not None:
            mask = ttnn.addcmul(mask, e, self.label, memory_config=ops.memory)
        masked = ops.concat([state.past, ttnn.multiply(mask, features, memory_config=ops.memory)])
        ops.advance(state.past, state.next_past, masked, control.moved)
        pieces, _, _ = ops.heads(ops.linear(masked, self.out_conv), heads=self.pieces, kv_heads=0)
        pieces = ttnn.reshape(pieces, (pieces.shape[0], 1, -1, self.width))  # piece by piece
        return ops.select(state.overlap_add, pieces, dtype=ttnn.float32)
