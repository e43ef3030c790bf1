// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// A worker for what is no conversation: it is told `measure` or `convert` once, with a `voice` (runtime.js), and says `failed`
// with a `text` where it cannot.

import { join } from "./join.js";
import { load, openStep } from "./runtime.js";
import { Stream } from "./stream.js";

const CHUNKS = 12; // that a measurement takes at least
const MEASURE_MS = 300; // and how long

const tasks = {
  // Says `measured`: the voice's `name`, by factor the `share` of a chunk's time that its conversion takes, and the `seconds`
  // of a chunk at factor 1.
  async measure({ voice, factors }) {
    const model = await load(voice);
    const shares = new Map();
    let name, seconds;
    for (const factor of factors) {
      const step = await openStep(model, factor);
      name = step.name;
      seconds = step.chunk / step.rate / factor;
      shares.set(factor, await measure(step));
      await step.close();
    }
    postMessage({ type: "measured", name, shares, seconds });
  },

  // Converts `samples` at `rate` Hz: says `progress` with the `share` that is done, and `converted` with the samples.
  async convert({ voice, factor, samples, rate }) {
    const stream = new Stream(await openStep(await load(voice), factor), rate);
    const pieces = [];
    for (let at = 0; !stream.isDone; ) {
      for (let count; (count = stream.lacking) && at < samples.length; at += count) {
        stream.push(samples.subarray(at, at + count));
      }
      if (stream.lacking) stream.end();
      pieces.push(await stream.convert());
      postMessage({ type: "progress", share: at / samples.length });
    }
    postMessage({ type: "converted", samples: join(pieces) });
  },
};

// The median of some chunks.
async function measure(step) {
  const window = new Float32Array(step.chunk + step.lookahead);
  const times = [];
  for (const begin = performance.now(); times.length < CHUNKS || performance.now() - begin < MEASURE_MS; ) {
    const started = performance.now();
    await step.convert(window);
    times.push(performance.now() - started);
  }
  return (times.sort((a, b) => a - b)[times.length >> 1] * step.rate) / (1000 * step.chunk);
}

onmessage = async ({ data }) => {
  try {
    await tasks[data.type](data);
  } catch (error) {
    postMessage({ type: "failed", text: error.message });
  }
};
