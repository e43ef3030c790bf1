// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// A voice's streaming step, as python -m demo.export writes it, on ONNX Runtime for JavaScript, in browsers and in node.
// streaming/onnx_graph.py says what goes in and out.

// What an ONNX file says of itself, a Map of texts: the metadata_props of its ModelProto. ONNX Runtime does not give
// them in browsers. An Error where `bytes` (Uint8Array) are no ONNX file.
export function readMetadata(bytes) {
  const model = new Map(fields(bytes));
  if (!(model.get(IR_VERSION) > 0 && model.has(GRAPH))) throw new Error(NO_ONNX);
  const entries = [...fields(bytes)].filter(([field]) => field === METADATA_PROPS);
  return new Map(entries.map(([, entry]) => Array.from(fields(entry), ([, text]) => new TextDecoder().decode(text))));
}

export class Step {
  // A step of `chunkFactor` decoder windows. `ort` is ONNX Runtime's module, `model` the file's bytes (Uint8Array),
  // `options` are those of its session. An Error with a sentence where the file is none that this can run.
  static async open(ort, model, { chunkFactor = 1, ...options } = {}) {
    if (!(Number.isInteger(chunkFactor) && chunkFactor > 0)) throw new Error("A chunk is a whole number of windows.");
    const metadata = readMetadata(model);
    const numbers = NUMBERS.map((name) => Number(metadata.get(name) ?? NaN));
    if (!numbers.every((x) => Number.isInteger(x) && x >= 0) || !metadata.has("state")) throw new Error(NO_VOICE);
    const step = new Step(ort, metadata, numbers, chunkFactor);
    try {
      step.session = await ort.InferenceSession.create(model, { freeDimensionOverrides: step.dimensions, ...options });
      step.reset(JSON.parse(metadata.get("state")));
      await step.convert(new Float32Array(step.chunk + step.lookahead)); // says what does not fit, and takes longer
    } catch (error) {
      throw new Error(`This voice's network cannot be run: ${error.message}`);
    }
    step.reset();
    return step;
  }

  constructor(ort, metadata, [rate, hop, window, past, lookahead], chunkFactor) {
    this.ort = ort;
    this.name = metadata.get("checkpoint");
    this.chunkFactor = chunkFactor;
    this.rate = rate; // Hz; all else in samples: of a frame, of what is converted at a time, of what is known behind it
    this.hop = hop;
    this.chunk = chunkFactor * window;
    this.lookahead = lookahead;
    this.pastLength = past;
    this.dimensions = { samples: past + this.chunk + lookahead, frames: this.chunk / hop };
  }

  // The next chunk is the first of its stream.
  reset(shapes = this.shapes) {
    this.shapes = shapes;
    this.converted = 0;
    this.past = new Float32Array(this.pastLength);
    const { frames } = this.dimensions;
    this.histories = Object.entries(shapes).map(([name, [rows, width]]) => [name, new History(rows, width, frames)]);
  }

  // Converts a chunk, with the lookahead behind it: Float32Array [chunk + lookahead] -> Float32Array [chunk]. Of the
  // signal's last chunk only `length` samples are there. One at a time: await it before the next.
  async convert(samples, length = this.chunk) {
    const { chunk, pastLength, lookahead } = this;
    const window = new Float32Array(this.dimensions.samples);
    window.set(this.past);
    window.set(samples, pastLength);
    const begun = new Float32Array(window.length).fill(1, Math.max(0, pastLength - lookahead - this.converted));
    const valid = new Float32Array(this.dimensions.frames).fill(1, 0, Math.ceil(length / this.hop));
    const feeds = { window: this.tensor(window, 1, 1, window.length), valid: this.tensor(valid, valid.length, 1) };
    if (this.session.inputNames.includes("begun")) feeds.begun = this.tensor(begun, 1, 1, begun.length);
    for (const [name, history] of this.histories) feeds[name] = this.tensor(history.last, history.rows, history.width);
    const results = await this.session.run(feeds);
    for (const [name, history] of this.histories) history.push(results[`${name}_new`].data);
    this.past = window.subarray(chunk, chunk + pastLength);
    this.converted += chunk;
    return results.audio.data;
  }

  // Gives its memory back; it converts no more.
  close() {
    return this.session.release();
  }

  tensor(data, ...shape) {
    return new this.ort.Tensor("float32", data, shape);
  }
}

// The last `rows` rows of what is pushed, in a buffer that they move on in; when it is full its end becomes its beginning.
class History {
  constructor(rows, width, added) {
    Object.assign(this, { rows, width, at: 0 });
    this.length = rows * width;
    this.buffer = new Float32Array(this.length + PUSHES * added * width);
  }

  get last() {
    return this.buffer.subarray(this.at, this.at + this.length);
  }

  push(values) {
    if (this.at + this.length + values.length > this.buffer.length) {
      this.buffer.copyWithin(0, this.at, this.at + this.length);
      this.at = 0;
    }
    this.buffer.set(values, this.at + this.length);
    this.at += values.length;
  }
}

const PUSHES = 16; // until a history's end becomes its beginning
const NUMBERS = ["sample_rate", "hop_length", "chunk_length", "past_length", "lookahead_length"];
const NO_ONNX = "This is not an ONNX file.";
const NO_VOICE = "This ONNX file is not a voice as python -m demo.export writes it.";

// Of ModelProto, in onnx.proto.
const [IR_VERSION, GRAPH, METADATA_PROPS] = [1, 7, 14];

// The fields of a message in the wire format of Protocol Buffers: [number, value], a number or bytes.
function* fields(bytes) {
  let at = 0;
  const varint = () => {
    for (let value = 0, unit = 1; ; unit *= 128) {
      if (at >= bytes.length || unit > 2 ** 63) throw new Error(NO_ONNX);
      value += (bytes[at] % 128) * unit;
      if (bytes[at++] < 128) return value;
    }
  };
  const take = (length) => {
    if (at + length > bytes.length) throw new Error(NO_ONNX);
    return bytes.subarray(at, (at += length));
  };
  const readers = { 0: varint, 1: () => take(8), 2: () => take(varint()), 5: () => take(4) };
  while (at < bytes.length) {
    const tag = varint();
    const read = readers[tag % 8];
    if (!read) throw new Error(NO_ONNX);
    yield [Math.floor(tag / 8), read()];
  }
}
