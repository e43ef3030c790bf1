// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Which engine changes the voice: the server or this browser; and, of this browser, which voice and how long chunks.

import { Browser } from "./engines.js";
import { Unwanted } from "./wanted.js";

const $ = (id) => document.getElementById(id);
const TOO_SLOW = 0.95; // of a chunk's time: nothing is left for what else the machine does
const NOT_INSTALLED = "this browser (not installed; on the server's machine: make page)";

// Whether a file is a voice rather than a recording: by its name, or as ONNX files begin and no sound does.
export async function isVoice(file) {
  return /\.onnx$/i.test(file.name) || new Uint8Array(await file.slice(0, 1).arrayBuffer())[0] === 0x08;
}

export class Choice {
  // `site` is site.json: whether there is a `server`, and the address of the browser's `voice`, or null. `server` is its
  // engine. onChange is called when an engine is chosen, or this one changes, and again when it is measured: with
  // `isReady`, and a `text` that says what happened. choose() chooses the first one.
  constructor(site, server, onChange) {
    this.server = server;
    this.onChange = onChange;
    this.browser = site.voice && new Browser(new URL(site.voice, location.href).href);
    this.measuring = null; // AbortController
    const option = $("engine").querySelector("[value=browser]");
    option.disabled = !this.browser;
    if (!this.browser) option.textContent = NOT_INSTALLED;
    if (!site.server) $("engine").querySelector("[value=server]").remove();
    if ($("engine").selectedOptions[0]?.disabled ?? true) $("engine").value = site.server ? "server" : "browser";
    $("engine-field").hidden = !site.server;
    $("engine").addEventListener("change", () => this.choose("Another engine was chosen."));
    $("factor").onchange = () => {
      this.browser.factor = Number($("factor").value);
      this.show();
      this.onChange(true, "The chunks have changed.");
    };
    $("voice").onchange = () => {
      if ($("voice").files.length) this.take($("voice").files[0]);
      $("voice").value = ""; // the same one can be chosen again
    };
  }

  get engine() {
    return $("engine").value === "server" ? this.server : this.browser;
  }

  // A voice of the visitor's own.
  take(file) {
    if (!this.browser) return this.say("A voice of your own runs in the browser, which is not installed here.", true);
    const former = this.browser;
    this.browser = new Browser(file);
    $("engine").value = "browser";
    this.choose("Another voice was chosen.", former);
  }

  // `former` is gone back to where this one cannot be run.
  async choose(text, former) {
    this.measuring?.abort();
    const { browser } = this;
    const isBrowser = this.engine === browser;
    $("browser-field").hidden = !isBrowser;
    if (!isBrowser || browser.shares.size) {
      this.show();
      return this.onChange(true, text);
    }
    this.onChange(false, text);
    $("factor").replaceChildren();
    this.say("Measuring how fast this machine converts …");
    this.measuring = new AbortController();
    try {
      await browser.measure(this.measuring.signal);
      this.show();
    } catch (error) {
      if (error instanceof Unwanted) return;
      if (former?.shares.size) {
        this.browser = former;
        this.show();
      }
      this.say(`${browser.voice.name ? `${browser.voice.name}: ` : ""}${error.message}`, true);
    }
    this.onChange(true);
  }

  show() {
    if (this.engine === this.server) return this.say("");
    const { shares, factor, name, seconds } = this.browser;
    const ms = (key) => Number((1000 * seconds * key).toFixed(1));
    const share = (key) => `${shares.get(key).toFixed(2)} of real time`;
    $("factor").replaceChildren(
      ...[...shares.keys()].map((key) => new Option(`${ms(key)} ms: ${share(key)}`, key, false, key === factor)),
    );
    const isSlow = shares.get(factor) > TOO_SLOW;
    const advice = factor === [...shares.keys()].at(-1) ? "take a faster machine" : "take longer chunks";
    const warning = isSlow ? ` That is too slow for a voice, and there will be gaps: ${advice}.` : "";
    this.say(`${name}. This machine: ${share(factor)} in chunks of ${ms(factor)} ms.${warning}`, isSlow);
  }

  say(text, bad = false) {
    $("engine-note").textContent = text;
    $("engine-note").classList.toggle("bad", bad);
  }
}
