// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// From samples to features: the prenet's blocks x = x + tanh(filter(x)) * sigmoid(gate(x)), its skip connection, in_conv.
//
// A row of a tile holds 32 samples of which the last 8 are its own. A convolution is a banded matrix then, and a row
// loses some of its leftmost samples with every block. The sum stays float32: it is loaded past the source registers,
// which hold ten bits of mantissa. Eight cores share a lane's rows and exchange nothing until the end.

#pragma once

#include "tiles.h"

#ifdef TRISC_MATH
#include "sfpu/ckernel_sfpu_converter.h"

constexpr int ROW_VECTORS = (PRENET_ROWS + 3) / 4 * 2;  // of the rows of a face that are in use

// tile 0 = tanh(tile 0 + filter) * (1 + tanh(tile 1 + gate)) / 2 + tile 2
// sigmoid(g) is (1 + tanh(g / 2)) / 2; the half is in the gate's weight and bias.
inline void gated_rows(uint32_t, uint32_t, uint32_t, uint32_t filter, uint32_t gate) {
    for (int i = 0; i < ROW_VECTORS; i++) {
        sfpi::vFloat g = sfpi::dst_reg[TILE_VECTORS];
        g += sfpi::vFloat(sfpu::Converter::as_float(gate));
        sfpi::dst_reg[TILE_VECTORS] = sfpu::_sfpu_tanh_fp32_accurate_(g) * 0.5f + 0.5f;
        sfpi::vFloat f = sfpi::dst_reg[0];
        f += sfpi::vFloat(sfpu::Converter::as_float(filter));
        f = sfpu::_sfpu_tanh_fp32_accurate_(f);
        sfpi::vFloat opened = sfpi::dst_reg[TILE_VECTORS];
        sfpi::vFloat x = sfpi::dst_reg[2 * TILE_VECTORS];
        sfpi::dst_reg[0] = f * opened + x;
        sfpi::dst_reg++;
    }
}

// tile 0 = tile 0 + tile 1 or tile 0 * tile 1
inline void skip_rows(uint32_t, uint32_t, uint32_t) {
    for (int i = 0; i < ROW_VECTORS; i++) {
        sfpi::vFloat x = sfpi::dst_reg[0];
        sfpi::vFloat y = sfpi::dst_reg[TILE_VECTORS];
        if constexpr (PRENET_SKIP == SKIP_ADD) {
            sfpi::dst_reg[0] = x + y;
        } else {
            sfpi::dst_reg[0] = x * y;
        }
        sfpi::dst_reg++;
    }
}
#endif

inline void prenet_block(uint32_t block, uint32_t x, uint32_t x_exact, uint32_t filter_bias, uint32_t gate_bias) {
    const uint32_t weights = PRENET + 2 * block;
    tile_regs_acquire();
    load(x_exact, 2);
    set_operands(x, EXACT);
    matmul_tiles(x, EXACT, 0, weights, 0);
    matmul_tiles(x, EXACT, 0, weights + 1, 1);
    matmul_tiles(SHUT, EXACT, 0, EXACT_IDENTITY, 1);
    ON_FRAMES(gated_rows, filter_bias, gate_bias);
    finish_same(WAVE);
    cb_push_back(WAVE_EXACT, 1);  // the same memory
}

// This core's rows to PART_EXACT, for each lane that it has a part of. The biases are runtime arguments from `bias` on.
inline void prenet(uint32_t bias) {
    MATH((SFPU_UNARY_INIT_FN(tanh, sfpu::tanh_init, (false, true))));
    pack_reconfig_data_format(WAVE);
    for (uint32_t turn = 0; turn < PRENET_TURNS; turn++) {
        cb_wait_front(ROWS, 1);
        cb_wait_front(ROWS_EXACT, 1);
        cb_wait_front(SHUT, 1);
        for (uint32_t block = 0; block < PRENET_BLOCKS; block++) {
            const uint32_t filter_bias = get_arg_val<uint32_t>(bias + 2 * block);
            const uint32_t gate_bias = get_arg_val<uint32_t>(bias + 2 * block + 1);
            if (block == 0) {
                prenet_block(block, ROWS, ROWS_EXACT, filter_bias, gate_bias);
            } else {
                cb_wait_front(WAVE, 1);
                cb_wait_front(WAVE_EXACT, 1);
                prenet_block(block, WAVE, WAVE_EXACT, filter_bias, gate_bias);
                cb_pop_front(WAVE, 1);
                cb_pop_front(WAVE_EXACT, 1);
            }
        }

        tile_regs_acquire();
        if constexpr (PRENET_BLOCKS == 0) {
            load(ROWS_EXACT, 0);
        } else {
            cb_wait_front(WAVE, 1);
            cb_wait_front(WAVE_EXACT, 1);
            load(WAVE_EXACT, 0);
            if constexpr (PRENET_SKIP != SKIP_NONE) {
                load(ROWS_EXACT, 1);
                ON_FRAMES(skip_rows);
            }
        }
        finish_same(PART_EXACT);
        if constexpr (PRENET_BLOCKS > 0) {
            cb_pop_front(WAVE, 1);
            cb_pop_front(WAVE_EXACT, 1);
        }
        cb_pop_front(ROWS, 1);
        cb_pop_front(ROWS_EXACT, 1);
        cb_pop_front(SHUT, 1);
    }
}

// dst 0 = the features of the next lane; the registers stay acquired.
inline void in_conv() {
    tile_regs_acquire();
    set_operands(FRAMED, EXACT);
    cb_wait_front(FRAMED, 2);
    matmul_tiles(FRAMED, EXACT, 0, IN_CONV, 0);
    matmul_tiles(FRAMED, EXACT, 1, IN_CONV + 1, 0);
    ON_FRAMES(relu_face);
    cb_pop_front(FRAMED, 2);
}
