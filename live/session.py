# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The protocol of docs/PROTOCOL.md between a WebSocket and a channel of the engine."""

import asyncio
import json
import sys
from collections import deque
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from starlette.websockets import WebSocketDisconnect

from audio.resampling import Resampler, resampling_delay
from streaming.rings import SAMPLE_SIZE, Chunk, ServerFull

from .access import Access
from .channel import Front
from .protocol import SAMPLE_SIZES, VERSION, ProtocolError, check_pcm, decode_pcm, encode_pcm, parse_hello, parse_json
from .rate import Rate
from .turns import Turns

PAGE = Path(__file__).resolve().parent / "page"

STATISTICS_S = 1.0  # between two statistics
HELLO_S = 5.0  # a client's first message must come within
SILENT_S = 10.0  # no message for so long: the client is gone
STUCK_S = 10.0  # one message could not be sent for so long: the client reads no more
SEND_BUFFER_S = 0.25  # of audio in the system's buffers
MIN_SEND_BUFFER = 16384  # bytes
MAX_UNSENT = 300  # messages; a second of audio is 77
TEXTS_PER_S, TEXT_BURST = 50, 100  # what comes faster is read later
PERCENTILES = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}  # of the times in statistics
LIVE_SPEED = 2.0  # seconds of a live stream's audio a second, beyond what was held up for SILENT_S


@dataclass
class Service:
    """What the sessions of a server share."""

    server: Front
    facts: dict = field(default_factory=dict)  # what `welcome` says of engine and voice
    access: Access = field(default_factory=Access)
    token: str | None = None
    max_minutes: float | None = None
    workers: int = 1  # processes that share what is allowed to strangers
    page: Path = PAGE
    drain_s: float = 0.0  # that streams may go on when no new ones are taken any more
    turns: Turns = field(default_factory=Turns)


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
    """One stream's way between its WebSocket and its channel of the engine, in the event loop's thread.

    ProtocolError if there is no place.
    """

    def __init__(self, websocket, service, hello):
        self._connection = websocket.scope["state"]["connection"]
        self._service = service
        self._server = service.server
        self._metrics = service.server.metrics
        self._hello = hello
        rate, network_rate = hello.rate, self._server.sample_rate
        self._down, self._up = Resampler(rate, network_rate), Resampler(network_rate, rate)
        self._is_plain = hello.format == "f32" and rate == network_rate and sys.byteorder == "little"  # as the rings
        self._is_live = hello.mode == "live"
        self._sample_size = SAMPLE_SIZES[hello.format]
        self._chunks_a_message = max(1, int(hello.packet_ms / 1e3 / self._server.period + 1e-6))
        self._loop = asyncio.get_running_loop()
        self._over = self._loop.create_future()
        self._texts = Rate(TEXTS_PER_S, TEXT_BURST)
        self._seconds = Rate(LIVE_SPEED, SILENT_S)  # of a live stream's audio
        self._waits_for_room = False  # of a file
        self._begin = self._heard = self._server.clock()
        self._stuck = None  # since when what there is to send finds no room
        self._unsent = deque()  # what was read from the channel, and the client did not take yet
        self._packet = []  # the Chunks of the next message
        self._is_told_to_drain = False
        # Since the last statistics.
        self._window = []  # of Chunks sent: (arrived, started, done, sent)
        self._bytes_received = self._bytes_sent = 0
        # Of this stream; until `ended` or `reset` another one is sent than is taken.
        self._taken = self._sent = 0  # samples at the client's rate
        self._dropped = 0  # samples at the network's rate
        if self._server.failure:
            raise ProtocolError("engine", self._server.failure)
        if self._server.is_draining:
            raise ProtocolError("draining", "this server is about to end and takes no new streams; connect again")
        try:
            self._channel = self._server.open(self._is_live, self.flush)
        except ServerFull as error:
            raise ProtocolError("full", str(error)) from None
        self._timer = self._loop.call_later(STATISTICS_S, self._watch)

    async def run(self):
        """Raises when the stream is over, and frees its place."""
        try:
            self._send_json(self._welcome())
            # Little audio may pile up in the system, where nothing could be dropped, when a client reads slowly.
            bytes_per_s = self._hello.rate * self._sample_size
            self._connection.begin_stream(self, max(MIN_SEND_BUFFER, int(SEND_BUFFER_S * bytes_per_s)))
            await self._over
        finally:
            self._timer.cancel()
            self._account()
            self._channel.close()

    def lost(self, code):
        """The connection is closed."""
        self._end(WebSocketDisconnect(code))

    def _end(self, error):
        if not self._over.done():
            self._over.set_exception(error)

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

    def take(self, message):
        """Takes a message, str or bytes; returns for how many seconds no other one is wanted."""
        if self._over.done():
            return 0.0
        try:
            self._heard = self._server.clock()
            self._bytes_received += len(message)
            if isinstance(message, bytes):
                return self._take_audio(message)
            self._obey(parse_json(message))
            return self._texts.take()
        except Exception as error:  # a ProtocolError or not, it ends this stream and no other
            self._end(error)
            return 0.0

    def _take_audio(self, message):
        count = len(message) // self._sample_size
        if self._is_plain:
            check_pcm(message, self._hello)
            samples = message
        else:
            samples = self._down.push(decode_pcm(message, self._hello))
        self._taken += count
        self._channel.push(samples)
        if self._is_live:
            self._service.turns.gather(self._server.own_streams)
            return self._seconds.take(count / self._hello.rate)
        self._waits_for_room = not self._channel.has_room
        return float("inf") if self._waits_for_room else 0.0

    def _obey(self, message):
        kind = message["type"]
        if kind == "end":
            self._channel.push(self._down.flush())
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

    # From the engine to the client.

    def flush(self):
        """Sends what there is, as far as the client takes it, and goes on to take a file that has room again."""
        if self._over.done():
            return
        try:
            if self._unsent:
                self._send_unsent()
            if self._connection.writable.is_set():
                self._unsent += self._channel.read()
                self._send_unsent()
        except Exception as error:
            self._end(error)
            return
        self._note_room()
        if self._waits_for_room:
            self._heard = self._server.clock()
            if self._channel.has_room:
                self._waits_for_room = False
                self._connection.go_on()

    def _send_unsent(self):
        while self._unsent and self._connection.writable.is_set():
            entry = self._unsent.popleft()
            if isinstance(entry, Chunk):
                self._packet.append(entry)
                if len(self._packet) == self._chunks_a_message:
                    self._send_packet()
            else:
                self._send_packet()
                self._send_message(entry)

    def _note_room(self):
        if self._connection.writable.is_set():
            self._stuck = None
        elif self._stuck is None:
            self._stuck = self._server.clock()

    def _send_packet(self):
        if self._packet:
            packet, self._packet = self._packet, []
            data = packet[0].data if len(packet) == 1 else b"".join([chunk.data for chunk in packet])
            if self._is_plain:
                self._sent += len(data) // SAMPLE_SIZE
                self._send(data)
            else:
                self._send_audio(self._up.push(np.frombuffer(data, np.float32)))
            now = self._server.clock()
            self._window += [(chunk.arrived, chunk.started, chunk.done, now) for chunk in packet]

    def _send_message(self, message):
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
            self._send_audio(np.pad(rest, (0, missing - len(rest))))
            message = {**message, "samples": self._sent}
            self._taken = self._sent = self._dropped = 0
        elif kind == "reset":
            self._up.reset()
            self._sent = self._dropped = 0
        self._send_json(message)

    def _at_client(self, samples):
        return round(samples * self._hello.rate / self._server.sample_rate)

    def _send_audio(self, samples):
        if len(samples):
            self._sent += len(samples)
            self._send(encode_pcm(samples, self._hello.format))

    def _send_json(self, message):
        self._send(json.dumps(message))

    def _send(self, data):
        self._connection.write(data)
        self._bytes_sent += len(data)

    def _account(self):
        """Tells the metrics what came and went since it last did; returns the window since then."""
        window = self._window
        self._metrics.latency.observe_all([sent - arrived for arrived, _, _, sent in window])
        self._metrics.received.inc(self._bytes_received)
        self._metrics.sent.inc(self._bytes_sent)
        self._window, self._bytes_received, self._bytes_sent = [], 0, 0
        return window

    def _statistics(self):
        channel, rate = self._channel, self._server.sample_rate
        window = self._account()
        message = {
            "type": "statistics",
            "queue_ms": 1e3 * channel.input_length / rate,
            "output_queue_ms": 1e3 * channel.output_length / rate,
            "chunks": len(window),
            "late": channel.late,
            "dropped": self._at_client(channel.dropped),
            "overloaded": self._server.is_overloaded,
            "streams": self._server.streams,
        }
        if window:
            message["wait_ms"] = percentiles_ms([started - arrived for arrived, started, _, _ in window])
            message["compute_ms"] = percentiles_ms([done - started for _, started, done, _ in window])
            message["server_ms"] = percentiles_ms([sent - arrived for arrived, _, _, sent in window])
        return message

    def _watch(self):
        """Once a second: statistics, and whether the client still is there."""
        try:
            self._check(self._server.clock())
            self._note_room()
            if self._connection.writable.is_set():
                self._send_packet()
                if self._server.is_draining and not self._is_told_to_drain:
                    self._is_told_to_drain = True
                    self._send_json({"type": "draining", "seconds": self._service.drain_s})
                self._send_json(self._statistics())
        except Exception as error:
            self._end(error)
        self._timer = self._loop.call_later(STATISTICS_S, self._watch)

    def _check(self, now):
        """ProtocolError if the client is not there any more, or its time is over."""
        if self._channel.unsent > MAX_UNSENT:
            raise ProtocolError("stuck", f"more than {MAX_UNSENT} messages wait to be read")
        if self._stuck is not None and now - self._stuck > STUCK_S:
            raise ProtocolError("stuck", f"nothing was read for {STUCK_S:g} s")
        if now - self._heard > SILENT_S:
            raise ProtocolError("silent", f"nothing came for {SILENT_S:g} s; send silence or pings to keep it open")
        if self._service.max_minutes and now - self._begin > 60 * self._service.max_minutes:
            raise ProtocolError("time_limit", f"the limit of {self._service.max_minutes:g} minutes is reached")


def percentiles_ms(seconds):
    """What `statistics` says of times."""
    seconds = sorted(seconds)
    return {name: 1e3 * seconds[int(share * (len(seconds) - 1) + 0.5)] for name, share in PERCENTILES.items()}
