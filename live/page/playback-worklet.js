// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Plays what the engine gives, through a buffer that is as long as it has to be, and measures how long every sample
// took from the microphone's side of the audio thread to this one.
//
// The buffer fills to its target, then plays. When it runs dry that is an underrun: it fills again. What lies in it when
// a packet comes is the reserve. An adaptive target grows with an underrun, and shrinks when the reserve was never
// touched for a while; what is too much then is skipped, with a crossfade.

import { Reader } from "./pipe.js";

const CAPACITY_S = 4;
const FIRST_TARGET_S = 0.03;
const MIN_TARGET_S = 0.01;
const MAX_TARGET_S = 0.3;
const GROWTH_S = 0.01;
const MARGIN_S = 0.006; // of reserve that an adaptive buffer keeps
const TOLERANCE_S = 0.004; // less than this is not worth a skip
const WINDOW_S = 4; // doubled by every underrun: a buffer that was too short once is not soon that short again
const MAX_WINDOW_S = 64;
const SURPLUS_S = 0.04; // beyond the target at a start: what came late and all at once is not played later for good
const FADE_S = 0.005;
const REPORT_S = 0.25;

class Playback extends AudioWorkletProcessor {
  constructor() {
    super();
    this.capacity = Math.ceil(CAPACITY_S * sampleRate);
    this.wet = new Float32Array(this.capacity);
    this.dry = new Float32Array(this.capacity);
    this.fixed = 0; // frames; 0: the target adapts
    this.adaptive = FIRST_TARGET_S * sampleRate;
    this.window = WINDOW_S * sampleRate;
    this.bypass = 0;
    this.mix = 0; // 1: dry
    this.underruns = this.skipped = 0;
    this.delay = this.buffered = 0;
    this.reported = 0;
    this.clear();
    this.port.onmessage = ({ data }) => {
      if (data.pipe) this.engine = new Reader(data.pipe);
      if ("bypass" in data) this.bypass = data.bypass ? 1 : 0;
      if ("target" in data) this.fixed = Math.round(data.target * sampleRate);
    };
  }

  clear() {
    this.read = this.written = 0; // frames since the start
    this.marks = []; // of the packets in the buffer: { at, frame, arrived }
    this.playing = false;
    this.level = 0; // fades in
    this.reserve = Infinity;
    this.windowEnd = currentFrame + this.window;
  }

  get target() {
    return this.fixed || this.adaptive;
  }

  receive({ frame, tracks: [wet, dry] }) {
    if (!wet.length) return this.clear(); // another stream begins
    if (this.playing) this.reserve = Math.min(this.reserve, this.written - this.read);
    if (frame !== null) this.marks.push({ at: this.written, frame, arrived: currentFrame });
    for (let i = 0; i < wet.length; i++) {
      const at = (this.written + i) % this.capacity;
      this.wet[at] = wet[i];
      this.dry[at] = dry[i];
    }
    this.written += wet.length;
    const excess = this.written - this.read - this.capacity;
    if (excess > 0) this.skip(excess);
  }

  skip(count) {
    const fade = Math.min(Math.round(FADE_S * sampleRate), this.written - this.read - count);
    for (const buffer of [this.wet, this.dry]) {
      for (let i = 0; i < fade; i++) {
        const from = (this.read + i) % this.capacity;
        const to = (this.read + count + i) % this.capacity;
        buffer[to] = buffer[from] + ((buffer[to] - buffer[from]) * i) / fade;
      }
    }
    this.read += count;
    this.skipped += count;
  }

  adapt() {
    if (currentFrame < this.windowEnd) return;
    const wanted = this.fixed || MARGIN_S * sampleRate;
    const excess = Math.round(this.reserve - wanted);
    if (Number.isFinite(excess) && excess > TOLERANCE_S * sampleRate) {
      this.skip(excess);
      this.adaptive = Math.max(this.adaptive - excess, MIN_TARGET_S * sampleRate);
    }
    this.reserve = Infinity;
    this.windowEnd = currentFrame + this.window;
  }

  process(_, [[output]]) {
    for (let packet; (packet = this.engine?.read()); ) this.receive(packet);
    if (!this.playing && this.written - this.read >= Math.max(this.target, output.length)) {
      const surplus = Math.round(this.written - this.read - Math.max(this.target, output.length));
      if (surplus > SURPLUS_S * sampleRate) this.skip(surplus);
      this.playing = true;
    }
    if (this.playing) this.play(output);
    if (currentFrame >= this.reported + REPORT_S * sampleRate) this.report();
    return true;
  }

  play(output) {
    this.adapt();
    const available = Math.min(output.length, this.written - this.read);
    const step = 1 / (FADE_S * sampleRate);
    while (this.marks.length && this.marks[0].at < this.read + available) {
      const { at, frame, arrived } = this.marks.shift();
      if (at < this.read) continue; // skipped
      const played = currentFrame + at - this.read;
      this.delay = smooth(this.delay, played - frame);
      this.buffered = smooth(this.buffered, played - arrived);
    }
    for (let i = 0; i < available; i++) {
      const at = (this.read + i) % this.capacity;
      this.mix += Math.max(-step, Math.min(step, this.bypass - this.mix));
      this.level = Math.min(1, this.level + step);
      output[i] = this.level * (this.wet[at] + this.mix * (this.dry[at] - this.wet[at]));
    }
    this.read += available;
    if (available < output.length) {
      this.playing = false;
      this.level = 0;
      this.underruns += 1;
      this.adaptive = Math.min(this.adaptive + GROWTH_S * sampleRate, MAX_TARGET_S * sampleRate);
      this.window = Math.min(2 * this.window, MAX_WINDOW_S * sampleRate);
      this.reserve = Infinity;
      this.windowEnd = currentFrame + this.window;
    }
  }

  report() {
    this.reported = currentFrame;
    const ms = (frames) => (1000 * frames) / sampleRate;
    this.port.postMessage({
      delay: ms(this.delay),
      buffered: ms(this.buffered),
      target: ms(this.target),
      skipped: ms(this.skipped),
      underruns: this.underruns,
      playing: this.playing,
    });
  }
}

function smooth(old, value) {
  return old ? old + (value - old) / 16 : value;
}

registerProcessor("playback", Playback);
