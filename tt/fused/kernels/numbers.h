// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The numbers that the three kernels and the host agree on; tt/fused/layout.py reads them here.
//
// A stream is converted by a group of CORES cores. Core c holds tile column c % ENC_COLUMNS of what is enc_dim wide,
// and works on column c % (CORES / 2) % DEC_COLUMNS of what is dec_dim wide (each half of the cores has all of them), on
// head c % HEADS and so on: every core does all steps, where there are fewer columns than cores some do the same work.
// No step branches on the core.

#pragma once

#include <cstdint>

// The network
constexpr uint32_t PRENET_BLOCKS = get_named_compile_time_arg_val("prenet_blocks");
constexpr uint32_t PRENET_GATED = get_named_compile_time_arg_val("prenet_gated");      // residual blocks
constexpr uint32_t PRENET_COMBINE = get_named_compile_time_arg_val("prenet_combine");  // around each: one of SKIP_...
constexpr uint32_t PRENET_SKIP = get_named_compile_time_arg_val("prenet_skip");        // around all: one of SKIP_...
constexpr uint32_t PRENET_COLUMNS = get_named_compile_time_arg_val("prenet_columns");  // tiles that a row takes
constexpr uint32_t PRENET_BANDS = get_named_compile_time_arg_val("prenet_bands");      // tiles that a block looks at
constexpr uint32_t LAYERS = get_named_compile_time_arg_val("layers");            // of the encoder
constexpr uint32_t DECODER_LAYERS = get_named_compile_time_arg_val("decoder_layers");
constexpr uint32_t ENC_COLUMNS = get_named_compile_time_arg_val("enc_columns");  // enc_dim in tiles
constexpr uint32_t DEC_COLUMNS = get_named_compile_time_arg_val("dec_columns");  // dec_dim in tiles
constexpr uint32_t FRAMES = get_named_compile_time_arg_val("frames");            // of a window, dec_chunk_size
constexpr uint32_t PAST = get_named_compile_time_arg_val("past");                // frames before it, dec_buf_len
constexpr uint32_t OVERLAP = get_named_compile_time_arg_val("overlap");          // frames of out_conv, out_buf_len

// Its arrangement: CORES cores convert ROUNDS x LANES streams, WINDOWS windows of each. In a round every step is done
// for all lanes before the next step: while one lane waits for what another core sends, the next one is at work.
constexpr uint32_t CORES = get_named_compile_time_arg_val("cores");
constexpr uint32_t LANES = get_named_compile_time_arg_val("lanes");
constexpr uint32_t ROUNDS = get_named_compile_time_arg_val("rounds");
constexpr uint32_t WINDOWS = get_named_compile_time_arg_val("windows");
constexpr bool STATE_IN_DRAM = get_named_compile_time_arg_val("state_in_dram");

// The blocks that this program consists of; the network has all four.
constexpr uint32_t PARTS = get_named_compile_time_arg_val("parts");
constexpr uint32_t FRONTEND = 1;
constexpr uint32_t ENCODER = 2;
constexpr uint32_t DECODER = 4;
constexpr uint32_t SYNTHESIS = 8;
constexpr bool has(uint32_t part) { return (PARTS & part) != 0; }

// Sizes that are the same for all networks
constexpr uint32_t FACE = 16;         // a tile is four faces of 16 x 16, each stored row by row
constexpr uint32_t HOP = 16;          // samples of a frame, L: a row of a face
constexpr uint32_t HEADS = 8;         // each is padded to a tile column
constexpr uint32_t TAPS = 2;          // of a depthwise convolution, besides the frame itself
constexpr uint32_t PIECES = OVERLAP + 1;  // of HOP samples that out_conv makes of a frame
constexpr uint32_t SKIP_NONE = 0;
constexpr uint32_t SKIP_ADD = 1;
constexpr uint32_t SKIP_MULTIPLY = 2;

// What comes from the host for a window: FIELD samples before it, those of the window and the lookahead, and words.
constexpr uint32_t NEW = 8;              // samples that a row of the prenet has of its own ...
constexpr uint32_t FIELD = PRENET_COLUMNS * 32 - NEW;  // ... besides those that the prenet looks back
constexpr uint32_t PRENET_CORES = 8;     // that share a lane's samples
constexpr uint32_t PRENET_ROWS = (FRAMES + 2 + 3) / 4;  // of each of them: (FRAMES + 2) * HOP samples in all, rounded up
constexpr uint32_t PRENET_TURNS = LANES * PRENET_CORES > CORES ? LANES * PRENET_CORES / CORES : 1;  // lanes of a core
constexpr uint32_t SAMPLES = PRENET_CORES * PRENET_ROWS * NEW;
constexpr uint32_t WORDS = 8;
constexpr uint32_t WORD_FRAMES = 0;      // how many frames are there; 0: the stream pauses, nothing of it changes
constexpr uint32_t WORD_STARTS = 1;      // whether the stream starts with this window
constexpr uint32_t PAGE = FIELD + SAMPLES + WORDS;      // 4-byte words of a window

// The state of a stream on a core: a row of words, the encoder's rings, the decoder's and out_conv's past frames. A
// frame is 32 channels in bfloat16.
constexpr uint32_t FRAME_BYTES = 64;
constexpr uint32_t past(uint32_t layer) { return TAPS << layer; }  // frames that an encoder layer looks back
constexpr uint32_t slots(uint32_t layer) { return (past(layer) + FRAMES - 1) / FRAMES + 1; }  // windows in its ring
constexpr uint32_t slots_before(uint32_t layer) { return layer ? slots_before(layer - 1) + slots(layer - 1) : 0; }
constexpr uint32_t STATE_RINGS = FRAME_BYTES;
constexpr uint32_t STATE_WINDOWS = STATE_RINGS + slots_before(LAYERS) * FRAMES * FRAME_BYTES;
constexpr uint32_t STATE_MASKED = STATE_WINDOWS + DECODER_LAYERS * PAST * FRAME_BYTES;
constexpr uint32_t STATE_BYTES = STATE_MASKED + OVERLAP * FRAME_BYTES;

// A decoder window in a tile: its own frames from row 0 on, the frames before them from PAST_ROW on.
constexpr uint32_t PAST_ROW = PAST <= FACE ? FACE : FRAMES;

// Circular buffers. In brackets: who fills them -> who empties them; C: compute, S: state, X: exchange. What other
// cores write into or what is filled in part lies in a tensor that was zero at first, as rows without a frame must be
// finite: a product with a diagonal tile sums over all rows.
//
//                                                          tiles        holds
constexpr uint32_t CONSTANTS = 0;    // [host -> C]                       weights and the like in bfloat16, see below
constexpr uint32_t EXACT = 1;        // [host -> C]                       the same in float32
constexpr uint32_t ROWS = 2;         // [S -> C]         PRENET_COLUMNS   samples: row r of a core's part is from 8r on
constexpr uint32_t ROWS_EXACT = 3;   // [S -> C]         the same memory, not rounded on its way to dst
constexpr uint32_t SHUT = 4;         // [S -> C]         PRENET_COLUMNS   far below zero where the gate must stay shut
constexpr uint32_t WAVE = 5;         // [C -> C]         2 PRENET_COLUMNS what a prenet block makes of ROWS
constexpr uint32_t WAVE_EXACT = 6;   // [C -> C]         the same memory, not rounded on its way to dst
constexpr uint32_t FRAMED = 7;       // [X -> C]         2 per lane       the 48 samples of every frame
constexpr uint32_t FEATURES = 8;     // [C -> C]         1 per lane       output of in_conv
constexpr uint32_t X = 9;            // [C -> C]         1 per lane       input of an encoder layer
constexpr uint32_t X_NEW = 10;       // [C -> S]         the same memory
constexpr uint32_t RESIDUAL = 11;    // [C -> C]         1 per lane, 1    what is added behind a layer, float32
constexpr uint32_t TAP = 12;         // [S -> C]         4 per lane       the input of a layer 2d and d frames ago
constexpr uint32_t VALUES = 13;      // [C -> C]         2 per lane       what a norm is taken of, and its square
constexpr uint32_t SCALED = 14;      // [C -> C]         1 per lane       the same times the norm's weight
constexpr uint32_t STATS = 15;       // [X -> C]         1 per lane, 2    rows 2c, 2c + 1: sums of core c, and of squares
constexpr uint32_t SCALES = 16;      // [C -> C]         2 per lane       diag(1 / deviation), diag(-mean / deviation)
constexpr uint32_t PART = 17;        // [C -> X]         1 per lane       what this core shares, bfloat16 ...
constexpr uint32_t PART_EXACT = 18;  // [C -> X]         1 per lane       ... and float32
constexpr uint32_t GATHERED = 19;    // [X -> C]         CORES per lane, CORES   what all cores have shared
constexpr uint32_t E = 20;           // [C -> C]         1 per lane       output of the encoder
constexpr uint32_t PROJECTED = 21;   // [C -> S]         1 per lane       target on the first half of the cores, memory
constexpr uint32_t WINDOW = 22;      // [S -> C]         1 per lane       the same with the frames before
constexpr uint32_t GATHERED_WINDOWS = 23;  // [X -> C]   CORES per lane   WINDOW of all cores, with positions
constexpr uint32_t QUERY = 24;       // [C -> C]         1 per lane
constexpr uint32_t KEY = 25;         // [C -> C]         2 per lane       of self-attention, then of cross-attention
constexpr uint32_t VALUE = 26;       // [C -> C]         2 per lane
constexpr uint32_t SCORES = 27;      // [C -> C]         1 per lane
constexpr uint32_t MAXIMUM = 28;     // [C -> C]         1 per lane       of a row of SCORES
constexpr uint32_t WEIGHTS = 29;     // [C -> C]         1 per lane       exp(SCORES - MAXIMUM)
constexpr uint32_t SHIFTED = 30;     // [S -> C]         OVERLAP per lane MASKED 1 to OVERLAP frames ago
constexpr uint32_t SUMMANDS = 31;    // [X -> C]         CORES / 4 per lane, CORES / 4   a core's share of the samples in each face
// Wormhole has 32 buffers. These use others' numbers, which have nothing to do by then or are not part of the program:
constexpr uint32_t MASKED = X;           // features times mask
constexpr uint32_t MASKED_NEW = X_NEW;
constexpr uint32_t DECODED = TAP;        // output of the decoder where it is the last block, input of a lone synthesis

// Tiles of EXACT
constexpr uint32_t EXACT_IDENTITY = 0;
constexpr uint32_t EXACT_ONES_COLUMN = 1;
constexpr uint32_t EXACT_UPPER = 2;    // identity in both upper and left lower face: adds the lower faces to the upper
constexpr uint32_t IN_CONV = 3;        // two tiles
constexpr uint32_t PRENET = 5;         // per block and band a matrix for the filter and one for half the gate
constexpr uint32_t EXACT_TILES = PRENET + 2 * PRENET_BANDS * PRENET_BLOCKS;

// Tiles of CONSTANTS
constexpr uint32_t ONES_COLUMN = 0;    // ones in column 0: times a tile with a vector in row 0, that vector in all rows
constexpr uint32_t SUM = 1;            // ones in row 0
constexpr uint32_t SUM_SQUARES = 2;    // ones in row 1
constexpr uint32_t IDENTITY = 3;
constexpr uint32_t ONES = 4;
constexpr uint32_t ENC_MEAN = 5;       // times STATS: -mean over enc_dim; and the next one: mean of squares
constexpr uint32_t DEC_MEAN = 7;       // the same over dec_dim
constexpr uint32_t KEY_MASK = 9;       // column 0: far below zero where a window has no frame
constexpr uint32_t ENC_LAYER = 10;
// ... of an encoder layer
constexpr uint32_t TAP_WEIGHTS = 0;    // diagonal tiles, oldest tap first, the frame itself last
constexpr uint32_t TAP_BIAS = 3;       // row 0, as all biases
constexpr uint32_t NORM1 = 4;          // of a norm: weight as a diagonal tile, weight in every row, bias
constexpr uint32_t POINTWISE = 7;      // of a linear map: a tile per input column, bias
constexpr uint32_t NORM2 = POINTWISE + ENC_COLUMNS + 1;
constexpr uint32_t ENC_LAYER_TILES = NORM2 + 3;
// ... of the decoder
constexpr uint32_t PROJECTION = ENC_LAYER + LAYERS * ENC_LAYER_TILES;
constexpr uint32_t POSITIONS = PROJECTION + ENC_COLUMNS + 1;  // of the first layer, and of the others
constexpr uint32_t DEC_LAYER = POSITIONS + 2;
// ... of a decoder layer
constexpr uint32_t LINEAR_TILES = DEC_COLUMNS + 1;
constexpr uint32_t SELF_QUERY = 0;
constexpr uint32_t SELF_KEY = SELF_QUERY + LINEAR_TILES;
constexpr uint32_t SELF_VALUE = SELF_KEY + LINEAR_TILES;
constexpr uint32_t SELF_OUT = SELF_VALUE + LINEAR_TILES;
constexpr uint32_t SELF_NORM = SELF_OUT + HEADS + 1;
constexpr uint32_t CROSS_QUERY = SELF_NORM + 3;
constexpr uint32_t CROSS_KEY = CROSS_QUERY + LINEAR_TILES;
constexpr uint32_t CROSS_VALUE = CROSS_KEY + LINEAR_TILES;
constexpr uint32_t CROSS_OUT = CROSS_VALUE + LINEAR_TILES;
constexpr uint32_t CROSS_NORM = CROSS_OUT + HEADS + 1;
constexpr uint32_t LINEAR1 = CROSS_NORM + 3;
constexpr uint32_t LINEAR2 = LINEAR1 + LINEAR_TILES;
constexpr uint32_t LINEAR_NORM = LINEAR2 + 2 * DEC_COLUMNS + 1;
constexpr uint32_t DEC_LAYER_TILES = LINEAR_NORM + 3;
// ... of mask and out_conv
constexpr uint32_t UNPROJECTION = DEC_LAYER + DECODER_LAYERS * DEC_LAYER_TILES;
constexpr uint32_t LABEL = UNPROJECTION + LINEAR_TILES;  // diagonal
constexpr uint32_t OUT_CONV = LABEL + 1;                 // a tile per piece
constexpr uint32_t CONSTANT_TILES = OUT_CONV + PIECES;
