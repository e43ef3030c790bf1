// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Who tells whom what: all cores of a group share with all, in the same order as the blocks compute.
//
// A core multicasts its part to the same place of every core's buffer, itself included, and behind it, on the same way,
// the number of the exchange into the flag that it has on every core. When all flags on a core have that number, all
// parts are there. Nothing is acknowledged: a core can send into exchange k + 1 only when all have sent into k, so none
// is ever two exchanges ahead, and buffers have room for the exchange under way and the next one. That holds because
// every core takes part in every exchange.

#pragma once

#include "clock.h"
#include "memory.h"

constexpr uint32_t SUMS_BYTES = 2 * EXACT_ROW_BYTES;       // of a core in STATS: two rows of a face
constexpr uint32_t SEGMENT_BYTES = PRENET_ROWS * NEW * 4;  // samples that a core's prenet rows are
constexpr uint32_t SAMPLES_BYTES = SAMPLES * 4;

class Exchange {
public:
    // `counter`: a word in L1 that the flags' number is sent from
    Exchange(uint32_t core, uint64_t everyone, uint32_t counter) : core(core), everyone(everyone), counter(counter) {
        *words_at(counter) = number;
    }

    // `bytes` at `source` to the same address `target` on all cores; source and target are equal modulo 16.
    void send(uint32_t source, uint32_t target, uint32_t bytes) {
        noc_async_write_multicast_loopback_src(source, everyone | target, bytes, CORES);
    }

    // What all cores sent before this is there behind it. All flags are looked at together: one after the other, a load's
    // latency each, they would take half of an exchange.
    void meet() {
        noc_semaphore_set_multicast_loopback_src(counter, everyone | flag(core), CORES);
        const Words flags = words_at(flag(0));
        constexpr uint32_t APART = L1_ALIGNMENT / sizeof(uint32_t);
        int32_t behind;  // negative if any flag is
        do {
            invalidate_l1_cache();
            uint32_t ahead[CORES];
#pragma GCC unroll 16
            for (uint32_t other = 0; other < CORES; other++) {
                ahead[other] = flags[other * APART];
            }
            behind = 0;
#pragma GCC unroll 16
            for (uint32_t other = 0; other < CORES; other++) {
                behind |= ahead[other] - number;
            }
        } while (behind < 0);
        *words_at(counter) = ++number;  // of the next exchange: this one's has been sent, it is back
        mark();
    }

    // Of a tile of every lane in `part`: `bytes` of each to `offset` in the `tiles` of `whole` on all cores, in `pieces`
    // that are `distance` apart in both. There must be room for the next exchange too if it is into `whole`. `instead`:
    // an address whose tiles are sent in place of those of `part`
    __attribute__((noinline)) void gather(
        uint32_t part,
        uint32_t whole,
        uint32_t tiles,
        uint32_t offset,
        uint32_t bytes,
        uint32_t pieces = 1,
        uint32_t distance = 0,
        uint32_t instead = 0) {
        for (uint32_t lane = 0; lane < LANES; lane++) {
            cb_reserve_back(whole, lane + 1 < LANES ? 2 * tiles : tiles);
            cb_wait_front(part, 1);
            const uint32_t source = instead ? instead + lane * TILE_BYTES : get_read_ptr(part);
            for (uint32_t piece = 0; piece < pieces; piece++) {
                send(source + piece * distance, get_write_ptr(whole) + offset + piece * distance, bytes);
            }
            meet();
            cb_push_back(whole, tiles);
            cb_pop_front(part, 1);
        }
    }

    const uint32_t core;

private:
    static uint32_t flag(uint32_t of) { return get_semaphore(of); }

    const uint64_t everyone;
    const uint32_t counter;
    uint32_t number = 1;  // of the next exchange
};

// A stream's sums are in the left faces, those of a second one in its tile right.
inline void share_sums(Exchange& exchange) {
    constexpr uint32_t PER_FACE = EXACT_FACE_BYTES / SUMS_BYTES;
    const uint32_t left_face = exchange.core / PER_FACE * 2;
    const uint32_t offset = left_face * EXACT_FACE_BYTES + exchange.core % PER_FACE * SUMS_BYTES;
    exchange.gather(PART_EXACT, STATS, 1, offset, SUMS_BYTES, SHARING, EXACT_FACE_BYTES);
}

inline void share_tiles(Exchange& exchange, uint32_t part = PART, uint32_t instead = 0) {
    constexpr uint32_t BYTES = SHARING * UPPER_FACES_BYTES;
    exchange.gather(part, GATHERED, CORES, exchange.core * TILE_BYTES, BYTES, 1, 0, instead);
}

// The prenet's samples, a stream's in a row at `samples`, and from there the 48 of every frame.
inline void exchange_frontend(Exchange& exchange, uint32_t samples) {
    const uint32_t segment = exchange.core % PRENET_CORES;
    for (uint32_t turn = 0; turn < PRENET_TURNS; turn++) {
        const uint32_t stream = prenet_stream(exchange.core, turn);
        cb_wait_front(PART_EXACT, 1);
        const uint32_t target = samples + stream * SAMPLES_BYTES + segment * SEGMENT_BYTES;
        for (uint32_t row = 0; row < PRENET_ROWS; row++) {
            const uint32_t behind_row = get_read_ptr(PART_EXACT) + (face_row(row, PRENET_WIDTH - 1) + 1) * EXACT_ROW_BYTES;
            exchange.send(behind_row - NEW * 4, target + row * NEW * 4, NEW * 4);
        }
        noc_async_writes_flushed();
        cb_pop_front(PART_EXACT, 1);
    }
    exchange.meet();
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        if (is_first(stream)) {
            cb_reserve_back(FRAMED, 2);
        }
        constexpr uint32_t FACES[] = {0, EXACT_FACE_BYTES, EXACT_TILE_BYTES};
        const uint32_t target = get_write_ptr(FRAMED) + exact_rows_of(stream);
        for (uint32_t hop = 0; hop < 3; hop++) {
            const uint64_t first = get_noc_addr(samples + stream * SAMPLES_BYTES + hop * EXACT_ROW_BYTES);
            noc_async_read(first, target + FACES[hop], FRAMES * EXACT_ROW_BYTES);
        }
        if (is_last(stream)) {
            noc_async_read_barrier();
            cb_push_back(FRAMED, 2);
        }
    }
}

inline void exchange_encoder(Exchange& exchange) {
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        share_sums(exchange);
        share_tiles(exchange);  // input of the pointwise convolution
        share_sums(exchange);
    }
}

inline void exchange_decoder(Exchange& exchange) {
    share_tiles(exchange);  // encoder output
    for (uint32_t layer = 0; layer < DECODER_LAYERS; layer++) {
        // Target and memory. What the memory's half of the cores shared for the first layer stands in PRESENT still.
        const bool again = layer > 0 && exchange.core >= CORES / 2;
        share_tiles(exchange, layer == 0 ? PRESENT : PART, again ? get_read_ptr(PRESENT) : 0);
        share_tiles(exchange);  // heads of self-attention
        share_sums(exchange);
        share_tiles(exchange);  // input of the queries
        share_tiles(exchange);  // heads of cross-attention
        share_sums(exchange);
        share_tiles(exchange);  // input of the feed-forward network
        share_tiles(exchange);  // its hidden layer
        share_sums(exchange);
    }
}

// `page`: where the samples of a stream go, known to the core that writes them.
template <class Page>
inline void exchange_synthesis(Exchange& exchange, Page page) {
    share_tiles(exchange);  // decoder output
    for (uint32_t stream = 0; stream < STREAMS; stream++) {  // its share of the samples is in a left face
        cb_wait_front(PART_EXACT, 1);
        cb_reserve_back(SUMMANDS, stream + 1 < STREAMS ? CORES / 2 : CORES / 4);
        const uint32_t source = get_read_ptr(PART_EXACT) + exact_rows_of(stream);
        exchange.send(source, get_write_ptr(SUMMANDS) + exchange.core * EXACT_FACE_BYTES, EXACT_FACE_BYTES);
        exchange.meet();
        cb_push_back(SUMMANDS, CORES / 4);
        if (is_last(stream)) {
            cb_pop_front(PART_EXACT, 1);
        }
    }
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        cb_wait_front(PART_EXACT, 1);
        if (exchange.core == stream) {
            noc_async_write(get_read_ptr(PART_EXACT), page(stream), FRAMES * EXACT_ROW_BYTES);
            noc_async_writes_flushed();
        }
        cb_pop_front(PART_EXACT, 1);
    }
}
