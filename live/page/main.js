// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The page: what its controls do, and what it shows.

import { Choice, isVoice } from "./choice.js";
import { Conversation } from "./conversation.js";
import { fill } from "./devices.js";
import { Server } from "./engines.js";
import { decode } from "./file.js";
import { Monitor } from "./pictures.js";
import { keep, keepDevice } from "./settings.js";
import { showDelay, showFacts, showPlayers } from "./tables.js";
import { Voice } from "./voice.js";
import { Unwanted, wanted } from "./wanted.js";
import { INSECURE, OLD_BROWSER } from "./words.js";

const NETWORK_RATE = 16000;
const WRONG_TOKEN = 4002; // the close code

const $ = (id) => document.getElementById(id);
const monitors = [new Monitor($("spectrogram-in"), $("meter-in")), new Monitor($("spectrogram-out"), $("meter-out"))];

let choice; // of the engine
let conversation = null; // while the visitor wants to speak, and until its last sample came
let held = false;
let known; // of the conversation, the last one's when there is none: see tables.js

// Starting and stopping.

$("start").onclick = () => (conversation ? conversation.end() : start());

function start(note = null) {
  if (!window.isSecureContext || !navigator.mediaDevices) return say(INSECURE, true);
  if (!window.AudioWorkletNode) return say(OLD_BROWSER, true);
  forget();
  conversation = new Conversation(choice.engine, wishes, { ready, status: say, engine: onEngine, closed }, note);
  $("start").textContent = "Stop";
  conversation.start();
}

function ready() {
  const { voice } = conversation;
  voice.playback.port.onmessage = ({ data }) => {
    known.playback = data;
    showTheDelay();
  };
  monitors.forEach((monitor, i) => monitor.watch(voice.analysers[i]));
  applyGains();
  applyPlayback();
  if (isPressed("record")) conversation.tell({ type: "record" });
  listDevices(); // their names are known from now on
}

function closed(text, bad, again) {
  conversation = null;
  known.playback = null;
  monitors.forEach((monitor) => monitor.watch(null));
  $("start").textContent = "Start";
  showTheDelay();
  say(text, bad);
  if (again) start(text);
}

function onEngine(message) {
  const { type } = message;
  if (type === "welcome") {
    known.welcome = message;
    showFacts($("facts"), known);
  } else if (type === "statistics") {
    known.statistics = message;
    showFacts($("facts"), known);
    showTheDelay();
  } else if (type === "roundTrip") {
    known.roundTrip = known.roundTrip === undefined ? message.ms : known.roundTrip + (message.ms - known.roundTrip) / 4;
  } else if (type === "dropped") {
    known[message.reason === "uplink" ? "droppedHere" : "droppedThere"] += message.samples;
  } else if (type === "lost") {
    known.statistics = null;
  } else if (type === "refused") {
    askForToken(message);
  } else if (type === "recorded") {
    $("record").setAttribute("aria-pressed", "false");
    showPlayers($("recording-players"), message.dry, message.wet, message.rate, "recording");
    $("recording").hidden = false;
  }
}

function forget() {
  known = { isRemote: choice.engine.isRemote, droppedThere: 0, droppedHere: 0 };
  showFacts($("facts"), known);
  showTheDelay();
}

function showTheDelay() {
  showDelay($("delay-total"), $("delay-parts"), conversation?.voice, known);
}

function askForToken({ code }) {
  if (code === WRONG_TOKEN) $("token-field").hidden = false;
}

function say(text, bad = false) {
  const status = $("status");
  if (status.textContent !== text) status.textContent = text; // a screen reader reads it again otherwise
  status.classList.toggle("bad", bad);
}

// What the visitor wishes.

const wishes = {
  constraints: () => ({
    deviceId: $("input").value || undefined, // not `exact`: if it is gone the browser takes another one
    echoCancellation: $("echo").checked,
    noiseSuppression: $("noise").checked,
    autoGainControl: $("agc").checked,
    channelCount: 1,
  }),
  output: () => $("output").value,
  rate: () => ($("rate").value === "network" ? NETWORK_RATE : null),
};

async function listDevices() {
  const devices = await navigator.mediaDevices.enumerateDevices();
  fill($("input"), "audioinput", devices);
  fill($("output"), "audiooutput", devices);
  check();
}

function check() {
  conversation?.check();
}

function applyGains() {
  const gain = (id) => 10 ** ($(id).value / 20);
  for (const id of ["input-gain", "output-gain"]) $(`${id}-value`).textContent = `${$(id).value} dB`;
  $("talk").hidden = !$("push-to-talk").checked;
  const { voice } = conversation ?? {};
  if (!voice?.outputGain) return;
  const open = !isPressed("mute") && (!$("push-to-talk").checked || held);
  voice.setGain(voice.inputGain, open ? gain("input-gain") : 0);
  voice.setGain(voice.outputGain, gain("output-gain"));
}

function applyPlayback() {
  const target = Number($("target").value);
  $("target-value").textContent = target ? `${target} ms` : "adapts";
  conversation?.voice.playback?.port.postMessage({ bypass: isPressed("bypass"), target: target / 1000 });
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
toggle("record", () => conversation?.isRunning && conversation.tell({ type: isPressed("record") ? "record" : "recorded" }));

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
for (const id of ["input", "output", "echo", "noise", "agc"]) $(id).addEventListener("change", check);
$("target").oninput = applyPlayback;
$("rate").onchange = () => conversation?.remark("The rate changes with the next start.");
$("output-field").hidden = !Voice.canChooseOutput;

navigator.mediaDevices?.addEventListener("devicechange", listDevices);
document.addEventListener("visibilitychange", check);
for (const event of ["pointerdown", "keydown"]) addEventListener(event, check); // a touch may let the sound go on
addEventListener("pagehide", () => conversation?.close("Stopped."));

// The engine.

const opened = openEngines();
let isSpeaking = false; // when the engine changed

async function openEngines() {
  try {
    const site = await (await fetch("site.json")).json();
    choice = new Choice(site, new Server(() => $("token").value), changeEngine);
    choice.choose();
    // Where there is none the page starts with a network only.
    if (!site.server) navigator.serviceWorker?.register("service-worker.js", { updateViaCache: "none" }).catch(() => {});
  } catch (error) {
    say(`The page is not whole (${error.message}); reload it.`, true);
  }
}

function changeEngine(isReady, text) {
  if (text) isSpeaking = conversation !== null;
  conversation?.close(text);
  forget();
  $("start").disabled = !isReady;
  if (isReady && isSpeaking) start(text);
  if (isReady) isSpeaking = false;
}

async function take(file) {
  await opened;
  if (await isVoice(file)) choice.take(file);
  else convertFile(file);
}

// A file.

let converting = null; // AbortController of the file that is being converted

async function convertFile(file) {
  converting?.abort();
  converting = new AbortController();
  const { signal } = converting;
  const status = $("file-status");
  status.classList.remove("bad");
  try {
    await opened;
    status.textContent = `Reading ${file.name} …`;
    const samples = await decode(file, NETWORK_RATE, signal);
    const begin = performance.now();
    const work = choice.engine.convert(samples, NETWORK_RATE, signal, (share) => {
      status.textContent = `Converting ${file.name}: ${Math.round(100 * share)} %`;
    });
    const { converted, lost } = await wanted(work, signal);
    const seconds = (performance.now() - begin) / 1000;
    const length = (count) => `${(count / NETWORK_RATE).toFixed(1)} s`;
    const gaps = lost ? ` The engine failed in between: ${length(lost)} are silent.` : "";
    status.textContent = `${file.name}: ${length(samples.length)} of sound in ${seconds.toFixed(1)} s.${gaps}`;
    showPlayers($("file-players"), samples, converted, NETWORK_RATE, file.name.replace(/\.[^.]*$/, ""));
  } catch (error) {
    if (error instanceof Unwanted) return;
    askForToken(error);
    status.textContent = error.message;
    status.classList.add("bad");
  }
}

$("file").onchange = () => {
  if ($("file").files.length) convertFile($("file").files[0]);
  $("file").value = ""; // the same one can be chosen again
};
addEventListener("dragover", (event) => {
  event.preventDefault();
  $("drop").classList.add("over");
});
addEventListener("dragleave", () => $("drop").classList.remove("over"));
addEventListener("drop", (event) => {
  event.preventDefault();
  $("drop").classList.remove("over");
  if (event.dataTransfer.files.length) take(event.dataTransfer.files[0]);
});

// What was chosen last time. The token comes in the address's fragment, which no server sees, or is asked for.

for (const id of ["engine", "input-gain", "output-gain", "rate", "push-to-talk", "echo", "noise", "agc", "target"]) {
  keep($(id));
}
for (const id of ["input", "output"]) keepDevice($(id));
$("token").value = new URLSearchParams(location.hash.slice(1)).get("token") ?? "";
applyGains();
applyPlayback();
if (!window.isSecureContext) say(INSECURE, true);
else if (navigator.mediaDevices) listDevices();
