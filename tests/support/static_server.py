# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A plain web server of a folder."""

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

ISOLATION = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}


class Handler(SimpleHTTPRequestHandler):
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".mjs": "text/javascript", ".wasm": "application/wasm"}

    def __init__(self, *args, headers, **options):
        self._added = headers
        super().__init__(*args, **options)

    def end_headers(self):
        for header in self._added.items():
            self.send_header(*header)
        super().end_headers()

    def log_message(self, *_):
        pass


class StaticServer:
    """Serves the files of `folder`, with more `headers`."""

    def __init__(self, folder, headers=None):
        handler = partial(Handler, directory=folder, headers=headers or {})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.page = f"http://127.0.0.1:{self._server.server_port}/"

    def __enter__(self):
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
