// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Shares what the cores of a group compute, and sends the samples out. Runtime arguments: this core's number, the
// corners of the group (x0, y0, x1, y1), a word for the exchanges' counter, room for samples, the output, the number of
// the group's first stream.

#include "exchanges.h"

void kernel_main() {
    const uint32_t x0 = get_arg_val<uint32_t>(1), y0 = get_arg_val<uint32_t>(2);
    const uint32_t x1 = get_arg_val<uint32_t>(3), y1 = get_arg_val<uint32_t>(4);
    Exchange exchange(get_arg_val<uint32_t>(0), get_noc_multicast_addr(x0, y0, x1, y1, 0), get_arg_val<uint32_t>(5));
    const uint32_t samples = get_arg_val<uint32_t>(6);
    constexpr auto output_args = TensorAccessorArgs<0>();
    const auto output = TensorAccessor(output_args, get_arg_val<uint32_t>(7));
    const uint32_t first_stream = get_arg_val<uint32_t>(8);
    mark();
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t window = 0; window < WINDOWS; window++) {
            if constexpr (has(FRONTEND)) {
                exchange_frontend(exchange, samples);
            }
            if constexpr (has(ENCODER)) {
                exchange_encoder(exchange);
            }
            if constexpr (has(DECODER)) {
                exchange_decoder(exchange);
            }
            if constexpr (has(SYNTHESIS)) {
                exchange_synthesis(exchange, [&](uint32_t stream) {
                    return output.get_noc_addr((first_stream + round * STREAMS + stream) * WINDOWS + window);
                });
            }
        }
    }
    noc_async_write_barrier();
    mark();
}
