// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Brings samples in and keeps the streams' state. Runtime arguments: this core's number, the input, the number of the
// group's first stream, the state, the number of its first page (in DRAM), scratch.

#include "state.h"

void kernel_main() {
    const uint32_t core = get_arg_val<uint32_t>(0);
    constexpr auto input_args = TensorAccessorArgs<0>();
    const auto input = TensorAccessor(input_args, get_arg_val<uint32_t>(1));
    const uint32_t first_stream = get_arg_val<uint32_t>(2);
    const uint32_t states = get_arg_val<uint32_t>(3);
    const uint32_t first_page = get_arg_val<uint32_t>(4);
    const uint32_t scratch = get_arg_val<uint32_t>(5);
    constexpr auto state_args = TensorAccessorArgs<input_args.next_compile_time_args_offset()>();

    auto state_of = [&](uint32_t stream) {
        if constexpr (STATE_IN_DRAM) {  // a page per stream and core
            return TensorAccessor(state_args, states).get_noc_addr(first_page + stream * CORES + core);
        } else {
            return get_noc_addr(states + stream * STATE_BYTES);
        }
    };
    mark();
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t window = 0; window < WINDOWS; window++) {
            const uint32_t first = round * STREAMS;
            auto page = [&](uint32_t i) {
                return input.get_noc_addr((first_stream + first + i) * WINDOWS + window);
            };
            if constexpr (has(FRONTEND)) {
                ask_for_rows(core, 0, page);  // under way while the words are
            }
            Stream streams[STREAMS];
            for (uint32_t i = 0; i < STREAMS; i++) {
                streams[i] = read_stream(state_of(first + i), page(i), scratch + i * SCRATCH_BYTES);
            }
            if constexpr (has(FRONTEND)) {
                push_rows(core, streams, page);
                mark();
            }
            if constexpr (has(ENCODER)) {
                keep_encoder_past(streams);
                mark();
            }
            if constexpr (has(DECODER)) {
                keep_decoder_past(streams);
                mark();
            }
            if constexpr (has(SYNTHESIS)) {
                keep_masked_past(streams);
                mark();
            }
            for (const Stream& stream : streams) {
                write_stream(stream);
            }
            noc_async_write_barrier();  // before the next window reads it
        }
    }
    mark();
}
