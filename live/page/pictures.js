// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Pictures of sound: a rolling spectrogram and a level meter of an AnalyserNode, and the waveform of a file.

const FLOOR_DB = -95;
const TOP_DB = -25;
const COLUMNS = 480;
// Between pictures: as fast on any screen, and seldom for those who want little motion.
const PICTURE_MS = 30;
const STILL_MS = 250;

export function makeAnalyser(context) {
  return new AnalyserNode(context, {
    fftSize: context.sampleRate > 24000 ? 2048 : 512,
    smoothingTimeConstant: 0,
    minDecibels: FLOOR_DB,
    maxDecibels: TOP_DB,
  });
}

export class Monitor {
  constructor(canvas, meter) {
    this.canvas = canvas;
    this.meter = meter;
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
  }

  watch(analyser) {
    cancelAnimationFrame(this.request);
    this.analyser = analyser;
    if (!analyser) return this.meter.style.removeProperty("transform");
    this.bins = new Uint8Array(analyser.frequencyBinCount);
    this.wave = new Float32Array(analyser.fftSize);
    // All that a voice has lies below 8 kHz.
    this.height = Math.min(this.bins.length, Math.round((8000 * analyser.fftSize) / analyser.context.sampleRate));
    this.canvas.width = COLUMNS;
    this.canvas.height = this.height;
    this.picture = this.canvas.getContext("2d");
    this.column = this.picture.createImageData(2, this.height);
    this.drawn = 0;
    this.follow(performance.now());
  }

  follow(now) {
    if (now - this.drawn >= (this.still.matches ? STILL_MS : PICTURE_MS)) {
      this.drawn = now;
      this.draw();
    }
    this.request = requestAnimationFrame((time) => this.follow(time));
  }

  draw() {
    this.analyser.getByteFrequencyData(this.bins);
    this.analyser.getFloatTimeDomainData(this.wave);
    const { data } = this.column;
    for (let y = 0; y < this.height; y++) {
      const [r, g, b] = colour(this.bins[this.height - 1 - y] / 255);
      for (let x = 0; x < 2; x++) data.set([r, g, b, 255], 4 * (2 * y + x));
    }
    this.picture.drawImage(this.canvas, -2, 0);
    this.picture.putImageData(this.column, COLUMNS - 2, 0);
    const peak = this.wave.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-6);
    const level = Math.max(0, Math.min(1, 1 + (20 * Math.log10(peak)) / 60)); // -60 dB .. 0 dB
    this.meter.style.transform = `scaleX(${level})`;
  }
}

// Black, violet, orange, white: as bright as it is loud.
function colour(value) {
  return [
    255 * Math.min(1, 1.6 * value),
    255 * Math.max(0, Math.min(1, 2 * value - 0.75)),
    255 * Math.max(0, value < 0.5 ? 1.2 * value : value < 0.8 ? 1.2 - 1.4 * value : 4 * value - 3.1),
  ];
}

export function drawWaveform(canvas, samples) {
  canvas.width = 600;
  canvas.height = 80;
  const picture = canvas.getContext("2d");
  picture.fillStyle = "#b794f6";
  const perColumn = samples.length / canvas.width;
  for (let x = 0; x < canvas.width; x++) {
    let low = 0;
    let high = 0;
    for (let i = Math.floor(x * perColumn); i < (x + 1) * perColumn && i < samples.length; i++) {
      low = Math.min(low, samples[i]);
      high = Math.max(high, samples[i]);
    }
    picture.fillRect(x, 40 - 40 * high, 1, Math.max(1, 40 * (high - low)));
  }
}
