# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""LLVC, low-latency low-resource voice conversion (arXiv 2311.00873), in PyTorch.

The published network: the same numbers, and the same names and shapes in the state_dict.
"""

from dataclasses import asdict

import torch
from torch import nn
from torch.nn import functional as F

from .config import LABEL_HIDDEN_DIM, LLVCConfig
from .decoder import CausalTransformerDecoder
from .encoder import DilatedCausalConvEncoder
from .prenet import CachedConvNet, connect


class LabelEmbedding(nn.Sequential):
    """The embedding [C] of the target voice's label, which is always zero: a constant of the weights."""

    def __init__(self, dim):
        super().__init__(
            nn.Linear(1, LABEL_HIDDEN_DIM),
            nn.LayerNorm(LABEL_HIDDEN_DIM),
            nn.ReLU(),
            nn.Linear(LABEL_HIDDEN_DIM, dim),
            nn.LayerNorm(dim),
            nn.ReLU(),
        )

    def forward(self):
        return super().forward(self[0].weight.new_zeros(1))


class GroupedProjection(nn.Sequential):
    """ReLU of a pointwise convolution that joins or splits neighbouring channels, as few as it can."""

    def __init__(self, in_dim, out_dim):
        super().__init__(nn.Conv1d(in_dim, out_dim, 1, groups=min(in_dim, out_dim)), nn.ReLU())

    def forward(self, x):
        """x [B, T, in_dim] -> [B, T, out_dim]."""
        # PyTorch runs a grouped convolution group by group on the CPU: hundreds of calls for two channels each.
        conv = self[0]
        weight = conv.weight[:, :, 0].unflatten(0, (conv.groups, -1))
        y = (x.unflatten(-1, (conv.groups, 1, -1)) * weight).sum(-1).flatten(-2)
        return F.relu(y + conv.bias)


class MaskNet(nn.Module):
    """Encoder, projections and decoder: the mask that turns the input's frames into the target voice's."""

    def __init__(self, config):
        super().__init__()
        self.proj = config.proj
        self.skip_connection = config.skip_connection
        self.encoder = DilatedCausalConvEncoder(config.enc_dim, config.num_enc_layers)
        self.proj_e2d_e = GroupedProjection(config.enc_dim, config.dec_dim)
        self.proj_e2d_l = GroupedProjection(config.enc_dim, config.dec_dim)
        self.proj_d2e = GroupedProjection(config.dec_dim, config.enc_dim)
        self.decoder = CausalTransformerDecoder(
            config.dec_dim,
            config.dec_buf_len,
            config.dec_chunk_size,
            config.num_dec_layers,
            config.use_pos_enc,
            config.decoder_dropout,
        )

    def forward(self, x, label, enc_buf, dec_buf):
        """x [B, T, C], label [C] -> (mask [B, T, C], the next enc_buf, the next dec_buf)."""
        e, enc_buf = self.encoder(x, enc_buf)
        labelled = label * e
        if self.proj:
            memory, target = self.proj_e2d_e(e), self.proj_e2d_l(labelled)
        else:
            memory, target = e, labelled
        mask, dec_buf = self.decoder(target, memory, dec_buf)
        if self.proj:
            mask = self.proj_d2e(mask)
        if self.skip_connection:
            mask = labelled + mask
        return mask, enc_buf, dec_buf


class LLVC(nn.Module):
    """The whole network: audio [B, 1, N] in, audio [B, 1, N] of the target voice out.

    LLVC(**model_params) takes the published configuration's `model_params` (see LLVCConfig; ConfigError says
    what is wrong with them). A new network is in eval mode; train() turns dropout on.
    """

    def __init__(self, **model_params):
        super().__init__()
        self.config = config = LLVCConfig.from_params(model_params)
        if config.convnet_config.convnet_prenet:
            self.convnet_pre = CachedConvNet(config.convnet_config)
        kernel_size = config.L + 2 * config.lookahead_len
        self.in_conv = nn.Sequential(nn.Conv1d(1, config.enc_dim, kernel_size, stride=config.L, bias=False), nn.ReLU())
        self.label_embedding = LabelEmbedding(config.enc_dim)
        self.mask_gen = MaskNet(config)
        self.out_conv = nn.Sequential(
            nn.ConvTranspose1d(
                config.enc_dim,
                1,
                kernel_size=(config.out_buf_len + 1) * config.L,
                stride=config.L,
                padding=config.out_buf_len * config.L,
                bias=False,
            ),
            nn.Tanh(),
        )
        self.eval()

    @classmethod
    def from_config(cls, config):
        """The network of an LLVCConfig."""
        return cls(**asdict(config))

    def init_buffers(self, batch_size, device=None):
        """The buffers (enc_buf, dec_buf, out_buf) at the start of a stream, all zero.

        enc_buf [B, enc_dim, frames of all encoder layers' contexts], dec_buf [B, 1 + num_dec_layers,
        dec_buf_len, dec_dim], out_buf [B, enc_dim, out_buf_len].
        """
        return (
            self.mask_gen.encoder.init_ctx_buf(batch_size, device),
            self.mask_gen.decoder.init_ctx_buf(batch_size, device),
            torch.zeros(batch_size, self.config.out_buf_len, self.config.enc_dim, device=device).transpose(1, 2),
        )

    def init_prenet_ctx(self, batch_size, device=None):
        """The prenet's zero context (see CachedConvNet), [B, 1, 0] for a network without prenet."""
        if self.config.convnet_config.convnet_prenet:
            return self.convnet_pre.init_ctx_buf(batch_size, device)
        return torch.zeros(batch_size, 1, 0, device=device)

    def prenet(self, x, ctx):
        """The prenet and its skip connection: x [B, 1, T] -> ([B, 1, T], the next context)."""
        if not self.config.convnet_config.convnet_prenet:
            return x, ctx
        y, ctx = self.convnet_pre(x, ctx)
        return connect(self.config.convnet_config.skip_connection, x, y), ctx

    def convert(self, x, label, enc_buf, dec_buf, out_buf):
        """Everything behind the prenet, on windows that overlap by twice the lookahead.

        x [B, 1, T * L + 2 * lookahead_len], label [C] as label_embedding() gives it -> (audio [B, 1, T * L], the next
        enc_buf, dec_buf, out_buf).
        """
        frames = self.in_conv(x).transpose(1, 2)
        mask, enc_buf, dec_buf = self.mask_gen(frames, label, enc_buf, dec_buf)
        frames = torch.cat((out_buf.transpose(1, 2), frames * mask), dim=1).transpose(1, 2)
        return self.out_conv(frames), enc_buf, dec_buf, frames[..., -self.config.out_buf_len :]

    def forward(self, x, enc_buf=None, dec_buf=None, out_buf=None, convnet_pre_ctx=None, pad=True):
        """Converts audio x [B, 1, N], offline or one window of a stream.

        Offline, model(x): x is padded by the lookahead on both sides and to whole frames; returns [B, 1, N].
        With the three buffers of init_buffers (and the prenet's context, else zero): returns (audio, enc_buf,
        dec_buf, out_buf, convnet_pre_ctx), the buffers for the next call; pad=False takes x as a window that
        holds 2 * lookahead_len samples more than come out. ValueError for audio of another shape.

        For streaming use streaming.stream.ChunkedStream: windows that overlap in front of the prenet do not give the
        offline result.
        """
        buffers = (enc_buf, dec_buf, out_buf)
        streaming = enc_buf is not None
        if any((buffer is not None) != streaming for buffer in buffers):
            raise ValueError("enc_buf, dec_buf and out_buf belong together: give all three or none")
        if x.dim() != 3 or x.shape[1] != 1:
            raise ValueError(f"audio must have the shape [batch, 1, samples], not {list(x.shape)}")
        if not streaming:
            buffers = self.init_buffers(x.shape[0], x.device)
        if convnet_pre_ctx is None:
            convnet_pre_ctx = self.init_prenet_ctx(x.shape[0], x.device)

        samples, lookahead = x.shape[-1], self.config.lookahead_len
        if pad:
            x = F.pad(x, (lookahead, lookahead + -samples % self.config.L))
        else:
            samples -= 2 * lookahead
        if x.shape[-1] - 2 * lookahead < self.config.L:
            if not pad or streaming:
                raise ValueError(f"a window must hold at least one frame, not {x.shape[-1]} samples")
            return x.new_zeros(x.shape[0], 1, 0)

        x, convnet_pre_ctx = self.prenet(x, convnet_pre_ctx)
        x, *buffers = self.convert(x, self.label_embedding(), *buffers)
        x = x[..., :samples]
        return (x, *buffers, convnet_pre_ctx) if streaming else x
