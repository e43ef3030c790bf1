// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// A WebSocket that speaks docs/PROTOCOL.md. What the server sends is checked here, and a server that says nothing is gone:
// nothing behind this module meets a message that is none, or waits for good.

const SILENT_S = 5;
const PING_S = 0.1; // often, because a pong tells what has got there
const MAX_PINGS = 100; // without a pong
const MAX_SAMPLE = 1000; // beyond it a sample is no audio

const isNumber = (value) => Number.isFinite(value);
const isText = (value) => typeof value === "string";
const isCount = (value) => Number.isSafeInteger(value) && value >= 0;
const isFlag = (value) => typeof value === "boolean";
const isPercentiles = (value) => value === undefined || (isNumber(value?.p50) && isNumber(value.p95));

// Message -> its fields that the page uses. Others, and messages that are not here, may come: a newer server's.
const FIELDS = {
  welcome: {
    voice: isText, backend: isText, device: isText, places: isCount, streams: isCount,
    network_rate: isNumber, chunk_ms: isNumber, algorithmic_ms: isNumber, resampling_ms: isNumber,
  },
  statistics: {
    wait_ms: isPercentiles, compute_ms: isPercentiles, server_ms: isPercentiles,
    queue_ms: isNumber, late: isCount, overloaded: isFlag, streams: isCount,
  },
  dropped: { samples: isCount },
  overload: { on: isFlag },
  pong: { time: isNumber },
  ended: {},
  error: { code: isText, message: isText },
};

function parse(text) {
  const message = JSON.parse(text);
  const fields = FIELDS[message?.type];
  if (!isText(message?.type)) throw new Error("no type");
  for (const name in fields) if (!fields[name](message[name])) throw new Error(`${message.type}: ${name}`);
  return fields ? message : null;
}

function decode(buffer) {
  const samples = new Float32Array(buffer); // throws if these are not whole samples
  if (!samples.every((sample) => Math.abs(sample) <= MAX_SAMPLE)) throw new Error("no audio");
  return samples;
}

export class Link {
  // onMessage gets the server's messages, onAudio its samples. onClosed is called once, unless close() was: with the close
  // code and what the server said of it, or with `garbage` or `silent` true.
  constructor(url, hello, { onMessage, onAudio, onClosed }) {
    this.onClosed = onClosed;
    this.heard = performance.now();
    this.error = null;
    this.sent = this.confirmed = 0; // samples
    this.pings = []; // not answered: { time, sent }
    this.socket = new WebSocket(url);
    this.socket.binaryType = "arraybuffer";
    this.socket.onopen = () => this.say(hello);
    this.socket.onclose = ({ code }) => this.lose({ code });
    this.socket.onmessage = ({ data }) => {
      this.heard = performance.now();
      let message;
      try {
        message = isText(data) ? parse(data) : decode(data);
      } catch {
        return this.lose({ garbage: true });
      }
      if (message instanceof Float32Array) return onAudio(message);
      if (message?.type === "pong") this.confirm(message.time);
      if (message?.type === "error") this.error = message;
      else if (message) onMessage(message);
    };
    this.watching = setInterval(() => {
      if (performance.now() - this.heard > 1000 * SILENT_S) this.lose({ silent: true });
      else this.ping();
    }, 1000 * PING_S);
  }

  get bufferedAmount() {
    return this.socket.bufferedAmount;
  }

  get isOpen() {
    return this.watching !== null;
  }

  say(message) {
    this.send(JSON.stringify(message));
  }

  // Samples that were sent, and of which no pong tells that the server has them.
  get unconfirmed() {
    return this.sent - this.confirmed;
  }

  sendAudio(samples) {
    this.sent += samples.length;
    this.send(samples);
  }

  send(data) {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(data);
  }

  ping() {
    const time = performance.now();
    this.pings.push({ time, sent: this.sent });
    if (this.pings.length > MAX_PINGS) this.pings.shift();
    this.say({ type: "ping", time });
  }

  confirm(time) {
    while (this.pings.length && this.pings[0].time <= time) this.confirmed = this.pings.shift().sent;
  }

  lose(why) {
    const { error } = this;
    if (this.close()) this.onClosed({ error, ...why });
  }

  // False if it was closed before.
  close() {
    const wasOpen = this.isOpen;
    clearInterval(this.watching);
    this.watching = null;
    this.socket.onopen = this.socket.onclose = this.socket.onmessage = null;
    this.socket.close(1000);
    return wasOpen;
  }
}
