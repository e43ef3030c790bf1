# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The encoder: dilated causal depthwise-separable convolutions with residual connections."""

from collections import OrderedDict

import torch
from torch import nn
from torch.nn import functional as F

from .config import ENCODER_KERNEL_SIZE


class DepthwiseSeparableConv(nn.Module):
    """ReLU(LN(pointwise(ReLU(LN(depthwise(x))))))."""

    def __init__(self, channels, dilation):
        super().__init__()
        self.dilation = dilation
        self.layers = nn.Sequential(
            nn.Conv1d(channels, channels, ENCODER_KERNEL_SIZE, groups=channels, dilation=dilation),
            nn.LayerNorm(channels),
            nn.ReLU(),
            nn.Conv1d(channels, channels, 1),
            nn.LayerNorm(channels),
            nn.ReLU(),
        )

    @property
    def context(self):
        """Past frames that the depthwise convolution needs."""
        return (ENCODER_KERNEL_SIZE - 1) * self.dilation

    def forward(self, x, past):
        """x [B, T, C] and the context frames before it, past [B, context, C] -> [B, T, C]."""
        depthwise, norm1, _, pointwise, norm2, _ = self.layers
        frames = x.shape[1]
        # Channels last, a depthwise convolution is a sum of shifted rows scaled per channel.
        y = depthwise.bias
        for tap in range(ENCODER_KERNEL_SIZE):
            start = tap * self.dilation
            y = torch.addcmul(y, _rows(past, x, start, start + frames), depthwise.weight[:, 0, tap])
        y = F.linear(F.relu(norm1(y)), pointwise.weight[:, :, 0], pointwise.bias)
        return F.relu(norm2(y))


def _rows(past, x, start, stop):
    """Rows start to stop of past followed by x, without joining the two where one will do."""
    if stop <= past.shape[1]:
        return past[:, start:stop]
    return torch.cat((past[:, start:], x[:, : stop - past.shape[1]]), dim=1)


class DilatedCausalConvEncoder(nn.Module):
    """Layers of dilation 1, 2, 4, ...: y = x + DepthwiseSeparableConv(x)."""

    def __init__(self, channels, num_layers):
        super().__init__()
        self.channels = channels
        self.dcc_layers = nn.Sequential(
            OrderedDict((f"dcc_{i}", DepthwiseSeparableConv(channels, 2**i)) for i in range(num_layers))
        )
        self.contexts = [layer.context for layer in self.dcc_layers]

    def init_ctx_buf(self, batch_size, device=None):
        """The zero context at the start of a stream: [B, C, frames of all layers' contexts]."""
        # Stored channels last like the activations, so that no call has to transpose it.
        return torch.zeros(batch_size, sum(self.contexts), self.channels, device=device).transpose(1, 2)

    def forward(self, x, ctx):
        """x [B, T, C], ctx as from init_ctx_buf -> (output [B, T, C], the next context)."""
        next_ctx = []
        for layer, past in zip(self.dcc_layers, ctx.transpose(1, 2).split(self.contexts, dim=1), strict=True):
            next_ctx += [past[:, x.shape[1] :], x[:, -layer.context :]]
            x = x + layer(x, past)
        return x, torch.cat(next_ctx, dim=1).transpose(1, 2)
