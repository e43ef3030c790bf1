// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The voice's way through the browser: microphone, gain, capture worklet, engine, playback worklet, gain, loudspeaker.

import { makeAnalyser } from "./pictures.js";
import { makePipe, transfers } from "./pipe.js";
import { wanted } from "./wanted.js";

const RAMP_S = 0.01; // of gains, so that nothing clicks

const release = (stream) => stream.getTracks().forEach((track) => track.stop());

export class Voice {
  // onChange is called when microphone or context may have stopped, or go on.
  constructor(onChange) {
    this.onChange = onChange;
    this.life = new AbortController();
    this.asking = null; // AbortController, for the microphone asked for last
    this.stream = null;
    this.context = null;
    this.hasFailed = false;
  }

  // Opens microphone and loudspeaker. `rate` in Hz, or null for the device's. Unwanted if it is closed meanwhile.
  async start(constraints, rate) {
    await this.openMicrophone(constraints);
    this.makeContext(rate);
    const { context } = this;
    const load = (name) => context.audioWorklet.addModule(new URL(`${name}-worklet.js`, import.meta.url));
    await wanted(Promise.all([load("capture"), load("playback")]), this.life.signal);
    const mono = { channelCount: 1, channelCountMode: "explicit", outputChannelCount: [1] };
    this.capture = new AudioWorkletNode(context, "capture", { ...mono, numberOfOutputs: 1 });
    this.playback = new AudioWorkletNode(context, "playback", { ...mono, numberOfInputs: 0 });
    for (const node of [this.capture, this.playback]) node.onprocessorerror = () => this.fail();
    this.inputGain = new GainNode(context, { gain: 0 });
    this.outputGain = new GainNode(context);
    this.analysers = [makeAnalyser(context), makeAnalyser(context)];
    this.source.connect(this.inputGain);
    this.inputGain.connect(this.capture).connect(context.destination); // silence: it only has to be pulled
    this.inputGain.connect(this.analysers[0]);
    this.playback.connect(this.outputGain).connect(this.analysers[1]);
    this.outputGain.connect(context.destination);
    context.onstatechange = this.onChange;
  }

  fail() {
    this.hasFailed = true;
    this.onChange();
  }

  makeContext(rate) {
    const latencyHint = "interactive";
    this.context = new AudioContext({ latencyHint, ...(rate && { sampleRate: rate }) });
    try {
      this.source = this.context.createMediaStreamSource(this.stream);
    } catch (error) {
      // Firefox: a microphone and a context of different rates do not go together.
      if (error.name !== "NotSupportedError" || !rate) throw error;
      this.context.close();
      this.context = new AudioContext({ latencyHint });
      this.source = this.context.createMediaStreamSource(this.stream);
    }
  }

  // The engine's ends of two pipes: from the capture worklet, one track; to the playback worklet, the voice that is
  // played and the one that it was.
  openPipes() {
    const [written, captured] = makePipe(1);
    const [played, read] = makePipe(2);
    this.capture.port.postMessage({ pipe: written }, transfers(written));
    this.playback.port.postMessage({ pipe: read }, transfers(read));
    return [captured, played];
  }

  // The first microphone, another one, or the same one treated otherwise, while the stream goes on. Unwanted if another
  // one was asked for meanwhile, or none.
  async openMicrophone(constraints) {
    this.asking?.abort();
    this.asking = new AbortController();
    const asked = navigator.mediaDevices.getUserMedia({ audio: constraints, video: false });
    const stream = await wanted(asked, this.asking.signal, release);
    if (this.context) this.replaceSource(stream);
    this.closeMicrophone();
    this.stream = stream;
    for (const event of ["ended", "mute", "unmute"]) this.track.addEventListener(event, this.onChange);
  }

  replaceSource(stream) {
    try {
      const source = this.context.createMediaStreamSource(stream);
      source.connect(this.inputGain);
      this.source.disconnect();
      this.source = source;
    } catch (error) {
      release(stream);
      throw error;
    }
  }

  closeMicrophone() {
    this.asking?.abort();
    if (this.stream) release(this.stream);
    this.stream = null;
  }

  get track() {
    return this.stream?.getAudioTracks()[0];
  }

  // The loudspeaker with this id, where the browser lets a page choose.
  async setOutput(id) {
    const { signal } = this.life;
    if (this.context.setSinkId) return wanted(this.context.setSinkId(id), signal);
    // Firefox: through an <audio> element, which can.
    if (!this.element) {
      this.element = new Audio();
      const node = new MediaStreamAudioDestinationNode(this.context);
      this.outputGain.disconnect(this.context.destination);
      this.outputGain.connect(node);
      this.element.srcObject = node.stream;
      await wanted(this.element.play(), signal);
    }
    return wanted(this.element.setSinkId(id), signal);
  }

  static get canChooseOutput() {
    return "setSinkId" in AudioContext.prototype || "setSinkId" in HTMLMediaElement.prototype;
  }

  setGain(node, gain) {
    node.gain.setTargetAtTime(gain, this.context.currentTime, RAMP_S);
  }

  // Ends it for good: no track is live, no sound is made, and nobody is told any more.
  close() {
    this.life.abort();
    this.closeMicrophone();
    if (this.element) this.element.srcObject = null;
    if (this.playback) this.playback.port.onmessage = null;
    if (this.context) {
      this.context.onstatechange = null;
      if (this.context.state !== "closed") this.context.close();
    }
  }
}
