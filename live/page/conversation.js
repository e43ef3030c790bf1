// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// One conversation, from Start until it is closed: a voice, the engine that changes it, and a watch over both. What it owns
// goes with it.

import { transfers } from "./pipe.js";
import { Voice } from "./voice.js";
import { Unwanted, wanted } from "./wanted.js";
import { explainMicrophone } from "./words.js";

const CHECK_S = 1;
const STILL_CHECKS = 3; // without any sound time passing
const NOTE_CHECKS = 10; // for so many a remark stays
const PARTS = ["sound", "microphone", "engine", "loudspeaker", "load", "uplink"]; // what can be wrong, the worst first
const PAUSED = "The system has paused the sound (a call?). If it does not go on by itself, touch the page.";

export class Conversation {
  // `engine` is one of engines.js. `wishes` has constraints() of the microphone, output(), the loudspeaker's id, and rate()
  // of the audio context (Hz or null). `on` has ready(), status(text, bad), engine(message) and closed(text, bad, again): it
  // is over, and with `again` a new one is to follow. `note` is a first remark.
  constructor(engine, wishes, on, note) {
    this.engine = engine;
    this.wishes = wishes;
    this.on = on;
    this.output = "";
    this.remark(note);
    this.said = {};
    this.isRunning = false; // from the first sound to the end that the visitor asked for
    this.isClosed = false;
    this.voice = new Voice(() => this.check());
    this.worker = new Worker(engine.worker, { type: "module" });
    this.worker.onmessage = ({ data }) => this.hear(data);
    this.worker.onerror = ({ message }) => this.close(`The page failed (${message ?? "no engine"}); reload it.`, true);
  }

  async start() {
    this.say("engine", "Opening the microphone …", false);
    const constraints = this.wishes.constraints();
    this.opened = JSON.stringify(constraints);
    try {
      await this.voice.start(constraints, this.wishes.rate());
    } catch (error) {
      if (error instanceof Unwanted) return;
      return this.close(explainMicrophone(error), true);
    }
    const pipes = this.voice.openPipes();
    this.tell({ type: "pipes", pipes }, transfers(...pipes));
    this.say("engine", this.engine.opening, false);
    this.tell(this.engine.open(this.voice.context.sampleRate));
    this.isRunning = true;
    this.opening = this.denied = null; // the constraints of the microphone that is asked for, that was refused
    this.time = this.still = 0;
    this.checking = setInterval(() => this.tick(), 1000 * CHECK_S);
    this.keepScreenOn();
    this.on.ready();
  }

  // The last samples still come, and a recording is whole; the microphone is off at once.
  end() {
    if (!this.isRunning) return this.close("Stopped.");
    this.isRunning = false;
    this.voice.closeMicrophone();
    this.said = {};
    this.say("engine", "Ending …", false);
    this.tell({ type: "end" });
  }

  close(text, bad = false, again = false) {
    if (this.isClosed) return;
    this.isClosed = true;
    this.isRunning = false;
    clearInterval(this.checking);
    this.voice.close();
    this.tell({ type: "close" });
    this.screenLock?.release();
    this.on.closed(text, bad, again);
  }

  tell(message, transfer = []) {
    this.worker.postMessage(message, transfer);
  }

  hear(message) {
    if (this.isClosed && message.type !== "recorded") return;
    this.on.engine(message);
    const { type, text } = message;
    if (type === "ended") this.close("Stopped.");
    else if (type === "refused") this.close(text, true);
    if (!this.isRunning) return;
    if (type === "welcome") this.say("engine", "Speak: the other voice follows.", false);
    else if (type === "lost") {
      this.say("load", null);
      this.say("engine", text);
    } else if (type === "overload" || type === "statistics") {
      const overloaded = type === "overload" ? message.on : message.overloaded;
      this.say("load", overloaded ? this.engine.overloaded : null);
    } else if (type === "uplink") {
      this.say("uplink", message.slow ? "The network is too slow: what is late is dropped." : null);
    }
  }

  // What is said is the worst of what is wrong, or else how it stands with the engine.
  say(part, text, bad = true) {
    this.said[part] = text && { text, bad };
    const first = PARTS.map((name) => this.said[name]).find((said) => said?.bad) ?? this.said.engine;
    this.on.status(this.note ? `${first.text} ${this.note}` : first.text, first.bad);
  }

  // To be said beside the status for a while.
  remark(text) {
    this.note = text;
    this.noteChecks = NOTE_CHECKS;
  }

  // Whether all is as it should be, once a second and whenever something may have changed: browsers do not report all that
  // happens to devices. What is not is said, and mended or waited for.
  check() {
    if (!this.isRunning) return;
    this.checkSound();
    this.checkMicrophone();
    this.checkLoudspeaker();
    this.keepScreenOn();
  }

  tick() {
    const { context } = this.voice;
    this.still = context.state === "running" && context.currentTime === this.time ? this.still + 1 : 0;
    this.time = context.currentTime;
    if (this.note && --this.noteChecks === 0) this.note = null;
    this.check();
  }

  checkSound() {
    const { context } = this.voice;
    if (context.state === "closed" || this.voice.hasFailed || this.still === STILL_CHECKS) {
      return this.close("The browser's sound had stopped.", true, true);
    }
    const isPaused = context.state !== "running";
    // After a call some phones want a touch; main.js checks then, too.
    if (isPaused) context.resume().catch(() => {});
    this.say("sound", isPaused ? PAUSED : null);
  }

  async checkMicrophone() {
    if (!this.isRunning) return;
    const { voice } = this;
    const constraints = this.wishes.constraints();
    const key = JSON.stringify(constraints);
    const isLive = voice.track?.readyState === "live";
    if (isLive && key === this.opened) {
      if (this.opening) voice.asking.abort();
      this.opening = null;
      return this.say("microphone", voice.track.muted ? "The system has muted the microphone." : null);
    }
    if (this.opening === key || (isLive && key === this.denied)) return;
    this.opening = key;
    if (!isLive) {
      this.remark(null);
      this.say("microphone", "The microphone is gone; taking another one.");
    }
    try {
      await voice.openMicrophone(constraints);
      this.opened = key;
      if (!isLive) this.remark(`The microphone was gone; now it is “${voice.track.label}”.`);
      this.say("microphone", null);
      this.opening = null;
    } catch (error) {
      if (error instanceof Unwanted) return;
      const isDenied = error.name === "NotAllowedError";
      if (isDenied && !isLive) return this.close(explainMicrophone(error), true);
      if (isDenied) this.denied = key; // and not asked for again; the one before goes on
      this.say("microphone", explainMicrophone(error));
      setTimeout(() => this.opening === key && (this.opening = null), 1000 * CHECK_S);
    }
  }

  async checkLoudspeaker() {
    const id = this.wishes.output();
    if (!this.isRunning || id === this.output) return;
    this.output = id;
    try {
      await this.voice.setOutput(id);
      if (id === this.output) this.say("loudspeaker", null);
    } catch (error) {
      if (error instanceof Unwanted || id !== this.output) return;
      this.say("loudspeaker", `The loudspeaker does not open: ${error.message}.`);
    }
  }

  async keepScreenOn() {
    if (!this.isRunning || !navigator.wakeLock || document.hidden) return;
    if (this.isLocking || this.screenLock?.released === false) return;
    this.isLocking = true;
    try {
      const { signal } = this.voice.life;
      this.screenLock = await wanted(navigator.wakeLock.request("screen"), signal, (lock) => lock.release());
    } catch {
      // A system that saves its battery refuses; the next check asks again.
    }
    this.isLocking = false;
  }
}
