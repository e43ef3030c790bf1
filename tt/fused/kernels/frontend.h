// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// From samples to features: the prenet's blocks x = x + tanh(filter(x)) * sigmoid(gate(x)), its skip connection, in_conv.
//
// The prenet is the vector unit's alone, in float32: a row's samples stay in dst for all blocks. A vector there is every
// other column of four rows of a face, so the 16 samples that a face has of four rows are a quad: a vector of those with
// even numbers and one of those with odd ones. One sample later, the odd ones are what the even ones were, and the even
// ones are what the odd ones were, a lane further (memory.h has a drawing). A row loses some of its leftmost samples with
// every block. Eight cores share a stream's rows and exchange nothing until the end. Blocks that are no residual ones
// are leaky ReLU(filter(x)).

#pragma once

#include "tiles.h"

#ifdef TRISC_MATH
#include "sfpu/ckernel_sfpu_converter.h"

// Where things lie in dst, in vectors: the first and the last are tiles that are loaded.
constexpr int ROW = 0;
constexpr int SLOT = 24;  // of as many quads as there may be
constexpr int DELAYED = SLOT;
constexpr int FILTER = 2 * SLOT;
constexpr int GATE = 3 * SLOT;
constexpr int LOADED = 4 * SLOT;
static_assert(2 * PRENET_QUADS <= SLOT && LOADED == 3 * TILE_VECTORS);

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

constexpr uint32_t ROWS_OF_QUADS = PRENET_QUADS / PRENET_WIDTH;

// dst_reg = the first vector of a piece
inline void first_vector(uint32_t piece) {
    TTI_SETRWC(p_setrwc::CLR_NONE, 0, 0, 0, 0, p_setrwc::SET_D);
    for (; piece > 0; piece--) {
        sfpi::dst_reg += 2 * ROWS_OF_QUADS;
    }
}

// Calls `step` per vector of the pieces from `first` on; dst_reg is at the vector.
template <class Step>
inline void each_vector(uint32_t first, Step step) {
    first_vector(first);
    for (uint32_t piece = first; piece < PRENET_WIDTH; piece++) {
        for (uint32_t i = 0; i < 2 * ROWS_OF_QUADS; i++) {
            step();
            sfpi::dst_reg++;
        }
    }
}

// FILTER and GATE = bias and the tap of the sample itself, far below zero the gate where it must stay shut; DELAYED = ROW
inline void begin_sums(uint32_t first, const float* bias, const float* weight) {
    const sfpi::vFloat filter_bias = bias[0], gate_bias = bias[1], filter = weight[0], gate = weight[1];
    each_vector(first, [&] {
        sfpi::vFloat x = sfpi::dst_reg[ROW];
        sfpi::vFloat shut = sfpi::dst_reg[LOADED];
        sfpi::dst_reg[DELAYED] = x;
        shut += gate_bias;
        sfpi::dst_reg[FILTER] = x * filter + filter_bias;
        sfpi::dst_reg[GATE] = x * gate + shut;
    });
}

// FILTER and GATE += another tap
inline void add_tap(uint32_t first, const float* weight) {
    const sfpi::vFloat filter = weight[0], gate = weight[1];
    each_vector(first, [&] {
        sfpi::vFloat x = sfpi::dst_reg[DELAYED];
        sfpi::vFloat f = sfpi::dst_reg[FILTER];
        sfpi::vFloat g = sfpi::dst_reg[GATE];
        sfpi::dst_reg[FILTER] = x * filter + f;
        sfpi::dst_reg[GATE] = x * gate + g;
    });
}

// DELAYED = the same one sample later
inline void delay(uint32_t first) {
    const sfpi::vInt lane = sfpi::vConstTileId & 14;  // twice its number among those of its row
    sfpi::vFloat left[ROWS_OF_QUADS];                 // odd samples of the piece before, a lane further
    for (uint32_t i = 0; i < ROWS_OF_QUADS; i++) {
        left[i] = 0.0f;
    }
    first_vector(first);
    for (uint32_t piece = first; piece < PRENET_WIDTH; piece++) {
        for (uint32_t i = 0; i < ROWS_OF_QUADS; i++) {
            sfpi::vFloat odd = sfpi::dst_reg[DELAYED + 1];
            odd = sfpi::vFloat(sfpi::subvec_shflror1(odd));
            sfpi::vFloat even = odd;
            v_if(lane == 0) { even = left[i]; }
            v_endif;
            left[i] = odd;
            sfpi::vFloat old = sfpi::dst_reg[DELAYED];
            sfpi::dst_reg[DELAYED] = even;
            sfpi::dst_reg[DELAYED + 1] = old;
            sfpi::dst_reg += 2;
        }
    }
}

// tanh(x) is within 4.2e-4 of the least of 1 and sum of TANH[9 - k] |x|^k, with the sign of x: a minimax fit. All but the
// first three are float16, so that they take one instruction.
constexpr float TANH[] = {1.122887628991186e-4f, -1.9858843196248225e-3f, 1.3504891798263276e-2f, -3.9764404296875e-2f,
                          1.407623291015625e-2f, 2.125244140625e-1f,      -4.697265625e-1f,       3.594970703125e-2f,
                          9.970703125e-1f};

inline void init_tanh() {
    sfpi::vConstFloatPrgm0 = TANH[0];
    sfpi::vConstFloatPrgm1 = TANH[1];
    sfpi::vConstFloatPrgm2 = TANH[2];
}

// ROW = tanh(FILTER) * sigmoid(2 GATE) + ROW, combined with it; sigmoid(2g) is (1 + tanh(g)) / 2. Both tanh side by side:
// a product takes two cycles.
inline void open_gates(uint32_t first) {
    each_vector(first, [] {
        sfpi::vFloat f = sfpi::abs(sfpi::vFloat(sfpi::dst_reg[FILTER]));
        sfpi::vFloat g = sfpi::abs(sfpi::vFloat(sfpi::dst_reg[GATE]));
        sfpi::vFloat y = sfpi::vConstFloatPrgm0, opened = sfpi::vConstFloatPrgm0;
        y = y * f + sfpi::vConstFloatPrgm1;
        opened = opened * g + sfpi::vConstFloatPrgm1;
        y = y * f + sfpi::vConstFloatPrgm2;
        opened = opened * g + sfpi::vConstFloatPrgm2;
#pragma GCC unroll 6
        for (int i = 3; i < 9; i++) {
            const sfpi::vFloat coefficient = TANH[i];
            y = y * f + coefficient;
            opened = opened * g + coefficient;
        }
        y = y * f;
        opened = opened * g;
        y = sfpi::copysgn(sfpi::min(y, 1.0f), sfpi::vFloat(sfpi::dst_reg[FILTER]));
        opened = sfpi::copysgn(sfpi::min(opened, 1.0f), sfpi::vFloat(sfpi::dst_reg[GATE]));
        opened = opened * 0.5f + 0.5f;
        sfpi::vFloat x = sfpi::dst_reg[ROW];
        sfpi::dst_reg[ROW] = combined<PRENET_COMBINE>(y * opened + x, x);
    });
}

// ROW = leaky ReLU(FILTER), zero where the gate is below zero, combined with ROW
inline void leak(uint32_t first) {
    constexpr float SLOPE = 0.01f;
    each_vector(first, [] {
        sfpi::vFloat y = sfpi::dst_reg[FILTER];
        v_if(y < 0.0f) { y = y * SLOPE; }
        v_endif;
        sfpi::vFloat shut = sfpi::dst_reg[GATE];
        v_if(shut < 0.0f) { y = 0.0f; }
        v_endif;
        sfpi::vFloat x = sfpi::dst_reg[ROW];
        sfpi::dst_reg[ROW] = combined<PRENET_COMBINE>(y, x);
    });
}

// Two floats, a filter's and a gate's, of the runtime arguments.
struct Pair {
    float values[2];
    explicit Pair(uint32_t& argument) {
        for (float& value : values) {
            value = sfpu::Converter::as_float(get_arg_val<uint32_t>(argument++));
        }
    }
};

// All blocks. Of each, from `argument` on: taps, dilation, biases, then weights per tap, those of the sample itself first;
// biases and weights of filter and gate.
inline void prenet_blocks(uint32_t, uint32_t, uint32_t, uint32_t argument) {
    uint32_t lost = 0;  // samples of a row that are no longer needed, and wrong
    for (uint32_t block = 0; block < PRENET_BLOCKS; block++) {
        const uint32_t taps = get_arg_val<uint32_t>(argument++);
        const uint32_t dilation = get_arg_val<uint32_t>(argument++);
        const uint32_t first = lost / FACE;
        const Pair bias(argument), weight(argument);
        begin_sums(first, bias.values, weight.values);
        for (uint32_t tap = 1; tap < taps; tap++) {
            for (uint32_t i = 0; i < dilation; i++) {
                delay(first);
            }
            add_tap(first, Pair(argument).values);
        }
        if constexpr (PRENET_GATED) {
            open_gates(first);
        } else {
            leak(first);
        }
        lost += (taps - 1) * dilation;
    }
}

// ROW = ROW, combined with what came in, where a row has samples of its own
inline void skip(uint32_t, uint32_t, uint32_t) {
    each_vector(PRENET_WIDTH - 1, [] {
        sfpi::vFloat x = sfpi::dst_reg[ROW];
        sfpi::vFloat y = sfpi::dst_reg[LOADED];
        sfpi::dst_reg[ROW] = combined<PRENET_SKIP>(x, y);
    });
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
#endif

// This core's rows to PART_EXACT, for each stream that it has some of. The blocks' runtime arguments begin at `blocks`.
inline void prenet(uint32_t blocks) {
    MATH((ckernel::llk_math_eltwise_binary_sfpu_init<SfpuType::unused>(init_tanh)));
    pack_reconfig_data_format(PART_EXACT);
    for (uint32_t turn = 0; turn < PRENET_TURNS; turn++) {
        tile_regs_acquire();
        cb_wait_front(ROWS, 1);
        load(ROWS, 0);
        if constexpr (PRENET_BLOCKS > 0) {
            cb_wait_front(SHUT, 1);
            load(SHUT, 3);
            ON_FIRST_FACE(prenet_blocks, blocks);
            if constexpr (PRENET_SKIP != SKIP_NONE) {
                load(ROWS, 3);
                ON_FIRST_FACE(skip);
            }
        }
        finish_same(PART_EXACT);
        cb_pop_front(ROWS, 1);
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
    ON_FRAMES(bounded_relu_face);
    cb_pop_front(FRAMED, 2);
}
