// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The engine "the server" (sound.js says what an engine is): `open` has `url` and `hello`.

import { Link } from "./link.js";
import { Sound } from "./sound.js";
import { explainClose } from "./words.js";

const RETRY_S = [0.5, 1, 2, 5]; // then every 5 s
const STEADY_S = 10; // a connection that held so long was a good one
const STUCK_S = 5; // input without output, or an end without `ended`
const LATE_S = 0.25; // of input on its way to the server, beyond what the way takes: as docs/PROTOCOL.md, "Overload"
const CALM_S = 2; // nothing was late for so long: the network keeps up again
const SAMPLE_BYTES = 4;

let url, hello;
let link = null;
let welcome = null; // null until a stream is open
let ending = false;
let begin, progress; // ms: when the stream was opened, and when an answer to the input last came
let least; // samples: the fewest that were on their way behind an answer, which is what the way takes
let isLate = false; // what is captured is dropped
let droppedAt = null; // ms, while the uplink is slow
let retries = 0;
let retrying = null;

const now = () => performance.now();

const sound = new Sound(send, {
  open(message) {
    ({ url, hello } = message);
    connect();
  },
  end() {
    if (!welcome) return end();
    ending = true;
    progress = now();
    link.say({ type: "end" });
  },
  close: disconnect,
});

function connect() {
  link = new Link(url, hello, { onMessage: hear, onAudio: receive, onClosed: lose });
}

function disconnect() {
  clearTimeout(retrying);
  link?.close();
  link = welcome = null;
}

function end() {
  disconnect();
  postMessage({ type: "ended" });
}

function lose(why) {
  if (ending) return end();
  if (welcome && now() - begin > 1000 * STEADY_S) retries = 0;
  disconnect();
  setSlow(false);
  const { text, advice } = explainClose(why);
  if (advice) return postMessage({ type: "refused", code: why.code, text: `${text}. ${advice}` });
  postMessage({ type: "lost", text: `${text}; connecting again.` });
  retrying = setTimeout(connect, 1000 * RETRY_S[Math.min(retries++, RETRY_S.length - 1)]);
}

function hear(message) {
  if (!welcome && !["welcome", "pong"].includes(message.type)) return link.lose({ garbage: true });
  if (message.type === "welcome") {
    welcome = message;
    begin = progress = now();
    least = hello.rate; // until the first answer
    isLate = false;
    sound.begin();
  } else if (message.type === "pong") {
    least = Math.min(least, countUnderWay());
    message = { type: "roundTrip", ms: now() - message.time };
  } else if (message.type === "dropped") {
    sound.pending.pass(message.samples);
    noteAnswer();
  } else if (message.type === "ended") {
    return ending ? end() : link.lose({ garbage: true });
  }
  postMessage(message);
}

function send(packet) {
  // Until the welcome is there nothing is taken: a stream must not begin with old audio.
  if (!welcome || ending) return;
  if (!sound.pending.length) progress = now();
  const limit = LATE_S * hello.rate;
  const waiting = Math.max(link.bufferedAmount / SAMPLE_BYTES, countUnderWay() - least);
  isLate = waiting > (isLate ? limit / 2 : limit);
  if (isLate) {
    setSlow(true);
    return postMessage({ type: "dropped", samples: packet.samples.length, reason: "uplink" });
  }
  sound.pending.push(packet);
  link.sendAudio(packet.samples);
}

function receive(wet) {
  if (!welcome) return link.lose({ garbage: true });
  if (sound.answer(wet)) noteAnswer();
}

function noteAnswer() {
  progress = now();
  least = Math.min(least, countUnderWay());
}

// Samples that may not have reached the server: sent, and neither a pong nor output tells that it has them.
function countUnderWay() {
  return Math.min(link.unconfirmed, sound.pending.length);
}

function setSlow(slow) {
  if (slow !== (droppedAt !== null)) postMessage({ type: "uplink", slow });
  droppedAt = slow ? now() : null;
}

setInterval(() => {
  if (welcome && (sound.pending.length || ending) && now() - progress > 1000 * STUCK_S) link.lose({ silent: true });
  if (droppedAt !== null && now() - droppedAt > 1000 * CALM_S) setSlow(false);
}, 500);
