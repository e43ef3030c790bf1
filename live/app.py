# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The web application: the page, the streams, and what a monitoring system asks for."""

from pathlib import Path

import uvicorn
from fastapi import FastAPI, Response, WebSocket
from fastapi.responses import JSONResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from .protocol import MAX_FRAME
from .session import serve

MAX_CONNECTIONS = 1000  # of all kinds; beyond it HTTP says 503
SHUTDOWN_S = 3  # for clients to go when the server ends

PAGE = Path(__file__).resolve().parent / "page"

HEADERS = {
    # Everything comes from this server; what a visitor records or drops on the page stays in the browser as blobs.
    "Content-Security-Policy": "default-src 'self'; connect-src 'self' ws: wss:; media-src 'self' blob:; "
    "img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    "Permissions-Policy": "microphone=(self)",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, which also shows the application its transport: buffers are to be bounded by what flows."""

    def connection_made(self, transport):
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class Page(StaticFiles):
    """The page's files, with headers that keep everything else out."""

    async def get_response(self, path, scope):
        response = await super().get_response(path, scope)
        response.headers.update(HEADERS)
        return response


def create_app(service):
    """The FastAPI application for a session.Service."""
    app = FastAPI(title="LLVC, live", docs_url=None, redoc_url=None, openapi_url=None)
    server = service.server

    @app.websocket("/stream")
    async def stream(websocket: WebSocket):
        await serve(websocket, service)

    @app.get("/healthz")
    async def health():
        status = "failed" if server.failure else "overloaded" if server.is_overloaded else "ok"
        content = {"status": status, "streams": server.streams, "places": server.places}
        return JSONResponse(content, status_code=503 if server.failure else 200)

    @app.get("/metrics")
    async def metrics():
        return Response(generate_latest(server.metrics.registry), media_type=CONTENT_TYPE_LATEST)

    app.mount("/", Page(directory=PAGE, html=True))
    return app


class WebServer(uvicorn.Server):
    """uvicorn for a session.Service, with or without TLS; calls on_open when the port is open."""

    def __init__(self, service, on_open=lambda: None, ssl_certfile=None, ssl_keyfile=None):
        super().__init__(
            uvicorn.Config(
                create_app(service),
                http="h11",
                ws=WebSocketProtocol,
                ws_max_size=MAX_FRAME,
                ws_per_message_deflate=False,  # costs time, and PCM does not get smaller
                log_level="warning",
                access_log=False,
                limit_concurrency=MAX_CONNECTIONS,
                timeout_graceful_shutdown=SHUTDOWN_S,
                ssl_certfile=ssl_certfile,
                ssl_keyfile=ssl_keyfile,
            )
        )
        self._on_open = on_open

    async def startup(self, sockets=None):
        await super().startup(sockets)
        self._on_open()
