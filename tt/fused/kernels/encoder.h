// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The encoder, layer by layer: y = x + ReLU(LN(pointwise(ReLU(LN(depthwise(x)))))).

#pragma once

#include "frontend.h"
#include "layer_norm.h"

inline void pack_layer_input() {
    cb_reserve_back(X_NEW, 1);
    pack(0, X);
    cb_push_back(X_NEW, 1);  // the same memory
    pack(0, RESIDUAL);
}

// The input of the first layer, and the features that the synthesis needs again.
inline void begin_encoder() {
    for (uint32_t lane = 0; lane < LANES; lane++) {
        if constexpr (has(FRONTEND)) {
            in_conv();
            end_arithmetic();
            pack(0, FEATURES);
        } else {
            tile_regs_acquire();
            cb_wait_front(FEATURES, lane + 1);
            load(FEATURES, 0, lane);
            end_arithmetic();
        }
        if constexpr (has(ENCODER)) {
            pack_layer_input();
        }
        tile_regs_release();
    }
}

// Where no tap needs this window's own frames, they are there before the layer's input is.
inline void depthwise(uint32_t layer, bool all_past) {
    set_operands(X, CONSTANTS);
    pack_reconfig_data_format(VALUES);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        tile_regs_acquire();
        matmul_tiles(CONSTANTS, CONSTANTS, ONES_COLUMN, layer + TAP_BIAS, 0);
        for (uint32_t i = 0; i < 2; i++) {
            if (all_past == (i == 0)) {
                cb_wait_front(TAP, TAPS);
                for (uint32_t tap = 0; tap < TAPS; tap++) {
                    matmul_tiles(TAP, CONSTANTS, tap, layer + TAP_WEIGHTS + tap, 0);
                }
            } else {
                cb_wait_front(X, 1);
                matmul_tiles(X, CONSTANTS, 0, layer + TAP_WEIGHTS + TAPS, 0);
            }
        }
        PACK_VALUES(ON_FRAMES, square_face);
        cb_pop_front(TAP, TAPS);
        cb_pop_front(X, 1);
    }
}

inline void pointwise(uint32_t layer) {
    set_operands(GATHERED, CONSTANTS);
    pack_reconfig_data_format(VALUES);
    for (uint32_t lane = 0; lane < LANES; lane++) {
        linear(GATHERED, 0, ENC_COLUMNS, layer + POINTWISE);
        PACK_VALUES(ON_FRAMES, square_face);
        cb_pop_front(GATHERED, CORES);
    }
}

inline void encode() {
    init_norm();
    for (uint32_t i = 0; i < LAYERS; i++) {
        const uint32_t layer = ENC_LAYER + i * ENC_LAYER_TILES;
        depthwise(layer, all_past(i));
        norm_sums(layer + NORM1, LANES);
        norm_scales<SHARING>(ENC_MEAN, LANES);
        set_operands(SCALES, CONSTANTS);
        pack_reconfig_data_format(PART);
        for (uint32_t lane = 0; lane < LANES; lane++) {
            norm_apply(layer + NORM1);
            ON_FRAMES(relu_face);
            finish_same(PART);
        }

        pointwise(layer);
        norm_sums(layer + NORM2, LANES);
        norm_scales<SHARING>(ENC_MEAN, LANES);
        for (uint32_t lane = 0; lane < LANES; lane++) {
            set_operands(SCALES, CONSTANTS);
            norm_apply(layer + NORM2);
            cb_wait_front(RESIDUAL, 1);
            load(RESIDUAL, 1);
            cb_pop_front(RESIDUAL, 1);
            ON_FRAMES(relu_add_face);
            end_arithmetic();
            if (i + 1 < LAYERS) {
                pack_layer_input();
            } else {
                pack(0, E);
                if (has(DECODER)) {
                    pack_same(0, PART);
                }
            }
            tile_regs_release();
        }
    }
}
