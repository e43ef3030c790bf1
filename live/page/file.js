// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// A file, converted at once: it takes a place of the server and goes through it as fast as the server can.

import { explainClose } from "./words.js";

const PIECE_S = 0.25;
const IN_FLIGHT_BYTES = 1 << 18;

// The file's sound, mono at `rate`, whatever the browser can decode.
export async function decode(file, rate) {
  const bytes = await file.arrayBuffer();
  let sound;
  try {
    sound = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes);
  } catch {
    throw new Error(`${file.name}: no sound that this browser can decode`);
  }
  const mono = new Float32Array(sound.length);
  for (let channel = 0; channel < sound.numberOfChannels; channel++) {
    sound.getChannelData(channel).forEach((value, i) => (mono[i] += value / sound.numberOfChannels));
  }
  if (!mono.length) throw new Error(`${file.name}: holds no sound`);
  return mono;
}

// The samples in the other voice; onProgress is told which share is done.
export function convert(url, hello, samples, onProgress) {
  return new Promise((resolve, reject) => {
    const converted = new Float32Array(samples.length);
    const piece = Math.round(PIECE_S * hello.rate);
    let sent = 0;
    let received = 0;
    let error = null;
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    socket.onopen = () => socket.send(JSON.stringify({ ...hello, mode: "file" }));
    const pump = () => {
      while (sent < samples.length && socket.bufferedAmount < IN_FLIGHT_BYTES) {
        socket.send(samples.subarray(sent, sent + piece));
        sent += piece;
        if (sent >= samples.length) socket.send(JSON.stringify({ type: "end" }));
      }
      if (sent < samples.length && socket.readyState === WebSocket.OPEN) setTimeout(pump, 20);
    };
    socket.onmessage = ({ data }) => {
      if (typeof data !== "string") {
        const audio = new Float32Array(data);
        converted.set(audio, received);
        received += audio.length;
        return onProgress(received / samples.length);
      }
      const message = JSON.parse(data);
      if (message.type === "welcome") pump();
      if (message.type === "error") error = message;
      if (message.type === "ended") {
        socket.close(1000);
        resolve(converted);
      }
    };
    socket.onclose = ({ code }) => reject(new Error(explainClose({ code, error }).text));
  });
}
