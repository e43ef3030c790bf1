# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The web application: the page, the streams, and what a monitoring system asks for."""

import asyncio
import logging
import signal
from contextlib import suppress

import uvicorn
from fastapi import FastAPI, Response, WebSocket
from fastapi.responses import JSONResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.datastructures import Headers

from reference.errors import LLVCError, one_line

from .access import Access
from .connections import WAIT_S, HTTPProtocol, Visit, Visits, WebSocketProtocol, most_waiting
from .protocol import MAX_FRAME
from .rate import Rate
from .session import Service, serve

# Of all strangers together, who have to wait for one another: what is left of the time belongs to the streams.
ACCEPTS_PER_S, ACCEPT_BURST = 1000, 100  # connections
REQUESTS_PER_S, REQUEST_BURST = 300, 30  # HTTP's, and WebSockets that begin
BACKLOG = 1024  # connections that the system holds until they are accepted
ACCEPT_AGAIN_S = 0.1
DRAIN_LOOK_S = 0.2  # between two looks at whether the last stream is over
SHUTDOWN_S = 3  # for clients to go when the server ends

logger = logging.getLogger(__name__)

HEADERS = {
    # Everything comes from this server; what a visitor records or drops on the page stays in the browser as blobs.
    # The page itself says so too, for a static server; workers go by the header.
    "Content-Security-Policy": "default-src 'self'; script-src 'self' 'wasm-unsafe-eval'; connect-src 'self' ws: wss:; "
    "media-src 'self' blob:; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'",
    # Isolated, so that the audio threads and the engine may share memory.
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Embedder-Policy": "require-corp",
    "Permissions-Policy": "microphone=(self)",
    "Cache-Control": "no-cache",
    "X-Content-Type-Options": "nosniff",
}


class AccessMiddleware:
    """Paces requests, refuses those by another name with 421, and notes where the clients of a proxy come from."""

    def __init__(self, app, service):
        self.app, self.access = app, service.access
        self._requests = Rate(REQUESTS_PER_S / service.workers, REQUEST_BURST / service.workers)

    async def __call__(self, scope, receive, send):
        if scope["type"] in ("http", "websocket"):
            await asyncio.sleep(self._requests.take())
            visit = scope["state"]["visit"]
            if self.access.is_proxy(visit.address):
                visit.comes_from(scope["client"][0])
            if scope["type"] == "http":
                try:
                    self.access.check_host(Headers(scope=scope), visit.address)
                except LLVCError as error:
                    await PlainTextResponse(f"{error}\n", 421)(scope, receive, send)
                    return
        await self.app(scope, receive, send)


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
        closed = "failed" if server.failure else "draining" if server.is_draining else None
        status = closed or ("overloaded" if server.is_overloaded else "ok")
        content = {"status": status, "streams": server.streams, "places": server.places}
        return JSONResponse(content, status_code=503 if closed else 200)

    @app.get("/metrics")
    async def metrics():
        return Response(server.metrics.exposition(), media_type=CONTENT_TYPE_LATEST)

    app.mount("/", Page(directory=service.page, html=True))
    return AccessMiddleware(app, service)


class WebServer(uvicorn.Server):
    """uvicorn for a session.Service, with or without TLS; calls on_open when the port is open.

    It accepts connections by itself, so that those within their TLS handshake count, too.
    """

    def __init__(self, service, on_open=lambda: None, ssl_certfile=None, ssl_keyfile=None):
        super().__init__(
            uvicorn.Config(
                create_app(service),
                http=HTTPProtocol,
                ws=WebSocketProtocol,
                ws_max_size=MAX_FRAME,
                ws_per_message_deflate=False,  # costs time, and PCM does not get smaller
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=bool(service.access.proxies),
                forwarded_allow_ips=list(service.access.proxies),
                timeout_graceful_shutdown=SHUTDOWN_S,
                ssl_certfile=ssl_certfile,
                ssl_keyfile=ssl_keyfile,
            )
        )
        self._server, self._drain_s = service.server, service.drain_s
        self._is_draining, self._loop = False, None
        most = max(1, most_waiting(service.server.places) // service.workers)
        self.visits = Visits(most, service.server.metrics)
        self._accepts = Rate(ACCEPTS_PER_S / service.workers, ACCEPT_BURST / service.workers)
        self._on_open = on_open
        self._tasks = set()

    async def startup(self, sockets=None):
        await super().startup([])
        self._loop = asyncio.get_running_loop()
        self._server.hand_over = self._hand_over(self._loop)
        (listener,) = sockets
        listener.listen(BACKLOG)
        listener.setblocking(False)
        self._begin(self._accept(listener))
        self._on_open()

    def handle_exit(self, sig, frame):
        """At SIGTERM streams go on for a while, and no new ones are taken; another signal ends all at once."""
        if sig == signal.SIGTERM and self._drain_s and self._loop and not self._is_draining:
            self._is_draining = True
            self._loop.call_soon_threadsafe(lambda: self._begin(self._drain()))
        else:
            super().handle_exit(sig, frame)

    async def _drain(self):
        self._server.drain()
        end = self._loop.time() + self._drain_s
        while self._server.streams and self._loop.time() < end:
            await asyncio.sleep(DRAIN_LOOK_S)
        self.should_exit = True

    async def shutdown(self, sockets=None):
        for task in self._tasks:
            task.cancel()
        await super().shutdown(sockets)

    @staticmethod
    def _hand_over(loop):
        def hand_over(tell):
            with suppress(RuntimeError):  # the loop is closed: the server ends
                loop.call_soon_threadsafe(tell)

        return hand_over

    def _begin(self, work):
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, listener):
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:  # the client is gone again, or the machine has no more files
                logger.warning("a connection could not be accepted: %s", one_line(error))
                await asyncio.sleep(ACCEPT_AGAIN_S)
                continue
            self._begin(self._connect(sock, Visit(self.visits, sock, address[0])))
            await asyncio.sleep(self._accepts.take())  # at least until whom that displaced is gone

    async def _connect(self, sock, visit):
        def protocol():
            return HTTPProtocol(self.config, self.server_state, {**self.lifespan.state, "visit": visit})

        tls = {"ssl": self.config.ssl, "ssl_handshake_timeout": WAIT_S} if self.config.ssl else {}
        try:
            await asyncio.get_running_loop().connect_accepted_socket(protocol, sock, **tls)
        except OSError:  # among them ssl.SSLError: the client speaks something else
            visit.leave()
            sock.close()


def web_server(front, settings, on_open, workers=1):
    """A WebServer for a Front, one of so many. `service`, `access` and `tls` of `settings`, which JSON can hold, are
    the arguments of Service, Access and WebServer."""
    service = Service(front, access=Access(*settings["access"]), workers=workers, **settings["service"])
    return WebServer(service, on_open, *settings["tls"])
