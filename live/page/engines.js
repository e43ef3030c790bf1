// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The two engines as the page sees them. Each has
//   worker          the address of its worker (sound.js says what one is told)
//   isRemote        whether a network is in between
//   opening         what is said until it is there; overloaded: while it cannot keep up
//   open(rate)      the message that opens it for a sound at `rate` Hz
//   convert(samples, rate, signal, onProgress)   a whole sound: { converted, lost }, the samples in the other voice and how
//                   many of them the engine lost. onProgress is told the share that is done. Error, with a close code as
//                   `code` where a server gave one; Unwanted if `signal` is aborted meanwhile.

import { convert } from "./file.js";
import { Unwanted } from "./wanted.js";

const VERSION = 1; // of the protocol

export class Server {
  // `token` gives the token, "" for none.
  constructor(token) {
    this.worker = new URL("link-worker.js", import.meta.url);
    this.isRemote = true;
    this.opening = "Connecting …";
    this.overloaded = "The server is overloaded: it drops what is late.";
    this.token = token;
    this.url = new URL("stream", location.href); // beside the page, wherever a proxy puts it
    this.url.protocol = this.url.protocol.replace("http", "ws");
    this.url.hash = this.url.search = "";
  }

  hello(rate) {
    const token = this.token();
    return { type: "hello", version: VERSION, rate, format: "f32", ...(token && { token }) };
  }

  open(rate) {
    return { type: "open", rate, url: this.url.href, hello: this.hello(rate) };
  }

  convert(samples, rate, signal, onProgress) {
    return convert(this.url.href, this.hello(rate), samples, signal, onProgress);
  }
}

// Chunks of so many windows of the voice are tried. The shortest is taken whose conversion takes no more than this share of its time.
const FACTORS = [1, 2, 4];
const ENOUGH = 0.7;

export class Browser {
  // `voice` is an address or a File (runtime.js).
  constructor(voice) {
    this.worker = new URL("step-worker.js", import.meta.url);
    this.isRemote = false;
    this.opening = "Loading the voice …";
    this.overloaded = "This browser is too slow: what is late is dropped. Longer chunks take less of its time.";
    this.voice = voice;
    this.name = null; // of the voice, once it was measured
    this.shares = new Map(); // of a chunk's time that its conversion takes, by factor
    this.seconds = null; // of a chunk at factor 1, once it was measured
    this.factor = FACTORS[0];
  }

  open(rate) {
    return { type: "open", rate, voice: this.voice, factor: this.factor };
  }

  // How fast this machine converts; chooses the shortest chunk that it keeps up with. An Error if the voice cannot be run.
  async measure(signal) {
    const { name, shares, seconds } = await this.ask({ type: "measure", factors: FACTORS }, signal);
    Object.assign(this, { name, shares, seconds });
    this.factor = FACTORS.find((factor) => shares.get(factor) <= ENOUGH) ?? FACTORS.at(-1);
  }

  async convert(samples, rate, signal, onProgress) {
    const question = { type: "convert", factor: this.factor, samples, rate };
    return { converted: (await this.ask(question, signal, onProgress)).samples, lost: 0 };
  }

  // What a worker of its own answers.
  ask(question, signal, onProgress) {
    const worker = new Worker(new URL("step-task.js", import.meta.url), { type: "module" });
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }) => {
        if (data.type === "progress") onProgress(data.share);
        else if (data.type === "failed") reject(new Error(data.text));
        else resolve(data);
      };
      worker.onerror = ({ message }) => reject(new Error(`The page failed (${message ?? "no engine"}); reload it.`));
      signal.addEventListener("abort", () => reject(new Unwanted()));
      worker.postMessage({ ...question, voice: this.voice });
    }).finally(() => worker.terminate());
  }
}
