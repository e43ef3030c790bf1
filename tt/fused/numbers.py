# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The numbers that the three kernels and the host agree on, for a Layout.

They are worked out here and nowhere else. The kernels are told them as named compile-time arguments;
kernels/numbers.h says what each of them is.
"""

from itertools import accumulate

from reference.config import CONNECTIONS, ENCODER_KERNEL_SIZE, NUM_HEADS

TILE = 32
FACE = 16  # a tile is four faces of 16 x 16: kernels/numbers.h draws what lies in them
HOP = FACE  # samples of a frame: a row of a face
FRAME_BYTES = 2 * TILE  # of the channels of a frame that a core has, in bfloat16: a row of a row-major tensor
NEW = 8  # samples that a row of the prenet has of its own
PRENET_CORES = 8  # that share a stream's samples
QUAD = 4  # rows of a vector of the vector unit
WORDS = 8  # behind a window's samples
TAPS = ENCODER_KERNEL_SIZE - 1  # of a depthwise convolution, besides the frame itself
NORM = 3  # tiles of a norm
ATTENTIONS = 2  # of a decoder layer: to target and memory

PARTS = {"frontend": 1, "encoder": 2, "decoder": 4, "synthesis": 8}

BUFFERS = (
    *("CONSTANTS", "EXACT", "ROWS", "SHUT", "FRAMED", "FEATURES", "X", "X_NEW"),
    *("RESIDUAL", "TAP", "VALUES", "SCALED", "STATS", "SCALES", "PART", "PART_EXACT", "GATHERED", "E", "PROJECTED"),
    *("PRESENT", "PAST_KEYS", "QUERY", "KEYS", "KEYS_NEW", "WEIGHTS", "SHIFTED", "SUMMANDS"),
)
SAME_BUFFER = {"MASKED": "X", "MASKED_NEW": "X_NEW", "DECODED": "TAP"}


def numbers(layout):
    """All of them by name."""
    network = _network(layout.config)
    return {
        **network,
        "CORES": layout.cores,
        "LANES": layout.lanes,
        "SHARING": layout.sharing,
        "STREAMS": layout.streams,
        "ROUNDS": layout.rounds,
        "WINDOWS": layout.windows,
        "STATE_IN_DRAM": int(layout.state_in_dram),
        "PARTS": sum(PARTS[part] for part in layout.parts),
        **{part.upper(): flag for part, flag in PARTS.items()},
        **{f"SKIP_{how or 'none'}".upper(): number for number, how in enumerate(CONNECTIONS)},
        "FACE": FACE,
        "HOP": HOP,
        "HEADS": NUM_HEADS,
        "TAPS": TAPS,
        "FRAME_BYTES": FRAME_BYTES,
        "SCRATCH_BYTES": 1024,
        **_page(network, layout),
        **_state(network),
        **{name: number for number, name in enumerate(BUFFERS)},
        **{name: BUFFERS.index(other) for name, other in SAME_BUFFER.items()},
        **_exact_tiles(),
        **_tiles(network),
    }


def prenet_rows(config):
    """The rows of samples that a core works on: how many, how long, and how many quads they are."""
    rows = -(-(config.dec_chunk_size + 2) * HOP // (PRENET_CORES * NEW))
    width = -(-(sum(config.convnet_config.contexts) + NEW) // FACE)
    return {"PRENET_ROWS": rows, "PRENET_WIDTH": width, "PRENET_QUADS": -(-rows // QUAD) * width}


def _network(config):
    prenet = config.convnet_config
    return {
        "PRENET_BLOCKS": len(prenet.contexts),
        "PRENET_GATED": int(prenet.use_residual_blocks),
        "PRENET_COMBINE": CONNECTIONS.index(prenet.combine_residuals),
        "PRENET_SKIP": CONNECTIONS.index(prenet.skip_connection),
        **prenet_rows(config),
        "LAYERS": config.num_enc_layers,
        "DECODER_LAYERS": config.num_dec_layers,
        "ENC_COLUMNS": config.enc_dim // TILE,
        "DEC_COLUMNS": config.dec_dim // TILE,
        "FRAMES": config.dec_chunk_size,
        "PAST": config.dec_buf_len,
        "PAST_TILES": -(-config.dec_buf_len // FACE),
        "OVERLAP": config.out_buf_len,
        "PIECES": config.out_buf_len + 1,
    }


def _page(n, layout):
    """What comes from the host for a window, in words of 4 bytes, and how cores share it."""
    field = n["PRENET_WIDTH"] * FACE - NEW
    samples = PRENET_CORES * n["PRENET_ROWS"] * NEW
    return {
        "NEW": NEW,
        "FIELD": field,
        "PRENET_CORES": PRENET_CORES,
        "PRENET_TURNS": max(1, layout.streams * PRENET_CORES // layout.cores),
        "SAMPLES": samples,
        "WORDS": WORDS,
        "WORD_FRAMES": 0,
        "WORD_STARTS": 1,
        "PAGE": field + samples + WORDS,
    }


def _in_a_row(end, **sizes):
    """Where things of these sizes begin, one behind the other, and the `end` of the last one: by name."""
    return dict(zip((*sizes, end), accumulate(sizes.values(), initial=0), strict=True))


def _state(n):
    """A stream on a core, in bytes."""
    frames = n["FRAMES"]
    slots = sum(-(-(TAPS << layer) // frames) + 1 for layer in range(n["LAYERS"]))  # windows in all rings
    return _in_a_row(
        "STATE_BYTES",
        STATE_NUMBER=FRAME_BYTES,
        STATE_RINGS=slots * frames * FRAME_BYTES,
        STATE_KEYS=n["DECODER_LAYERS"] * ATTENTIONS * 2 * n["PAST"] * FRAME_BYTES,  # and values
        STATE_MASKED=n["OVERLAP"] * FRAME_BYTES,
    )


def _exact_tiles():
    return _in_a_row(
        "EXACT_TILES",
        EXACT_IDENTITY=1,
        EXACT_ONES_COLUMN=1,
        EXACT_UPPER=1,
        IN_CONV=2,
    )


def _tiles(n):
    from_enc, from_dec, from_heads = (inputs + 1 for inputs in (n["ENC_COLUMNS"], n["DEC_COLUMNS"], NUM_HEADS))
    encoder_layer = _in_a_row(
        "ENC_LAYER_TILES", TAP_WEIGHTS=TAPS + 1, TAP_BIAS=1, NORM1=NORM, POINTWISE=from_enc, NORM2=NORM
    )
    key_tiles = 1 + n["PAST_TILES"]
    keys = n["DEC_COLUMNS"] + key_tiles
    attention = {"QUERY": from_dec, "KEY": keys, "VALUE": keys, "OUT": from_heads, "NORM": NORM}
    decoder_layer = _in_a_row(
        "DEC_LAYER_TILES",
        **{f"SELF_{name}": size for name, size in attention.items()},
        **{f"CROSS_{name}": size for name, size in attention.items()},
        LINEAR1=from_dec,
        LINEAR2=2 * n["DEC_COLUMNS"] + 1,
        LINEAR_NORM=NORM,
    )
    tiles = _in_a_row(
        "CONSTANT_TILES",
        ONES_COLUMN=1,
        SUM=1,
        SUM_SQUARES=1,
        IDENTITY=1,
        ONES=1,
        ENC_MEAN=2,
        DEC_MEAN=2,
        KEY_MASK=key_tiles,
        ENC_LAYER=n["LAYERS"] * encoder_layer["ENC_LAYER_TILES"],
        PROJECTION=from_enc,
        DEC_LAYER=n["DECODER_LAYERS"] * decoder_layer["DEC_LAYER_TILES"],
        UNPROJECTION=from_dec,
        LABEL=1,
        OUT_CONV=n["PIECES"],
    )
    return encoder_layer | decoder_layer | tiles
