// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// From the decoder's output to samples: the mask, its product with the features, out_conv and tanh.
//
// out_conv makes of a frame PIECES runs of HOP samples, of which the i-th falls on the frame i later: the samples of a
// frame are the sum of products of this and the OVERLAP frames before it. Every core makes its 32 channels' share.

#pragma once

#include "tiles.h"

#ifdef TRISC_MATH
// tile 0 = (ReLU(tile 0) + tile 1) * tile 2
inline void mask_face(uint32_t, uint32_t, uint32_t) {
    for (int i = 0; i < FACE_VECTORS; i++) {
        sfpi::vFloat x = sfpi::dst_reg[0];
        x = positive_part(x);
        sfpi::vFloat labelled = sfpi::dst_reg[TILE_VECTORS];
        sfpi::vFloat features = sfpi::dst_reg[2 * TILE_VECTORS];
        sfpi::dst_reg[0] = (x + labelled) * features;
        sfpi::dst_reg++;
    }
}

// first face = tanh(first face + second face)
inline void add_tanh_face(uint32_t, uint32_t, uint32_t) {
    for (int i = 0; i < FACE_VECTORS; i++) {
        sfpi::vFloat x = sfpi::dst_reg[0];
        sfpi::vFloat y = sfpi::dst_reg[FACE_VECTORS];
        sfpi::dst_reg[0] = sfpu::_sfpu_tanh_fp32_accurate_(x + y);
        sfpi::dst_reg++;
    }
}
#endif

inline void mask_features() {
    pack_reconfig_data_format(MASKED);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        tile_regs_acquire();
        cb_wait_front(FEATURES, 1);
        load(FEATURES, 2);  // this and the next product while what is gathered travels
        set_operands(GATHERED, CONSTANTS);
        cb_wait_front(E, 1);
        matmul_tiles(E, CONSTANTS, 0, LABEL, 1);
        matmul_tiles(CONSTANTS, CONSTANTS, IDENTITY, UNPROJECTION + DEC_COLUMNS, 0);
        add_products(GATHERED, 0, DEC_COLUMNS, UNPROJECTION);
        cb_pop_front(GATHERED, CORES);
        cb_pop_front(FEATURES, 1);
        cb_pop_front(E, 1);
        ON_FRAMES(mask_face);
        end_arithmetic();
        cb_reserve_back(MASKED_NEW, 1);
        pack_same(0, MASKED);
        cb_push_back(MASKED_NEW, 1);  // the same memory
        tile_regs_release();
    }
}

inline void out_conv() {
    set_operands(MASKED, CONSTANTS);
    pack_reconfig_data_format(PART_EXACT);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        tile_regs_acquire();
        cb_wait_front(MASKED, 1);
        matmul_tiles(MASKED, CONSTANTS, 0, OUT_CONV, 0);
        cb_wait_front(SHIFTED, OVERLAP);
        for (uint32_t shift = 1; shift <= OVERLAP; shift++) {
            matmul_tiles(SHIFTED, CONSTANTS, shift - 1, OUT_CONV + shift, 0);
        }
        finish_same(PART_EXACT);
        cb_pop_front(MASKED, 1);
        cb_pop_front(SHIFTED, OVERLAP);
    }
}

// The samples of each stream are the sum of all cores' shares, a face each.
inline void synthesize() {
    mask_features();
    out_conv();
    set_operands(EXACT, SUMMANDS);
    MATH((SFPU_UNARY_INIT_FN(tanh, sfpu::tanh_init, (false, true))));
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        cb_wait_front(SUMMANDS, CORES / 4);
        tile_regs_acquire();
        for (uint32_t tile = 0; tile < CORES / 4; tile++) {
            matmul_tiles(EXACT, SUMMANDS, EXACT_UPPER, tile, 0);
        }
        cb_pop_front(SUMMANDS, CORES / 4);
        ON_FIRST_FACE(add_tanh_face);
        finish_same(PART_EXACT);
    }
}
