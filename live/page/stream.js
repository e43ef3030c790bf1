// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// A sound's way through a step, at the sound's rate, in pieces of any length. Output sample i belongs to input sample i.

import { join } from "./join.js";
import { Resampler } from "./resampler.js";

export class Stream {
  constructor(step, rate) {
    this.step = step;
    this.scale = rate / step.rate;
    this.down = new Resampler(rate, step.rate);
    this.up = new Resampler(step.rate, rate);
    this.resamplingMs = Resampler.delay(rate, step.rate) + Resampler.delay(step.rate, rate);
    this.input = new Float32Array(0); // at the step's rate
    this.owed = 0; // samples
    this.isEnded = false;
  }

  get window() {
    return this.step.chunk + this.step.lookahead;
  }

  // So many samples are at least to be pushed before the next chunk can be converted.
  get lacking() {
    return this.isEnded ? 0 : Math.max(0, Math.ceil(this.scale * (this.window - this.input.length)));
  }

  push(samples) {
    this.owed += samples.length;
    this.input = join([this.input, this.down.push(samples)]);
  }

  // No more samples come.
  end() {
    if (!this.isEnded) this.input = join([this.input, this.down.flush()]);
    this.isEnded = true;
  }

  // All was converted.
  get isDone() {
    return this.isEnded && !this.input.length;
  }

  // The next chunk, converted: there must be one, or what is left at the end. Some samples may come with a later one.
  async convert() {
    const length = Math.min(this.step.chunk, this.input.length);
    const window = new Float32Array(this.window);
    window.set(this.input.subarray(0, this.window));
    this.input = this.input.slice(length);
    const audio = await this.step.convert(window, length);
    let ready = this.up.push(audio.slice(0, length));
    if (this.isDone) ready = join([ready, this.up.flush()]);
    ready = ready.subarray(0, this.owed);
    this.owed -= ready.length;
    return ready;
  }
}
