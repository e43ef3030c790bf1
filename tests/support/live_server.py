# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A live server in this process, on a free port of the loopback interface."""

import threading
import time

from live.app import WebServer
from live.clocked import ClockedServer
from live.serve import bind
from live.session import Service

DEADLINE_S = 120


class LiveServer:
    """Serves an engine; `with` gives it running. `options` are session.Service's."""

    def __init__(self, engine, port=0, warm_up_s=0.1, ssl_certfile=None, ssl_keyfile=None, **options):
        self._tls = ssl_certfile, ssl_keyfile
        self._warm_up_s = warm_up_s
        self.server = ClockedServer(engine, sample_rate=16000)
        self.service = Service(self.server, {"backend": "test", "device": "test", "voice": "test"}, **options)
        self._listener = bind("127.0.0.1", port)
        self.port = self._listener.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/stream"
        self.page = f"http://127.0.0.1:{self.port}/"

    def __enter__(self):
        is_open = threading.Event()
        self._web = WebServer(self.service, is_open.set, *self._tls)
        self.server.warm_up(self._warm_up_s)
        self.server.start()
        self._thread = threading.Thread(target=self._web.run, args=([self._listener],), daemon=True)
        self._thread.start()
        assert is_open.wait(DEADLINE_S)
        return self

    def __exit__(self, *_):
        self._web.should_exit = True
        self._thread.join(DEADLINE_S)
        self.server.stop()
        self._listener.close()

    def metric(self, name, **labels):
        return self.server.metrics.registry.get_sample_value(f"llvc_{name}", labels) or 0


def wait_until(condition, what):
    """Returns when condition() holds; AssertionError after a while."""
    deadline = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < deadline, f"still not: {what}"
        time.sleep(0.01)


def collect(connection, until="ended"):
    """All that comes until a message of this type: (audio pieces, messages)."""
    audio, messages = [], []
    while not messages or messages[-1]["type"] != until:
        received = connection.receive(DEADLINE_S)
        (messages if isinstance(received, dict) else audio).append(received)
    return audio, messages
