# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What a load balancer asks a live server: how many more streams it should get (HAProxy's agent-check)."""

import socketserver
import threading
from contextlib import contextmanager


def answer(server):
    """A line for HAProxy: by how much of its weight a server should get new streams, which is by its free places."""
    if server.failure:
        return "down\n"
    if server.is_draining:
        return "drain\n"
    free = 0 if server.is_overloaded else server.places - server.streams
    return f"up ready {-(-100 * free // server.places)}%\n"


@contextmanager
def agent(server, listener):
    """Gives answer(server) to whoever connects to `listener`, a socket that is bound, while it is entered."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self):
            self.request.sendall(answer(server).encode())

    with socketserver.TCPServer(listener.getsockname()[:2], Handler, bind_and_activate=False) as tcp:
        tcp.socket.close()
        tcp.socket = listener
        tcp.server_activate()
        thread = threading.Thread(target=tcp.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        thread.start()
        try:
            yield
        finally:
            tcp.shutdown()
            thread.join()
