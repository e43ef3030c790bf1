// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Cuts what the microphone gives into packets and sends them, with the frame of the first sample, to the engine. Nothing
// else happens in the audio thread.

import { Writer } from "./pipe.js";

const PACKET_S = 0.008;
const QUANTUM = 128;

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.size = QUANTUM * Math.ceil((PACKET_S * sampleRate) / QUANTUM - 1e-9);
    this.packet = new Float32Array(this.size);
    this.filled = 0;
    this.port.onmessage = ({ data }) => (this.engine = new Writer(data.pipe));
  }

  process([channels]) {
    // A microphone that was unplugged gives no channels: silence keeps the stream open.
    const samples = channels[0] ?? new Float32Array(QUANTUM);
    this.packet.set(samples, this.filled);
    this.filled += samples.length;
    if (this.filled === this.size) {
      const frame = currentFrame + samples.length - this.size;
      this.engine?.write({ frame, tracks: [this.packet] });
      this.packet = new Float32Array(this.size);
      this.filled = 0;
    }
    return true;
  }
}

registerProcessor("capture", Capture);
