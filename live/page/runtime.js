// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// A voice on ONNX Runtime, for workers of this page.

import { Step } from "./step.js";

const RUNTIME = "./onnxruntime-web/ort.wasm.min.mjs";
const WARM_UP = 3; // chunks, until all that is done once is done

// An ONNX file's bytes; `voice` is its address, or a File.
export async function load(voice) {
  try {
    const answer = voice instanceof Blob ? new Response(voice) : await fetch(voice);
    if (!answer.ok) throw new Error(`${answer.status}`);
    return new Uint8Array(await answer.arrayBuffer());
  } catch (error) {
    throw new Error(`The voice does not load (${error.message}). Try again.`);
  }
}

// A Step of `factor` decoder windows. An Error with a sentence where it cannot be run.
export async function openStep(model, factor) {
  const step = await Step.open(await loadRuntime(), model, { chunkFactor: factor });
  for (let i = 0; i < WARM_UP; i++) await step.convert(new Float32Array(step.chunk + step.lookahead));
  step.reset();
  return step;
}

async function loadRuntime() {
  try {
    const ort = await import(RUNTIME);
    ort.env.wasm.numThreads = 1;
    return ort;
  } catch (error) {
    throw new Error(`ONNX Runtime does not load (${error.message}). Reload the page.`);
  }
}
