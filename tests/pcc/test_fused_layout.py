# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Which networks the fused kernels take, and how streams are spread over a chip, worked out by hand."""

import re
from types import SimpleNamespace

import pytest
from support.golden import load_params

from reference.config import LLVCConfig
from tt.fused.layout import Layout, cores_of, groups_on, wrong_shape


@pytest.fixture
def program(ttnn):
    """The module tt.fused.program."""
    from tt.fused import program

    return program


GRID = SimpleNamespace(x=8, y=8)  # of an N150's worker cores


def config(name="small", prenet=(), **changes):
    params = load_params(name)
    return LLVCConfig.from_params({**params, **changes, "convnet_config": {**params["convnet_config"], **dict(prenet)}})


REFUSED = {
    "L 8 (not 16)": dict(L=8),
    "L 32 (not 16)": dict(L=32),
    "dec_chunk_size 17 (more than 16)": dict(dec_chunk_size=17, dec_buf_len=15),
    "dec_buf_len + dec_chunk_size 33 (more than 32)": dict(dec_chunk_size=16, dec_buf_len=17),
    "out_buf_len 9 (more than 8)": dict(out_buf_len=9),
    "enc_dim 48 (no multiple of 32 up to 512)": dict(enc_dim=48, dec_dim=16),
    "enc_dim 544 (no multiple of 32 up to 512)": dict(enc_dim=544),
    "dec_dim 16 (no multiple of 32 up to 256)": dict(dec_dim=16),
    "dec_dim 288 (no multiple of 32 up to 256)": dict(enc_dim=288, dec_dim=288),
    "proj: false": dict(enc_dim=32, dec_dim=32, proj=False),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_sizes_that_the_kernels_do_not_take(reason):
    assert wrong_shape(config(**REFUSED[reason])) == reason


def test_prenets_that_the_kernels_do_not_take():
    assert wrong_shape(config(prenet={"out_channels": [2] + 11 * [1]})) == "a prenet of several channels"
    assert wrong_shape(config(prenet={"convnet_prenet": False, "out_channels": [2] + 11 * [1]})) is None


@pytest.mark.parametrize(
    "largest",
    [
        dict(dec_chunk_size=16, dec_buf_len=16, out_buf_len=8),
        dict(dec_chunk_size=1, dec_buf_len=31, out_buf_len=1),
        dict(enc_dim=512, dec_dim=256),
        dict(enc_dim=32, dec_dim=32),
    ],
    ids=str,
)
def test_the_limits_themselves_are_taken(largest):
    assert wrong_shape(config(**largest)) is None


@pytest.mark.parametrize(
    "enc_dim, dec_dim, cores",
    [(32, 32, 8), (256, 128, 8), (288, 32, 16), (512, 256, 16), (256, 256, 16), (160, 160, 16), (128, 128, 8)],
)
def test_cores_of_a_group(enc_dim, dec_dim, cores):
    """One for each tile column of the encoder, head, and column of target and of memory; whole rows of eight."""
    c = config(enc_dim=enc_dim, dec_dim=dec_dim)
    assert cores_of(c) == Layout.of(c, 1, 1, GRID).cores == cores
    assert [groups_on(SimpleNamespace(x=8, y=y), c) for y in (8, 7, 2)] == ([8, 7, 2] if cores == 8 else [4, 3, 1])


@pytest.mark.parametrize(
    "dec_dim, columns",
    [
        (32, [0, 0, 0, 0, 0, 0, 0, 0]),
        (64, [0, 1, 0, 1, 0, 1, 0, 1]),
        (96, [0, 1, 2, 0, 0, 1, 2, 0]),
        (128, [0, 1, 2, 3, 0, 1, 2, 3]),
        (160, [0, 1, 2, 3, 4, 0, 1, 2, 0, 1, 2, 3, 4, 0, 1, 2]),
        (256, [0, 1, 2, 3, 4, 5, 6, 7, 0, 1, 2, 3, 4, 5, 6, 7]),
    ],
)
def test_each_half_of_the_cores_has_all_columns_of_the_decoder(dec_dim, columns):
    layout = Layout.of(config(enc_dim=dec_dim, dec_dim=dec_dim), 1, 1, GRID)
    assert [layout.decoder_column(core) for core in range(layout.cores)] == columns


@pytest.mark.parametrize(
    "name, batch_size, options, groups, lanes, sharing, rounds, slots",
    [
        ("llvc", 1, {}, 1, 1, 1, 1, 1),
        ("llvc", 3, {}, 3, 1, 1, 1, 3),
        ("llvc", 4, {}, 4, 1, 1, 1, 4),
        ("llvc", 5, {}, 3, 1, 2, 1, 6),
        ("llvc", 8, {}, 4, 1, 2, 1, 8),
        ("llvc", 9, {}, 3, 2, 2, 1, 12),
        ("llvc", 16, {}, 4, 2, 2, 1, 16),
        ("llvc", 17, {}, 3, 2, 2, 2, 24),
        ("llvc", 64, {}, 4, 2, 2, 4, 64),
        ("llvc", 8, {"sharing": 1}, 4, 2, 1, 1, 8),
        ("llvc", 16, {"lanes": 1}, 4, 1, 2, 2, 16),
        ("llvc", 8, {"lanes": 1, "sharing": 1}, 4, 1, 1, 2, 8),
        ("small", 8, {}, 8, 1, 1, 1, 8),
        ("small", 9, {}, 5, 1, 2, 1, 10),
    ],
)
def test_streams_on_groups_of_cores(name, batch_size, options, groups, lanes, sharing, rounds, slots):
    layout = Layout.of(config(name), 3, batch_size, GRID, **options)
    assert (layout.groups, layout.lanes, layout.sharing, layout.rounds) == (groups, lanes, sharing, rounds)
    assert (layout.windows, layout.batch_size) == (3, slots)
    assert layout.streams == lanes * sharing and layout.streams_per_group * groups == slots


def test_a_full_chip():
    layout = Layout.full(config("llvc"), GRID)
    assert (layout.windows, layout.batch_size, layout.groups) == (1, 4, 4)
    assert layout.lanes == layout.sharing == layout.rounds == 1


LLVC = {
    "PRENET_BLOCKS": 12,
    "PRENET_GATED": 1,
    "PRENET_COMBINE": 0,
    "PRENET_SKIP": 1,
    "PRENET_WIDTH": 2,  # 12 blocks look back 24 samples, a row has 8 of its own
    "PRENET_QUADS": 2,
    "LAYERS": 8,
    "DECODER_LAYERS": 1,
    "ENC_COLUMNS": 16,
    "DEC_COLUMNS": 8,
    "FRAMES": 13,
    "PAST": 13,
    "OVERLAP": 4,
    "CORES": 16,
    "LANES": 2,
    "SHARING": 2,
    "STREAMS": 4,
    "ROUNDS": 2,
    "WINDOWS": 4,
    "STATE_IN_DRAM": 1,
    "PARTS": 15,
}


def test_what_the_kernels_are_told():
    told = Layout.of(config("llvc"), 4, 17, GRID, state_in_dram=True).numbers
    assert {name: told[name] for name in LLVC} == LLVC
    blocks = Layout.of(config("llvc"), 4, 17, GRID, parts=("encoder", "synthesis")).numbers
    assert (blocks["PARTS"], blocks["STATE_IN_DRAM"]) == (2 + 8, 0)


def test_numbers_by_hand():
    """Those of llvc that others follow from, for one stream."""
    n = Layout.of(config("llvc"), 1, 1, GRID).numbers
    rings = [2, 2, 2, 3, 4, 6, 11, 21]  # windows: 2 * 2^i frames, and the window itself
    assert n["STATE_KEYS"] == 64 * (1 + 13 * sum(rings))
    assert n["STATE_BYTES"] == 64 * (1 + 13 * sum(rings) + 4 * 13 + 4)
    assert n["PAGE"] == 24 + 256 + 8 and n["PRENET_ROWS"] == 4 and n["PRENET_TURNS"] == 1
    assert n["ENC_LAYER_TILES"] == 3 + 1 + 3 + 17 + 3 and n["DEC_LAYER_TILES"] == 111
    assert n["CONSTANT_TILES"] == 11 + 8 * 27 + 17 + 111 + 9 + 1 + 5
    assert n["EXACT_TILES"] == 5
    assert n["PAST_TILES"] == 1 and Layout.of(config("llvc", dec_buf_len=17), 1, 1, GRID).numbers["PAST_TILES"] == 2


def test_every_number_that_the_kernels_take_is_told(program):
    header = (program.KERNELS / "numbers.h").read_text()
    taken = re.findall(r"^NUMBER\((\w+)\);", header, re.MULTILINE)
    assert len(taken) == header.count("NUMBER(") - 1 > 100  # less its definition
    assert set(taken) <= Layout.of(config("llvc"), 1, 1, GRID).numbers.keys()


@pytest.mark.parametrize(
    "prenet, contexts, width, flags",
    [
        (dict(convnet_prenet=False), [], 1, (1, 0, 1)),
        (dict(kernel_sizes=[5, 9, 3], dilations=[4, 5, 1], combine_residuals="add"), [16, 40, 2], 5, (1, 1, 1)),
        (dict(kernel_sizes=[34], dilations=[1], use_residual_blocks=False), [33], 3, (0, 0, 1)),
        (dict(kernel_sizes=[25], dilations=[1], skip_connection="multiply"), [24], 2, (1, 0, 2)),
        (dict(kernel_sizes=[1, 33], dilations=[7, 1], combine_residuals="multiply"), [0, 32], 3, (1, 2, 1)),
        (dict(kernel_sizes=[18, 18], dilations=[1, 1], skip_connection="none"), [17, 17], 3, (1, 0, 0)),
    ],
    ids=str,
)
def test_how_far_a_prenet_looks_back(prenet, contexts, width, flags):
    """In samples, a block each; a piece of a row holds 16, of which the last row's own are 8."""
    c = config(prenet={"out_channels": [1] * len(prenet.get("kernel_sizes", range(12))), **prenet})
    told = Layout.of(c, 1, 1, GRID).numbers
    assert c.convnet_config.contexts == contexts and told["PRENET_BLOCKS"] == len(contexts)
    assert (told["PRENET_WIDTH"], told["FIELD"]) == (width, 16 * width - 8)
    assert (told["PRENET_GATED"], told["PRENET_COMBINE"], told["PRENET_SKIP"]) == flags


@pytest.mark.parametrize("frames, quads", [(1, 2), (13, 2), (14, 2), (15, 4), (16, 4)])
def test_rows_of_a_core_by_fours(frames, quads):
    """Of two frames more than a window has, eight samples a row, on eight cores; a row of llvc is two pieces."""
    assert Layout.of(config(dec_chunk_size=frames), 1, 1, GRID).numbers["PRENET_QUADS"] == quads


@pytest.mark.parametrize(
    "size, dilation, frames, reason",
    [
        (93, 2, 13, None),
        (186, 1, 13, "a prenet that looks back 185 samples"),
        (45, 2, 16, None),
        (90, 1, 16, "a prenet that looks back 89 samples"),
        (169, 1, 13, "a prenet of so many weights"),
    ],
)
def test_prenets_that_are_not_taken(size, dilation, frames, reason):
    """They look back further than the registers hold, or have more weights than a kernel takes arguments."""
    c = config(dec_chunk_size=frames, prenet=dict(out_channels=[1], kernel_sizes=[size], dilations=[dilation]))
    assert wrong_shape(c) == reason


@pytest.mark.parametrize(
    "batch_size, own, shared",
    [
        (1, {"float32": 1 + 2 + 2 + 1 + 2, "bfloat16": 1 + 2 + 1 + 1 + 1 + 1 + 4}, {"float32": 14, "bfloat16": 46}),
        (
            8,  # a lane of two in a tile
            {"float32": 1 + 2 + 2 + 1 + 2, "bfloat16": 1 + 2 + 1 + 1 + 1 + 1 + 4},
            {"float32": 1 + 2 + 3 + 12, "bfloat16": 1 + 4 + 32 + 1 + 4 + 4},
        ),
        (
            16,  # two such lanes
            {"float32": 1 + 3 + 4 + 2 + 4, "bfloat16": 2 + 4 + 2 + 2 + 2 + 2 + 8},
            {"float32": 1 + 4 + 4 + 20, "bfloat16": 2 + 8 + 64 + 2 + 8 + 8},
        ),
    ],
)
def test_tiles_in_a_cores_l1(program, batch_size, own, shared):
    """By the table in kernels/numbers.h."""
    size = {"float32": 4096, "bfloat16": 2048}
    layout = Layout.of(config("llvc"), 1, batch_size, GRID)
    assert program.own_bytes(layout.numbers) == sum(count * size[dtype] for dtype, count in own.items())
    assert program.shared_bytes(layout.numbers) == sum(count * size[dtype] for dtype, count in shared.items())
    # Per stream 1024 bytes of the state's kernel and 256 samples; a counter.
    assert program.scratch_rows(layout) == layout.streams * (1024 + 256 * 4) / 64 + 1
