// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Converts a 16-bit mono WAV file of 16 kHz, with the usual header of 44 bytes, chunk by chunk (npm i onnxruntime-node):
//     node onnx_stream.js llvc.onnx in.wav out.wav [chunk length, hop and lookahead of another file's metadata]
const fs = require("fs");
const ort = require("onnxruntime-node");

async function main([model, input, output, chunk = 208, hop = 16, lookahead = 16]) {
  [chunk, hop, lookahead] = [chunk, hop, lookahead].map(Number);
  const session = await ort.InferenceSession.create(model);
  const wav = fs.readFileSync(input);
  const length = (wav.length - 44) / 2;
  const samples = new Float32Array(length + chunk + lookahead).map((_, i) => (i < length ? wav.readInt16LE(44 + 2 * i) / 32768 : 0));
  const state = {};
  for (const { name, shape } of session.inputMetadata) {
    if (name === "samples" || name === "valid") continue;
    state[name] = new ort.Tensor("float32", new Float32Array(shape.reduce((a, b) => a * b)), shape);
  }
  for (let start = 0; start < length; start += chunk) {
    const frames = Math.ceil(Math.min(chunk, length - start) / hop);
    const valid = new Float32Array(chunk / hop).map((_, i) => (i < frames ? 1 : 0));
    const result = await session.run({
      samples: new ort.Tensor("float32", samples.slice(start, start + chunk + lookahead), [chunk + lookahead]),
      valid: new ort.Tensor("float32", valid, [chunk / hop, 1]),
      ...state,
    });
    result.audio.data.forEach((x, i) => start + i < length && wav.writeInt16LE(Math.round(x * 32767), 44 + 2 * (start + i)));
    for (const name in state) state[name] = result[`${name}_next`];
  }
  fs.writeFileSync(output, wav);
}

main(process.argv.slice(2));
