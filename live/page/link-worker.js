// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The engine "the server": takes PCM, gives PCM. In a worker neither drawing nor a page in the background holds it up.
//
// An engine is a worker that is told
//   ports           two ports: captured packets { samples, frame } come from one, { wet, dry, frame } go to the other
//   open            begin; `hello` has the rate, the rest is the engine's own (here: `url`)
//   end             no more input; the rest of the output comes, then `ended`, in any case
//   record, recorded  begin a recording; end it
//   close           be gone, after `recorded` if there is a recording
// and that says
//   welcome, statistics, dropped, overload, ended   as docs/PROTOCOL.md; `dropped` has the reason `uplink` for what was
//                   dropped here
//   roundTrip       `ms` to the server and back
//   uplink          `slow`: the network takes less than is spoken, or no longer
//   lost            `text`: it tries again by itself
//   refused         `text`, `code`: it does not; nothing comes any more
//   recorded        `dry`, `wet`, `rate`

import { Link } from "./link.js";
import { Pending } from "./pending.js";
import { Recording } from "./recording.js";
import { explainClose } from "./words.js";

const RETRY_S = [0.5, 1, 2, 5]; // then every 5 s
const STEADY_S = 10; // a connection that held so long was a good one
const STUCK_S = 5; // input without output, or an end without `ended`
const LATE_S = 0.25; // of input on its way to the server, beyond what the way takes: as docs/PROTOCOL.md, "Overload"
const CALM_S = 2; // nothing was late for so long: the network keeps up again
const SAMPLE_BYTES = 4;

let playback, url, hello;
let link = null;
let welcome = null; // null until a stream is open
let ending = false;
let recording = null;
let pending = new Pending();
let begin, progress; // ms: when the stream was opened, and when an answer to the input last came
let least; // samples: the fewest that were on their way behind an answer, which is what the way takes
let isLate = false; // what is captured is dropped
let droppedAt = null; // ms, while the uplink is slow
let retries = 0;
let retrying = null;

const now = () => performance.now();

onmessage = ({ data }) => commands[data.type](data);

const commands = {
  ports({ ports: [capture, output] }) {
    playback = output;
    capture.onmessage = ({ data }) => send(data);
  },
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
  record() {
    recording = new Recording(hello.rate);
  },
  recorded() {
    if (recording) postMessage({ type: "recorded", ...recording.whole() });
    recording = null;
  },
  close() {
    disconnect();
    commands.recorded();
    close();
  },
};

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
    pending = new Pending();
    least = hello.rate; // until the first answer
    isLate = false;
    playback.postMessage({ clear: true });
  } else if (message.type === "pong") {
    least = Math.min(least, countUnderWay());
    message = { type: "roundTrip", ms: now() - message.time };
  } else if (message.type === "dropped") {
    pending.pass(message.samples);
    noteAnswer();
  } else if (message.type === "ended") {
    return ending ? end() : link.lose({ garbage: true });
  }
  postMessage(message);
}

function send(packet) {
  // Until the welcome is there nothing is taken: a stream must not begin with old audio.
  if (!welcome || ending) return;
  if (!pending.length) progress = now();
  const limit = LATE_S * hello.rate;
  const waiting = Math.max(link.bufferedAmount / SAMPLE_BYTES, countUnderWay() - least);
  isLate = waiting > (isLate ? limit / 2 : limit);
  if (isLate) {
    setSlow(true);
    return postMessage({ type: "dropped", samples: packet.samples.length, reason: "uplink" });
  }
  pending.push(packet);
  link.sendAudio(packet.samples);
}

function receive(wet) {
  if (!welcome) return link.lose({ garbage: true });
  const { samples: dry, frame } = pending.take(wet.length);
  if (frame !== null) noteAnswer();
  recording?.add(dry, wet);
  if (recording?.isFull) commands.recorded();
  playback.postMessage({ wet, dry, frame }, [wet.buffer, dry.buffer]);
}

function noteAnswer() {
  progress = now();
  least = Math.min(least, countUnderWay());
}

// Samples that may not have reached the server: sent, and neither a pong nor output tells that it has them.
function countUnderWay() {
  return Math.min(link.unconfirmed, pending.length);
}

function setSlow(slow) {
  if (slow !== (droppedAt !== null)) postMessage({ type: "uplink", slow });
  droppedAt = slow ? now() : null;
}

setInterval(() => {
  if (welcome && (pending.length || ending) && now() - progress > 1000 * STUCK_S) link.lose({ silent: true });
  if (droppedAt !== null && now() - droppedAt > 1000 * CALM_S) setSlow(false);
}, 500);
