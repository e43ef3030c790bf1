// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Lists of the microphones and loudspeakers there are.

const KINDS = { audioinput: "Microphone", audiooutput: "Loudspeaker" };

// Fills a <select> with the devices of a kind, and chooses the one wanted, or the default while that is not there.
export function fill(select, kind, devices) {
  const found = devices.filter((device) => device.kind === kind && device.deviceId && device.deviceId !== "default");
  const { wanted } = select.dataset;
  select.replaceChildren(
    new Option("Default", ""),
    ...found.map((device, i) => new Option(device.label || `${KINDS[kind]} ${i + 1}`, device.deviceId)),
  );
  select.value = found.some((device) => device.deviceId === wanted) ? wanted : "";
}
