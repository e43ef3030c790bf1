// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// A file, converted at once: it takes a place of the server and goes through it as fast as the server can.

import { Link } from "./link.js";
import { Unwanted, wanted } from "./wanted.js";
import { explainClose } from "./words.js";

const PIECE_S = 0.25;
const IN_FLIGHT_BYTES = 1 << 18;
const PUMP_MS = 20;

// The file's sound, mono at `rate`, whatever the browser can decode. Unwanted if `signal` is aborted meanwhile.
export async function decode(file, rate, signal) {
  const read = async () => new OfflineAudioContext(1, 1, rate).decodeAudioData(await file.arrayBuffer());
  let sound;
  try {
    sound = await wanted(read(), signal);
  } catch (error) {
    if (error instanceof Unwanted) throw error;
    throw new Error(`${file.name}: no sound that this browser can decode`);
  }
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    sound.getChannelData(channel).forEach((value, i) => (mono[i] += value / sound.numberOfChannels));
  }
  if (!mono.length) throw new Error(`${file.name}: holds no sound`);
  return mono;
}

// The samples in the other voice, and how many of them the engine lost (silence). onProgress is told which share is done.
// Error, with the close code as `code`, if the server does not do it; Unwanted if `signal` is aborted meanwhile.
export function convert(url, hello, samples, signal, onProgress) {
  return new Promise((resolve, reject) => {
    const converted = new Float32Array(samples.length);
    const piece = Math.round(PIECE_S * hello.rate);
    let sent = 0;
    let received = 0;
    let lost = 0;
    const link = new Link(url, { ...hello, mode: "file" }, { onMessage, onAudio, onClosed });
    signal.addEventListener("abort", () => {
      link.close();
      reject(new Unwanted());
    });

    function pump() {
      while (sent < samples.length && link.bufferedAmount < IN_FLIGHT_BYTES) {
        link.sendAudio(samples.subarray(sent, sent + piece));
        sent += piece;
        if (sent >= samples.length) link.say({ type: "end" });
      }
      if (sent < samples.length && link.isOpen) setTimeout(pump, PUMP_MS);
    }

    function pass(count) {
      received += count;
      if (received > samples.length) link.lose({ garbage: true });
      else onProgress(received / samples.length);
    }

    function onAudio(audio) {
      converted.set(audio.subarray(0, samples.length - received), received);
      pass(audio.length);
    }

    function onMessage({ type, samples: count }) {
      if (type === "welcome") pump();
      if (type === "dropped") {
        lost += count;
        pass(count);
      }
      if (type === "ended" && received < samples.length) link.lose({ garbage: true });
      if (type === "ended" && link.close()) resolve({ converted, lost });
    }

    function onClosed(why) {
      const { text, advice } = explainClose(why);
      const message = `${text}. ${advice ?? "Choose the file again in a while."}`;
      reject(Object.assign(new Error(message), { code: why.code }));
    }
  });
}
