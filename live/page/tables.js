// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// What is known of a conversation, as tables: where its delay comes from, and what serves it. And two sounds to compare.

import { drawWaveform } from "./pictures.js";
import { wav } from "./wav.js";

function fill(body, entries) {
  body.replaceChildren(
    ...entries.map(([name, value]) => {
      const row = document.createElement("tr");
      const head = document.createElement("th");
      head.scope = "row";
      head.textContent = name;
      row.append(head, Object.assign(document.createElement("td"), { textContent: value }));
      return row;
    }),
  );
}

// `known` has the engine's `welcome` and `statistics`, the playback worklet's `playback` figures, `roundTrip` in ms, and
// samples `droppedThere`, `droppedHere`.
export function showDelay(total, body, voice, { welcome, statistics, playback, roundTrip, droppedThere, droppedHere }) {
  if (!playback?.delay || !welcome || !voice) {
    total.textContent = "–";
    return fill(body, []);
  }
  const { context } = voice;
  const inputDevice = 1000 * (voice.track?.getSettings().latency ?? 0);
  const outputDevice = 1000 * (context.outputLatency || context.baseLatency || 0);
  const packet = (1000 * 128 * Math.ceil((0.008 * context.sampleRate) / 128 - 1e-9)) / context.sampleRate;
  const parts = [
    ["Microphone, as the browser says", inputDevice],
    ["Capture buffer", packet],
    ...(roundTrip === undefined ? [] : [["Network round trip", roundTrip]]),
    ["Chunk: filling it, and its turn", welcome.algorithmic_ms + (statistics?.wait_ms?.p50 ?? 0)],
    ["Computing", statistics?.compute_ms?.p50 ?? 0],
    ["Resampling", welcome.resampling_ms],
    ["Playback buffer", playback.buffered],
  ];
  const known = parts.slice(1).reduce((sum, [, ms]) => sum + ms, 0);
  parts.push(["Threads and timers: the measured rest", playback.delay - known]);
  parts.push(["Loudspeaker, as the browser says", outputDevice]);
  total.textContent = (inputDevice + playback.delay + outputDevice).toFixed(0);
  const ms = (samples) => `${((1000 * samples) / context.sampleRate).toFixed(0)} ms`;
  fill(body, [
    ...parts.map(([name, value]) => [name, `${value.toFixed(1)} ms`]),
    ["Playback buffer's target", `${playback.target.toFixed(0)} ms`],
    ["Underruns", playback.underruns],
    ["Dropped by the engine: it was late", ms(droppedThere)],
    ...(roundTrip === undefined ? [] : [["Dropped here: the network was too slow", ms(droppedHere)]]),
    ["Skipped to shorten the delay", `${playback.skipped.toFixed(0)} ms`],
  ]);
}

export function showFacts(body, { welcome, statistics }) {
  const s = statistics ?? {};
  const ms = (figures) => (figures ? `${figures.p50.toFixed(1)} / ${figures.p95.toFixed(1)} ms` : "–");
  fill(body, [
    ["Voice", welcome.voice],
    ["Runs on", `${welcome.backend} (${welcome.device})`],
    ["Chunk", `${welcome.chunk_ms.toFixed(0)} ms at ${welcome.network_rate / 1000} kHz`],
    ...(welcome.places ? [["Streams", `${s.streams ?? welcome.streams} of ${welcome.places}`]] : []),
    ["Computing, p50 / p95", ms(s.compute_ms)],
    ["Last sample in to audio out, p50 / p95", ms(s.server_ms)],
    ["Waiting", `${(s.queue_ms ?? 0).toFixed(0)} ms`],
    ["Late chunks", s.late ?? 0],
  ]);
}

// Two players, with what they play as files named `name`-in.wav and `name`-out.wav.
export function showPlayers(parent, before, after, rate, name) {
  for (const audio of parent.querySelectorAll("audio")) URL.revokeObjectURL(audio.src);
  parent.replaceChildren(
    ...[["Before", before, "in"], ["After", after, "out"]].map(([title, samples, suffix]) => {
      const figure = document.createElement("figure");
      const caption = Object.assign(document.createElement("figcaption"), { textContent: title });
      const canvas = Object.assign(document.createElement("canvas"), { className: "waveform" });
      canvas.setAttribute("role", "img");
      canvas.setAttribute("aria-label", `Waveform: ${title}`);
      drawWaveform(canvas, samples);
      const source = URL.createObjectURL(wav(samples, rate));
      const audio = Object.assign(new Audio(source), { controls: true });
      audio.setAttribute("aria-label", title);
      const file = `${name}-${suffix}.wav`;
      const link = Object.assign(document.createElement("a"), { href: source, download: file, textContent: file });
      figure.append(caption, canvas, audio, link);
      return figure;
    }),
  );
}
