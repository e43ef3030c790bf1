// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The arithmetic of a core. Runtime arguments: this core's column in what is dec_dim wide, the prenet's biases.

#include "clock.h"
#include "numbers.h"

#include "decoder.h"
#include "encoder.h"
#include "frontend.h"
#include "synthesis.h"

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
            cb_push_back(DECODED, STREAMS);
        }
        for (uint32_t lane = 0; lane < LANES; lane++) {
            if constexpr (has(DECODER)) {
                if (lane > 0 || !has(ENCODER)) {
                    begin_decoder(lane);
                }
                decode(column);
                mark();
            } else if constexpr (has(SYNTHESIS)) {
                begin_synthesis(lane);
            }
            if constexpr (has(SYNTHESIS)) {
                synthesize();
                mark();
            }
        }
    }
}
