# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The tiles that the fused kernels get besides weights: what a product with each of them must do."""

import pytest
import torch
from support.golden import load_golden

from tt.fused import weights
from tt.fused.layout import Layout

TILE = 32


@pytest.fixture(scope="module")
def llvc():
    """(model, layout, constants [cores, tiles, 32, 32], the same in float32)."""
    model = load_golden("llvc").model
    layout = Layout(model.config, windows=1, batch_size=1, groups=1, lanes=1, sharing=1, rounds=1, state_in_dram=False)

    def tiles(rows):
        return rows.unflatten(0, (-1, TILE)).unflatten(2, (16, TILE)).permute(2, 0, 1, 3)

    return model, layout, tiles(weights.constants(model, layout)), tiles(weights.exact_constants(model, layout))


def test_sums_and_copies(llvc):
    _, layout, constants, exact = llvc
    n, x = layout.numbers, torch.randn(TILE, TILE)
    for core in constants:
        vector = torch.zeros(TILE, TILE)
        vector[0] = x[0]
        assert torch.equal(core[n["ONES_COLUMN"]] @ vector, x[0].expand(TILE, TILE))
        assert torch.equal(core[n["IDENTITY"]], torch.eye(TILE)) and (core[n["ONES"]] == 1).all()
        sums, squares = core[n["SUM"]] @ x.T, core[n["SUM_SQUARES"]] @ x.T
        assert torch.allclose(sums[0], x.sum(1), atol=1e-5) and not sums[1:].any()
        assert torch.allclose(squares[1], x.sum(1), atol=1e-5) and not squares[[0, *range(2, TILE)]].any()
    for core in exact:
        assert torch.equal(core[n["EXACT_IDENTITY"]] @ x, x)
        added = x @ core[n["EXACT_UPPER"]].T
        assert torch.allclose(added[:, :16], x[:, :16] + x[:, 16:]) and not added[:, 16:].any()


@pytest.mark.parametrize("name, channels, cores", [("ENC_MEAN", 512, 16), ("DEC_MEAN", 256, 8)])
def test_means_are_of_all_channels_once(llvc, name, channels, cores):
    """Rows 2c and 2c + 1 of what the cores exchange are the sums of core c and those of squares, frame by frame."""
    _, layout, constants, _ = llvc
    at, stats = layout.numbers[name], torch.randn(TILE, TILE)
    minus_mean = (constants[:, at] @ stats)[:, :16]
    squares = (constants[:, at + 1] @ stats)[:, :16]
    assert torch.allclose(minus_mean, -stats[: 2 * cores : 2].sum(0).expand_as(minus_mean) / channels, atol=1e-6)
    assert torch.allclose(squares, stats[1 : 2 * cores : 2].sum(0).expand_as(squares) / channels, atol=1e-6)


def test_keys_that_are_no_frame_are_hidden(llvc):
    """A window's own 13 frames and the 13 before them are a tile each, of one stream in the upper half."""
    _, layout, constants, _ = llvc
    at = layout.numbers["KEY_MASK"]
    mask = constants[:, at : at + 2, :, 0].flatten(1)
    is_frame = torch.tensor(4 * (13 * [True] + 3 * [False]))
    assert (mask[:, is_frame] == 0).all() and (mask[:, ~is_frame] <= -1e4).all()


def test_shares_of_positions(llvc):
    """Own frames have the later positions; what self-attention is added to has them too."""
    model, layout, constants, _ = llvc
    n, layer = layout.numbers, model.mask_gen.decoder.tf_dec_layers[0]
    at, table = n["DEC_LAYER"], model.mask_gen.decoder.pos_enc.pe[0, :26]
    for core in range(16):
        mine = slice(core % 8 * TILE, (core % 8 + 1) * TILE)
        for kind, attention in (("SELF", layer.self_attn), ("CROSS", layer.multihead_attn)):
            weights, biases = attention.in_proj_weight.split(256), attention.in_proj_bias.split(256)
            for name, weight, bias in list(zip(("QUERY", "KEY", "VALUE"), weights, biases, strict=True))[1:]:
                own, past = constants[core, at + n[f"{kind}_{name}"] + 8 :][:2]
                expected = table @ weight[mine].T + bias[mine]
                for half in (slice(0, 13), slice(16, 29)):
                    assert torch.allclose(own[half], expected[13:]) and torch.allclose(past[half], expected[:13])
        query = constants[core, at + n["SELF_QUERY"] + 8]
        expected = (table[13:] @ layer.self_attn.in_proj_weight[mine].T + layer.self_attn.in_proj_bias[mine]) / 32**0.5
        assert torch.allclose(query[:13], expected, atol=1e-6) and torch.allclose(query[16:29], expected, atol=1e-6)
        residual = constants[core, at + n["SELF_OUT"] + 8]
        assert torch.allclose(residual[:13], table[13:, mine] + layer.self_attn.out_proj.bias[mine])
