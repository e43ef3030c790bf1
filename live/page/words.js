// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// What can go wrong, in words.

const RELOAD = "Reload the page.";

// Close code -> what happened, and what the visitor can do where trying again by itself does not help.
const CLOSED = {
  4000: ["The server did not understand this page", RELOAD],
  4001: ["The server speaks another version of the protocol", RELOAD],
  4002: ["The server wants a token, and this one is missing or wrong", "Enter it above, then try again."],
  4003: ["The server takes only its own page", "Open the address that it printed, or allow this one with --allowed_origins."],
  4004: ["The server is full"],
  4009: ["The server heard nothing for too long"],
  4010: ["Your time on this server is over", "Begin again for another turn."],
  4011: ["The server's engine failed, and has to be restarted"],
  4012: ["The connection was too slow to go on"],
  4013: ["The server is about to end"],
  1012: ["The server is restarting"],
};

// Why a link closed (link.js): `advice` is missing where it may be tried again. No full stop behind `text`.
export function explainClose({ code, error, garbage, silent }) {
  if (garbage) return { text: "What the server sent makes no sense" };
  if (silent) return { text: "The server does not answer" };
  const [text, advice] = CLOSED[code] ?? [`The connection to the server is lost${error ? ` (${error.message})` : ""}`];
  return { text, advice };
}

const MICROPHONE = {
  NotAllowedError: "This page may not use the microphone. Allow it in the browser's site settings (the icon beside the address), and for the browser in the system's.",
  NotFoundError: "There is no microphone: plug one in.",
  NotReadableError: "The microphone does not open: another program may be using it.",
};

export function explainMicrophone(error) {
  return MICROPHONE[error.name] ?? `The microphone does not open: ${error.message}.`;
}

export const INSECURE =
  "Browsers give the microphone only to pages from localhost or over https. Open the page on the server's own machine, or start the server with --ssl_certfile.";
export const OLD_BROWSER = "This browser has no AudioWorklet; take a current Chrome, Firefox or Safari.";
