// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// All that a core keeps of its streams from window to window, and the samples and words that come for them.
//
// The words say of every stream whether it starts, pauses or ends with this window, so that nothing of a program's
// arguments has to change. Only this kernel reads them: a stream that starts finds zeros where its past would be, one
// that pauses is converted like all others, but nothing of it is written.

#pragma once

#include "clock.h"
#include "memory.h"

// A stream in this window.
struct Stream {
    uint64_t state;    // NoC address
    uint32_t number;   // of the window since the stream's start
    uint32_t frames;   // that are there, 0 if the stream pauses
    bool starts;
    uint32_t scratch;  // L1 address: the words, and room for past frames while they move

    bool moves() const { return frames > 0; }
};

constexpr uint32_t most(uint32_t a, uint32_t b) { return a > b ? a : b; }
constexpr uint32_t SCRATCH_WORDS = 64;  // bytes for the window's words, and for the state's
static_assert(2 * SCRATCH_WORDS + OVERLAP * FRAME_BYTES <= SCRATCH_BYTES);

// Reads what is known of a stream; `page`: what came for its window.
inline Stream read_stream(uint64_t state, uint64_t page, uint32_t scratch) {
    noc_async_read(page + (PAGE - WORDS) * 4, scratch, WORDS * 4);
    noc_async_read(state, scratch + SCRATCH_WORDS, WORDS * 4);
    noc_async_read_barrier();
    const Words words = words_at(scratch);
    const bool starts = words[WORD_STARTS] != 0;
    return {
        .state = state,
        .number = starts ? 0 : *words_at(scratch + SCRATCH_WORDS),
        .frames = words[WORD_FRAMES],
        .starts = starts,
        .scratch = scratch,
    };
}

// Counts the window.
inline void write_stream(const Stream& stream) {
    if (stream.moves()) {
        *words_at(stream.scratch + SCRATCH_WORDS) = stream.number + 1;
        noc_async_write(stream.scratch + SCRATCH_WORDS, stream.state, WORDS * 4);
    }
}

// Frontend ------------------------------------------------------------------------------------------------------------

constexpr uint32_t FAR_BELOW_ZERO = 0xC61C4000;  // -1e4 in float32

// Keeps the prenet's gates shut where the rows of a stream's start hold samples before it: they stay zero in every
// block, as the zero contexts of the published network do. `first_row`: that of this core, among the rows of all
inline void shut_gates(uint32_t tile, uint32_t first_row, bool shut) {
    const Words gates = words_at(tile);
    const uint32_t value = shut ? FAR_BELOW_ZERO : 0;
    if (first_row >= FIELD / NEW || gates[0] == value) {
        return;
    }
    for (uint32_t row = 0; row < PRENET_ROWS && first_row + row < FIELD / NEW; row++) {
        for (uint32_t sample = 0; sample < FIELD - NEW * (first_row + row); sample++) {
            gates[face_row(row, sample / FACE) * FACE + sample % FACE] = value;
        }
    }
}

// Asks for this core's rows of samples of a turn. `page(stream)`: what came for its window
template <class Page>
inline void ask_for_rows(uint32_t core, uint32_t turn, Page page) {
    cb_reserve_back(ROWS, 1);
    const uint64_t samples = page(prenet_stream(core, turn)) + core % PRENET_CORES * PRENET_ROWS * NEW * 4;
    for (uint32_t row = 0; row < PRENET_ROWS; row++) {
        for (uint32_t piece = 0; piece < PRENET_WIDTH; piece++) {
            const uint32_t target = get_write_ptr(ROWS) + face_row(row, piece) * EXACT_ROW_BYTES;
            noc_async_read(samples + row * NEW * 4 + piece * EXACT_ROW_BYTES, target, EXACT_ROW_BYTES);
        }
    }
}

// Hands them out turn by turn; those of the first one are asked for.
template <class Page>
inline void push_rows(uint32_t core, const Stream* streams, Page page) {
    for (uint32_t turn = 0; turn < PRENET_TURNS; turn++) {
        if (turn > 0) {
            ask_for_rows(core, turn, page);
        }
        cb_reserve_back(SHUT, 1);
        shut_gates(get_write_ptr(SHUT), core % PRENET_CORES * PRENET_ROWS, streams[prenet_stream(core, turn)].starts);
        noc_async_read_barrier();
        cb_push_back(ROWS, 1);
        cb_push_back(SHUT, 1);
    }
}

// Encoder -------------------------------------------------------------------------------------------------------------

// A layer's past input is a ring of windows, one per half: this one's place in it is its number modulo the ring's slots.
struct Ring {
    uint64_t start;   // NoC address of the first half
    uint32_t frames;  // that it holds
    uint32_t now;     // where this window's frames go
    uint32_t age;     // frames before this window that there are

    Ring(const Stream& stream, uint32_t layer) :
        start(stream.state + STATE_RINGS + slots_before(layer) * FRAMES * FRAME_BYTES),
        frames(slots(layer) * FRAMES),
        now(stream.number % slots(layer) * FRAMES),
        age(stream.number < slots(layer) ? stream.number * FRAMES : frames) {}

    uint64_t half(uint32_t half) const { return start + half * frames * ROW_BYTES; }

    // `count` frames from `delay` before this window on; zeros for those before the stream's start.
    void read(uint32_t delay, uint32_t half, uint32_t target, uint32_t count) const {
        const uint32_t missing = delay > age ? delay - age < count ? delay - age : count : 0;
        if (missing) {
            copy_zeros(target, missing);
            delay -= missing;
            target += missing * ROW_BYTES;
            count -= missing;
        }
        const uint32_t first = now >= delay ? now - delay : now + frames - delay;
        const uint32_t before_end = frames - first < count ? frames - first : count;
        if (before_end) {
            noc_async_read(this->half(half) + first * ROW_BYTES, target, before_end * ROW_BYTES);
        }
        if (before_end < count) {
            noc_async_read(this->half(half), target + before_end * ROW_BYTES, (count - before_end) * ROW_BYTES);
        }
    }

    void write(uint32_t half, uint32_t source) const {
        noc_async_write(source, this->half(half) + now * ROW_BYTES, FRAMES * ROW_BYTES);
    }
};

// Hands out the delayed taps of every layer and keeps its input.
inline void keep_encoder_past(const Stream* streams) {
    for (uint32_t layer = 0; layer < LAYERS; layer++) {
        auto delay = [&](uint32_t tap) { return (TAPS - tap) << layer; };

        // What lies before this window, while the layer before is still at work.
        cb_reserve_back(TAP, TAPS * LANES);
        const uint32_t taps = get_write_ptr(TAP);
        for (uint32_t stream = 0; stream < STREAMS; stream++) {
            const Ring ring(streams[stream], layer);
            const uint32_t first = taps + stream / SHARING * TAPS * TILE_BYTES + rows_of(stream);
            for (uint32_t tap = 0; tap < TAPS; tap++) {
                const uint32_t count = delay(tap) < FRAMES ? delay(tap) : FRAMES;
                for (uint32_t half = 0; half < 2; half++) {
                    ring.read(delay(tap), half, first + tap * TILE_BYTES + half * FACE_BYTES, count);
                }
            }
        }
        if (all_past(layer)) {
            noc_async_read_barrier();
            cb_push_back(TAP, TAPS * LANES);
        }

        for (uint32_t lane = 0; lane < LANES; lane++) {
            cb_wait_front(X_NEW, lane + 1);
            const uint32_t x = get_read_ptr(X_NEW) + lane * TILE_BYTES;
            if (!all_past(layer)) {
                for (uint32_t tap = 0; tap < TAPS; tap++) {
                    const uint32_t target = taps + (lane * TAPS + tap) * TILE_BYTES + delay(tap) * ROW_BYTES;
                    for (uint32_t face = 0; face < 2 * SHARING && delay(tap) < FRAMES; face++) {
                        const uint32_t own = (FRAMES - delay(tap)) * ROW_BYTES;
                        noc_async_read(get_noc_addr(x + face * FACE_BYTES), target + face * FACE_BYTES, own);
                    }
                }
                noc_async_read_barrier();
                cb_push_back(TAP, TAPS);
            }
            for (uint32_t stream = lane * SHARING; stream < (lane + 1) * SHARING; stream++) {
                if (streams[stream].moves()) {
                    const Ring ring(streams[stream], layer);
                    for (uint32_t half = 0; half < 2; half++) {
                        ring.write(half, x + rows_of(stream) + half * FACE_BYTES);
                    }
                }
            }
        }
        noc_async_writes_flushed();
        cb_pop_front(X_NEW, LANES);
    }
}

// Decoder -------------------------------------------------------------------------------------------------------------

constexpr uint32_t ATTENTIONS = 2;  // of a layer: to target and memory; each has keys and values

// Where a stream's past keys (`which` 0) or values (1) of an attention are kept.
inline uint64_t past_keys(const Stream& stream, uint32_t layer, uint32_t attention, uint32_t which) {
    return stream.state + STATE_KEYS + ((layer * ATTENTIONS + attention) * 2 + which) * PAST * FRAME_BYTES;
}

// Calls piece(offset in tiles, first, count) for the frames from `first` to PAST, a run in a face each.
template <class Piece>
inline void each_past_run(uint32_t first, Piece piece) {
    while (first < PAST) {
        const uint32_t row = first % FACE;
        const uint32_t count = FACE - row < PAST - first ? FACE - row : PAST - first;
        piece(first / FACE * TILE_BYTES + row * ROW_BYTES, first, count);
        first += count;
    }
}

// Calls block(a stream, its keys or values in the state, its rows of them in PAST_KEYS, the number of their tile in
// KEYS_NEW, half) for all of a lane.
template <class Block>
inline void each_past_half(const Stream* streams, uint32_t layer, uint32_t attention, uint32_t tiles, Block block) {
    for (uint32_t i = 0; i < SHARING; i++) {
        for (uint32_t which = 0; which < 2; which++) {
            for (uint32_t half = 0; half < 2; half++) {
                const uint64_t kept = past_keys(streams[i], layer, attention, which) + half * PAST * ROW_BYTES;
                const uint32_t rows = rows_of(i) + half * FACE_BYTES;
                block(streams[i], kept, tiles + which * PAST_TILES * TILE_BYTES + rows, which * TILE_BYTES + rows);
            }
        }
    }
}

// Of the first layer, frames behind a stream's end count as zeros; the others see what it makes of them.
inline void end_streams(const Stream* streams) {
    for (uint32_t lane = 0; lane < LANES; lane++) {
        cb_wait_front(PROJECTED, 1);
        for (uint32_t i = 0; i < SHARING; i++) {
            const uint32_t frames = streams[lane * SHARING + i].frames;
            for (uint32_t half = 0; half < 2 && frames < FRAMES; half++) {
                const uint32_t first = get_read_ptr(PROJECTED) + rows_of(i) + half * FACE_BYTES;
                copy_zeros(first + frames * ROW_BYTES, FRAMES - frames);
            }
        }
        noc_async_read_barrier();
        cb_pop_front(PROJECTED, 1);
        cb_push_back(PRESENT, 1);  // the same memory
    }
}

// Hands out the past keys and values of every layer, and keeps those for the next window.
inline void keep_decoder_past(const Stream* streams) {
    constexpr uint32_t LANE_TILES = 2 * PAST_TILES;
    for (uint32_t layer = 0; layer < DECODER_LAYERS; layer++) {
        const uint32_t tiles = get_write_ptr(PAST_KEYS);
        for (uint32_t i = 0; i < ATTENTIONS * LANES; i++) {
            cb_reserve_back(PAST_KEYS, LANE_TILES);
            each_past_half(
                streams + i % LANES * SHARING, layer, i / LANES, get_write_ptr(PAST_KEYS),
                [&](const Stream& stream, uint64_t kept, uint32_t past, uint32_t) {
                    each_past_run(0, [&](uint32_t offset, uint32_t first, uint32_t count) {
                        if (stream.starts) {
                            copy_zeros(past + offset, count);
                        } else {
                            noc_async_read(kept + first * ROW_BYTES, past + offset, count * ROW_BYTES);
                        }
                    });
                });
            noc_async_read_barrier();
            cb_push_back(PAST_KEYS, LANE_TILES);
        }
        if (layer == 0) {
            end_streams(streams);
        }
        for (uint32_t i = 0; i < ATTENTIONS * LANES; i++) {
            cb_wait_front(KEYS_NEW, 2);
            each_past_half(
                streams + i % LANES * SHARING, layer, i / LANES, tiles + i * LANE_TILES * TILE_BYTES,
                [&](const Stream& stream, uint64_t kept, uint32_t past, uint32_t now) {
                    if (!stream.moves()) {
                        return;
                    }
                    constexpr uint32_t OWN = PAST < FRAMES ? PAST : FRAMES;
                    each_past_run(OWN, [&](uint32_t offset, uint32_t first, uint32_t count) {
                        noc_async_write(past + offset, kept + (first - OWN) * ROW_BYTES, count * ROW_BYTES);
                    });
                    const uint32_t own = get_read_ptr(KEYS_NEW) + now + (FRAMES - OWN) * ROW_BYTES;
                    noc_async_write(own, kept + (PAST - OWN) * ROW_BYTES, OWN * ROW_BYTES);
                });
            noc_async_writes_flushed();
            cb_pop_front(KEYS_NEW, 2);
        }
    }
}

// Synthesis -----------------------------------------------------------------------------------------------------------

// Hands out masked features shifted by 1 to OVERLAP frames, and keeps the last OVERLAP of them.
inline void keep_masked_past(const Stream* streams) {
    cb_reserve_back(SHIFTED, OVERLAP * LANES);
    const uint32_t tiles = get_write_ptr(SHIFTED);
    auto past_half = [&](uint32_t stream, uint32_t half) {
        return streams[stream].scratch + 2 * SCRATCH_WORDS + half * OVERLAP * ROW_BYTES;
    };
    auto shifted = [&](uint32_t stream, uint32_t half, uint32_t shift) {
        const uint32_t tile = stream / SHARING * OVERLAP + shift - 1;
        return tiles + tile * TILE_BYTES + rows_of(stream) + half * FACE_BYTES;
    };

    // What lies before this window, while the decoder is still at work.
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        const uint32_t past = past_half(stream, 0);
        if (streams[stream].starts) {
            copy_zeros(past, 2 * OVERLAP);
        } else {
            noc_async_read(streams[stream].state + STATE_MASKED, past, OVERLAP * FRAME_BYTES);
        }
    }
    noc_async_read_barrier();
    for (uint32_t stream = 0; stream < STREAMS; stream++) {
        for (uint32_t half = 0; half < 2; half++) {
            for (uint32_t shift = 1; shift <= OVERLAP; shift++) {
                const uint64_t first = get_noc_addr(past_half(stream, half) + (OVERLAP - shift) * ROW_BYTES);
                const uint32_t count = shift < FRAMES ? shift : FRAMES;
                noc_async_read(first, shifted(stream, half, shift), count * ROW_BYTES);
            }
        }
    }

    for (uint32_t lane = 0; lane < LANES; lane++) {
        cb_wait_front(MASKED_NEW, 1);
        const uint32_t first = lane * SHARING, end = first + SHARING;
        auto masked_half = [&](uint32_t stream, uint32_t half) {
            return get_read_ptr(MASKED_NEW) + rows_of(stream) + half * FACE_BYTES;
        };
        for (uint32_t stream = first; stream < end; stream++) {
            for (uint32_t half = 0; half < 2; half++) {
                for (uint32_t shift = 1; shift <= OVERLAP && shift < FRAMES; shift++) {
                    const uint64_t source = get_noc_addr(masked_half(stream, half));
                    const uint32_t target = shifted(stream, half, shift) + shift * ROW_BYTES;
                    noc_async_read(source, target, (FRAMES - shift) * ROW_BYTES);
                }
            }
        }
        noc_async_read_barrier();
        cb_push_back(SHIFTED, OVERLAP);
        for (uint32_t stream = first; stream < end; stream++) {
            if (!streams[stream].moves()) {
                continue;
            }
            constexpr uint32_t OWN = OVERLAP < FRAMES ? OVERLAP : FRAMES;
            for (uint32_t half = 0; half < 2; half++) {
                const uint64_t target = streams[stream].state + STATE_MASKED + half * OVERLAP * ROW_BYTES;
                if constexpr (OWN < OVERLAP) {
                    noc_async_write(past_half(stream, half) + OWN * ROW_BYTES, target, (OVERLAP - OWN) * ROW_BYTES);
                }
                const uint32_t own = masked_half(stream, half) + (FRAMES - OWN) * ROW_BYTES;
                noc_async_write(own, target + (OVERLAP - OWN) * ROW_BYTES, OWN * ROW_BYTES);
            }
        }
        noc_async_writes_flushed();
        cb_pop_front(MASKED_NEW, 1);
    }
}
