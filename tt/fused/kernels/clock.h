// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Time stamps for measurements: mark() writes the core's clock to the next word of this RISC-V's part of a log in L1.
// Without the define CLOCK_LOG, the log's address, nothing remains of it.

#pragma once

#include <cstdint>

#ifdef CLOCK_LOG
constexpr uint32_t CLOCK_WORDS = 64;
constexpr uint32_t CLOCK_LOW = 0xFFB121F0;  // RISCV_DEBUG_REG_WALL_CLOCK_L
#if defined(COMPILE_FOR_BRISC)
constexpr uint32_t CLOCK_PART = 0;
#elif defined(COMPILE_FOR_NCRISC)
constexpr uint32_t CLOCK_PART = 1;
#else
constexpr uint32_t CLOCK_PART = 2 + COMPILE_FOR_TRISC;
#endif
static uint32_t clock_at = CLOCK_LOG + CLOCK_PART * CLOCK_WORDS * 4;
inline void mark() {
    *reinterpret_cast<volatile uint32_t*>(clock_at) = *reinterpret_cast<volatile uint32_t*>(CLOCK_LOW);
    clock_at += 4;
}
#else
inline void mark() {}
#endif
