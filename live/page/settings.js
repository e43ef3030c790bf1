// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Settings stay with the browser, where it lets a page keep any. One that makes no sense is as if it were not there.

const KEY = (control) => `llvc-${control.id}`;

function load(control) {
  try {
    return JSON.parse(localStorage.getItem(KEY(control)));
  } catch {
    return null;
  }
}

function save(control, value) {
  try {
    localStorage.setItem(KEY(control), JSON.stringify(value));
  } catch {
    // blocked or full: it is kept as long as the page is open
  }
}

// Gives a control its value of last time, and keeps what the visitor changes.
export function keep(control) {
  const property = control.type === "checkbox" ? "checked" : "value";
  const initial = control[property];
  const stored = load(control);
  if (typeof stored === typeof initial) {
    control[property] = stored;
    // A range takes its middle for what is no number, a list nothing for what it does not have.
    if (control[property] !== stored) control[property] = initial;
  }
  control.addEventListener("change", () => save(control, control[property]));
}

// The same for a list of devices, which is filled later (devices.js): what was chosen is in `dataset.wanted`.
export function keepDevice(select) {
  const stored = load(select);
  select.dataset.wanted = typeof stored === "string" ? stored : "";
  select.addEventListener("change", () => {
    select.dataset.wanted = select.value;
    save(select, select.value);
  });
}
