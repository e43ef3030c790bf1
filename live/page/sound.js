// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// What every engine does, whatever changes the voice. An engine is a worker: it takes PCM and gives PCM, and neither drawing
// nor a page in the background holds it up. There are two, link-worker.js ("the server") and step-worker.js ("this browser").
//
// It is told
//   pipes           two ends: what the capture worklet writes, and what the playback worklet reads
//   open            begin; `rate` of the sound in Hz, the rest is the engine's own
//   end             no more input; the rest of the output comes, then `ended`, in any case
//   record, recorded  begin a recording; end it
//   close           be gone, after `recorded` if there is a recording
// and it says
//   welcome, statistics, dropped, overload, ended   as docs/PROTOCOL.md; `dropped` has the reason `uplink` for what did not
//                   get to the server
//   roundTrip       `ms` to the server and back
//   uplink          `slow`: the network takes less than is spoken, or no longer
//   lost            `text`: it tries again by itself
//   refused         `text`, `code`: it does not; nothing comes any more
//   recorded        `dry`, `wet`, `rate`

import { Pending } from "./pending.js";
import { Reader, Writer } from "./pipe.js";
import { Recording } from "./recording.js";

export class Sound {
  // onPacket gets { samples, frame } of what was captured. `commands` are the engine's own: open, end, close.
  constructor(onPacket, commands) {
    this.onPacket = onPacket;
    this.pending = new Pending(); // what the engine took and did not answer
    this.isOpen = false;
    this.next = Infinity; // frame of the next packet
    this.recording = null;
    const all = {
      ...commands,
      pipes: ({ pipes: [captured, played] }) => {
        this.playback = new Writer(played);
        this.capture = new Reader(captured, () => this.read());
      },
      open: (message) => {
        this.rate = message.rate;
        commands.open(message);
      },
      record: () => (this.recording = new Recording(this.rate)),
      recorded: () => this.endRecording(),
      close: () => {
        commands.close();
        this.endRecording();
        close();
      },
    };
    onmessage = ({ data }) => all[data.type](data);
  }

  // Takes all that was captured by now. What the worklet could not write while nobody read is missing between the frames.
  read() {
    for (let packet; (packet = this.capture.read()); ) {
      const { frame, tracks: [samples] } = packet;
      const missing = frame - this.next;
      if (this.isOpen && missing > 0) postMessage({ type: "dropped", samples: missing, reason: "late" });
      this.next = frame + samples.length;
      this.onPacket({ samples, frame });
    }
  }

  // A stream begins: what is captured from now on.
  begin() {
    this.isOpen = true;
    this.pending = new Pending();
    this.playback.write({ frame: null, tracks: [new Float32Array(0), new Float32Array(0)] });
  }

  // Plays `wet`, the answer to the first pending samples, beside them; whether there were any.
  answer(wet) {
    if (!wet.length) return false;
    const { samples: dry, frame } = this.pending.take(wet.length);
    this.recording?.add(dry, wet);
    if (this.recording?.isFull) this.endRecording();
    this.playback.write({ frame, tracks: [wet, dry] });
    return frame !== null;
  }

  endRecording() {
    if (this.recording) postMessage({ type: "recorded", ...this.recording.whole() });
    this.recording = null;
  }
}
