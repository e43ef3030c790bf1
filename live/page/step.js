// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// A voice's streaming step, as python -m demo.export writes it, on ONNX Runtime for JavaScript, in browsers and in node.

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
    const metadata = readMetadata(model);
    const numbers = NUMBERS.map((name) => Number(metadata.get(name) ?? NaN));
    if (!numbers.every((x) => Number.isInteger(x) && x >= 0) || !metadata.has("state")) throw new Error(NO_VOICE);
    if (Number(metadata.get("chunk_factor")) !== chunkFactor) {
      throw new Error(`This voice was exported for chunks of ${metadata.get("chunk_factor")} × 13 ms only.`);
    }
    try {
      const step = new Step(ort, await ort.InferenceSession.create(model, options), metadata, chunkFactor);
      await step.convert(new Float32Array(step.chunk + step.lookahead)); // says what does not fit, and takes longer
      step.reset();
      return step;
    } catch (error) {
      throw new Error(`This voice's network cannot be run: ${error.message}`);
    }
  }

  constructor(ort, session, metadata, chunkFactor) {
    const [rate, hop, chunk, lookahead] = NUMBERS.map((name) => Number(metadata.get(name)));
    // Hz, then samples: of a frame, of what is converted at a time, and of what is known of the time behind it.
    Object.assign(this, { rate, hop, chunk, lookahead, chunkFactor });
    this.name = metadata.get("checkpoint");
    this.ort = ort;
    this.session = session;
    this.shapes = Object.entries(JSON.parse(metadata.get("state")));
    this.reset();
  }

  // The next chunk is the first of its stream.
  reset() {
    this.state = Object.fromEntries(
      this.shapes.map(([name, shape]) => [name, this.tensor(new Float32Array(shape.reduce((a, b) => a * b)), shape)]),
    );
  }

  // Converts a chunk, with the lookahead behind it: Float32Array [chunk + lookahead] -> Float32Array [chunk]. Of the
  // signal's last chunk only `length` samples are there. One at a time: await it before the next.
  async convert(window, length = this.chunk) {
    const valid = new Float32Array(this.chunk / this.hop).fill(1, 0, Math.ceil(length / this.hop));
    const { audio, ...next } = await this.session.run({
      ...this.state,
      samples: this.tensor(window, [window.length]),
      valid: this.tensor(valid, [valid.length, 1]),
    });
    for (const name in this.state) this.state[name] = next[`${name}_next`];
    return audio.data;
  }

  // Gives its memory back; it converts no more.
  close() {
    return this.session.release();
  }

  tensor(data, shape) {
    return new this.ort.Tensor("float32", data, shape);
  }
}

const NUMBERS = ["sample_rate", "hop_length", "chunk_length", "lookahead_length"];
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
