// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The page: what its controls do, and what it shows.

import { convert, decode } from "./file.js";
import { drawWaveform, Monitor } from "./pictures.js";
import { Voice } from "./voice.js";
import { wav } from "./wav.js";
import { explainClose, explainMicrophone, INSECURE, OLD_BROWSER } from "./words.js";

const VERSION = 1;
const NETWORK_RATE = 16000;
const RETRY_S = [0.5, 1, 2, 5]; // then every 5 s
const SETTINGS = ["input", "output", "input-gain", "output-gain", "rate", "push-to-talk", "echo", "noise", "agc", "target"];

const $ = (id) => document.getElementById(id);
const url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/stream`;
const voice = new Voice(onWorker, (figures) => ((playback = figures), showDelay()));
const monitors = [new Monitor($("spectrogram-in"), $("meter-in")), new Monitor($("spectrogram-out"), $("meter-out"))];

let running = false; // the visitor wants to speak
let retry = null;
let retries = 0;
let welcome = null;
let statistics = null;
let playback = null;
let roundTrip = null;
let dropped = 0;
let held = false;
let overloaded = false;

// Starting and stopping.

$("start").onclick = () => (running ? stop() : start());

async function start() {
  if (!window.isSecureContext || !navigator.mediaDevices) return say(INSECURE, true);
  if (!window.AudioWorkletNode) return say(OLD_BROWSER, true);
  setRunning(true);
  say("Opening the microphone …");
  try {
    await voice.start(constraints(), $("rate").value === "network" ? NETWORK_RATE : null);
  } catch (error) {
    await halt();
    return say(explainMicrophone(error), true);
  }
  monitors.forEach((monitor, i) => monitor.watch(voice.analysers[i]));
  applyGains();
  applyPlayback();
  const before = $("input").value;
  await listDevices();
  if ($("input").value !== before) await changeMicrophone(); // names are known from now on
  if ($("output").value) await chooseOutput();
  if (isPressed("record")) voice.tell({ type: "record" });
  dropped = 0;
  connect();
}

// Ends the stream: its last samples still come, and a recording is whole.
function stop() {
  clearTimeout(retry);
  running = false;
  $("start").disabled = true;
  say("Ending …");
  voice.tell({ type: "end" });
}

async function finish() {
  if (isPressed("record")) endRecording();
  await halt();
  say("Stopped.");
}

async function halt() {
  clearTimeout(retry);
  voice.tell({ type: "close" });
  monitors.forEach((monitor) => monitor.watch(null));
  await voice.stop();
  playback = statistics = roundTrip = null;
  setRunning(false);
}

function setRunning(value) {
  running = value;
  $("start").disabled = false;
  $("start").textContent = value ? "Stop" : "Start";
}

function connect() {
  say("Connecting …");
  voice.tell({ type: "open", url, hello: hello(voice.context.sampleRate) });
}

function hello(rate) {
  const token = $("token").value;
  return { type: "hello", version: VERSION, rate, format: "f32", ...(token && { token }) };
}

function onWorker(message) {
  const { type } = message;
  if (type === "welcome") {
    welcome = message;
    retries = 0;
    overloaded = false;
    say("Speak: the other voice follows.");
    showFacts();
  } else if (type === "statistics") {
    statistics = message;
    if (message.overloaded !== overloaded) setOverloaded(message.overloaded);
    showFacts();
    showDelay();
  } else if (type === "roundTrip") {
    roundTrip = roundTrip === null ? message.ms : roundTrip + (message.ms - roundTrip) / 4;
  } else if (type === "dropped") {
    dropped += message.samples;
  } else if (type === "overload") {
    setOverloaded(message.on);
  } else if (type === "recorded") {
    showPlayers($("recording-players"), message.dry, message.wet, message.rate, "recording");
    $("recording").hidden = false;
  } else if (type === "ended") {
    finish();
  } else if (type === "closed") {
    onClosed(message);
  }
}

async function onClosed(message) {
  if (!running) return finish();
  statistics = null;
  const { text, retry: again } = explainClose(message);
  if (!again) {
    $("token-field").hidden = message.code !== 4002;
    await halt();
    return say(text, true);
  }
  say(text, true);
  retry = setTimeout(connect, 1000 * RETRY_S[Math.min(retries++, RETRY_S.length - 1)]);
}

function setOverloaded(value) {
  overloaded = value;
  say(value ? "The server is overloaded: it drops what is late." : "The server keeps up again.", value);
}

function say(text, bad = false) {
  $("status").textContent = text;
  $("status").classList.toggle("bad", bad);
}

// Microphone and loudspeaker.

function constraints() {
  return {
    deviceId: $("input").value ? { exact: $("input").value } : undefined,
    echoCancellation: $("echo").checked,
    noiseSuppression: $("noise").checked,
    autoGainControl: $("agc").checked,
    channelCount: 1,
  };
}

async function listDevices() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  for (const [id, kind] of [["input", "audioinput"], ["output", "audiooutput"]]) {
    const select = $(id);
    const wanted = select.value || select.dataset.wanted || "";
    const found = devices.filter((device) => device.kind === kind && device.deviceId && device.deviceId !== "default");
    select.replaceChildren(
      new Option("Default", ""),
      ...found.map((device, i) => new Option(device.label || `${kind} ${i + 1}`, device.deviceId)),
    );
    select.value = found.some((device) => device.deviceId === wanted) ? wanted : "";
  }
}

async function changeMicrophone() {
  if (!voice.context) return;
  try {
    await voice.changeMicrophone(constraints());
    applyGains();
  } catch (error) {
    say(explainMicrophone(error), true);
  }
}

async function chooseOutput() {
  if (!voice.context) return;
  try {
    await voice.setOutput($("output").value);
  } catch (error) {
    say(`The loudspeaker does not open: ${error.message}`, true);
  }
}

function applyGains() {
  const gain = (id) => 10 ** ($(id).value / 20);
  for (const id of ["input-gain", "output-gain"]) $(`${id}-value`).textContent = `${$(id).value} dB`;
  $("talk").hidden = !$("push-to-talk").checked;
  if (!voice.context) return;
  const open = !isPressed("mute") && (!$("push-to-talk").checked || held);
  voice.setGain(voice.inputGain, open ? gain("input-gain") : 0);
  voice.setGain(voice.outputGain, gain("output-gain"));
}

function applyPlayback() {
  const target = Number($("target").value);
  $("target-value").textContent = target ? `${target} ms` : "adapts";
  if (voice.context) voice.playback.port.postMessage({ bypass: isPressed("bypass"), target: target / 1000 });
}

function isPressed(id) {
  return $(id).getAttribute("aria-pressed") === "true";
}

function toggle(id, apply) {
  $(id).onclick = () => {
    $(id).setAttribute("aria-pressed", String(!isPressed(id)));
    apply();
  };
}

toggle("mute", applyGains);
toggle("bypass", applyPlayback);
toggle("record", () => (isPressed("record") ? voice.tell({ type: "record" }) : voice.tell({ type: "recorded" })));

function endRecording() {
  $("record").setAttribute("aria-pressed", "false");
  voice.tell({ type: "recorded" });
}

function hold(value) {
  held = value;
  applyGains();
}

$("talk").onpointerdown = () => hold(true);
for (const event of ["pointerup", "pointercancel", "pointerleave"]) $("talk").addEventListener(event, () => hold(false));
const isTalkKey = (event) =>
  event.code === "Space" && $("push-to-talk").checked && (event.target === $("talk") || event.target === document.body);
addEventListener("keydown", (event) => {
  if (!isTalkKey(event)) return;
  event.preventDefault();
  if (!event.repeat) hold(true);
});
addEventListener("keyup", (event) => isTalkKey(event) && hold(false));
addEventListener("blur", () => hold(false));

for (const id of ["input-gain", "output-gain", "push-to-talk"]) $(id).oninput = applyGains;
for (const id of ["input", "echo", "noise", "agc"]) $(id).onchange = changeMicrophone;
$("output").onchange = chooseOutput;
$("target").oninput = applyPlayback;
$("rate").onchange = () => running && say("The rate changes with the next start.");
$("output-field").hidden = !Voice.canChooseOutput;
navigator.mediaDevices?.addEventListener("devicechange", listDevices);

// What is shown.

function rows(body, entries) {
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

function showDelay() {
  if (!playback?.delay || !welcome || !voice.context) {
    $("delay-total").textContent = "–";
    return rows($("delay-parts"), []);
  }
  const { context } = voice;
  const inputDevice = 1000 * (voice.stream.getAudioTracks()[0]?.getSettings().latency ?? 0);
  const outputDevice = 1000 * (context.outputLatency || context.baseLatency || 0);
  const packet = (1000 * 128 * Math.ceil((0.008 * context.sampleRate) / 128 - 1e-9)) / context.sampleRate;
  const wait = welcome.algorithmic_ms + (statistics?.wait_ms?.p50 ?? 0);
  const compute = statistics?.compute_ms?.p50 ?? 0;
  const parts = [
    ["Microphone, as the browser says", inputDevice],
    ["Capture buffer", packet],
    ["Network round trip", roundTrip ?? 0],
    ["Chunk: filling it, and its turn", wait],
    ["Computing", compute],
    ["Resampling", welcome.resampling_ms],
    ["Playback buffer", playback.buffered],
  ];
  const known = parts.slice(1).reduce((sum, [, ms]) => sum + ms, 0);
  parts.push(["Threads and timers: the measured rest", playback.delay - known]);
  parts.push(["Loudspeaker, as the browser says", outputDevice]);
  const total = inputDevice + playback.delay + outputDevice;
  $("delay-total").textContent = total.toFixed(0);
  rows($("delay-parts"), [
    ...parts.map(([name, ms]) => [name, `${ms.toFixed(1)} ms`]),
    ["Playback buffer's target", `${playback.target.toFixed(0)} ms`],
    ["Underruns", playback.underruns],
    ["Dropped by the server", `${((1000 * dropped) / context.sampleRate).toFixed(0)} ms`],
    ["Skipped to shorten the delay", `${playback.skipped.toFixed(0)} ms`],
  ]);
}

function showFacts() {
  const s = statistics ?? {};
  const ms = (figures) => (figures ? `${figures.p50.toFixed(1)} / ${figures.p95.toFixed(1)} ms` : "–");
  rows($("facts"), [
    ["Voice", welcome.voice],
    ["Runs on", `${welcome.backend} (${welcome.device})`],
    ["Chunk", `${welcome.chunk_ms.toFixed(0)} ms at ${welcome.network_rate / 1000} kHz`],
    ["Streams", `${s.streams ?? welcome.streams} of ${welcome.places}`],
    ["Computing, p50 / p95", ms(s.compute_ms)],
    ["Last sample in to audio out, p50 / p95", ms(s.server_ms)],
    ["Waiting", `${(s.queue_ms ?? 0).toFixed(0)} ms`],
    ["Late chunks", s.late ?? 0],
  ]);
}

function showPlayers(parent, before, after, rate, name) {
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

// A file.

async function convertFile(file) {
  const status = $("file-status");
  status.classList.remove("bad");
  try {
    status.textContent = `Reading ${file.name} …`;
    const samples = await decode(file, NETWORK_RATE);
    const begin = performance.now();
    const converted = await convert(url, hello(NETWORK_RATE), samples, (share) => {
      status.textContent = `Converting ${file.name}: ${Math.round(100 * share)} %`;
    });
    const seconds = (performance.now() - begin) / 1000;
    const length = samples.length / NETWORK_RATE;
    status.textContent = `${file.name}: ${length.toFixed(1)} s of sound in ${seconds.toFixed(1)} s.`;
    showPlayers($("file-players"), samples, converted, NETWORK_RATE, file.name.replace(/\.[^.]*$/, ""));
  } catch (error) {
    status.textContent = error.message;
    status.classList.add("bad");
  }
}

$("file").onchange = () => $("file").files.length && convertFile($("file").files[0]);
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
addEventListener("dragleave", () => $("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  if (event.dataTransfer.files.length) convertFile(event.dataTransfer.files[0]);
});

// Settings stay with the browser; the token comes in the address's fragment, which no server sees, or is asked for.

function keepSettings() {
  for (const id of SETTINGS) {
    const control = $(id);
    const property = control.type === "checkbox" ? "checked" : "value";
    const stored = localStorage.getItem(`llvc-${id}`);
    if (stored !== null) {
      if (control.tagName === "SELECT" && id !== "rate") control.dataset.wanted = JSON.parse(stored);
      else control[property] = JSON.parse(stored);
    }
    control.addEventListener("change", () => localStorage.setItem(`llvc-${id}`, JSON.stringify(control[property])));
  }
}

keepSettings();
$("token").value = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
applyGains();
applyPlayback();
if (!window.isSecureContext) say(INSECURE, true);
else if (navigator.mediaDevices) listDevices();
