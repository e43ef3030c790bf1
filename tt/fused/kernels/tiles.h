// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Arithmetic on single tiles. Nearly all of it is products: a scale per channel is a product with a diagonal tile from
// the right, a scale per frame one from the left, a vector added to all rows a product with a column of ones.

#pragma once

#include "numbers.h"

#include "api/compute/common.h"
#include "api/compute/compute_kernel_api.h"
#include "api/compute/eltwise_binary_sfpu.h"
#include "api/compute/eltwise_unary/rsqrt.h"
#include "api/compute/matmul.h"
#include "api/compute/tile_move_copy.h"

#ifdef TRISC_MATH
namespace sfpu = ckernel::sfpu;

// The vector unit sees dst as vectors of every other column of four rows: eight of a face, 32 of a tile. A function
// starts at the first vector of a face of tile 0 and leaves it at the first one of the next face.
constexpr int FACE_VECTORS = 8;
constexpr uint32_t TILE_VECTORS = 32;

inline sfpi::vFloat positive_part(sfpi::vFloat x) {
    sfpi::vFloat zero = 0.0f;
    sfpi::vec_min_max(zero, x);  // a swap, less than a condition
    return x;
}

// tile 0 = ReLU(tile 0)
inline void relu_face(uint32_t, uint32_t, uint32_t) {
    for (int i = 0; i < FACE_VECTORS; i++) {
        sfpi::vFloat x = sfpi::dst_reg[0];
        sfpi::dst_reg[0] = positive_part(x);
        sfpi::dst_reg++;
    }
}

// tile 0 = ReLU(tile 0) + tile 1
inline void relu_add_face(uint32_t, uint32_t, uint32_t) {
    for (int i = 0; i < FACE_VECTORS; i++) {
        sfpi::vFloat x = sfpi::dst_reg[0];
        sfpi::dst_reg[0] = positive_part(x) + sfpi::dst_reg[TILE_VECTORS];
        sfpi::dst_reg++;
    }
}
#endif

// Vector functions on the faces that hold frames of the streams in a tile, on those of a stream with a tile of its own,
// and on the first face alone.
#define ON_FRAMES(function, ...) \
    MATH((_llk_math_eltwise_binary_sfpu_params_( \
        function, 0, 1, 0, SHARING > 1 ? VectorMode::RC : VectorMode::R, ##__VA_ARGS__)))
#define ON_UPPER(function, ...) \
    MATH((_llk_math_eltwise_binary_sfpu_params_(function, 0, 1, 0, VectorMode::R, ##__VA_ARGS__)))
#define ON_FIRST_FACE(function, ...) \
    MATH((_llk_math_eltwise_binary_sfpu_params_(function, 0, 1, 0, VectorMode::None, ##__VA_ARGS__)))

// Before products of tiles of in0 and in1, or of other buffers of the same formats: matmul_tiles adds them to dst.
inline void set_operands(uint32_t in0, uint32_t in1, bool transpose = false) {
    reconfig_data_format<SrcOrder::Reverse>(in0, in1);
    matmul_init(in0, in1, transpose);
}

// The same for products whose first operand holds ones and zeros: the multiplier's first two passes take all bits of the
// second operand and the upper seven of the first one.
inline void set_sum_operands(uint32_t ones, uint32_t in1, bool transpose) {
    reconfig_data_format<SrcOrder::Reverse>(ones, in1);
    UNPACK((llk_unpack_AB_matmul_init(ones, in1, transpose)));
    MATH((llk_math_matmul_init<MathFidelity::HiFi2, MM_THROTTLE>(ones, in1, transpose)));
}

inline void sum_tiles(uint32_t ones, uint32_t in1, uint32_t ones_tile, uint32_t in1_tile, uint32_t dst) {
    UNPACK((llk_unpack_AB_matmul(ones, in1, ones_tile, in1_tile)));
    MATH((llk_math_matmul<MathFidelity::HiFi2, MM_THROTTLE>(dst)));
}

// dst `dst` = a tile of `buffer`
inline void load(uint32_t buffer, uint32_t dst, uint32_t tile = 0) {
    reconfig_data_format_srca(buffer);
    copy_init(buffer);
    copy_tile(buffer, tile, dst);
}

inline void end_arithmetic() {
    tile_regs_commit();
    tile_regs_wait();
}

// dst `dst` to `buffer`; the packer is set to its format
inline void pack_same(uint32_t dst, uint32_t buffer) {
    cb_reserve_back(buffer, 1);
    pack_tile(dst, buffer);
    cb_push_back(buffer, 1);
}

inline void pack(uint32_t dst, uint32_t buffer) {
    pack_reconfig_data_format(buffer);
    pack_same(dst, buffer);
}

// dst 0 to `buffer`, and the registers are free again
inline void finish_same(uint32_t buffer) {
    end_arithmetic();
    pack_same(0, buffer);
    tile_regs_release();
}

inline void finish(uint32_t buffer) {
    pack_reconfig_data_format(buffer);
    finish_same(buffer);
}

// dst 0 += `inputs` tiles of `buffer`, from `first` on, times as many weights; the operands are set to bfloat16.
__attribute__((noinline)) void add_products(uint32_t buffer, uint32_t first, uint32_t inputs, uint32_t weights) {
    cb_wait_front(buffer, first + inputs);
    for (uint32_t i = 0; i < inputs; i++) {
        matmul_tiles(buffer, CONSTANTS, first + i, weights + i, 0);
    }
}

// dst 0 = the same through a linear map. The registers stay acquired.
inline void linear(uint32_t buffer, uint32_t first, uint32_t inputs, uint32_t weights) {
    tile_regs_acquire();
    matmul_tiles(CONSTANTS, CONSTANTS, IDENTITY, weights + inputs, 0);
    add_products(buffer, first, inputs, weights);
}
