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

const UNKNOWN = "–";
const show = (value, digits = 1) => (value === undefined ? UNKNOWN : `${value.toFixed(digits)} ms`);

// `known` has `isRemote` of the engine (engines.js), its `welcome` and `statistics`, the playback worklet's `playback`
// figures, `roundTrip` in ms, and samples `droppedThere`, `droppedHere`. What is not known yet has its row from the start:
// no control moves while somebody reaches for it.
export function showDelay(total, body, voice, known) {
  const { isRemote } = known;
  const delay = known.playback?.delay && known.welcome && voice ? measured(voice, known) : {};
  total.textContent = delay.total?.toFixed(0) ?? UNKNOWN;
  fill(body, [
    ["Microphone, as the browser says", show(delay.microphone)],
    ["Capture buffer", show(delay.capture)],
    ...(isRemote ? [["Network round trip", show(delay.roundTrip)]] : []),
    ["Chunk: filling it, and its turn", show(delay.chunk)],
    ["Computing", show(delay.computing)],
    ["Resampling", show(delay.resampling)],
    ["Playback buffer", show(delay.buffered)],
    ["Threads and timers: the measured rest", show(delay.rest)],
    ["Loudspeaker, as the browser says", show(delay.loudspeaker)],
    ["Playback buffer's target", show(delay.target, 0)],
    ["Underruns", delay.underruns ?? UNKNOWN],
    ["Dropped by the engine: it was late", show(delay.droppedThere, 0)],
    ...(isRemote ? [["Dropped here: the network was too slow", show(delay.droppedHere, 0)]] : []),
    ["Skipped to shorten the delay", show(delay.skipped, 0)],
  ]);
}

// The parts of the delay from mouth to ear, their total, and what was dropped, in ms; and the number of underruns.
function measured({ context, track }, { welcome, statistics, playback, roundTrip, droppedThere, droppedHere }) {
  const ms = (samples) => (1000 * samples) / context.sampleRate;
  const { buffered, target, underruns, skipped } = playback;
  const microphone = 1000 * (track?.getSettings().latency ?? 0);
  const loudspeaker = 1000 * (context.outputLatency || context.baseLatency || 0);
  const capture = ms(128 * Math.ceil((0.008 * context.sampleRate) / 128 - 1e-9));
  const chunk = welcome.algorithmic_ms + (statistics?.wait_ms?.p50 ?? 0);
  const computing = statistics?.compute_ms?.p50 ?? 0;
  const resampling = welcome.resampling_ms;
  const known = capture + (roundTrip ?? 0) + chunk + computing + resampling + buffered;
  return {
    microphone, capture, roundTrip, chunk, computing, resampling, buffered, rest: playback.delay - known, loudspeaker,
    total: microphone + playback.delay + loudspeaker,
    target, underruns, skipped, droppedThere: ms(droppedThere), droppedHere: ms(droppedHere),
  };
}

export function showFacts(body, { isRemote, welcome, statistics }) {
  const s = statistics ?? {};
  const ms = (figures) => (figures ? `${figures.p50.toFixed(1)} / ${figures.p95.toFixed(1)} ms` : UNKNOWN);
  const told = (tell) => (welcome ? tell(welcome) : UNKNOWN);
  fill(body, [
    ["Voice", told(({ voice }) => voice)],
    ["Runs on", told(({ backend, device }) => `${backend} (${device})`)],
    ["Chunk", told(({ chunk_ms, network_rate }) => `${chunk_ms.toFixed(0)} ms at ${network_rate / 1000} kHz`)],
    ...(isRemote ? [["Streams", told(({ streams, places }) => `${s.streams ?? streams} of ${places}`)]] : []),
    ["Computing, p50 / p95", ms(s.compute_ms)],
    ["Last sample in to audio out, p50 / p95", ms(s.server_ms)],
    ["Waiting", told(() => `${(s.queue_ms ?? 0).toFixed(0)} ms`)],
    ["Late chunks", told(() => s.late ?? 0)],
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
