// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Projections to target and memory, and post-norm transformer decoder layers over windows of frames.
//
// Head h is on core h, its channels padded to a tile. Only a window's own frames are exchanged and projected. Past frames
// have keys and values of earlier windows, kept in the state without their positions' share W p + b: that is a constant,
// and so is a product of its own: q (k + W p + b)^T = q k^T + q (W p + b)^T, and likewise for values. (In queries, and in
// what self-attention is added to, it is the bias.)
//
// The streams of a tile attend to all of its keys, but the faces where one would see the other's have weight zero.

#pragma once

#include "layer_norm.h"

#include "api/compute/eltwise_unary/recip.h"

#ifdef TRISC_MATH
#include "ckernel_sfpu_exp.h"

// The op of the eight columns in a vector, for each of its rows: log2(8) rotations.
template <class Op>
sfpi_inline sfpi::vFloat of_columns(sfpi::vFloat x, Op op) {
    x = op(x, sfpi::subvec_shflror1(x));
    x = op(x, sfpi::subvec_shflror1(sfpi::subvec_shflror1(x)));
    return op(x, sfpi::subvec_shflror1(sfpi::subvec_shflror1(sfpi::subvec_shflror1(sfpi::subvec_shflror1(x)))));
}

sfpi_inline sfpi::vFloat larger(sfpi::vFloat x, sfpi::vFloat y) {
    sfpi::vec_min_max(x, y);
    return y;
}

// Of four rows: scores in tiles 0 to KEY_TILES - 1 become weights. Their stream's keys are in face MINE of two side by
// side, those in the other one are hidden.
template <int MINE>
sfpi_inline void softmax_rows() {
    constexpr int AT = MINE * FACE_VECTORS, OTHER = FACE_VECTORS - AT;
    sfpi::vFloat maximum = larger(sfpi::dst_reg[AT], sfpi::dst_reg[AT + 1]);
    for (uint32_t tile = 1; tile < KEY_TILES; tile++) {
        const int at = tile * TILE_VECTORS + AT;
        maximum = larger(maximum, larger(sfpi::dst_reg[at], sfpi::dst_reg[at + 1]));
    }
    maximum = of_columns(maximum, larger);
    sfpi::vFloat sum = 0.0f;
    for (uint32_t tile = 0; tile < KEY_TILES; tile++) {
        for (int parity = 0; parity < 2; parity++) {
            const int at = tile * TILE_VECTORS + parity;
            sfpi::vFloat weight = sfpu::_sfpu_exp_21f_bf16_<true>(sfpi::dst_reg[at + AT] - maximum);
            sfpi::dst_reg[at + AT] = weight;
            sfpi::dst_reg[at + OTHER] = 0.0f;
            sum += weight;
        }
    }
    sum = of_columns(sum, [](sfpi::vFloat x, sfpi::vFloat y) { return x + y; });
    const sfpi::vFloat scale = sfpu::sfpu_reciprocal_iter<2>(sum);
    for (uint32_t tile = 0; tile < KEY_TILES; tile++) {
        for (int parity = 0; parity < 2; parity++) {
            const int at = tile * TILE_VECTORS + AT + parity;
            sfpi::dst_reg[at] = sfpi::dst_reg[at] * scale;
        }
    }
}

inline void softmax_faces(uint32_t, uint32_t, uint32_t) {
    for (int row = 0; row < FACE_VECTORS; row += 2) {
        softmax_rows<0>();
        sfpi::dst_reg += 2;
    }
    if constexpr (SHARING > 1) {
        sfpi::dst_reg += FACE_VECTORS;
        for (int row = 0; row < FACE_VECTORS; row += 2) {
            softmax_rows<1>();
            sfpi::dst_reg += 2;
        }
    }
}
#endif

// target = ReLU(projection(label * e)) or memory = ReLU(projection(e))
inline void project_encoded() {
    set_operands(GATHERED, CONSTANTS);
    pack_reconfig_data_format(PROJECTED);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        linear(GATHERED, 0, ENC_COLUMNS, PROJECTION);
        ON_FRAMES(relu_face);
        finish_same(PROJECTED);
        cb_pop_front(GATHERED, CORES);
    }
}

// This head's keys and values of what is in GATHERED from tile `first` on.
__attribute__((noinline)) void project_keys(uint32_t first, uint32_t key, uint32_t value) {
    for (uint32_t weights : {key, value}) {
        tile_regs_acquire();
        add_products(GATHERED, first, DEC_COLUMNS, weights);
        end_arithmetic();
        cb_reserve_back(KEYS_NEW, 1);
        pack_same(0, KEYS);
        cb_push_back(KEYS_NEW, 1);  // the same memory
        tile_regs_release();
    }
}

// Of self-attention: this head's queries, keys and values.
inline void project_target(uint32_t layer) {
    set_operands(GATHERED, CONSTANTS);
    pack_reconfig_data_format(QUERY);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        linear(GATHERED, lane * CORES, DEC_COLUMNS, layer + SELF_QUERY);
        finish_same(QUERY);
        project_keys(lane * CORES, layer + SELF_KEY, layer + SELF_VALUE);
    }
}

// This core's column of what self-attention is added to; of cross-attention, this head's keys and values.
inline void project_memory(uint32_t layer, uint32_t column) {
    set_operands(GATHERED, CONSTANTS);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        tile_regs_acquire();
        matmul_tiles(GATHERED, CONSTANTS, lane * CORES + column, IDENTITY, 0);
        finish(RESIDUAL);
        pack_reconfig_data_format(KEYS);
        project_keys(lane * CORES + CORES / 2, layer + CROSS_KEY, layer + CROSS_VALUE);
    }
    cb_pop_front(GATHERED, LANES * CORES);
}

// softmax(q k^T) v of this core's head to PART; `keys`, `values`: their linear maps
__attribute__((noinline)) void attend(uint32_t keys, uint32_t values) {
    const uint32_t key_positions = keys + DEC_COLUMNS, value_positions = values + DEC_COLUMNS;
    set_operands(QUERY, KEYS, true);
    pack_reconfig_data_format(WEIGHTS);
    recip_tile_init();
    for (uint32_t lane = 0; lane < LANES; lane++) {
        tile_regs_acquire();
        for (uint32_t tile = 0; tile < KEY_TILES; tile++) {
            matmul_tiles(CONSTANTS, CONSTANTS, ONES_COLUMN, KEY_MASK + tile, tile);
        }
        cb_wait_front(QUERY, lane + 1);
        for (uint32_t tile = 0; tile < KEY_TILES; tile++) {
            matmul_tiles(QUERY, CONSTANTS, lane, key_positions + tile, tile);
        }
        cb_wait_front(PAST_KEYS, 2 * (lane + 1) * PAST_TILES);
        for (uint32_t tile = 0; tile < PAST_TILES; tile++) {
            matmul_tiles(QUERY, PAST_KEYS, lane, 2 * lane * PAST_TILES + tile, 1 + tile);
        }
        cb_wait_front(KEYS, 2 * (lane + 1));
        matmul_tiles(QUERY, KEYS, lane, 2 * lane, 0);
        ON_FIRST_FACE(softmax_faces);
        end_arithmetic();
        for (uint32_t tile = 0; tile < KEY_TILES; tile++) {
            pack_same(tile, WEIGHTS);
        }
        tile_regs_release();
    }

    set_operands(WEIGHTS, KEYS);
    pack_reconfig_data_format(PART);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        cb_wait_front(WEIGHTS, KEY_TILES);
        tile_regs_acquire();
        matmul_tiles(WEIGHTS, KEYS, 0, 2 * lane + 1, 0);
        for (uint32_t tile = 0; tile < PAST_TILES; tile++) {
            matmul_tiles(WEIGHTS, PAST_KEYS, 1 + tile, (2 * lane + 1) * PAST_TILES + tile, 0);
        }
        for (uint32_t tile = 0; tile < KEY_TILES; tile++) {
            matmul_tiles(WEIGHTS, CONSTANTS, tile, value_positions + tile, 0);
        }
        finish_same(PART);
        cb_pop_front(WEIGHTS, KEY_TILES);
    }
    cb_pop_front(QUERY, LANES);
    cb_pop_front(KEYS, 2 * LANES);
    cb_pop_front(PAST_KEYS, 2 * LANES * PAST_TILES);
}

// x = LN(x + linear(GATHERED)), x in RESIDUAL; to RESIDUAL, if something is to be added again, and to `to`
__attribute__((noinline)) void add_and_norm(
    uint32_t weights, uint32_t inputs, uint32_t norm, uint32_t to, bool is_residual) {
    pack_reconfig_data_format(VALUES);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        tile_regs_acquire();
        cb_wait_front(RESIDUAL, 1);
        load(RESIDUAL, 1);  // while what is gathered travels
        set_operands(GATHERED, CONSTANTS);
        matmul_tiles(CONSTANTS, CONSTANTS, IDENTITY, weights + inputs, 0);
        add_products(GATHERED, 0, inputs, weights);
        PACK_VALUES(ON_FRAMES, add_square_face);
        cb_pop_front(GATHERED, CORES);
        cb_pop_front(RESIDUAL, 1);
    }
    init_norm();
    norm_sums(norm, LANES);
    norm_scales<SHARING>(DEC_MEAN, LANES);
    set_operands(SCALES, CONSTANTS);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        norm_apply(norm);
        end_arithmetic();
        pack(0, to);
        if (is_residual) {
            pack(0, RESIDUAL);
        }
        tile_regs_release();
    }
}

// `column`: of this core in what is dec_dim wide
inline void decode(uint32_t column) {
    project_encoded();
    for (uint32_t i = 0; i < DECODER_LAYERS; i++) {
        const uint32_t layer = DEC_LAYER + i * DEC_LAYER_TILES;
        const bool is_last = i + 1 == DECODER_LAYERS;

        project_target(layer);
        attend(layer + SELF_KEY, layer + SELF_VALUE);
        project_memory(layer, column);
        add_and_norm(layer + SELF_OUT, HEADS, layer + SELF_NORM, PART, true);

        set_operands(GATHERED, CONSTANTS);
        pack_reconfig_data_format(QUERY);
        for (uint32_t lane = 0; lane < LANES; lane++) {
            linear(GATHERED, 0, DEC_COLUMNS, layer + CROSS_QUERY);
            finish_same(QUERY);
            cb_pop_front(GATHERED, CORES);
        }
        attend(layer + CROSS_KEY, layer + CROSS_VALUE);
        add_and_norm(layer + CROSS_OUT, HEADS, layer + CROSS_NORM, PART, true);

        set_operands(GATHERED, CONSTANTS);
        pack_reconfig_data_format(PART);
        for (uint32_t lane = 0; lane < LANES; lane++) {
            linear(GATHERED, 0, DEC_COLUMNS, layer + LINEAR1);
            ON_FRAMES(relu_face);
            finish_same(PART);
            cb_pop_front(GATHERED, CORES);
        }
        const uint32_t output = is_last && !has(SYNTHESIS) ? DECODED : PART;
        add_and_norm(layer + LINEAR2, 2 * DEC_COLUMNS, layer + LINEAR_NORM, output, false);
    }
}
