// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Pieces of a sound as one.
export function join(pieces) {
  const whole = new Float32Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}
