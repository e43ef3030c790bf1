# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The protocol of docs/PROTOCOL.md between a WebSocket and a channel of the engine."""

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from starlette.websockets import WebSocketDisconnect

from audio.resampling import Resampler, resampling_delay
from streaming.server import ServerFull

from .access import Access
from .channel import Audio, Front
from .protocol import FORMATS, VERSION, ProtocolError, decode_pcm, encode_pcm, parse_hello, parse_json
from .rate import Rate

PAGE = Path(__file__).resolve().parent / "page"

STATISTICS_S = 1.0  # between two statistics
HELLO_S = 5.0  # a client's first message must come within
SILENT_S = 10.0  # no message for so long: the client is gone
STUCK_S = 10.0  # one message could not be sent for so long: the client reads no more
SEND_BUFFER_S = 0.25  # of audio in the system's buffers
MIN_SEND_BUFFER = 16384  # bytes
MAX_UNSENT = 300  # messages; a second of audio is 77
TEXTS_PER_S, TEXT_BURST = 50, 100  # what comes faster is read later
LIVE_SPEED = 2.0  # seconds of a live stream's audio a second, beyond what was held up for SILENT_S


@dataclass
class Service:
    """What the sessions of a server share."""

    server: Front
    facts: dict = field(default_factory=dict)  # what `welcome` says of engine and voice
    access: Access = field(default_factory=Access)
    token: str | None = None
    max_minutes: float | None = None
    page: Path = PAGE


async def serve(websocket, service):
    """Serves a connection, a starlette WebSocket, from its first message to its close.

    Returns when the client was told why it is closed, and its place is free.
    """
    code, reason = "closed", None
    try:
        await websocket.accept()
        service.access.check_page(websocket.headers, websocket.scope["state"]["visit"].address)
        hello = await receive_hello(websocket, service)
        await Session(websocket, service, hello).run()
    except ProtocolError as error:
        code, reason = error.code, error
    except WebSocketDisconnect:
        pass
    finally:
        websocket.scope["state"]["connection"].end_stream()
    if reason:
        with suppress(WebSocketDisconnect):
            await close(websocket, reason)
    service.server.metrics.closed.labels(code).inc()


async def receive(websocket, metrics):
    """The next message, str or bytes."""
    message = await websocket.receive()
    if message["type"] == "websocket.disconnect":
        raise WebSocketDisconnect(message.get("code", 1005))
    data = message.get("bytes")
    data = message["text"] if data is None else data
    metrics.received.inc(len(data))
    return data


async def receive_hello(websocket, service):
    """The first message."""
    try:
        text = await asyncio.wait_for(receive(websocket, service.server.metrics), HELLO_S)
    except asyncio.TimeoutError:
        raise ProtocolError("silent", f"no hello within {HELLO_S:g} s") from None
    if isinstance(text, bytes):
        raise ProtocolError("bad_hello", "the first message must be a hello, and it is binary")
    return parse_hello(text, service.token)


async def close(websocket, error):
    """Says why, then closes."""
    await websocket.send_text(json.dumps(error.message()))
    # A close's reason holds 123 bytes; the message above says all.
    await websocket.close(error.close_code, error.code)


class Session:
    """One stream's way between its WebSocket and its channel of the engine. ProtocolError if there is no place."""

    def __init__(self, websocket, service, hello):
        self._websocket = websocket
        self._connection = websocket.scope["state"]["connection"]
        self._service = service
        self._server = service.server
        self._metrics = service.server.metrics
        self._hello = hello
        rate, network_rate = hello.rate, self._server.sample_rate
        self._down, self._up = Resampler(rate, network_rate), Resampler(network_rate, rate)
        # Little audio may pile up in the system, where nothing could be dropped, when a client reads slowly.
        bytes_per_s = rate * FORMATS[hello.format].itemsize
        self._send_buffer = max(MIN_SEND_BUFFER, int(SEND_BUFFER_S * bytes_per_s))
        self._texts = Rate(TEXTS_PER_S, TEXT_BURST)
        self._seconds = Rate(LIVE_SPEED, SILENT_S)  # of a live stream's audio
        self._changed = asyncio.Event()  # there is something to send
        self._has_room = asyncio.Event()
        self._statistics_due = False
        self._begin = self._heard = self._server.clock()
        self._sending_since = None
        self._window = []  # of Audio sent since the last statistics: (waited, computed, total) in ms
        # Of this stream; until `ended` or `reset` another one is sent than is taken.
        self._taken = self._sent = 0  # samples at the client's rate
        self._dropped = 0  # samples at the network's rate
        if self._server.failure:
            raise ProtocolError("engine", self._server.failure)
        try:
            self._channel = self._server.open(hello.mode == "live", self._on_change)
        except ServerFull as error:
            raise ProtocolError("full", str(error)) from None

    async def run(self):
        """Raises when the stream is over, and frees its place."""
        try:
            self._connection.begin_stream(self._send_buffer)
            await self._send_json(self._welcome())
            await self._run_tasks(self._read(), self._write(), self._watch())
        finally:
            self._channel.close()

    async def _run_tasks(self, *coroutines):
        """Until one of them raises; the others are cancelled."""
        tasks = [asyncio.ensure_future(coroutine) for coroutine in coroutines]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            results = await asyncio.gather(*tasks, return_exceptions=True)
        for task, result in zip(tasks, results, strict=True):
            if task in done and isinstance(result, BaseException):
                raise result

    def _welcome(self):
        server, rate = self._server, self._hello.rate
        resampling_s = resampling_delay(rate, server.sample_rate) + resampling_delay(server.sample_rate, rate)
        return {
            "type": "welcome",
            "version": VERSION,
            **self._service.facts,
            "network_rate": server.sample_rate,
            "chunk_ms": 1e3 * server.period,
            "algorithmic_ms": 1e3 * server.longest_wait / server.sample_rate,
            "resampling_ms": 1e3 * resampling_s,
            "places": server.places,
            "streams": server.streams,
        }

    # From the client to the engine.

    async def _read(self):
        while True:
            message = await receive(self._websocket, self._metrics)
            self._heard = self._server.clock()
            if isinstance(message, bytes):
                samples = decode_pcm(message, self._hello)
                self._taken += len(samples)
                self._push(self._down.push(samples))
                if self._hello.mode == "live":
                    await self._wait(self._seconds.take(len(samples) / self._hello.rate))
                while not self._channel.has_room:
                    self._has_room.clear()
                    await self._has_room.wait()
                    self._heard = self._server.clock()
            else:
                self._obey(parse_json(message))
                await self._wait(self._texts.take())

    async def _wait(self, seconds):
        """Reads nothing for so long: who sends too much has it wait in the network."""
        if seconds:
            await asyncio.sleep(seconds)

    def _obey(self, message):
        kind = message["type"]
        if kind == "end":
            self._push(self._down.flush())
            self._channel.end()
        elif kind == "reset":
            self._down.reset()
            self._taken = 0
            self._channel.reset()
        elif kind == "ping":
            self._channel.say({"type": "pong", "time": message.get("time")})
        elif kind == "hello":
            raise ProtocolError("second_hello", "a connection has one hello; open another one for another stream")
        else:
            raise ProtocolError("bad_message", f"there is no message {kind[:20]!r}")

    def _push(self, samples):
        try:
            self._channel.push(samples)
        except RuntimeError:
            raise ProtocolError("bad_message", 'audio or an end behind "end"; wait for "ended"') from None

    # From the engine to the client.

    def _on_change(self):
        self._changed.set()
        self._has_room.set()

    async def _write(self):
        while True:
            await self._changed.wait()
            self._changed.clear()
            for entry in self._channel.read():
                if isinstance(entry, Audio):
                    await self._send_audio(self._up.push(entry.samples))
                    self._account(entry)
                else:
                    await self._send_message(entry)
            if self._statistics_due:
                self._statistics_due = False
                await self._send_json(self._statistics())

    async def _send_message(self, message):
        kind = message["type"]
        if kind == "error":
            raise ProtocolError(message["code"], message["message"])
        if kind == "dropped":
            before = self._at_client(self._dropped)
            self._dropped += message["samples"]
            message = {**message, "samples": self._at_client(self._dropped) - before}
        elif kind == "ended":
            missing = max(0, self._taken - self._sent - self._at_client(self._dropped))
            rest = self._up.flush()[:missing]
            await self._send_audio(np.pad(rest, (0, missing - len(rest))))
            message = {**message, "samples": self._sent}
            self._taken = self._sent = self._dropped = 0
        elif kind == "reset":
            self._up.reset()
            self._sent = self._dropped = 0
        await self._send_json(message)

    def _at_client(self, samples):
        return round(samples * self._hello.rate / self._server.sample_rate)

    async def _send_audio(self, samples):
        if len(samples):
            self._sent += len(samples)
            await self._send(self._websocket.send_bytes, encode_pcm(samples, self._hello.format))

    async def _send_json(self, message):
        await self._send(self._websocket.send_text, json.dumps(message))

    async def _send(self, send, data):
        self._sending_since = self._server.clock()
        await send(data)
        self._sending_since = None
        self._metrics.sent.inc(len(data))

    def _account(self, audio):
        total = self._server.clock() - audio.arrived
        self._metrics.latency.observe(total)
        self._window.append([1e3 * s for s in (audio.started - audio.arrived, audio.done - audio.started, total)])

    def _statistics(self):
        channel, rate = self._channel, self._server.sample_rate
        message = {
            "type": "statistics",
            "queue_ms": 1e3 * channel.input_length / rate,
            "output_queue_ms": 1e3 * channel.output_length / rate,
            "chunks": len(self._window),
            "late": channel.late,
            "dropped": self._at_client(channel.dropped),
            "overloaded": self._server.is_overloaded,
            "streams": self._server.streams,
        }
        if self._window:
            columns = zip(*self._window, strict=True)
            for name, values in zip(("wait_ms", "compute_ms", "server_ms"), columns, strict=True):
                p50, p95, p99 = np.percentile(values, (50, 95, 99)).tolist()
                message[name] = {"p50": p50, "p95": p95, "p99": p99, "max": max(values)}
        self._window = []
        return message

    async def _watch(self):
        """Once a second: statistics, and whether the client still is there."""
        while True:
            await asyncio.sleep(STATISTICS_S)
            now = self._server.clock()
            self._statistics_due = True
            self._changed.set()
            if self._channel.unsent > MAX_UNSENT:
                raise ProtocolError("stuck", f"more than {MAX_UNSENT} messages wait to be read")
            if self._sending_since is not None and now - self._sending_since > STUCK_S:
                raise ProtocolError("stuck", f"nothing was read for {STUCK_S:g} s")
            if now - self._heard > SILENT_S:
                raise ProtocolError("silent", f"nothing came for {SILENT_S:g} s; send silence to keep a stream open")
            if self._service.max_minutes and now - self._begin > 60 * self._service.max_minutes:
                raise ProtocolError("time_limit", f"the limit of {self._service.max_minutes:g} minutes is reached")
