// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Behind every await the page asks whether its answer is still wanted: the visitor may have pressed Stop meanwhile.

export class Unwanted extends Error {}

// What `promise` gives or throws. If `signal` was aborted by then the value is released, and Unwanted is thrown.
export async function wanted(promise, signal, release = () => {}) {
  try {
    const value = await promise;
    if (!signal.aborted) return value;
    release(value);
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  throw new Unwanted();
}
