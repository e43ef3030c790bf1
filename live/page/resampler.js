// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Another sample rate, as a stream: a polyphase filter like the one that the server has from FFmpeg (audio/resampling.py), a
// sinc of 32 samples at the lower rate under a Kaiser window. Between equal rates it is the identity.

import { join } from "./join.js";

const FILTER = 32;
const CUTOFF = 0.97;
const BETA = 9;

const gcd = (a, b) => (b ? gcd(b, a % b) : a);

function bessel(x) {
  let [sum, term] = [1, 1];
  for (let k = 1; term > 1e-12 * sum; k++) sum += term *= (x / (2 * k)) ** 2;
  return sum;
}

function filters(phases, factor, taps) {
  const center = (taps - 1) >> 1;
  return Array.from({ length: phases }, (_, phase) => {
    const filter = Float64Array.from({ length: taps }, (_, i) => {
      const x = Math.PI * (i - center - phase / phases) * factor;
      const w = (2 * x) / (factor * taps * Math.PI);
      return (x ? Math.sin(x) / x : 1) * bessel(BETA * Math.sqrt(Math.max(1 - w * w, 0)));
    });
    const sum = filter.reduce((a, b) => a + b);
    return filter.map((value) => value / sum);
  });
}

export class Resampler {
  // From `rate` to `newRate`, whole Hz.
  constructor(rate, newRate) {
    this.isIdentity = rate === newRate;
    if (this.isIdentity) return;
    const divisor = gcd(rate, newRate);
    this.step = rate / divisor;
    this.phases = newRate / divisor;
    const factor = Math.min((newRate * CUTOFF) / rate, 1);
    this.taps = 2 * Math.ceil(FILTER / factor / 2);
    this.filters = filters(this.phases, factor, this.taps);
    this.buffer = new Float32Array((this.taps - 1) >> 1);
    this.taken = this.given = 0;
    this.at = 0; // of the next sample, in 1 / phases of a sample of the buffer
  }

  // ms by which samples come out later than they went in.
  static delay(rate, newRate) {
    return rate === newRate ? 0 : (1000 * FILTER) / 2 / Math.min(rate, newRate);
  }

  // The samples that are ready; they are aligned with what went in.
  push(samples) {
    if (this.isIdentity) return samples;
    this.taken += samples.length;
    return this.filter(samples);
  }

  // The samples that are still inside, at the end of the signal.
  flush() {
    if (this.isIdentity) return new Float32Array(0);
    const owed = Math.ceil((this.taken * this.phases) / this.step) - this.given;
    return this.filter(new Float32Array(this.taps)).subarray(0, owed);
  }

  filter(samples) {
    const buffer = join([this.buffer, samples]);
    const { phases, taps } = this;
    const count = Math.max(0, Math.ceil((phases * (buffer.length - taps + 1) - this.at) / this.step));
    const ready = new Float32Array(count);
    for (let i = 0; i < count; i++, this.at += this.step) {
      const filter = this.filters[this.at % phases];
      const first = Math.floor(this.at / phases);
      let sum = 0;
      for (let k = 0; k < taps; k++) sum += filter[k] * buffer[first + k];
      ready[i] = sum;
    }
    const done = Math.min(Math.floor(this.at / phases), buffer.length);
    this.buffer = buffer.slice(done);
    this.at -= done * phases;
    this.given += count;
    return ready;
  }
}
