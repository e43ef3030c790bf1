// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// What went into an engine and what came out of it, sample for sample.

import { join } from "./join.js";

const MAX_S = 30 * 60;

export class Recording {
  constructor(rate) {
    this.rate = rate;
    this.dry = [];
    this.wet = [];
    this.length = 0; // samples
  }

  get isFull() {
    return this.length >= MAX_S * this.rate;
  }

  add(dry, wet) {
    this.dry.push(dry.slice());
    this.wet.push(wet.slice());
    this.length += wet.length;
  }

  whole() {
    return { dry: join(this.dry), wet: join(this.wet), rate: this.rate };
  }
}
