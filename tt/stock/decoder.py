# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The decoder on the device: projections to its width, and a transformer over windows of frames.

A window's rows are its own frames first and the frames before them after that: attention does not mind the order of
keys, and the queries are the first tiles. One selection makes all windows from [frames before the chunk; positional
table; frames of the chunk]; it picks a frame's row and its position's row and so adds them on the way.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
import ttnn

from reference.config import NUM_HEADS
from reference.fold import dense_projection

from .layout import Layout, round_up
from .ops import Selection, upload_linear, upload_norm


@dataclass
class WindowState:
    """The frames before the chunk, and how windows are made from them."""

    past: ttnn.Tensor  # [B, 1, dec_buf_len rounded up to tiles, C]
    positions: ttnn.Tensor | None  # [B, 1, key rows, C]
    windows: ttnn.Tensor  # selections from [past; positions; frames]
    next_past: ttnn.Tensor


@dataclass
class DecoderState:
    layout: Layout
    layers: list  # WindowState per layer, the first one of memory and target together

    @property
    def tensors(self):
        return [layer.past for layer in self.layers]


class TtDecoder:
    """Encoder output e [B, 1, rows, enc_dim] -> decoder output [B, 1, rows, dec_dim].

    Holds the projections of e to memory and target too; memory and target stand side by side in one tensor.
    """

    def __init__(self, device, model):
        mask_gen = model.mask_gen
        decoder = mask_gen.decoder
        self.dim = decoder.dim
        self.positions = decoder.pos_enc.pe[0] if decoder.use_pos_enc else None
        label = model.label_embedding().detach()  # scales e before the target's projection
        if mask_gen.proj:
            memory, target = dense_projection(mask_gen.proj_e2d_e[0]), dense_projection(mask_gen.proj_e2d_l[0]) * label
            bias = torch.cat((mask_gen.proj_e2d_e[0].bias, mask_gen.proj_e2d_l[0].bias))
        else:
            memory, target, bias = torch.eye(self.dim), torch.diag(label), None
        self.projection = upload_linear(device, torch.cat((memory, target)), bias)
        self.projection_activation = "relu" if mask_gen.proj else None
        self.layers = [_TtDecoderLayer(device, layer, first=i == 0) for i, layer in enumerate(decoder.tf_dec_layers)]

    def init_state(self, ops, layout):
        """The zero state at the start of all streams, and the selections for this layout."""
        config, batch_size = layout.config, layout.batch_size
        past_len, chunk = config.dec_buf_len, config.dec_chunk_size
        past_rows, key_rows = round_up(past_len), round_up(past_len + chunk)

        def window_state(dim, positions):
            table_rows = 0 if positions is None else key_rows
            columns = past_rows + table_rows + layout.rows

            def source(frame):
                return past_len + frame if frame < 0 else past_rows + table_rows + layout.row(frame)

            windows = Selection(layout.windows * key_rows, columns)
            for window in range(layout.windows):
                for key in range(past_len + chunk):
                    # Key `chunk` is the oldest frame, key 0 the window's own first.
                    frame = window * chunk + (key if key < chunk else key - chunk - past_len)
                    row = window * key_rows + key
                    windows.pick(row, source(frame))
                    if table_rows:
                        windows.pick(row, past_rows + key)
            next_past = Selection(past_rows, columns)
            for j in range(past_len):
                next_past.pick(j, source(layout.frames - past_len + j))
            if positions is not None:
                table = torch.cat((positions[past_len : past_len + chunk], positions[:past_len]))
                table = F.pad(torch.cat((table, table), dim=1), (0, 0, 0, key_rows - len(table)))
                table = ops.constant(table.expand(batch_size, 1, *table.shape))
            return WindowState(
                past=ops.state((batch_size, 1, past_rows, dim)),
                positions=None if positions is None else table,
                windows=ops.selection(windows.matrix, batch_size),
                next_past=ops.selection(next_past.matrix, batch_size),
            )

        first = window_state(2 * self.dim, self.positions)
        return DecoderState(layout, [first, *(window_state(self.dim, None) for _ in self.layers[1:])])

    def __call__(self, ops, e, state, control):
        layout = state.layout
        x = ops.linear(e, *self.projection, self.projection_activation)  # [B, 1, rows, memory | target]
        x = ttnn.multiply(x, control.valid, memory_config=ops.memory)  # frames behind the end count as zeros
        memory = None
        for layer, window_state in zip(self.layers, state.layers, strict=True):
            windows = self._windows(ops, layout, x, window_state, control)
            if memory is None:
                memory = windows
                corner = [0, 0, 0, self.dim], [windows.shape[0], 1, layout.window_rows, 2 * self.dim]
                x = ttnn.slice(windows, *corner, memory_config=ops.memory)
            else:
                x = ttnn.reshape(x, (windows.shape[0], 1, layout.window_rows, self.dim))
            x = layer(ops, x, windows, memory, layout)
            x = ttnn.reshape(x, (layout.batch_size, 1, layout.rows, self.dim))
        return x

    def _windows(self, ops, layout, x, state, control):
        """All windows of x with the frames before them, [B * n, 1, key rows, C]; moves the state on."""
        parts = [state.past, x] if state.positions is None else [state.past, state.positions, x]
        frames = ops.concat(parts)
        windows = ops.select(state.windows, frames)
        ops.advance(state.past, state.next_past, frames, control.moved)
        return ttnn.reshape(windows, (layout.batch_size * layout.windows, 1, -1, x.shape[3]))


class _TtDecoderLayer:
    """Self-attention, cross-attention to the memory, feed-forward; each with a residual and a norm behind it."""

    def __init__(self, device, layer, first):
        dim = layer.self_attn.embed_dim
        self.scale = (dim // NUM_HEADS) ** -0.5

        def columns(weight, of_target):
            """Weights that read the memory or the target half of the first layer's windows."""
            return F.pad(weight, (dim, 0) if of_target else (0, dim))

        self_qkv, self_bias, self_out = _in_whole_tiles(layer.self_attn)
        cross, cross_bias, cross_out = _in_whole_tiles(layer.multihead_attn)
        width = len(cross_bias) // 3
        self.self_qkv = upload_linear(device, columns(self_qkv, True) if first else self_qkv, self_bias)
        self.self_out = upload_linear(device, self_out, layer.self_attn.out_proj.bias)
        self.cross_q = upload_linear(device, cross[:width], cross_bias[:width])
        self.cross_kv = upload_linear(device, columns(cross[width:], False), cross_bias[width:])
        self.cross_out = upload_linear(device, cross_out, layer.multihead_attn.out_proj.bias)
        self.linear1 = upload_linear(device, layer.linear1.weight, layer.linear1.bias)
        self.linear2 = upload_linear(device, layer.linear2.weight, layer.linear2.bias)
        self.norms = [upload_norm(device, norm) for norm in (layer.norm1, layer.norm2, layer.norm3)]

    def __call__(self, ops, x, windows, memory, layout):
        """x [W, 1, window rows, dim], windows and memory [W, 1, key rows, C] -> [W, 1, window rows, dim]."""
        q, k, v = ops.heads(ops.linear(windows, *self.self_qkv))
        x = ops.layer_norm(self._attend(ops, q, k, v, self.self_out, layout), self.norms[0], residual=x)
        q, kv = ops.linear(x, *self.cross_q), ops.linear(memory, *self.cross_kv)
        if q.shape[2] == kv.shape[2]:
            q, k, v = ops.heads(q, kv)
        else:
            q, _, _ = ops.heads(q, kv_heads=0)
            kv, _, _ = ops.heads(kv, heads=2 * NUM_HEADS, kv_heads=0)
            windows_, _, rows, head_dim = kv.shape
            k = ttnn.slice(kv, [0, 0, 0, 0], [windows_, NUM_HEADS, rows, head_dim], memory_config=ops.memory)
            v = ttnn.slice(
                kv, [0, NUM_HEADS, 0, 0], [windows_, 2 * NUM_HEADS, rows, head_dim], memory_config=ops.memory
            )
        x = ops.layer_norm(self._attend(ops, q, k, v, self.cross_out, layout), self.norms[1], residual=x)
        y = ops.linear(ops.linear(x, *self.linear1, activation="relu"), *self.linear2)
        return ops.layer_norm(y, self.norms[2], residual=x)

    def _attend(self, ops, q, k, v, out, layout):
        keys = layout.config.dec_buf_len + layout.config.dec_chunk_size
        if q.shape[2] != layout.window_rows:
            q = ttnn.slice(
                q, [0, 0, 0, 0], [q.shape[0], q.shape[1], layout.window_rows, q.shape[3]], memory_config=ops.memory
            )
        # Told how many of its rows count, the attention masks the rest itself.
        k, v = (_relabel_rows(t, keys) for t in (k, v))
        attended = ttnn.transformer.scaled_dot_product_attention(
            q,
            k,
            v,
            is_causal=False,
            scale=self.scale,
            program_config=ops.attention,
            compute_kernel_config=ops.precise,
            memory_config=ops.memory,
        )
        return ops.linear(ttnn.experimental.nlp_concat_heads(attended, memory_config=ops.memory), *out)


def _in_whole_tiles(attention):
    """An attention's projections, every head padded with zeros to whole tiles: q, k and v in one [3 * heads, dim],
    their bias [3 * heads], and out's [dim, heads]."""
    head_dim = attention.embed_dim // NUM_HEADS
    missing = round_up(head_dim) - head_dim
    weight = attention.in_proj_weight.unflatten(0, (3 * NUM_HEADS, head_dim))
    bias = attention.in_proj_bias.unflatten(0, (3 * NUM_HEADS, head_dim))
    out = attention.out_proj.weight.unflatten(1, (NUM_HEADS, head_dim))
    return (
        F.pad(weight, (0, 0, 0, missing)).flatten(0, 1),
        F.pad(bias, (0, missing)).flatten(),
        F.pad(out, (0, missing)).flatten(1),
    )


def _relabel_rows(x, rows):
    """The same tiles of x [W, heads, tile rows, C], of which only the first `rows` rows count: no program."""
    windows, heads, tile_rows, columns = x.shape
    return ttnn.reshape(
        x, ttnn.Shape([windows, heads, rows, columns]), ttnn.Shape([windows, heads, tile_rows, columns])
    )
