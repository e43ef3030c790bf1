// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// What can go wrong, in words, and whether trying again by itself may help.

const CLOSED = {
  4000: ["The server did not understand this page; reload it.", false],
  4001: ["The server speaks another version of the protocol; reload the page.", false],
  4002: ["The server wants a token, and this one is missing or wrong.", false],
  4003: ["The server takes only its own page; open the address that it printed.", false],
  4004: ["The server is full; trying again until a place is free.", true],
  4009: ["The server heard nothing for too long.", true],
  4010: ["Your time on this server is over.", false],
  4011: ["The engine failed; the server has to be restarted.", true],
  4012: ["The connection was too slow to go on.", true],
  1012: ["The server is restarting; connecting again.", true],
};

export function explainClose({ code, error }) {
  const [text, retry] = CLOSED[code] ?? ["The connection to the server is lost; connecting again.", true];
  const detail = error && !CLOSED[code] ? ` (${error.message})` : "";
  return { text: text + detail, retry };
}

const MICROPHONE = {
  NotAllowedError: "This page may not use the microphone. Allow it in the browser's site settings (the icon beside the address), and for the browser in the system's.",
  NotFoundError: "There is no microphone. Plug one in and press Start again.",
  NotReadableError: "The microphone does not open: another program may be using it.",
  OverconstrainedError: "The chosen microphone is not there any more; choose another one.",
};

export function explainMicrophone(error) {
  return MICROPHONE[error.name] ?? `The microphone does not open: ${error.message}`;
}

export const INSECURE =
  "Browsers give the microphone only to pages from localhost or over https. Open the page on the server's own machine, or start the server with --ssl_certfile.";
export const OLD_BROWSER = "This browser has no AudioWorklet; take a current Chrome, Firefox or Safari.";
