# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A reverse proxy that shows a server below a path, and whose uplink can be held up."""

import socket
import socketserver
import threading
from contextlib import suppress


class Proxy(socketserver.ThreadingTCPServer):
    """Forwards what is below `path` ("/a/path/") to a port of this machine; `with` gives it running."""

    allow_reuse_address = daemon_threads = True
    block_on_close = False

    def __init__(self, upstream_port, path="/"):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream_port, self.path = upstream_port, path
        self.page = f"http://127.0.0.1:{self.server_address[1]}{path}"
        self.is_held_up = False  # what clients send stays here
        self.held = 0  # bytes that did

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()


class _Handler(socketserver.BaseRequestHandler):
    def handle(self):
        head = b""
        while b"\r\n\r\n" not in head:
            data = self.request.recv(65536)
            if not data:
                return
            head += data
        path = self.server.path.encode()
        method, _, rest = head.partition(b" ")
        if not rest.startswith(path):
            self.request.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        head = method + b" /" + rest[len(path) :]
        if b"upgrade: websocket" not in head.lower():
            head = head.replace(b"keep-alive", b"close")  # one request a connection
        with socket.create_connection(("127.0.0.1", self.server.upstream_port)) as upstream, suppress(OSError):
            upstream.sendall(head)
            threading.Thread(target=self._download, args=(upstream,), daemon=True).start()
            self._upload(upstream)

    def _upload(self, upstream):
        held = b""
        while data := self.request.recv(65536):
            held += data
            if self.server.is_held_up:
                self.server.held += len(data)
            else:
                upstream.sendall(held)
                held = b""

    def _download(self, upstream):
        with suppress(OSError):
            while data := upstream.recv(65536):
                self.request.sendall(data)
            self.request.shutdown(socket.SHUT_RDWR)
