// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The numbers that the three kernels and the host agree on: what each of them is. Their values are compile-time
// arguments, which tt/fused/numbers.py works out.
//
// A stream is converted by a group of CORES cores. Core c holds tile column c % ENC_COLUMNS of what is enc_dim wide,
// and works on column c % (CORES / 2) % DEC_COLUMNS of what is dec_dim wide (each half of the cores has all of them), on
// head c % HEADS and so on: every core does all steps, where there are fewer columns than cores some do the same work.
// No step branches on the core.

#pragma once

#include <cstdint>

#define NUMBER(name) constexpr uint32_t name = get_named_compile_time_arg_val(#name)

// The network
NUMBER(PRENET_BLOCKS);
NUMBER(PRENET_GATED);    // residual blocks
NUMBER(PRENET_COMBINE);  // around each: one of SKIP_...
NUMBER(PRENET_SKIP);     // around all: one of SKIP_...
NUMBER(LAYERS);          // of the encoder
NUMBER(DECODER_LAYERS);
NUMBER(ENC_COLUMNS);     // enc_dim in tiles
NUMBER(DEC_COLUMNS);     // dec_dim in tiles
NUMBER(FRAMES);          // of a window, dec_chunk_size
NUMBER(PAST);            // frames before it, dec_buf_len
NUMBER(OVERLAP);         // frames of out_conv, out_buf_len

// Its arrangement: CORES cores convert ROUNDS x LANES x SHARING streams, WINDOWS windows of each. Every step is done for
// all lanes before the next step: while one lane waits for what another core sends, the next one is at work. The SHARING
// streams of a lane, one or two, lie in the same tiles.
//
//     channels   0 to 15   16 to 31
//              +---------+---------+
//     rows     | face 0  | face 1  |  0 to FRAMES - 1: the first stream
//     0 to 15  |         |         |
//              +---------+---------+
//     rows     | face 2  | face 3  |  FACE to FACE + FRAMES - 1: the second stream
//     16 to 31 |         |         |
//              +---------+---------+
//
// Sums that a norm exchanges have a column per frame: those of the first stream are in the left faces, those of the
// second one in the right faces.
NUMBER(CORES);
NUMBER(LANES);
NUMBER(SHARING);
NUMBER(STREAMS);  // of a round, LANES * SHARING
NUMBER(ROUNDS);
NUMBER(WINDOWS);
NUMBER(STATE_IN_DRAM);

// The blocks that this program consists of; the network has all four.
NUMBER(PARTS);
NUMBER(FRONTEND);
NUMBER(ENCODER);
NUMBER(DECODER);
NUMBER(SYNTHESIS);
constexpr bool has(uint32_t part) { return (PARTS & part) != 0; }

// Sizes that are the same for all networks
NUMBER(FACE);           // a tile is four faces of 16 x 16, each stored row by row
NUMBER(HOP);            // samples of a frame, L: a row of a face
NUMBER(HEADS);          // each is padded to a tile column
NUMBER(TAPS);           // of a depthwise convolution, besides the frame itself
NUMBER(PIECES);         // of HOP samples that out_conv makes of a frame
NUMBER(SKIP_NONE);
NUMBER(SKIP_ADD);
NUMBER(SKIP_MULTIPLY);
static_assert(HOP == FACE, "the samples of a frame are a row of a face");

// What comes from the host for a window: FIELD samples before it, those of the window and the lookahead, and words.
NUMBER(NEW);           // samples that a row of the prenet has of its own ...
NUMBER(FIELD);         // ... besides those that the prenet looks back
NUMBER(PRENET_CORES);  // that share a stream's samples
NUMBER(PRENET_ROWS);   // of each of them: (FRAMES + 2) * HOP samples in all, rounded up
NUMBER(PRENET_WIDTH);  // of a row, in pieces of 16 samples
NUMBER(PRENET_QUADS);  // of four rows and 16 samples each
NUMBER(PRENET_TURNS);  // streams of a core
NUMBER(SAMPLES);
NUMBER(WORDS);
NUMBER(WORD_FRAMES);   // how many frames are there; 0: the stream pauses, nothing of it changes
NUMBER(WORD_STARTS);   // whether the stream starts with this window
NUMBER(PAGE);          // 4-byte words of a window
static_assert(SAMPLES >= (FRAMES + 2) * HOP && PAGE == FIELD + SAMPLES + WORDS);

// The state of a stream on a core: a row of words, the encoder's rings, the decoder's past keys and
// values, out_conv's past frames. A frame is 32 channels in bfloat16.
NUMBER(FRAME_BYTES);
constexpr uint32_t past(uint32_t layer) { return TAPS << layer; }  // frames that an encoder layer looks back
constexpr bool all_past(uint32_t layer) { return (1u << layer) >= FRAMES; }  // no tap needs a window's own frames
constexpr uint32_t slots(uint32_t layer) { return (past(layer) + FRAMES - 1) / FRAMES + 1; }  // windows in its ring
constexpr uint32_t slots_before(uint32_t layer) { return layer ? slots_before(layer - 1) + slots(layer - 1) : 0; }
NUMBER(STATE_RINGS);
NUMBER(STATE_KEYS);
NUMBER(STATE_MASKED);
NUMBER(STATE_BYTES);
static_assert(STATE_KEYS == STATE_RINGS + slots_before(LAYERS) * FRAMES * FRAME_BYTES, "the host has other rings");

NUMBER(SCRATCH_BYTES);  // of the state kernel for a stream

// Keys and values of the decoder: the window's own are a tile, those of the PAST frames before it PAST_TILES, with FACE
// frames of each stream.
NUMBER(PAST_TILES);
constexpr uint32_t KEY_TILES = 1 + PAST_TILES;

// Circular buffers. In brackets: who fills them -> who empties them; C: compute, S: state, X: exchange. What other
// cores write into or what is filled in part lies in a tensor that was zero at first, as rows without a frame must be
// finite: a product with a diagonal tile sums over all rows.
//
//                                             tiles            holds
NUMBER(CONSTANTS);         // [host -> C]                       weights and the like in bfloat16, see below
NUMBER(EXACT);             // [host -> C]                       the same in float32
NUMBER(ROWS);              // [S -> C]         1                samples: row r of a core's part is from 8r on, in quads
NUMBER(SHUT);              // [S -> C]         1                far below zero where the gate must stay shut
NUMBER(FRAMED);            // [X -> C]         2 LANES          the 48 samples of every frame
NUMBER(FEATURES);          // [C -> C]         LANES            output of in_conv
NUMBER(X);                 // [C -> C]         LANES            input of an encoder layer
NUMBER(X_NEW);             // [C -> S]         the same memory
NUMBER(RESIDUAL);          // [C -> C]         LANES + 1        what is added behind a layer, float32
NUMBER(TAP);               // [S -> C]         4 LANES          the input of a layer 2d and d frames ago
NUMBER(VALUES);            // [C -> C]         2 LANES          what a norm is taken of, and its square
NUMBER(SCALED);            // [C -> C]         LANES            the same times the norm's weight
NUMBER(STATS);             // [X -> C]         LANES + 2        rows 2c, 2c + 1: sums of core c, and of squares
NUMBER(SCALES);            // [C -> C]         2 LANES          diag(1 / deviation), diag(-mean / deviation)
NUMBER(PART);              // [C -> X]         LANES            what this core shares, bfloat16 ...
NUMBER(PART_EXACT);        // [C -> X]         LANES            ... and float32
NUMBER(GATHERED);          // [X -> C]         2 LANES CORES    what all cores have shared
NUMBER(E);                 // [C -> C]         LANES            output of the encoder
NUMBER(PROJECTED);         // [C -> S]         LANES            target on the first half of the cores, memory
NUMBER(PRESENT);           // [S -> X]         the same memory, with zeros behind a stream's end
NUMBER(PAST_KEYS);         // [S -> C]         4 LANES PAST_TILES   past keys and values: of self-attention, then of
                           //                                   cross-attention; none has a share of its position
NUMBER(QUERY);             // [C -> C]         LANES
NUMBER(KEYS);              // [C -> C]         4 LANES          a key's tile and a value's: as PAST_KEYS, of the window
NUMBER(KEYS_NEW);          // [C -> S]         the same memory
NUMBER(WEIGHTS);           // [C -> C]         LANES KEY_TILES  of values, float32
NUMBER(SHIFTED);           // [S -> C]         OVERLAP LANES    MASKED 1 to OVERLAP frames ago
NUMBER(SUMMANDS);          // [X -> C]         (STREAMS + 1) CORES / 4   a core's share of the samples in each face
// These use others' numbers, which have nothing to do by then or are not part of the program:
NUMBER(MASKED);      // features times mask
NUMBER(MASKED_NEW);
NUMBER(DECODED);     // output of the decoder where it is the last block, input of a lone synthesis

// Tiles of EXACT
NUMBER(EXACT_IDENTITY);
NUMBER(EXACT_ONES_COLUMN);
NUMBER(EXACT_UPPER);        // identity in both upper and left lower face: adds the lower faces to the upper
NUMBER(IN_CONV);            // two tiles

// Tiles of CONSTANTS
NUMBER(ONES_COLUMN);  // ones in column 0: times a tile with a vector in row 0, that vector in all rows
NUMBER(SUM);          // ones in row 0
NUMBER(SUM_SQUARES);  // ones in row 1
NUMBER(IDENTITY);
NUMBER(ONES);
NUMBER(ENC_MEAN);     // times STATS: -mean over enc_dim; and the next one: mean of squares
NUMBER(DEC_MEAN);     // the same over dec_dim
NUMBER(KEY_MASK);     // KEY_TILES, column 0: far below zero where a key is no frame
NUMBER(ENC_LAYER);
// ... of an encoder layer
NUMBER(TAP_WEIGHTS);      // diagonal tiles, oldest tap first, the frame itself last
NUMBER(TAP_BIAS);         // row 0, as that of a norm
NUMBER(NORM1);            // of a norm: weight as a diagonal tile, weight in every row, bias
NUMBER(POINTWISE);        // of a linear map: a tile per input column, bias in every row
NUMBER(NORM2);
NUMBER(ENC_LAYER_TILES);
// ... of the decoder
NUMBER(PROJECTION);
NUMBER(DEC_LAYER);
// ... of a decoder layer; biases have the share of the frames' positions
NUMBER(SELF_QUERY);
NUMBER(SELF_KEY);    // as a linear map, with KEY_TILES biases
NUMBER(SELF_VALUE);
NUMBER(SELF_OUT);
NUMBER(SELF_NORM);
NUMBER(CROSS_QUERY);
NUMBER(CROSS_KEY);
NUMBER(CROSS_VALUE);
NUMBER(CROSS_OUT);
NUMBER(CROSS_NORM);
NUMBER(LINEAR1);
NUMBER(LINEAR2);
NUMBER(LINEAR_NORM);
NUMBER(DEC_LAYER_TILES);
// ... of mask and out_conv
NUMBER(UNPROJECTION);
NUMBER(LABEL);         // diagonal
NUMBER(OUT_CONV);      // a tile per piece

#undef NUMBER
