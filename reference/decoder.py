# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The decoder: a transformer over windows of frames that sees a fixed number of past frames."""

import math

import torch
from torch import nn
from torch.nn import functional as F

from .config import NUM_HEADS, POSITIONAL_ROWS

# Windows attended to at once offline: bounds the memory that long audio takes.
MAX_WINDOWS = 1000


class PositionalEncoding(nn.Module):
    """Sine and cosine rows, interleaved, of wavelengths from 2 pi to 10000 * 2 pi (Vaswani et al., 2017)."""

    def __init__(self, dim):
        super().__init__()
        position = torch.arange(POSITIONAL_ROWS).unsqueeze(1).float()
        frequency = torch.exp(torch.arange(0, dim, 2).float() * -(math.log(10000.0) / dim))
        pe = torch.stack((torch.sin(position * frequency), torch.cos(position * frequency)), dim=-1)
        self.register_buffer("pe", pe.reshape(1, POSITIONAL_ROWS, dim))

    def forward(self, x):
        """x [B, T, C] -> x plus the first T rows."""
        return x + self.pe[:, : x.shape[1]]


class CausalTransformerDecoderLayer(nn.TransformerDecoderLayer):
    """A post-norm decoder layer whose queries are only the window's own frames, not those before it."""

    def forward(self, tgt, memory, chunk_size):
        """tgt and memory [W, ctx + chunk_size, C] -> [W, chunk_size, C]."""
        x = tgt[:, -chunk_size:]
        x = self.norm1(x + self.dropout1(self.self_attn(x, tgt, tgt, need_weights=False)[0]))
        x = self.norm2(x + self.dropout2(self.multihead_attn(x, memory, memory, need_weights=False)[0]))
        return self.norm3(x + self.dropout3(self.linear2(self.dropout(F.relu(self.linear1(x))))))


class CausalTransformerDecoder(nn.Module):
    """Transformer decoder over windows of chunk_size frames; no mask inside a window."""

    def __init__(self, dim, ctx_len, chunk_size, num_layers, use_pos_enc, dropout):
        super().__init__()
        self.dim = dim
        self.ctx_len = ctx_len
        self.chunk_size = chunk_size
        self.use_pos_enc = use_pos_enc
        self.pos_enc = PositionalEncoding(dim)
        self.tf_dec_layers = nn.ModuleList(
            CausalTransformerDecoderLayer(dim, NUM_HEADS, 2 * dim, dropout, batch_first=True) for _ in range(num_layers)
        )

    def init_ctx_buf(self, batch_size, device=None):
        """The zero context at the start of a stream: [B, 1 + layers, ctx_len, C], the memory's first."""
        return torch.zeros(batch_size, 1 + len(self.tf_dec_layers), self.ctx_len, self.dim, device=device)

    def _windows(self, x):
        """x [B, ctx_len + W * chunk_size, C] -> overlapping windows [B * W, ctx_len + chunk_size, C]."""
        return x.unfold(1, self.ctx_len + self.chunk_size, self.chunk_size).flatten(0, 1).transpose(1, 2)

    def forward(self, target, memory, ctx):
        """Attends from the target's windows to themselves and to the memory's.

        target and memory [B, T, C], ctx as from init_ctx_buf -> (output [B, T, C], the next context). An
        incomplete last window is filled up with zeros, so a context that follows one is of no use.
        """
        batch_size, frames, dim = target.shape
        fill = (0, 0, 0, -frames % self.chunk_size)
        memory_ctx, *target_ctx = ctx.unbind(1)

        memory = torch.cat((memory_ctx, F.pad(memory, fill)), dim=1)
        next_ctx = [memory[:, -self.ctx_len :]]
        memory = self._windows(memory)
        if self.use_pos_enc:
            memory = self.pos_enc(memory)

        x = F.pad(target, fill)
        for i, (layer, past) in enumerate(zip(self.tf_dec_layers, target_ctx, strict=True)):
            x = torch.cat((past, x), dim=1)
            next_ctx.append(x[:, -self.ctx_len :])
            windows = self._windows(x)
            if self.use_pos_enc and i == 0:
                windows = self.pos_enc(windows)
            parts = zip(windows.split(MAX_WINDOWS), memory.split(MAX_WINDOWS), strict=True)
            x = torch.cat([layer(w, m, self.chunk_size) for w, m in parts]).reshape(batch_size, -1, dim)
        return x[:, :frames], torch.stack(next_ctx, dim=1)
