# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A client of the live server, for threads."""

import asyncio
import json
import threading
from collections import deque

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, WebSocketException

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

    One thread may send while another one receives. An event loop in a thread of its own serves both: a TLS socket is
    not safe with two threads (websockets.sync over TLS hung in 14 of 400 handshakes on a busy machine).
    """

    def __init__(self, url, rate=16000, format="f32", mode="live", token=None):
        self._hello = Hello(rate, format, mode)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._lock, self._is_closed = threading.Lock(), False
        self._socket = None
        self._one_reader = asyncio.Lock()
        self._unread = deque()  # what came before the server closed, found by a send
        self._reason = None  # the server's, once its message was found
        try:
            self._socket = self._wait(_connect(url))
        except (OSError, asyncio.TimeoutError, WebSocketException, ValueError) as error:
            self.close()
            raise ServerError(f"{url}: no live server answers there ({one_line(error)}); start live.serve") from None
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
            return self._wait(self._receive(timeout))
        except asyncio.TimeoutError:  # Python 3.10's is another one
            raise TimeoutError(f"nothing came within {timeout} s") from None

    def close(self):
        with self._lock:
            if self._is_closed:
                return
            self._is_closed = True  # nothing is begun behind the end
            end = asyncio.run_coroutine_threadsafe(self._end(), self._loop)
        end.result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _receive(self, timeout):
        async def take():
            async with self._one_reader:
                return self._unread.popleft() if self._unread else await self._next()

        return await asyncio.wait_for(take(), timeout)

    async def _next(self):
        """The next samples or message from the network; ServerError if the server closes."""
        try:
            data = await self._socket.recv()
        except ConnectionClosed as error:
            raise self._reason or _closed(error) from None
        if isinstance(data, bytes):
            return decode_pcm(data, self._hello)
        message = json.loads(data)
        if message["type"] == "error":
            self._reason = ServerError(message["message"], message["code"])
            raise self._reason
        return message

    async def _deliver(self, data):
        try:
            await self._socket.send(data)
        except ConnectionClosed:
            # Why the server closed may stand unread behind audio, which is not lost for that.
            async with self._one_reader:
                while True:
                    self._unread.append(await self._next())

    async def _end(self):
        if self._socket is not None:
            await self._socket.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        await asyncio.gather(*others, return_exceptions=True)

    def _wait(self, coroutine):
        """What a coroutine gives, run on the loop's thread."""
        with self._lock:
            if self._is_closed:
                coroutine.close()
                raise ServerError("the connection is closed")
            future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        return future.result()

    def _send(self, data):
        self._wait(self._deliver(data))


async def _connect(url):
    return await connect(url, open_timeout=CONNECT_S, close_timeout=1, compression=None, max_size=None, proxy=None)


def _closed(error):
    """The ServerError of a closed connection: the server's reason is its error's code."""
    reason = error.rcvd.reason if error.rcvd else ""
    return ServerError(f"the server closed the connection ({reason or one_line(error)})", reason or None)
