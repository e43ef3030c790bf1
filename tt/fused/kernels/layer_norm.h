// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// LayerNorm over tile columns that lie on different cores.
//
// Sums are made as rows, by products with the transposed values: a core's sums over its 32 channels, a column per
// frame, are 128 bytes in a row. The cores exchange them (exchanges.h); with everybody's sums in the rows of one tile a
// constant times it is the mean in every row. On the diagonal that gives a scale per frame, and the norm is
//     diag(1 / deviation) @ (y diag(weight)) + diag(-mean / deviation) @ (weight in every row) + bias.

#pragma once

#include "tiles.h"

#ifdef TRISC_MATH
constexpr float EPSILON = 1e-5f;

// tile 1 = tile 0 squared
inline void square_face(uint32_t, uint32_t, uint32_t) {
    for (int i = 0; i < FACE_VECTORS; i++) {
        sfpi::vFloat x = sfpi::dst_reg[0];
        sfpi::dst_reg[TILE_VECTORS] = x * x;
        sfpi::dst_reg++;
    }
}

// tile 0 += tile 1; tile 1 = tile 0 squared
inline void add_square_face(uint32_t, uint32_t, uint32_t) {
    for (int i = 0; i < FACE_VECTORS; i++) {
        sfpi::vFloat x = sfpi::dst_reg[0];
        sfpi::vFloat y = sfpi::dst_reg[TILE_VECTORS];
        x += y;
        sfpi::dst_reg[0] = x;
        sfpi::dst_reg[TILE_VECTORS] = x * x;
        sfpi::dst_reg++;
    }
}

// 1 / sqrt(x), x positive, to 2e-5, where scales are rounded to 5e-4: the first step of sfpu::_calculate_sqrt_body_.
sfpi_inline sfpi::vFloat reciprocal_root(sfpi::vFloat x) {
    const sfpi::vInt half = sfpi::as<sfpi::vInt>(sfpi::as<sfpi::vUInt>(x) >> 1);
    sfpi::vFloat y = sfpi::as<sfpi::vFloat>(sfpi::vConstIntPrgm0 - half);
    const sfpi::vFloat c = -y * (x * y);
    return y * (sfpi::vConstFloatPrgm1 + c * (sfpi::vConstFloatPrgm2 + c));
}

// Tile 0 = -mean, tile 1 = mean of squares in the face that begins at vector FROM, the same in every row; tile 2 = the
// identity -> in the face that begins at TO, tile 0 = diag(-mean / deviation), tile 1 = diag(1 / deviation).
template <int FROM, int TO>
sfpi_inline void deviation_to() {
    sfpi::vFloat mean = sfpi::dst_reg[FROM];
    sfpi::vFloat variance = positive_part(sfpi::dst_reg[TILE_VECTORS + FROM] - mean * mean);  // negative by rounding
    variance += EPSILON;
    sfpi::vFloat scale = reciprocal_root(variance);
    mean = sfpi::dst_reg[FROM];
    mean = mean * scale;
    for (int row = 0; row < FACE_VECTORS; row += 2) {
        sfpi::vFloat identity = sfpi::dst_reg[2 * TILE_VECTORS + TO + row];
        sfpi::dst_reg[TILE_VECTORS + TO + row] = scale * identity;
        sfpi::dst_reg[TO + row] = mean * identity;
    }
}

// The scales of one stream on the diagonal of face 0, and of a second one in the same tiles on that of face 3.
template <uint32_t IN_TILE>
inline void deviation_faces(uint32_t, uint32_t, uint32_t) {
    for (int parity = 0; parity < 2; parity++) {  // of the columns in a vector
        deviation_to<0, 0>();
        if constexpr (IN_TILE > 1) {
            deviation_to<FACE_VECTORS, 3 * FACE_VECTORS>();
        }
        if constexpr (SHARING > 1) {  // STATS has sums in its right faces, in the decoder old ones
            for (int row = 0; row < FACE_VECTORS; row += 2) {
                sfpi::dst_reg[TILE_VECTORS + FACE_VECTORS + row] = 0.0f;
                sfpi::dst_reg[FACE_VECTORS + row] = 0.0f;
            }
        }
        sfpi::dst_reg++;
    }
}
#endif

// Before the first norm, and again after other functions of the vector unit: they share its constants.
inline void init_norm() { MATH((SFPU_BINARY_INIT_FN(unused, sfpu::sqrt_init, (false)))); }

// dst 0 and, made by `function`, its square in dst 1: what a norm is taken of. The packer is set to VALUES.
#define PACK_VALUES(on_faces, function) \
    on_faces(function);                 \
    end_arithmetic();                   \
    pack_same(0, VALUES);               \
    pack_same(1, VALUES);               \
    tile_regs_release();

// Offers this core's sums of VALUES, of so many tiles side by side, and scales them per channel while these travel.
__attribute__((noinline)) void norm_sums(uint32_t norm, uint32_t tiles) {
    set_sum_operands(CONSTANTS, VALUES, true);
    pack_reconfig_data_format(PART_EXACT);
    for (uint32_t tile = 0; tile < tiles; tile++) {
        cb_wait_front(VALUES, 2 * tile + 2);
        tile_regs_acquire();
        sum_tiles(CONSTANTS, VALUES, SUM, 2 * tile, 0);
        sum_tiles(CONSTANTS, VALUES, SUM_SQUARES, 2 * tile + 1, 0);
        finish_same(PART_EXACT);
    }
    set_operands(VALUES, CONSTANTS);
    pack_reconfig_data_format(SCALED);
    for (uint32_t tile = 0; tile < tiles; tile++) {
        tile_regs_acquire();
        matmul_tiles(VALUES, CONSTANTS, 2 * tile, norm, 0);
        finish_same(SCALED);
    }
    cb_pop_front(VALUES, 2 * tiles);
}

// The scales per frame, from everybody's sums, of so many tiles with IN_TILE streams each. `mean`: ENC_MEAN or DEC_MEAN
template <uint32_t IN_TILE>
__attribute__((noinline)) void norm_scales(uint32_t mean, uint32_t tiles) {
    pack_reconfig_data_format(SCALES);
    set_operands(CONSTANTS, STATS);
    for (uint32_t tile = 0; tile < tiles; tile++) {
        tile_regs_acquire();
        matmul_tiles(CONSTANTS, EXACT, IDENTITY, EXACT_IDENTITY, 2);
        cb_wait_front(STATS, 1);
        matmul_tiles(CONSTANTS, STATS, mean, 0, 0);
        matmul_tiles(CONSTANTS, STATS, mean + 1, 0, 1);
        ON_FIRST_FACE(deviation_faces<IN_TILE>);
        end_arithmetic();
        pack_same(1, SCALES);
        pack_same(0, SCALES);
        tile_regs_release();
        cb_pop_front(STATS, 1);
    }
}

// dst 0 = the norm of the next tile; the operands are set to SCALES, CONSTANTS. The registers stay acquired.
__attribute__((noinline)) void norm_apply(uint32_t norm) {
    tile_regs_acquire();
    matmul_tiles(EXACT, CONSTANTS, EXACT_ONES_COLUMN, norm + 2, 0);
    cb_wait_front(SCALED, 1);
    cb_wait_front(SCALES, 2);
    matmul_tiles(SCALES, SCALED, 0, 0, 0);
    matmul_tiles(SCALES, CONSTANTS, 1, norm + 1, 0);
    cb_pop_front(SCALED, 1);
    cb_pop_front(SCALES, 2);
}
