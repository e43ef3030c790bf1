// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Projections to target and memory, and post-norm transformer decoder layers over windows of frames.
//
// Head h is on core h, its channels padded to a tile. The queries are all 32 rows of a window, of which those that are
// its own frames count; a column of the key mask hides rows without a frame.
//
// It decodes one lane after the other. What its streams share is taken apart for the windows, and from there on every
// stream has tiles of its own, which are worked on side by side.

#pragma once

#include "layer_norm.h"

#include "api/compute/bcast.h"
#include "api/compute/eltwise_unary/exp.h"
#include "api/compute/eltwise_unary/recip.h"
#include "api/compute/reduce.h"

// Shares a lane's encoder output: of the first lane the encoder has done it, where it is part of the program.
inline void begin_decoder(uint32_t lane) {
    const uint32_t tile = has(SYNTHESIS) ? 0 : lane;  // which pops those of the lanes before
    cb_wait_front(E, tile + 1);
    tile_regs_acquire();
    load(E, 0, tile);
    finish(PART);
}

// target = ReLU(projection(label * e)) or memory = ReLU(projection(e))
inline void project_encoded() {
    set_operands(GATHERED, CONSTANTS);
    pack_reconfig_data_format(PROJECTED);
    linear(GATHERED, 0, ENC_COLUMNS, PROJECTION);
    ON_FRAMES(relu_face);
    finish_same(PROJECTED);
    cb_pop_front(GATHERED, CORES);
}

// Windows with their positions, for all cores.
inline void add_positions(uint32_t positions) {
    set_operands(CONSTANTS, WINDOW);
    pack_reconfig_data_format(PART);
    for (uint32_t stream = 0; stream < SHARING; stream++) {
        cb_wait_front(WINDOW, 1);
        tile_regs_acquire();
        matmul_tiles(CONSTANTS, WINDOW, IDENTITY, 0, 0);
        matmul_tiles(CONSTANTS, CONSTANTS, IDENTITY, positions, 0);
        finish_same(PART);
        cb_pop_front(WINDOW, 1);
    }
}

// A column of DEC_COLUMNS tiles of `buffer`, from `first` on, through a linear map
inline void project(uint32_t buffer, uint32_t first, uint32_t weights, uint32_t to) {
    linear(buffer, first, DEC_COLUMNS, weights);
    finish_same(to);
}

// Of self-attention: this head's queries, keys and values, and this core's column of what the attention is added to.
inline void project_target(uint32_t layer, uint32_t column) {
    for (uint32_t stream = 0; stream < SHARING; stream++) {
        const uint32_t target = stream * CORES;
        set_operands(GATHERED_WINDOWS, CONSTANTS);
        pack_reconfig_data_format(QUERY);
        project(GATHERED_WINDOWS, target, layer + SELF_QUERY, QUERY);
        project(GATHERED_WINDOWS, target, layer + SELF_KEY, KEY);
        project(GATHERED_WINDOWS, target, layer + SELF_VALUE, VALUE);
        tile_regs_acquire();
        matmul_tiles(CONSTANTS, GATHERED_WINDOWS, IDENTITY, target + column, 0);
        finish(RESIDUAL);
    }
}

// Of cross-attention: this head's keys and values.
inline void project_memory(uint32_t layer) {
    set_operands(GATHERED_WINDOWS, CONSTANTS);
    pack_reconfig_data_format(KEY);
    for (uint32_t stream = 0; stream < SHARING; stream++) {
        const uint32_t memory = stream * CORES + CORES / 2;
        project(GATHERED_WINDOWS, memory, layer + CROSS_KEY, KEY);
        project(GATHERED_WINDOWS, memory, layer + CROSS_VALUE, VALUE);
    }
    cb_pop_front(GATHERED_WINDOWS, SHARING * CORES);
}

// softmax(q k^T) v of this core's head to PART
__attribute__((noinline)) void attend() {
    set_operands(QUERY, KEY, true);
    pack_reconfig_data_format(SCORES);
    for (uint32_t stream = 0; stream < SHARING; stream++) {
        cb_wait_front(QUERY, stream + 1);
        cb_wait_front(KEY, stream + 1);
        tile_regs_acquire();
        matmul_tiles(QUERY, KEY, stream, stream, 0);
        matmul_tiles(CONSTANTS, CONSTANTS, ONES_COLUMN, KEY_MASK, 0);
        finish_same(SCORES);
    }

    reconfig_data_format(SCORES, CONSTANTS);
    reduce_init<PoolType::MAX, ReduceDim::REDUCE_ROW>(SCORES, CONSTANTS, MAXIMUM);
    for (uint32_t stream = 0; stream < SHARING; stream++) {
        cb_wait_front(SCORES, stream + 1);
        tile_regs_acquire();
        reduce_tile<PoolType::MAX, ReduceDim::REDUCE_ROW>(SCORES, CONSTANTS, stream, ONES, 0);
        finish_same(MAXIMUM);
    }
    reduce_uninit(SCORES);

    reconfig_data_format(SCORES, MAXIMUM);
    sub_bcast_cols_init(SCORES, MAXIMUM);
    exp_tile_init();
    for (uint32_t stream = 0; stream < SHARING; stream++) {
        cb_wait_front(MAXIMUM, stream + 1);
        tile_regs_acquire();
        sub_tiles_bcast_cols(SCORES, MAXIMUM, stream, stream, 0);
        exp_tile(0, VectorMode::R);
        finish_same(WEIGHTS);
    }
    cb_pop_front(SCORES, SHARING);
    cb_pop_front(MAXIMUM, SHARING);

    set_operands(WEIGHTS, VALUE);
    pack_reconfig_data_format(PART);
    for (uint32_t stream = 0; stream < SHARING; stream++) {
        cb_wait_front(WEIGHTS, 1);
        cb_wait_front(VALUE, stream + 1);
        tile_regs_acquire();
        matmul_tiles(WEIGHTS, VALUE, 0, stream, 0);
        matmul_tiles(WEIGHTS, CONSTANTS, 0, ONES, 1);
        recip_tile_init();
        recip_tile(1);
        mul_binary_tile_init();
        mul_binary_tile(0, 1, 0);
        finish_same(PART);
        cb_pop_front(WEIGHTS, 1);
    }
    cb_pop_front(QUERY, SHARING);
    cb_pop_front(KEY, SHARING);
    cb_pop_front(VALUE, SHARING);
}

// x = LN(x + linear(GATHERED)), x in RESIDUAL; to RESIDUAL, if something is to be added again, and to `to`
__attribute__((noinline)) void add_and_norm(
    uint32_t weights, uint32_t inputs, uint32_t norm, uint32_t to, bool is_residual) {
    pack_reconfig_data_format(VALUES);
    for (uint32_t stream = 0; stream < SHARING; stream++) {
        set_operands(GATHERED, CONSTANTS);
        linear(GATHERED, 0, inputs, weights);
        cb_wait_front(RESIDUAL, 1);
        load(RESIDUAL, 1);
        PACK_VALUES(ON_UPPER, add_square_face);
        cb_pop_front(GATHERED, CORES);
        cb_pop_front(RESIDUAL, 1);
    }
    init_norm();
    norm_sums(norm, SHARING);
    norm_scales<1>(DEC_MEAN, SHARING);
    set_operands(SCALES, CONSTANTS);
    for (uint32_t stream = 0; stream < SHARING; stream++) {
        norm_apply(norm);
        end_arithmetic();
        pack(0, to);
        if (is_residual) {
            pack(0, RESIDUAL);
        }
        tile_regs_release();
    }
}

// The next lane. `column`: of this core in what is dec_dim wide
inline void decode(uint32_t column) {
    project_encoded();
    for (uint32_t i = 0; i < DECODER_LAYERS; i++) {
        const uint32_t layer = DEC_LAYER + i * DEC_LAYER_TILES;
        const bool is_last = i + 1 == DECODER_LAYERS;
        add_positions(i == 0 ? POSITIONS : POSITIONS + 1);

        project_target(layer, column);
        attend();
        project_memory(layer);
        add_and_norm(layer + SELF_OUT, HEADS, layer + SELF_NORM, PART, true);

        set_operands(GATHERED, CONSTANTS);
        pack_reconfig_data_format(QUERY);
        for (uint32_t stream = 0; stream < SHARING; stream++) {
            project(GATHERED, 0, layer + CROSS_QUERY, QUERY);
            cb_pop_front(GATHERED, CORES);
        }
        attend();
        add_and_norm(layer + CROSS_OUT, HEADS, layer + CROSS_NORM, PART, true);

        set_operands(GATHERED, CONSTANTS);
        pack_reconfig_data_format(PART);
        for (uint32_t stream = 0; stream < SHARING; stream++) {
            linear(GATHERED, 0, DEC_COLUMNS, layer + LINEAR1);
            ON_UPPER(relu_face);
            finish_same(PART);
            cb_pop_front(GATHERED, CORES);
        }
        const uint32_t output = has(SYNTHESIS) ? PART : DECODED;
        add_and_norm(layer + LINEAR2, 2 * DEC_COLUMNS, layer + LINEAR_NORM, is_last ? output : PROJECTED, false);
    }
}
