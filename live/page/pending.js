// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The input that went to an engine and is not answered yet: output sample i belongs to input sample i.

export class Pending {
  constructor() {
    this.packets = []; // { samples, frame }
    this.answered = 0; // samples of the first of them
    this.length = 0; // samples
  }

  push(packet) {
    this.packets.push(packet);
    this.length += packet.samples.length;
  }

  // The next `count` samples, and the frame at which the first was captured; silence and null where there are none.
  take(count) {
    const samples = new Float32Array(count);
    let frame = null;
    this.pass(count, (piece, at, first) => {
      samples.set(piece, at);
      frame ??= first;
    });
    return { samples, frame };
  }

  // Goes past the next `count` samples.
  pass(count, visit = () => {}) {
    for (let passed = 0; passed < count && this.packets.length; ) {
      const { samples, frame } = this.packets[0];
      const piece = samples.subarray(this.answered, this.answered + count - passed);
      visit(piece, passed, frame + this.answered);
      passed += piece.length;
      this.length -= piece.length;
      this.answered += piece.length;
      if (this.answered === samples.length) {
        this.packets.shift();
        this.answered = 0;
      }
    }
  }
}
