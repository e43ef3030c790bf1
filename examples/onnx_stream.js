// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Converts a 16-bit mono WAV file chunk by chunk (npm i onnxruntime-node):
//     node onnx_stream.js llvc.onnx in.wav out.wav [chunk, in units of 13 ms]
const fs = require("fs");

// The 16-bit samples of a WAV file's bytes; an Error with what is wrong where it holds no such samples, or at another rate.
function readWav(bytes, rate) {
  const name = (at) => bytes.toString("latin1", at, at + 4);
  if (name(0) !== "RIFF" || name(8) !== "WAVE") throw new Error("not a WAV file");
  let format = null;
  for (let at = 12; at + 8 <= bytes.length; ) {
    const size = bytes.readUInt32LE(at + 4);
    const start = at + 8;
    if (name(at) === "fmt " && size >= 16 && start + size <= bytes.length) {
      format = {
        tag: bytes.readUInt16LE(start),
        channels: bytes.readUInt16LE(start + 2),
        rate: bytes.readUInt32LE(start + 4),
        bits: bytes.readUInt16LE(start + 14),
      };
      if (format.tag === 0xfffe && size >= 26) format.tag = bytes.readUInt16LE(start + 24); // WAVE_FORMAT_EXTENSIBLE
    }
    if (name(at) === "data") {
      if (format === null) throw new Error("a WAV file that does not say what its samples are");
      const { tag, channels, bits } = format;
      if (tag !== 1 || channels !== 1 || bits !== 16 || format.rate !== rate) {
        const kind = { 1: "PCM", 3: "floating point" }[tag] || `format ${tag}`;
        throw new Error(
          `holds ${channels} channel(s) of ${bits}-bit ${kind} at ${format.rate} Hz, this takes one of 16-bit PCM at ${rate} Hz; ` +
            `convert it first: ffmpeg -i IN -ac 1 -ar ${rate} -c:a pcm_s16le OUT.wav`,
        );
      }
      // Programs that write into a pipe leave 0 or a number that is too large.
      const end = size === 0 ? bytes.length : Math.min(bytes.length, start + size);
      return Int16Array.from({ length: Math.floor((end - start) / 2) }, (_, i) => bytes.readInt16LE(start + 2 * i));
    }
    at = start + size + (size % 2);
  }
  throw new Error("a WAV file without samples");
}

// The bytes of a WAV file of 16-bit samples.
function writeWav(samples, rate) {
  const bytes = Buffer.alloc(44 + 2 * samples.length);
  bytes.write("RIFF    WAVEfmt ", 0, "latin1");
  bytes.writeUInt32LE(36 + 2 * samples.length, 4);
  [16, 1 | (1 << 16), rate, 2 * rate, 2 | (16 << 16)].forEach((value, i) => bytes.writeUInt32LE(value, 16 + 4 * i));
  bytes.write("data", 36, "latin1");
  bytes.writeUInt32LE(2 * samples.length, 40);
  samples.forEach((sample, i) => bytes.writeInt16LE(sample, 44 + 2 * i));
  return bytes;
}

async function convert(step, pcm) {
  const { chunk, lookahead } = step;
  const samples = new Float32Array(pcm.length + chunk + lookahead);
  pcm.forEach((sample, i) => (samples[i] = sample / 32768));
  const converted = new Int16Array(pcm.length);
  for (let start = 0; start < pcm.length; start += chunk) {
    const length = Math.min(chunk, pcm.length - start);
    const audio = await step.convert(samples.subarray(start, start + chunk + lookahead), length);
    audio.subarray(0, length).forEach((x, i) => (converted[start + i] = Math.round(x * 32767)));
  }
  return converted;
}

function fail(path, error) {
  console.error(`error: ${path}: ${error.message}`);
  process.exit(1);
}

async function main([model, input, output, chunkFactor = "1"]) {
  const ort = require("onnxruntime-node");
  const { Step } = await import("../live/page/step.js");
  let step, pcm;
  try {
    step = await Step.open(ort, fs.readFileSync(model), { chunkFactor: Number(chunkFactor) });
  } catch (error) {
    fail(model, error);
  }
  try {
    pcm = readWav(fs.readFileSync(input), step.rate);
  } catch (error) {
    fail(input, error);
  }
  fs.writeFileSync(output, writeWav(await convert(step, pcm), step.rate));
}

main(process.argv.slice(2));
