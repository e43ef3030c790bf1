// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Times a voice's step in WebAssembly for tools/wasm_benchmark.py: node wasm_benchmark.mjs VOICE.onnx SAMPLES.f32 THREADS
// Each line of its input is a chunk factor; the answer is { cpu, wall }, medians of a chunk's ms.
import fs from "fs";
import readline from "readline";

import * as ort from "../live/node_modules/onnxruntime-web/dist/ort.node.min.mjs";
import { Step } from "../live/page/step.js";

const CHUNKS = 40; // of a block at n = 1
const [voice, recording, threads] = process.argv.slice(2);
const model = new Uint8Array(fs.readFileSync(voice));
const samples = new Float32Array(new Uint8Array(fs.readFileSync(recording)).buffer);
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
const steps = new Map();
ort.env.wasm.numThreads = Number(threads);

async function block(step) {
  const times = { cpu: [], wall: [] };
  for (let k = 0; k < CHUNKS / step.chunkFactor; k++) {
    const start = (k * step.chunk) % (samples.length - step.chunk - step.lookahead);
    const cpu = process.cpuUsage();
    const begin = performance.now();
    await step.convert(samples.subarray(start, start + step.chunk + step.lookahead));
    times.wall.push(performance.now() - begin);
    const { user, system } = process.cpuUsage(cpu);
    times.cpu.push((user + system) / 1000);
  }
  return { cpu: median(times.cpu), wall: median(times.wall) };
}

for await (const line of readline.createInterface({ input: process.stdin })) {
  const n = Number(line);
  if (!steps.has(n)) {
    steps.set(n, await Step.open(ort, model, { chunkFactor: n }));
    for (let k = 0; k < 5; k++) await block(steps.get(n)); // until the compiler of WebAssembly has done its best
  }
  console.log(JSON.stringify(await block(steps.get(n))));
}
process.exit(0); // threads of WebAssembly would keep it alive
