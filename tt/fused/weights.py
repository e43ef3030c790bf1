# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The constant tiles of every core: weights, and the few tiles that arithmetic on single tiles needs.

Their numbers are those of numbers.py. A bias, and whatever else is a vector, stands in row 0 of a tile.
"""

import struct

import torch
import torch.nn.functional as F

from reference.config import NUM_HEADS
from reference.fold import dense_projection, fold_prenet

from .numbers import FACE, TILE

HIDDEN = -3e4  # the score of a key that is no frame


def _zeros():
    return torch.zeros(TILE, TILE)


def _unit(rows, columns, value=1.0):
    tile = _zeros()
    tile[rows, columns] = value
    return tile


def _row(vector):
    return F.pad(vector[None], (0, TILE - len(vector), 0, TILE - 1))


def _part(vector, column):
    """The column-th 32 entries of a vector or rows of a matrix; zeros behind its end."""
    part = vector[column * TILE : (column + 1) * TILE]
    return F.pad(part, (0,) * (2 * part.dim() - 1) + (TILE - len(part),))


class _Tiles:
    """The tiles of one core, by number."""

    def __init__(self, count):
        self.tiles = [_zeros() for _ in range(count)]

    def put(self, at, *tiles):
        self.tiles[at : at + len(tiles)] = tiles

    def put_linear(self, at, weight, bias):
        """The columns `weight` [32, in] of a linear map that this core computes, and its bias, [32] or one per row."""
        self.put(at, *weight.T.split(TILE), bias.expand(TILE, TILE))

    def put_norm(self, at, norm, column):
        weight, bias = _part(norm.weight, column), _part(norm.bias, column)
        self.put(at, torch.diag(weight), weight.expand(TILE, TILE), _row(bias))

    def column(self):
        """One tile below the other."""
        return torch.cat(self.tiles)


@torch.no_grad()
def constants(model, layout):
    """The bfloat16 tiles of a group of cores: [CONSTANT_TILES * 32, cores * 32]."""
    return torch.cat([_core_constants(model, layout, core) for core in range(layout.cores)], dim=1)


@torch.no_grad()
def exact_constants(model, layout):
    """The float32 tiles of a group of cores: [EXACT_TILES * 32, cores * 32]."""
    return torch.cat([_core_exact_constants(model, layout, core) for core in range(layout.cores)], dim=1)


@torch.no_grad()
def prenet_blocks(model):
    """The prenet as the kernels' runtime arguments, 32-bit words; block by block, as kernels/frontend.h reads them.

    Of a gate there is half; of one that is not there, zeros.
    """
    words = []
    for block in fold_prenet(model):
        taps = zip(*(weight[0, 0, ::-1] for weight in block.weights), strict=True)  # that of the sample itself first
        biases = [bias[0] for bias in block.biases]
        pairs = [_filter_and_half_gate(*pair) for pair in (biases, *taps)]
        words += [len(pairs) - 1, block.dilation, *(_bits(value) for pair in pairs for value in pair)]
    return words


def _filter_and_half_gate(filter_, gate=0.0):
    return float(filter_), float(gate) / 2


def _bits(value):
    """Those of a float32, as an integer."""
    return struct.unpack("<I", struct.pack("<f", value))[0]


def _core_constants(model, layout, core):
    config, n = model.config, layout.numbers
    mask_gen, label = model.mask_gen, model.label_embedding().detach()
    encoder_column, column = core % n["ENC_COLUMNS"], layout.decoder_column(core)
    core_tiles = _Tiles(n["CONSTANT_TILES"])
    put, put_linear, put_norm = core_tiles.put, core_tiles.put_linear, core_tiles.put_norm

    every, frames = slice(None), slice(FACE)
    put(n["ONES_COLUMN"], _unit(every, 0))
    put(n["SUM"], _unit(0, every))
    put(n["SUM_SQUARES"], _unit(1, every))
    put(n["IDENTITY"], torch.eye(TILE))
    put(n["ONES"], torch.ones(TILE, TILE))
    for name, dim in (("ENC_MEAN", config.enc_dim), ("DEC_MEAN", config.dec_dim)):
        sums = slice(0, 2 * dim // TILE, 2)  # of cores that repeat a column none is counted
        squares = slice(1, 2 * dim // TILE, 2)
        put(n[name], _unit(frames, sums, -1 / dim), _unit(frames, squares, 1 / dim))
    is_frame = torch.ones(n["PAST"] + n["FRAMES"], 1)
    put(n["KEY_MASK"], *(F.pad(HIDDEN * (1 - tile), (0, TILE - 1)) for tile in _key_tiles(n, is_frame)))

    for i, layer in enumerate(mask_gen.encoder.dcc_layers):
        at = n["ENC_LAYER"] + i * n["ENC_LAYER_TILES"]
        depthwise, norm1, _, pointwise, norm2, _ = layer.layers
        taps = _part(depthwise.weight[:, 0], encoder_column)
        put(at + n["TAP_WEIGHTS"], *(torch.diag(tap) for tap in taps.T))
        put(at + n["TAP_BIAS"], _row(_part(depthwise.bias, encoder_column)))
        put_norm(at + n["NORM1"], norm1, encoder_column)
        # The norm behind it takes the mean away; without one its variance has nothing to cancel.
        weight, bias = pointwise.weight[:, :, 0], pointwise.bias
        weight, bias = weight - weight.mean(0), bias - bias.mean()
        put_linear(at + n["POINTWISE"], _part(weight, encoder_column), _part(bias, encoder_column))
        put_norm(at + n["NORM2"], norm2, encoder_column)

    is_target = core < layout.cores // 2
    projection = mask_gen.proj_e2d_l[0] if is_target else mask_gen.proj_e2d_e[0]
    weight = dense_projection(projection) * (label if is_target else 1)  # the label scales e before the projection
    put_linear(n["PROJECTION"], _part(weight, column), _part(projection.bias, column))

    positions = mask_gen.decoder.pos_enc.pe[0, : n["PAST"] + n["FRAMES"]]
    positions = positions if config.use_pos_enc else torch.zeros_like(positions)
    for i, layer in enumerate(mask_gen.decoder.tf_dec_layers):
        at = n["DEC_LAYER"] + i * n["DEC_LAYER_TILES"]
        of_target = positions if i == 0 else torch.zeros_like(positions)
        _put_decoder_layer(core_tiles, n, at, layer, of_target, positions, core, column)

    unprojection = mask_gen.proj_d2e[0]
    weight = _part(dense_projection(unprojection), encoder_column)
    put_linear(n["UNPROJECTION"], weight, _part(unprojection.bias, encoder_column))
    if config.skip_connection:
        put(n["LABEL"], torch.diag(_part(label.flatten(), encoder_column)))
    if core < n["ENC_COLUMNS"]:  # the shares of all cores are added up
        kernel = _part(model.out_conv[0].weight[:, 0], core)  # [32, pieces * L]
        put(n["OUT_CONV"], *(F.pad(piece, (0, TILE - FACE)) for piece in kernel.split(FACE, dim=1)))
    return core_tiles.column()


def _put_decoder_layer(core_tiles, n, at, layer, of_target, of_memory, core, column):
    """`of_target`, `of_memory`: what is added to the frames of a window, past ones first, [PAST + FRAMES, dec_dim]."""
    dim = of_target.shape[1]
    head_dim, head = dim // NUM_HEADS, core % NUM_HEADS
    mine = slice(head * head_dim, (head + 1) * head_dim)
    for kind, attention, positions in (
        ("SELF", layer.self_attn, of_target),
        ("CROSS", layer.multihead_attn, of_memory),
    ):
        weights, biases = attention.in_proj_weight.split(dim), attention.in_proj_bias.split(dim)
        query, *keys_values = ((_part(w[mine], 0), _part(b[mine], 0)) for w, b in zip(weights, biases, strict=True))
        query = [x * head_dim**-0.5 for x in query]
        queried = of_target if kind == "SELF" else torch.zeros_like(of_target)
        core_tiles.put_linear(at + n[f"{kind}_QUERY"], query[0], _key_tiles(n, queried @ query[0].T + query[1])[0])
        for name, (weight, bias) in zip(("KEY", "VALUE"), keys_values, strict=True):
            shares = _key_tiles(n, positions @ weight.T + bias)
            core_tiles.put(at + n[f"{kind}_{name}"], *weight.T.split(TILE), *shares)
        # What a head gives is padded to a tile, so the rows of the weight are.
        weight = attention.out_proj.weight.unflatten(1, (NUM_HEADS, head_dim))
        weight = F.pad(weight, (0, TILE - head_dim)).flatten(1)
        added = queried[:, column * TILE : (column + 1) * TILE] + _part(attention.out_proj.bias, column)
        core_tiles.put_linear(at + n[f"{kind}_OUT"], _part(weight, column), _key_tiles(n, added)[0])
    hidden = core % (2 * n["DEC_COLUMNS"])
    core_tiles.put_linear(at + n["LINEAR1"], _part(layer.linear1.weight, hidden), _part(layer.linear1.bias, hidden))
    core_tiles.put_linear(at + n["LINEAR2"], _part(layer.linear2.weight, column), _part(layer.linear2.bias, column))
    for name, norm in (("SELF_NORM", layer.norm1), ("CROSS_NORM", layer.norm2), ("LINEAR_NORM", layer.norm3)):
        core_tiles.put_norm(at + n[name], norm, column)


def _key_tiles(n, rows):
    """Rows for the frames of a window, past ones first, as their keys lie in tiles: the window's own FRAMES, then the
    past, a run in each half for both streams of a pair; zeros in between."""
    past, own = rows.split((n["PAST"], n["FRAMES"]))
    return [F.pad(run, (0, 0, 0, FACE - len(run))).repeat(2, 1) for run in (own, *past.split(FACE))]


def _core_exact_constants(model, layout, core):
    n = layout.numbers
    core_tiles = _Tiles(n["EXACT_TILES"])
    core_tiles.put(n["EXACT_IDENTITY"], torch.eye(TILE))
    core_tiles.put(n["EXACT_ONES_COLUMN"], _unit(slice(None), 0))
    upper = _zeros()
    upper[:FACE] = torch.eye(FACE).repeat(1, 2)
    core_tiles.put(n["EXACT_UPPER"], upper)

    weight = _part(model.in_conv[0].weight[:, 0], core % n["ENC_COLUMNS"]).T  # [kernel, 32]
    weight = F.pad(weight, (0, 0, 0, 2 * TILE - len(weight)))
    core_tiles.put(n["IN_CONV"], *weight.split(TILE))
    return core_tiles.column()
