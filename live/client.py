# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A client of the live server, for threads."""

import asyncio
import json
import socket
import ssl
import threading
from collections import deque

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from reference.errors import LLVCError, one_line

from .protocol import CLOSE_CODES, MAX_FRAME, VERSION, Hello, ProtocolError, decode_pcm, encode_pcm, parse_json

CONNECT_S = 10.0
SEND_BUFFER = 8192  # bytes: an eighth of a second at 16 kHz
PASSING = ("full", "engine", "stuck", "silent", "draining")  # codes that connecting again may be the answer to


class ServerError(LLVCError):
    """The server's reason to end a stream, or why there is none.

    `code` is the protocol's, or None; `passing` says whether it may be over soon, so that connecting again makes sense.
    """

    def __init__(self, message, code=None, passing=False):
        super().__init__(message)
        self.code, self.passing = code, passing


class Connection:
    """One stream of a server at `url`, that of its page or of its stream. ServerError if it does not take us.

    cafile: certificates (PEM) to trust for wss and https instead of the system's, such as the server's own.

    One thread may send while another one receives. An event loop in a thread of its own serves both: a TLS socket is
    not safe with two threads (websockets.sync over TLS hung in 14 of 400 handshakes on a busy machine).
    """

    def __init__(self, url, rate=16000, format="f32", mode="live", token=None, cafile=None):
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
            self._socket = self._wait(_connect(stream_url(url), cafile))
        except (OSError, asyncio.TimeoutError, WebSocketException, ValueError) as error:
            self.close()
            raise ServerError(
                f"{url}: {_why_not(error)}", passing=not isinstance(error, (ssl.SSLError, ValueError))
            ) from None
        hello = {"type": "hello", "version": VERSION, "rate": rate, "format": format, "mode": mode}
        if token is not None:
            hello["token"] = token
        try:
            self._send(json.dumps(hello))
            self.welcome = self.receive(CONNECT_S)
            if not isinstance(self.welcome, dict) or not _is_chunk(self.welcome.get("chunk_ms")):
                raise ServerError(f"{url}: what answers there is no live server of this protocol (no welcome came)")
        except TimeoutError:
            self.close()
            raise ServerError(f"{url}: it took the connection, and no welcome came", passing=True) from None
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
        try:
            if isinstance(data, bytes):
                return decode_pcm(data, self._hello)
            message = parse_json(data)
            if message["type"] == "dropped" and not isinstance(message.get("samples"), int):
                raise ProtocolError("bad_message", "a message of dropped audio that does not say how much")
        except ProtocolError as error:
            raise ServerError(f"the server sent what the protocol does not have: {error}", error.code) from None
        if message["type"] == "error":
            code = message.get("code")
            self._reason = ServerError(str(message.get("message")), code, passing=code in PASSING)
            raise self._reason
        return message

    async def _deliver(self, data):
        try:
            await self._socket.send(data)
        except (ConnectionClosed, AttributeError):  # Python 3.10 cannot abort a transport that closed by itself
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


def stream_url(url):
    """The address of a server's stream, from that of its page: http://HOST/llvc/ -> ws://HOST/llvc/stream.

    ValueError for what is no address of a server.
    """
    scheme, separator, rest = url.partition("://")
    scheme = {"http": "ws", "https": "wss"}.get(scheme.lower(), scheme.lower())
    if not separator or scheme not in ("ws", "wss") or not rest.strip("/"):
        raise ValueError("no address of a server; give the one that it prints, such as http://127.0.0.1:8000/")
    rest = rest.partition("#")[0].rstrip("/")
    return f"{scheme}://{rest}" if rest.endswith("/stream") else f"{scheme}://{rest}/stream"


def _is_chunk(value):
    """Whether a value of the server's can be a chunk's length in ms: JSON also has infinity, and NaN."""
    return isinstance(value, (int, float)) and 1 <= value <= 60_000


async def _connect(url, cafile):
    options = {"ssl": _trusted(cafile)} if url.startswith("wss:") else {}
    connection = await connect(
        url, open_timeout=CONNECT_S, close_timeout=1, compression=None, max_size=MAX_FRAME, proxy=None, **options
    )
    # What waits to be sent is to wait where it is counted, not in the system.
    connection.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SEND_BUFFER)
    return connection


def _trusted(cafile):
    try:
        return ssl.create_default_context(cafile=cafile)
    except (OSError, ssl.SSLError):  # of which neither names the file
        raise ValueError(f"{cafile}: holds no certificates that can be read (PEM)") from None


def _why_not(error):
    """Why no server answers, and what to do."""
    if isinstance(error, ssl.SSLCertVerificationError):
        why = error.verify_message or one_line(error)
        return f"its certificate is not trusted ({why}); if it is the server's own, give it with --ssl_cafile"
    if isinstance(error, ssl.SSLError):
        return f"no TLS is spoken there ({error.reason or one_line(error)}); without it the address begins with http://"
    if isinstance(error, socket.gaierror):
        return "there is no host of that name"
    if isinstance(error, ConnectionRefusedError):
        return "no live server answers there; start one (python -m live.serve), or check host and port"
    if isinstance(error, (asyncio.TimeoutError, TimeoutError)):
        return f"nothing answers there within {CONNECT_S:g} s; check host, port and firewall"
    if isinstance(error, InvalidStatus):
        return f"what answers there is no live server at this path (HTTP {error.response.status_code})"
    if isinstance(error, WebSocketException):
        return f"what answers there speaks no WebSocket ({one_line(error)}); with TLS the address begins with https://"
    return one_line(error)


def _closed(error):
    """The ServerError of a closed connection: the server's reason is its error's code."""
    reason = error.rcvd.reason if error.rcvd else ""
    code = reason if reason in CLOSE_CODES else None
    passing = not error.rcvd or error.rcvd.code in (1001, 1011, 1012, 1013) or code in PASSING
    return ServerError(f"the server closed the connection ({reason or one_line(error)})", code, passing)
