// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// From samples to features: the prenet's blocks x = x + tanh(filter(x)) * sigmoid(gate(x)), its skip connection, in_conv.
//
// A row of PRENET_COLUMNS tiles holds 32 samples in each, of which the last 8 of all are its own. A convolution is a
// banded matrix then, and a row loses some of its leftmost samples with every block. The sum stays float32: it is loaded
// past the source registers, which hold ten bits of mantissa. Eight cores share a stream's rows and exchange nothing
// until the end. Blocks that are no residual ones are leaky ReLU(filter(x)), with zeros for the gate.

#pragma once

#include "tiles.h"

#ifdef TRISC_MATH
#include "sfpu/ckernel_sfpu_converter.h"

constexpr int ROW_VECTORS = (PRENET_ROWS + 3) / 4 * 2;  // of the rows of a face that are in use

// y with what goes around it
template <uint32_t SKIP>
inline sfpi::vFloat combined(sfpi::vFloat y, sfpi::vFloat x) {
    if constexpr (SKIP == SKIP_ADD) {
        return y + x;
    } else if constexpr (SKIP == SKIP_MULTIPLY) {
        return y * x;
    } else {
        return y;
    }
}

// y = tanh(tile 0 + filter) * (1 + tanh(tile 1 + gate)) / 2 + tile 2; tile 0 = y, combined with tile 2
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
        sfpi::dst_reg[0] = combined<PRENET_COMBINE>(f * opened + x, x);
        sfpi::dst_reg++;
    }
}

// y = leaky ReLU(tile 0 + filter), zero where tile 1 is below zero; tile 0 = y, combined with tile 2
inline void leaky_rows(uint32_t, uint32_t, uint32_t, uint32_t filter) {
    constexpr float SLOPE = 0.01f;
    for (int i = 0; i < ROW_VECTORS; i++) {
        sfpi::vFloat y = sfpi::dst_reg[0];
        y += sfpi::vFloat(sfpu::Converter::as_float(filter));
        v_if(y < 0.0f) { y = y * SLOPE; }
        v_endif;
        sfpi::vFloat shut = sfpi::dst_reg[TILE_VECTORS];
        v_if(shut < 0.0f) { y = 0.0f; }
        v_endif;
        sfpi::vFloat x = sfpi::dst_reg[2 * TILE_VECTORS];
        sfpi::dst_reg[0] = combined<PRENET_COMBINE>(y, x);
        sfpi::dst_reg++;
    }
}

// tile 0 = ReLU(tile 0), at most LOUDEST. The swaps order bits, NaN behind infinity. So features are finite whatever
// samples are, and what is zero times those of another stream is zero.
inline void bounded_relu_face(uint32_t, uint32_t, uint32_t) {
    constexpr float LOUDEST = 1e9f;
    for (int i = 0; i < FACE_VECTORS; i++) {
        sfpi::vFloat x = sfpi::dst_reg[0];
        sfpi::vFloat least = 0.0f, most = LOUDEST;
        sfpi::vec_min_max(least, x);
        sfpi::vec_min_max(x, most);
        sfpi::dst_reg[0] = x;
        sfpi::dst_reg++;
    }
}

// tile 0 = tile 0, combined with tile 1
inline void skip_rows(uint32_t, uint32_t, uint32_t) {
    for (int i = 0; i < ROW_VECTORS; i++) {
        sfpi::vFloat x = sfpi::dst_reg[0];
        sfpi::vFloat y = sfpi::dst_reg[TILE_VECTORS];
        sfpi::dst_reg[0] = combined<PRENET_SKIP>(x, y);
        sfpi::dst_reg++;
    }
}
#endif

inline void prenet_block(uint32_t block, uint32_t x, uint32_t x_exact, uint32_t filter_bias, uint32_t gate_bias) {
    const uint32_t weights = PRENET + 2 * PRENET_BANDS * block;
    for (uint32_t column = 0; column < PRENET_COLUMNS; column++) {
        tile_regs_acquire();
        load(x_exact, 2, column);
        set_operands(x, EXACT);
        for (uint32_t band = 0; band < PRENET_BANDS && band <= column; band++) {
            matmul_tiles(x, EXACT, column - band, weights + 2 * band, 0);
            matmul_tiles(x, EXACT, column - band, weights + 2 * band + 1, 1);
        }
        matmul_tiles(SHUT, EXACT, column, EXACT_IDENTITY, 1);
        if constexpr (PRENET_GATED) {
            ON_UPPER(gated_rows, filter_bias, gate_bias);
        } else {
            ON_UPPER(leaky_rows, filter_bias);
        }
        finish_same(WAVE);
        cb_push_back(WAVE_EXACT, 1);  // the same memory
    }
}

// This core's rows to PART_EXACT, for each stream that it has some of. The biases are runtime arguments from `bias` on.
inline void prenet(uint32_t bias) {
    constexpr uint32_t OWN = PRENET_COLUMNS - 1;  // the tile that holds a row's own samples
    MATH((SFPU_UNARY_INIT_FN(tanh, sfpu::tanh_init, (false, true))));
    pack_reconfig_data_format(WAVE);
    for (uint32_t turn = 0; turn < PRENET_TURNS; turn++) {
        cb_wait_front(ROWS, PRENET_COLUMNS);
        cb_wait_front(ROWS_EXACT, PRENET_COLUMNS);
        cb_wait_front(SHUT, PRENET_COLUMNS);
        for (uint32_t block = 0; block < PRENET_BLOCKS; block++) {
            const uint32_t filter_bias = get_arg_val<uint32_t>(bias + 2 * block);
            const uint32_t gate_bias = get_arg_val<uint32_t>(bias + 2 * block + 1);
            if (block == 0) {
                prenet_block(block, ROWS, ROWS_EXACT, filter_bias, gate_bias);
            } else {
                cb_wait_front(WAVE, PRENET_COLUMNS);
                cb_wait_front(WAVE_EXACT, PRENET_COLUMNS);
                prenet_block(block, WAVE, WAVE_EXACT, filter_bias, gate_bias);
                cb_pop_front(WAVE, PRENET_COLUMNS);
                cb_pop_front(WAVE_EXACT, PRENET_COLUMNS);
            }
        }

        tile_regs_acquire();
        if constexpr (PRENET_BLOCKS == 0) {
            load(ROWS_EXACT, 0, OWN);
        } else {
            cb_wait_front(WAVE, PRENET_COLUMNS);
            cb_wait_front(WAVE_EXACT, PRENET_COLUMNS);
            load(WAVE_EXACT, 0, OWN);
            if constexpr (PRENET_SKIP != SKIP_NONE) {
                load(ROWS_EXACT, 1, OWN);
                ON_UPPER(skip_rows);
            }
        }
        finish_same(PART_EXACT);
        if constexpr (PRENET_BLOCKS > 0) {
            cb_pop_front(WAVE, PRENET_COLUMNS);
            cb_pop_front(WAVE_EXACT, PRENET_COLUMNS);
        }
        cb_pop_front(ROWS, PRENET_COLUMNS);
        cb_pop_front(ROWS_EXACT, PRENET_COLUMNS);
        cb_pop_front(SHUT, PRENET_COLUMNS);
    }
}

// dst 0 = the features of the next lane; the registers stay acquired.
inline void in_conv() {
    tile_regs_acquire();
    set_operands(FRAMED, EXACT);
    cb_wait_front(FRAMED, 2);
    matmul_tiles(FRAMED, EXACT, 0, IN_CONV, 0);
    matmul_tiles(FRAMED, EXACT, 1, IN_CONV + 1, 0);
    ON_FRAMES(bounded_relu_face);
    cb_pop_front(FRAMED, 2);
}
