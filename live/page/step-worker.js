// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The engine "this browser" (sound.js says what an engine is): `open` has `voice` and `factor` (runtime.js).

import { load, openStep } from "./runtime.js";
import { Sound } from "./sound.js";
import { Stream } from "./stream.js";
import { Waiting } from "./waiting.js";

const STATISTICS_S = 1;
const OVERLOAD_BEGINS = 0.5; // as docs/PROTOCOL.md: the share of the last second's chunks that were late
const OVERLOAD_ENDS = 0.1;

let stream = null; // until the voice is there nothing is taken
let waiting;
let chunkMs;
let arrived; // ms: when the last packet came
let isEnding = false;
let isWorking = false;
let isOverloaded = false;
let late = 0; // chunks
let turns = []; // { wait, compute, total } in ms, of the last second
let lately = []; // whether each of the last second's chunks was late

const breath = new MessageChannel();
const now = () => performance.now();

const sound = new Sound(take, {
  async open(message) {
    try {
      const step = await openStep(await load(message.voice), message.factor);
      await hear();
      sound.read(); // what was spoken meanwhile: a stream must not begin with old audio
      if (isEnding) return;
      stream = new Stream(step, message.rate);
      const { name, rate, chunk, lookahead } = step;
      const scale = message.rate / rate;
      waiting = new Waiting(message.rate, scale * chunk, scale * lookahead);
      chunkMs = (1000 * chunk) / rate;
      sound.begin();
      postMessage({
        type: "welcome", voice: name, backend: "ONNX Runtime Web", device: "this browser", network_rate: rate,
        chunk_ms: chunkMs, algorithmic_ms: (1000 * (chunk + lookahead)) / rate, resampling_ms: stream.resamplingMs,
      });
      setInterval(report, 1000 * STATISTICS_S);
    } catch (error) {
      refuse(error);
    }
  },
  end() {
    sound.read();
    isEnding = true;
    work();
  },
  close() {},
});

function refuse({ message }) {
  stream = null;
  postMessage({ type: "refused", text: message });
}

function take(packet) {
  if (!stream || isEnding) return;
  waiting.push(packet);
  arrived = now();
  if (!isWorking) work();
}

// Converts as long as there is a chunk.
async function work() {
  if (isWorking) return;
  isWorking = true;
  try {
    do {
      while (stream && (await convertNext())) await hear();
    } while (isEnding && stream && !stream.isDone); // the end came behind the last look at what there is
    if (isEnding) finish();
  } catch (error) {
    refuse(error);
  }
  isWorking = false;
}

// Lets in the messages that came while the network had the thread.
function hear() {
  return new Promise((resolve) => {
    breath.port1.onmessage = resolve;
    breath.port2.postMessage(null);
  });
}

// Whether there was a chunk.
async function convertNext() {
  sound.read();
  const dropped = isEnding ? 0 : waiting.dropLate();
  if (dropped) postMessage({ type: "dropped", samples: dropped, reason: "late" });
  feed();
  if (stream.isDone || stream.lacking) return false;
  const last = arrived;
  const started = now();
  const wet = await stream.convert();
  const done = now();
  sound.answer(wet);
  turns.push({ wait: started - last, compute: done - started, total: done - last });
  noteLate(done - last > chunkMs);
  return true;
}

// What waits goes into the network chunk by chunk, since what waits can still be dropped.
function feed() {
  const push = (count) => {
    const packet = waiting.take(count);
    sound.pending.push(packet);
    stream.push(packet.samples);
  };
  while (stream.lacking && waiting.length >= stream.lacking) push(stream.lacking);
  if (!isEnding || !stream.lacking) return;
  if (waiting.length) push(waiting.length);
  stream.end();
}

function finish() {
  stream = null;
  postMessage({ type: "ended" });
}

function noteLate(isLate) {
  late += isLate;
  lately.push(isLate);
  const most = Math.max(4, Math.round(1000 / chunkMs));
  if (lately.length > most) lately.shift();
  const share = lately.filter(Boolean).length / most;
  if (isOverloaded === share > (isOverloaded ? OVERLOAD_ENDS : OVERLOAD_BEGINS)) return;
  isOverloaded = !isOverloaded;
  postMessage({ type: "overload", on: isOverloaded });
}

function report() {
  if (!stream) return;
  const percentiles = (name) => {
    const values = turns.map((turn) => turn[name]).sort((a, b) => a - b);
    const at = (share) => values[Math.floor(share * (values.length - 1))];
    return values.length ? { p50: at(0.5), p95: at(0.95) } : undefined;
  };
  postMessage({
    type: "statistics", wait_ms: percentiles("wait"), compute_ms: percentiles("compute"), server_ms: percentiles("total"),
    queue_ms: waiting.ms, late, overloaded: isOverloaded,
  });
  turns = [];
}
