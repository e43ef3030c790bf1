# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A client of the live server, for threads."""

import json

from websockets.exceptions import ConnectionClosed, WebSocketException
from websockets.sync.client import connect

from reference.errors import LLVCError, one_line

from .protocol import VERSION, Hello, decode_pcm, encode_pcm

CONNECT_S = 10.0


class ServerError(LLVCError):
    """The server's reason to end a stream, or that it cannot be reached; `code` is the protocol's, or None."""

    def __init__(self, message, code=None):
        super().__init__(message)
        self.code = code


class Connection:
    """One stream of a server at `url` (ws://HOST:PORT/stream). ServerError if it does not take us.

    One thread may send while another one receives.
    """

    def __init__(self, url, rate=16000, format="f32", mode="live", token=None):
        self._hello = Hello(rate, format, mode)
        try:
            self._socket = connect(
                url, open_timeout=CONNECT_S, close_timeout=1, compression=None, max_size=None, proxy=None
            )
        except (OSError, WebSocketException, ValueError) as error:
            raise ServerError(f"{url}: no live server answers there ({one_line(error)}); start demo.serve") from None
        hello = {"type": "hello", "version": VERSION, "rate": rate, "format": format, "mode": mode}
        if token is not None:
            hello["token"] = token
        try:
            self._send(json.dumps(hello))
            self.welcome = self.receive(CONNECT_S)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def send(self, samples):
        """Sends float32 samples [k] in -1 .. 1, at most a second of them."""
        self._send(encode_pcm(samples, self._hello.format))

    def say(self, kind, **fields):
        """Sends a message: "end", "reset", or "ping" with a time."""
        self._send(json.dumps({"type": kind, **fields}))

    def receive(self, timeout=None):
        """The next samples (float32 [k]) or message (dict). ServerError if none will come; TimeoutError."""
        try:
            data = self._socket.recv(timeout)
        except ConnectionClosed as error:
            raise _closed(error) from None
        if isinstance(data, bytes):
            return decode_pcm(data, self._hello)
        message = json.loads(data)
        if message["type"] == "error":
            raise ServerError(message["message"], message["code"])
        return message

    def close(self):
        self._socket.close()

    def _send(self, data):
        try:
            self._socket.send(data)
        except ConnectionClosed as error:
            raise _closed(error) from None


def _closed(error):
    """The ServerError of a closed connection: the server's reason is its error's code."""
    reason = error.rcvd.reason if error.rcvd else ""
    return ServerError(f"the server closed the connection ({reason or one_line(error)})", reason or None)
