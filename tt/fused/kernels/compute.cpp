// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The arithmetic of a core. Runtime arguments: this core's column in what is dec_dim wide, the prenet's blocks (frontend.h).

#include "clock.h"
#include "numbers.h"

#include "decoder.h"
#include "encoder.h"
#include "frontend.h"
#include "synthesis.h"

// Shares what a block makes in a program of which that block is no part.
inline void share_again(uint32_t buffer) {
    for (uint32_t lane = 0; lane < LANES; lane++) {
        cb_wait_front(buffer, lane + 1);
        tile_regs_acquire();
        load(buffer, 0, lane);
        finish(PART);
    }
}

void kernel_main() {
    const uint32_t column = get_arg_val<uint32_t>(0);
    compute_kernel_hw_startup<SrcOrder::Reverse>(CONSTANTS, CONSTANTS, VALUES);
    mark();
    for (uint32_t window = 0; window < ROUNDS * WINDOWS; window++) {
        if constexpr (has(FRONTEND)) {
            prenet(1);
            mark();
        } else if constexpr (has(ENCODER) || has(SYNTHESIS)) {
            cb_push_back(FEATURES, LANES);  // is there already
        }
        if constexpr (has(FRONTEND) || has(ENCODER)) {
            begin_encoder();
            mark();
        }
        if constexpr (has(ENCODER)) {
            encode();
            mark();
        } else if constexpr (has(DECODER) || has(SYNTHESIS)) {
            cb_push_back(E, LANES);
        }
        if constexpr (has(SYNTHESIS) && !has(DECODER)) {
            cb_push_back(DECODED, LANES);
        }
        if constexpr (has(DECODER)) {
            if constexpr (!has(ENCODER)) {
                share_again(E);
            }
            decode(column);
            mark();
        } else if constexpr (has(SYNTHESIS)) {
            share_again(DECODED);
        }
        if constexpr (has(SYNTHESIS)) {
            synthesize();
            mark();
        }
    }
}
