// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Where frames lie in memory, for the kernels that move them.
//
// A frame is 32 channels: 16 in each of two halves. In a tile a half is a column of faces, in the state a run of rows,
// and a row of either has the 16 channels side by side. So frames that follow each other are one piece of memory in
// both, per half (and per face), and a shift in time is a copy from another address.

#pragma once

#include "numbers.h"

#include "api/dataflow/dataflow_api.h"

constexpr uint32_t ROW_BYTES = 2 * FACE;  // a frame's channels of one half, bfloat16
static_assert(FRAME_BYTES == 2 * ROW_BYTES);
constexpr uint32_t FACE_BYTES = ROW_BYTES * FACE;
constexpr uint32_t TILE_BYTES = 4 * FACE_BYTES;
constexpr uint32_t UPPER_FACES_BYTES = 2 * FACE_BYTES;
constexpr uint32_t EXACT_ROW_BYTES = 4 * FACE;  // float32
constexpr uint32_t EXACT_FACE_BYTES = EXACT_ROW_BYTES * FACE;
constexpr uint32_t EXACT_TILE_BYTES = 4 * EXACT_FACE_BYTES;

// Where a stream's frames begin in the tiles that it shares, and in those of float32 (numbers.h has a drawing).
constexpr uint32_t rows_of(uint32_t stream) { return stream % SHARING * UPPER_FACES_BYTES; }
constexpr uint32_t exact_rows_of(uint32_t stream) { return stream % SHARING * 2 * EXACT_FACE_BYTES; }
constexpr bool is_first(uint32_t stream) { return stream % SHARING == 0; }  // of those in a tile
constexpr bool is_last(uint32_t stream) { return stream % SHARING + 1 == SHARING; }

// In what the prenet works on, 16 samples are a row of a face; those of four rows are a quad, two vectors of the vector
// unit. Row by row of a core's part, `piece` by piece of a row:
//
//     quad 0: samples 0 to 15 of rows 0 to 3      quad 1: samples 16 to 31 of rows 0 to 3      ...
//
// and where there are more than four rows, of the next four after each.
constexpr uint32_t face_row(uint32_t row, uint32_t piece) {
    constexpr uint32_t QUAD = 4;
    return (piece * (PRENET_QUADS / PRENET_WIDTH) + row / QUAD) * QUAD + row % QUAD;
}

// Whose samples a core works on in a turn.
inline uint32_t prenet_stream(uint32_t core, uint32_t turn) { return (core + turn * CORES) / PRENET_CORES % STREAMS; }

using Words = volatile tt_l1_ptr uint32_t*;
inline Words words_at(uint32_t address) { return reinterpret_cast<Words>(address); }

// This core's clean rows, for frames that do not exist.
inline void copy_zeros(uint32_t target, uint32_t frames) {
    noc_async_read(get_noc_addr(MEM_ZEROS_BASE), target, frames * ROW_BYTES);
}
