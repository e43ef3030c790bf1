// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// The input that waits for the network, with the rule of docs/PROTOCOL.md, "Overload": what is late is dropped.

import { Pending } from "./pending.js";

const MOST_S = 0.25;
const MOST_CHUNKS = 4; // where these are longer

export class Waiting extends Pending {
  // Of a sound at `rate` Hz that is converted in chunks of `chunk` samples (any number) with `lookahead` samples behind.
  constructor(rate, chunk, lookahead) {
    super();
    this.rate = rate;
    this.chunk = chunk;
    this.needed = Math.ceil(chunk + lookahead);
    this.most = Math.max(MOST_S * rate, MOST_CHUNKS * chunk);
    this.largest = 0; // of the packets, in samples
  }

  push(packet) {
    super.push(packet);
    this.largest = Math.max(this.largest, packet.samples.length);
  }

  get ms() {
    return (1000 * this.length) / this.rate;
  }

  // Drops the oldest whole chunks where more waits than may, and says how many samples that was. The newest chunk stays, or
  // as much as a packet.
  dropLate() {
    if (this.length <= this.most + this.largest) return 0;
    const chunks = Math.floor((this.length - Math.max(this.needed, this.largest)) / this.chunk);
    const count = Math.floor(chunks * this.chunk);
    this.pass(count);
    return count;
  }
}
