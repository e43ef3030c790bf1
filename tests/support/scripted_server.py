# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A server of the page that says on its WebSockets what a test has it say."""

import threading

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocketDisconnect

WELCOME = {
    "type": "welcome",
    "version": 1,
    "voice": "test",
    "backend": "test",
    "device": "test",
    "chunk_factor": 1,
    "network_rate": 16000,
    "chunk_ms": 13.0,
    "algorithmic_ms": 14.0,
    "resampling_ms": 0.0,
    "places": 1,
    "streams": 1,
}


class ScriptedServer:
    """Serves the files of `page`; `stream(websocket, k)` serves the k-th WebSocket, from its hello on."""

    def __init__(self, page, stream):
        self.connections = 0
        self._stream = stream
        routes = [WebSocketRoute("/stream", self._serve), Mount("/", StaticFiles(directory=page, html=True))]
        config = uvicorn.Config(Starlette(routes=routes), port=0, log_level="error", timeout_graceful_shutdown=1)
        self._web = uvicorn.Server(config)
        self._socket = config.bind_socket()
        self.page = f"http://127.0.0.1:{self._socket.getsockname()[1]}/"

    def __enter__(self):
        self._thread = threading.Thread(target=self._web.run, args=([self._socket],), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._web.should_exit = True
        self._thread.join()
        self._socket.close()

    async def _serve(self, websocket):
        self.connections += 1
        await websocket.accept()
        try:
            await websocket.receive_json()
            await self._stream(websocket, self.connections)
            while True:
                await websocket.receive()
        except (WebSocketDisconnect, RuntimeError):
            pass  # the page went


async def echo(websocket):
    """A server whose other voice is the same voice."""
    await websocket.send_json(WELCOME)
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            return
        if message.get("bytes"):
            await websocket.send_bytes(message["bytes"])
        elif '"ping"' in message["text"]:
            await websocket.send_text(message["text"].replace("ping", "pong"))
