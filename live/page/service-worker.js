// SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
//
// SPDX-License-Identifier: Apache-2.0

// Lets the page that python -m demo.export --site writes start without a network, and isolates it, so that it has shared
// memory, where the web server does not. files.js, written there, names the site's files with their hashes.

importScripts("files.js"); // FILES: { name: "sha256-…" }

const NAMES = Object.keys(FILES);
const PREFIX = `llvc ${registration.scope} `;
const CACHE = PREFIX + Object.values(FILES).join(" ");
const ISOLATED = {
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Embedder-Policy": "require-corp",
};

// All of them, each with its right bytes, or none; pages that are open keep the ones before.
async function install() {
  const cache = await caches.open(CACHE);
  await cache.addAll(NAMES.map((name) => new Request(name, { cache: "no-cache", integrity: FILES[name] })));
}

async function forgetOthers() {
  const names = await caches.keys();
  await Promise.all(names.map((name) => name.startsWith(PREFIX) && name !== CACHE && caches.delete(name)));
}

function nameOf({ url }) {
  return url.startsWith(registration.scope) ? url.slice(registration.scope.length).replace(/[?#].*/, "") || "index.html" : null;
}

async function answer(request) {
  const cache = await caches.open(CACHE);
  const { body, status, headers } = (await cache.match(nameOf(request))) ?? (await fetch(request));
  const isolated = new Headers(headers);
  for (const name in ISOLATED) isolated.set(name, ISOLATED[name]);
  return new Response(body, { status, headers: isolated });
}

addEventListener("install", (event) => event.waitUntil(install()));
addEventListener("activate", (event) => event.waitUntil(forgetOthers()));
addEventListener("fetch", (event) => {
  if (event.request.method === "GET" && nameOf(event.request) in FILES) event.respondWith(answer(event.request));
});
