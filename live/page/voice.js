// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The voice's way through the browser: microphone, gain, capture worklet, worker, playback worklet, gain, loudspeaker.

import { makeAnalyser } from "./pictures.js";

const RAMP_S = 0.01; // of gains, so that nothing clicks

export class Voice {
  // onMessage gets what the worker says, onPlayback the playback worklet's figures.
  constructor(onMessage, onPlayback) {
    this.onPlayback = onPlayback;
    this.worker = new Worker(new URL("link-worker.js", import.meta.url));
    this.worker.onmessage = ({ data }) => onMessage(data);
    this.context = null;
    this.stream = null;
  }

  // Opens microphone and loudspeaker. `rate` in Hz, or null for the device's.
  async start(constraints, rate) {
    this.stream = await navigator.mediaDevices.getUserMedia({ audio: constraints, video: false });
    this.context = new AudioContext({ latencyHint: "interactive", ...(rate && { sampleRate: rate }) });
    try {
      this.connectMicrophone();
    } catch (error) {
      // Firefox: a microphone and a context of different rates do not go together.
      if (error.name !== "NotSupportedError" || !rate) throw error;
      await this.context.close();
      this.context = new AudioContext({ latencyHint: "interactive" });
      this.connectMicrophone();
    }
    const { context } = this;
    const load = (name) => context.audioWorklet.addModule(new URL(`${name}-worklet.js`, import.meta.url));
    await Promise.all([load("capture"), load("playback")]);
    const mono = { channelCount: 1, channelCountMode: "explicit", outputChannelCount: [1] };
    this.capture = new AudioWorkletNode(context, "capture", { ...mono, numberOfOutputs: 1 });
    this.playback = new AudioWorkletNode(context, "playback", { ...mono, numberOfInputs: 0 });
    this.playback.port.onmessage = ({ data }) => this.onPlayback(data);
    const [up, down] = [new MessageChannel(), new MessageChannel()];
    this.capture.port.postMessage({ port: up.port1 }, [up.port1]);
    this.playback.port.postMessage({ port: down.port1 }, [down.port1]);
    this.worker.postMessage({ type: "ports", ports: [up.port2, down.port2] }, [up.port2, down.port2]);

    this.analysers = [makeAnalyser(context), makeAnalyser(context)];
    this.inputGain.connect(this.capture).connect(context.destination); // silence: it only has to be pulled
    this.inputGain.connect(this.analysers[0]);
    this.outputGain = new GainNode(context);
    this.playback.connect(this.outputGain).connect(this.analysers[1]);
    this.outputGain.connect(context.destination);
    await context.resume();
  }

  connectMicrophone() {
    this.source = this.context.createMediaStreamSource(this.stream);
    this.inputGain ??= new GainNode(this.context, { gain: 0 });
    if (this.inputGain.context !== this.context) this.inputGain = new GainNode(this.context, { gain: 0 });
    this.source.connect(this.inputGain);
  }

  // Another microphone, or the same one treated otherwise, while the stream goes on.
  async changeMicrophone(constraints) {
    const stream = await navigator.mediaDevices.getUserMedia({ audio: constraints, video: false });
    this.source.disconnect();
    this.stream.getTracks().forEach((track) => track.stop());
    this.stream = stream;
    this.connectMicrophone();
  }

  // The loudspeaker with this id, where the browser lets a page choose.
  async setOutput(id) {
    if (this.context.setSinkId) return this.context.setSinkId(id);
    // Firefox: through an <audio> element, which can.
    this.element ??= new Audio();
    if (!this.element.srcObject) {
      const node = new MediaStreamAudioDestinationNode(this.context);
      this.outputGain.disconnect(this.context.destination);
      this.outputGain.connect(node);
      this.element.srcObject = node.stream;
      await this.element.play();
    }
    return this.element.setSinkId(id);
  }

  static get canChooseOutput() {
    return "setSinkId" in AudioContext.prototype || "setSinkId" in HTMLMediaElement.prototype;
  }

  setGain(node, gain) {
    node.gain.setTargetAtTime(gain, this.context.currentTime, RAMP_S);
  }

  tell(message) {
    this.worker.postMessage(message);
  }

  async stop() {
    this.stream?.getTracks().forEach((track) => track.stop());
    if (this.element) this.element.srcObject = null;
    await this.context?.close();
    this.context = this.stream = this.inputGain = this.element = null;
  }
}
