# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The prenet: causal convolutions on the waveform, with cached context for streaming."""

import torch
from torch import nn
from torch.nn import functional as F


def connect(how, x, y):
    """One of reference.config.CONNECTIONS around a block with the input x and the output y."""
    if how == "add":
        return x + y
    return x * y if how == "multiply" else y


class ResidualBlock(nn.Module):
    """Gated residual block: x <- crop(x) + tanh(filter(x)) * sigmoid(gate(x))."""

    def __init__(self, in_channels, out_channels, kernel_size, dilation, dropout):
        super().__init__()
        self.filter = nn.Conv1d(in_channels, out_channels, kernel_size, dilation=dilation)
        self.gate = nn.Conv1d(in_channels, out_channels, kernel_size, dilation=dilation)
        self.dropout = nn.Dropout1d(dropout)

    def forward(self, x):
        """x [B, C_in, context + T] -> [B, C_out, T]; channels that x lacks or has too many are zeros or dropped."""
        # One convolution for both halves: with one channel the call costs more than its arithmetic.
        weight = torch.cat((self.filter.weight, self.gate.weight))
        bias = torch.cat((self.filter.bias, self.gate.bias))
        filtered, gate = F.conv1d(x, weight, bias, dilation=self.filter.dilation).chunk(2, dim=1)
        residual = torch.tanh(filtered) * torch.sigmoid(gate)
        x = x[..., x.shape[-1] - residual.shape[-1] :]
        if x.shape[1] != residual.shape[1]:
            x = F.pad(x, (0, 0, 0, residual.shape[1] - x.shape[1]))
        return self.dropout(x + residual)


class CausalConvBlock(nn.Module):
    """Convolution, batch norm, leaky ReLU."""

    def __init__(self, in_channels, out_channels, kernel_size, dilation, dropout):
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(in_channels, out_channels, kernel_size, dilation=dilation),
            nn.BatchNorm1d(out_channels),
            nn.Dropout1d(dropout),
            nn.LeakyReLU(),
        )

    def forward(self, x):
        """x [B, C_in, context + T] -> [B, C_out, T]."""
        return self.conv(x)


class CachedConvNet(nn.Module):
    """A chain of causal blocks, each with its own context of past input."""

    def __init__(self, config):
        super().__init__()
        block = ResidualBlock if config.use_residual_blocks else CausalConvBlock
        self.combine_residuals = config.combine_residuals
        self.ctx_channels = max(config.out_channels)
        self.down_convs = nn.ModuleList(
            block(c_in, c_out, kernel_size, dilation, config.dropout)
            for c_in, c_out, kernel_size, dilation in zip(
                (1, *config.out_channels[:-1]),
                config.out_channels,
                config.kernel_sizes,
                config.dilations,
                strict=True,
            )
        )
        self.contexts = config.contexts

    def init_ctx_buf(self, batch_size, device=None):
        """The zero context at the start of a stream: [B, max(out_channels), sum of the blocks' contexts]."""
        return torch.zeros(batch_size, self.ctx_channels, sum(self.contexts), device=device)

    def forward(self, x, ctx):
        """x [B, 1, T], ctx as from init_ctx_buf -> (output [B, 1, T], the next context)."""
        next_ctx = []
        for block, past in zip(self.down_convs, ctx.split(self.contexts, dim=-1), strict=True):
            unused = past.shape[1] - x.shape[1]
            block_in = torch.cat((past[:, : x.shape[1]], x), dim=-1)
            kept = block_in[..., x.shape[-1] :]
            next_ctx.append(torch.cat((kept, torch.zeros_like(past[:, :unused])), dim=1) if unused else kept)
            x = connect(self.combine_residuals, x, block(block_in))
        return x, torch.cat(next_ctx, dim=-1)
