// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The stream to the server, in a worker: neither drawing nor a page in the background holds it up. Captured packets come
// from one audio worklet and converted ones go to the other, each with the input that it belongs to.

const PING_S = 1;
const DEAD_S = 10; // a server that said nothing for so long, and was to end the stream
const MAX_RECORDING_S = 30 * 60;

let capture, playback;
let socket = null;
let rate, ending, pinging, heard;
let inputs = []; // sent and not answered: { samples, frame }
let answered = 0; // samples of the first of them
let recording = null; // { dry: [], wet: [], length }

onmessage = ({ data }) => commands[data.type](data);

const commands = {
  ports(message) {
    [capture, playback] = message.ports;
    capture.onmessage = ({ data }) => send(data);
  },
  open({ url, hello }) {
    commands.close();
    rate = hello.rate;
    ending = false;
    inputs = [];
    answered = 0;
    playback.postMessage({ clear: true });
    const opened = (socket = new WebSocket(url));
    opened.binaryType = "arraybuffer";
    let error = null;
    opened.onopen = () => opened.send(JSON.stringify(hello));
    opened.onmessage = ({ data }) => {
      if (opened !== socket) return;
      heard = performance.now();
      if (typeof data !== "string") return receive(new Float32Array(data));
      const message = JSON.parse(data);
      if (message.type === "error") error = message;
      else answer(message);
    };
    opened.onclose = ({ code }) => {
      if (opened !== socket) return;
      forget();
      postMessage({ type: "closed", code, error });
    };
  },
  end() {
    if (!isOpen()) return postMessage({ type: "ended" });
    ending = true;
    socket.send(JSON.stringify({ type: "end" }));
    clearInterval(pinging);
    pinging = setInterval(() => {
      if (performance.now() - heard < DEAD_S * 1000) return;
      commands.close();
      postMessage({ type: "ended" });
    }, 500);
  },
  close() {
    const old = socket;
    forget();
    old?.close(1000);
  },
  record() {
    recording = { dry: [], wet: [], length: 0 };
  },
  recorded() {
    if (recording) postMessage({ type: "recorded", dry: join(recording.dry), wet: join(recording.wet), rate });
    recording = null;
  },
};

function forget() {
  clearInterval(pinging);
  socket = null;
}

function isOpen() {
  return socket?.readyState === WebSocket.OPEN && pinging && !ending;
}

function answer(message) {
  if (message.type === "welcome") {
    const opened = socket;
    pinging = setInterval(() => {
      if (opened === socket && socket.readyState === WebSocket.OPEN) {
        socket.send(JSON.stringify({ type: "ping", time: performance.now() }));
      }
    }, PING_S * 1000);
  } else if (message.type === "pong") {
    message = { type: "roundTrip", ms: performance.now() - message.time };
  } else if (message.type === "dropped") {
    take(message.samples);
  } else if (message.type === "ended") {
    commands.close();
  }
  postMessage(message);
}

function send(packet) {
  // Until the welcome is there nothing is taken: a stream must not begin with old audio.
  if (!isOpen()) return;
  inputs.push(packet);
  socket.send(packet.samples);
}

function receive(wet) {
  const { samples: dry, frame } = take(wet.length);
  if (recording && recording.length < MAX_RECORDING_S * rate) {
    recording.dry.push(dry.slice());
    recording.wet.push(wet.slice());
    recording.length += wet.length;
  }
  playback.postMessage({ wet, dry, frame }, [wet.buffer, dry.buffer]);
}

// The next `count` samples of the input, and the frame at which the first was captured.
function take(count) {
  const samples = new Float32Array(count);
  let frame = null;
  for (let filled = 0; filled < count && inputs.length; ) {
    const input = inputs[0];
    frame ??= input.frame + answered;
    const piece = input.samples.subarray(answered, answered + count - filled);
    samples.set(piece, filled);
    filled += piece.length;
    answered += piece.length;
    if (answered === input.samples.length) {
      inputs.shift();
      answered = 0;
    }
  }
  return { samples, frame };
}

function join(pieces) {
  const whole = new Float32Array(pieces.reduce((length, piece) => length + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
