# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A loopback server that stands in for the Hugging Face Hub."""

import contextlib
import hashlib
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import huggingface_hub
import torch
from huggingface_hub import constants
from support.golden import load_golden

from demo import download_weights


class Hub(ThreadingHTTPServer):
    """HEAD and GET of `files`, {path: bytes}, and the faults that a test asks for."""

    daemon_threads = True

    def __init__(self, files):
        super().__init__(("127.0.0.1", 0), HubHandler)
        self.url = f"http://127.0.0.1:{self.server_port}"
        self.files = files
        self.requests = []  # (method, name of the checkpoint)
        self.status = {"HEAD": 200, "GET": 200}
        self.breaks = []  # for the next GETs: how many bytes come before the connection ends


class HubHandler(BaseHTTPRequestHandler):
    def log_message(self, *args):
        pass

    def do_HEAD(self):
        self.answer()

    def do_GET(self):
        data = self.answer()
        if data is not None:
            self.wfile.write(data[: self.server.breaks.pop(0)] if self.server.breaks else data)

    def answer(self):
        """Sends status and headers; returns the bytes that are to follow, or None."""
        data = self.server.files.get(self.path)
        if data:  # huggingface_hub may ask for /api/... as well
            self.server.requests.append((self.command, self.path.split("/")[-2]))
        status = self.server.status[self.command] if data else 404
        if status != 200:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return None
        given = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        offset = int(given[1]) if given else 0
        self.send_response(206 if offset else 200)
        self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(data) - offset))
        if offset:
            self.send_header("Content-Range", f"bytes {offset}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.close_connection = bool(self.server.breaks)  # bytes will be missing
        return data[offset:]


@contextlib.contextmanager
def serving(files):
    """Run a Hub in a thread."""
    with Hub(files) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def use_endpoint(monkeypatch, url):
    """Do what HF_ENDPOINT does, which huggingface_hub reads only once, when it is imported."""
    monkeypatch.setattr(constants, "ENDPOINT", url)
    template = "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", url + template)


@contextlib.contextmanager
def isolated(monkeypatch, checksums):
    """No waits between retries, and nothing from the environment of whoever runs the tests; {checkpoint: sha256}."""
    monkeypatch.setattr(download_weights, "CHECKPOINTS", checksums)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.file_download.time.sleep", lambda seconds: None)
    for variable in ("NO_PROXY", "no_proxy"):
        monkeypatch.setenv(variable, "127.0.0.1")
    huggingface_hub.close_session()
    yield
    huggingface_hub.close_session()


def published_checkpoint(folder):
    """The bytes of a checkpoint of the default configuration."""
    path = folder / "weights.pth"
    torch.save({"model": load_golden("llvc").model.state_dict()}, path)
    return path.read_bytes()
