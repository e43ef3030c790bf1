// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Sound from one thread to another, in packets { frame, tracks }: `tracks` are Float32Arrays of one length, `frame` is when
// their first sample was captured, or null. Through shared memory where the page is isolated, else by messages.

const SLOT = 512; // samples
const SLOTS = 128;
const [WRITTEN, READ] = [0, 1]; // slots, since the beginning

const canShare = globalThis.crossOriginIsolated && "waitAsync" in Atomics;

// Both ends of a pipe, for postMessage and its transfer list: the one that is written to and the one that is read.
export function makePipe(tracks) {
  if (!canShare) {
    const { port1, port2 } = new MessageChannel();
    return [{ port: port1 }, { port: port2 }];
  }
  const end = {
    counts: new Int32Array(new SharedArrayBuffer(8)),
    lengths: new Int32Array(new SharedArrayBuffer(4 * SLOTS)),
    frames: new Float64Array(new SharedArrayBuffer(8 * SLOTS)),
    rings: Array.from({ length: tracks }, () => new Float32Array(new SharedArrayBuffer(4 * SLOT * SLOTS))),
  };
  return [end, end];
}

export const transfers = (...ends) => ends.flatMap(({ port }) => port ?? []);

const slotAt = (count) => (count >>> 0) % SLOTS;

export class Writer {
  constructor(end) {
    this.end = end;
  }

  // The tracks are the reader's from then on. What finds the memory full is lost, and the frames behind it tell.
  write({ frame, tracks }) {
    if (this.end.port) return this.end.port.postMessage({ frame, tracks }, tracks.map(({ buffer }) => buffer));
    const { length } = tracks[0];
    for (let at = 0; at < length || at === 0; at += SLOT) {
      this.writeSlot(frame === null ? NaN : frame + at, tracks.map((track) => track.subarray(at, at + SLOT)));
    }
    Atomics.notify(this.end.counts, WRITTEN);
  }

  writeSlot(frame, pieces) {
    const { counts, lengths, frames, rings } = this.end;
    const written = Atomics.load(counts, WRITTEN);
    if (((written - Atomics.load(counts, READ)) | 0) >= SLOTS) return;
    const slot = slotAt(written);
    lengths[slot] = pieces[0].length;
    frames[slot] = frame;
    pieces.forEach((piece, i) => rings[i].set(piece, SLOT * slot));
    Atomics.store(counts, WRITTEN, (written + 1) | 0);
  }
}

export class Reader {
  // onFilled is called when there may be something to read; a thread that looks by itself needs none.
  constructor(end, onFilled = null) {
    this.end = end;
    this.packets = []; // that came as messages
    if (end.port) {
      end.port.onmessage = ({ data }) => {
        this.packets.push(data);
        onFilled?.();
      };
    } else if (onFilled) {
      this.watch(onFilled);
    }
  }

  async watch(onFilled) {
    const { counts } = this.end;
    for (let seen = 0; ; ) {
      await Atomics.waitAsync(counts, WRITTEN, seen).value;
      seen = Atomics.load(counts, WRITTEN);
      onFilled();
    }
  }

  // The next packet, or null.
  read() {
    if (this.end.port) return this.packets.shift() ?? null;
    const { counts, lengths, frames, rings } = this.end;
    const read = Atomics.load(counts, READ);
    if (read === Atomics.load(counts, WRITTEN)) return null;
    const slot = slotAt(read);
    const frame = Number.isNaN(frames[slot]) ? null : frames[slot];
    const tracks = rings.map((ring) => ring.slice(SLOT * slot, SLOT * slot + lengths[slot]));
    Atomics.store(counts, READ, (read + 1) | 0);
    return { frame, tracks };
  }
}
