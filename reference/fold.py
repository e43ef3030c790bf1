# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Folding: what of the network is constant goes into its weights, in float64, and comes out as float32.

Linear maps are [in, out], for rows of frames x [T, in] @ weight. The encoder's channels are permuted so that those
that the grouped projections join stand in slices of dec_dim: channel g * k + j becomes j * groups + g. A projection is
then k products of [T, dec_dim] with a row. The label scales the target's projection and the mask's skip connection.
Keys and values are linear in a frame and stand without bias and position: a key's bias shifts all scores of a query
alike, which the softmax ignores, a value's goes through the attention into the output's bias.
"""

from dataclasses import dataclass, fields, is_dataclass

import numpy as np
import torch

from .config import NUM_HEADS
from .prenet import ResidualBlock


@dataclass
class FoldedEncoderLayer:
    taps: np.ndarray  # [3, C], oldest first
    bias: np.ndarray  # [C], of the taps
    norm1: tuple  # (gain [C], bias [C])
    pointwise: np.ndarray  # [C, C]
    pointwise_bias: np.ndarray
    norm2: tuple


@dataclass
class FoldedAttention:
    query: np.ndarray  # [D, D], scaled by 1 / sqrt(head size)
    query_bias: np.ndarray  # [window, D]: with the positions of the queries, where they have any
    key_value: np.ndarray  # [D, 2 * D], to be applied once per frame
    key_value_positions: np.ndarray | None  # [past and window, 2 * D], what positions add
    out: np.ndarray  # [D, D]
    out_bias: np.ndarray  # [window, D]: with the positions of the residual


@dataclass
class FoldedDecoderLayer:
    self_attention: FoldedAttention
    cross_attention: FoldedAttention
    feed_forward: tuple  # (weight, bias, weight, bias)
    norms: list  # three of (gain [D], bias [D])


@dataclass
class FoldedPrenetBlock:
    weights: list  # [C_out, C_in, kernel] of filter and gate, or of the one convolution with its batch norm
    biases: list
    dilation: int


@dataclass
class FoldedNetwork:
    prenet: list  # FoldedPrenetBlock
    in_conv: np.ndarray  # [samples of a frame and its lookahead, C]
    encoder: list  # FoldedEncoderLayer
    label: np.ndarray  # [C]
    projection: tuple | None  # of e to (memory, target): (weights [2, k, D], biases [2, D])
    decoder: list  # FoldedDecoderLayer
    mask: tuple | None  # of the decoder's output: (weight [k, D], bias [k, D])
    out_conv: np.ndarray  # [C, (out_buf_len + 1) * L]


def grouped_weight(conv):
    """A grouped pointwise convolution's weight as [channels of a group that are joined or split, groups]."""
    return _array(conv.weight)[:, :, 0].reshape(conv.groups, -1).T


def dense_projection(conv):
    """A grouped pointwise convolution as a dense weight [out, in]."""
    out_per_group, in_per_group = conv.out_channels // conv.groups, conv.in_channels // conv.groups
    dense = torch.zeros(conv.groups, out_per_group, conv.groups, in_per_group)
    group = torch.arange(conv.groups)
    dense[group, :, group] = conv.weight[:, :, 0].detach().reshape(conv.groups, out_per_group, in_per_group)
    return dense.reshape(conv.out_channels, conv.in_channels)


def banded_convolution(weight, dilation, length):
    """A causal convolution's weight [C_out, C_in, taps] as a matrix [C_in, length, C_out, length].

    It is for rows of `length` samples that see nothing before their first one.
    """
    c_out, c_in, taps = weight.shape
    matrix = torch.zeros(c_in, length, c_out, length)
    for tap in range(taps):
        delay = (taps - 1 - tap) * dilation
        column = torch.arange(length)[delay:]
        matrix[:, column - delay, :, column] = torch.from_numpy(weight[:, :, tap].T).float()
    return matrix


def fold_prenet(model):
    """The prenet of a reference LLVC in eval mode, a FoldedPrenetBlock per block; none without a prenet."""
    blocks = model.convnet_pre.down_convs if model.config.convnet_config.convnet_prenet else ()
    return [_prenet_block(block) for block in blocks]


def fold(model):
    """The folded weights of a reference LLVC in eval mode; ValueError in training mode."""
    if model.training:
        raise ValueError("the network is in training mode; call model.eval() first")
    config, mask_gen = model.config, model.mask_gen
    k = config.enc_dim // config.dec_dim
    order = np.arange(config.enc_dim).reshape(-1, k).T.flatten()
    label = _array(model.label_embedding())[order]
    projection = mask = None
    if config.proj:
        projections = (mask_gen.proj_e2d_e[0], mask_gen.proj_e2d_l[0])
        weights = np.stack([grouped_weight(conv) for conv in projections])
        weights[1] *= label.reshape(k, -1)
        projection = weights, np.stack([_array(conv.bias) for conv in projections])
        conv = mask_gen.proj_d2e[0]
        mask = grouped_weight(conv), _array(conv.bias)[order].reshape(k, -1)
    positions = _array(mask_gen.decoder.pos_enc.pe)[0] if config.use_pos_enc else None
    network = FoldedNetwork(
        prenet=fold_prenet(model),
        in_conv=_array(model.in_conv[0].weight)[order, 0].T,
        encoder=[_encoder_layer(layer, order) for layer in mask_gen.encoder.dcc_layers],
        label=label,
        projection=projection,
        decoder=[
            _decoder_layer(layer, config, positions, first=i == 0)
            for i, layer in enumerate(mask_gen.decoder.tf_dec_layers)
        ],
        mask=mask,
        out_conv=_array(model.out_conv[0].weight)[order, 0],
    )
    return _float32(network)


def _array(tensor):
    return tensor.detach().double().numpy()


def _float32(value):
    """The same with all arrays in float32, contiguous."""
    if isinstance(value, np.ndarray):
        return np.ascontiguousarray(value, dtype=np.float32)
    if isinstance(value, (list, tuple)):
        return type(value)(map(_float32, value))
    if is_dataclass(value):
        return type(value)(*(_float32(getattr(value, field.name)) for field in fields(value)))
    return value


def _norm(norm, order=slice(None)):
    return _array(norm.weight)[order], _array(norm.bias)[order]


def _prenet_block(block):
    if isinstance(block, ResidualBlock):
        convs = (block.filter, block.gate)
        return FoldedPrenetBlock(
            [_array(c.weight) for c in convs], [_array(c.bias) for c in convs], convs[0].dilation[0]
        )
    conv, norm = block.conv[:2]
    gain = _array(norm.weight) / np.sqrt(_array(norm.running_var) + norm.eps)
    bias = gain * (_array(conv.bias) - _array(norm.running_mean)) + _array(norm.bias)
    return FoldedPrenetBlock([_array(conv.weight) * gain[:, None, None]], [bias], conv.dilation[0])


def _encoder_layer(layer, order):
    depthwise, norm1, _, pointwise, norm2, _ = layer.layers
    return FoldedEncoderLayer(
        taps=_array(depthwise.weight)[order, 0].T,
        bias=_array(depthwise.bias)[order],
        norm1=_norm(norm1, order),
        pointwise=_array(pointwise.weight)[:, :, 0][np.ix_(order, order)].T,
        pointwise_bias=_array(pointwise.bias)[order],
        norm2=_norm(norm2, order),
    )


def _attention(attention, config, query_positions, key_positions):
    """query_positions [window, D] are of queries and residual, key_positions [past and window, D]; or None."""
    dim = config.dec_dim
    weight, bias = _array(attention.in_proj_weight), _array(attention.in_proj_bias)
    if query_positions is None:
        query_positions = np.zeros((config.dec_chunk_size, dim))
    scale = 1 / np.sqrt(dim // NUM_HEADS)
    out = _array(attention.out_proj.weight).T
    return FoldedAttention(
        query=scale * weight[:dim].T,
        query_bias=scale * (query_positions @ weight[:dim].T + bias[:dim]),
        key_value=weight[dim:].T,
        key_value_positions=None if key_positions is None else key_positions @ weight[dim:].T,
        out=out,
        out_bias=bias[2 * dim :] @ out + _array(attention.out_proj.bias) + query_positions,
    )


def _decoder_layer(layer, config, positions, first):
    """positions [POSITIONAL_ROWS, D] or None; only the first layer adds them to its input, all do to the memory."""
    keys = now = None
    if positions is not None:
        keys = positions[: config.dec_buf_len + config.dec_chunk_size]
        now = keys[config.dec_buf_len :]
    feed_forward = [array for f in (layer.linear1, layer.linear2) for array in (_array(f.weight).T, _array(f.bias))]
    return FoldedDecoderLayer(
        self_attention=_attention(layer.self_attn, config, *((now, keys) if first else (None, None))),
        cross_attention=_attention(layer.multihead_attn, config, None, keys),
        feed_forward=tuple(feed_forward),
        norms=[_norm(norm) for norm in (layer.norm1, layer.norm2, layer.norm3)],
    )
