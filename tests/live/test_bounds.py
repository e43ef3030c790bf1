# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What a stranger can make the server do, and what bounds it; the table in docs/LIVE.md names these tests."""

import asyncio
import json
import logging
import re
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.request
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from support.fake_engine import GAIN, FakeEngine
from support.live_server import DEADLINE_S, LiveServer, collect, wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from live import app, connections, session
from live.client import Connection, ServerError
from live.connections import Visit, Visits, network_of
from live.log import INTERVAL_S, MOST, Repeats
from live.metrics import Metrics
from live.protocol import CLOSE_CODES
from live.rate import Rate
from tools.load_test import load
from tools.storms import BINARY, CLOSE, FLOODS, HELLO, PING, TEXT, flood, frame, unfinished, upgraded

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
SPEECH = np.random.default_rng(0).uniform(-0.5, 0.5, 8000).astype(np.float32)


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """A busy machine is no overload here: audio that waits longer than usual is not dropped."""
    monkeypatch.setattr("live.channel.MAX_WAIT_S", 30)


def get(url, **headers):
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=DEADLINE_S)


def converse(connection):
    connection.send(SPEECH)
    connection.say("end")
    audio, _ = collect(connection)
    return np.concatenate(audio)


def is_cut(sock):
    """Whether the other side closes, or has closed, the connection."""
    sock.settimeout(DEADLINE_S)
    with suppress(ConnectionError):
        while sock.recv(4096):
            pass
    return True


def test_connections_that_never_finish_make_room_for_those_that_do(monkeypatch):
    monkeypatch.setattr(connections, "MAX_WAITING", 40)
    with LiveServer(FakeEngine(1), token="geheim") as server:

        async def crowd():
            pairs = await unfinished(server.url, 120)
            await asyncio.to_thread(beside)
            assert len(server._web.visits) <= 40 and server.metric("connections_cut_total", reason="crowded") >= 80
            for _, writer in pairs:
                writer.transport.abort()

        def beside():
            assert json.load(get(server.page + "healthz"))["status"] == "ok"
            assert get(server.page).status == 200
            with Connection(server.url, token="geheim") as connection:
                assert np.array_equal(converse(connection), GAIN * SPEECH)

        asyncio.run(crowd())
        wait_until(lambda: not server._web.visits and not server._web.server_state.connections, "all are gone")


def test_nobody_goes_for_the_crowd_of_another_address(monkeypatch):
    monkeypatch.setattr(connections, "MAX_WAITING", 10)
    with LiveServer(FakeEngine(1)) as server:
        address = ("127.0.0.1", server.port)
        lone = socket.create_connection(address, source_address=("127.0.0.2", 0))
        crowd = [socket.create_connection(address) for _ in range(50)]
        assert all(is_cut(sock) for sock in crowd[:40])
        lone.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert lone.recv(100).startswith(b"HTTP/1.1 200")
        for sock in (lone, *crowd):
            sock.close()
    assert network_of("2001:db8::1") == network_of("2001:db8::2:3") != network_of("2001:db8:0:1::1")
    assert network_of("::ffff:10.0.0.1") == "10.0.0.1"


def test_a_connection_has_so_long_to_become_a_stream(monkeypatch):
    with LiveServer(FakeEngine(1)) as server, Connection(server.url) as stays:
        monkeypatch.setattr(connections, "WAIT_S", 3.0)
        monkeypatch.setattr(session, "HELLO_S", 0.5)
        socks = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(3)]
        socks[1].sendall(b"GET / HTTP/1.1\r\n")
        socks[2].sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")  # is answered, and may ask again
        assert all(is_cut(sock) for sock in socks)
        assert server.metric("connections_cut_total", reason="late") >= 2
        with connect(server.url, proxy=None) as client, pytest.raises(ConnectionClosed) as closed:
            assert json.loads(client.recv(DEADLINE_S))["code"] == "silent"
            client.recv(DEADLINE_S)
        assert closed.value.rcvd.code == 4009
        assert np.array_equal(converse(stays), GAIN * SPEECH)  # a stream has as long as it likes


def test_a_tls_handshake_that_never_ends(tmp_path, monkeypatch, certificate):
    monkeypatch.setattr(connections, "MAX_WAITING", 10)
    cert, key = certificate
    with LiveServer(FakeEngine(1), ssl_certfile=cert, ssl_keyfile=key) as server:
        socks = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(40)]
        trusting = ssl.create_default_context(cafile=cert)
        health = urllib.request.urlopen(f"https://127.0.0.1:{server.port}/healthz", context=trusting)
        assert json.load(health)["status"] == "ok"
        assert all(is_cut(sock) for sock in socks[:30])
        with socket.create_connection(("127.0.0.1", server.port)) as plain:
            plain.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert is_cut(plain)
        for sock in socks:
            sock.close()
        wait_until(lambda: not server._web.visits, "all are gone")


def test_more_unfinished_requests_than_files_may_be_open():
    """The program itself, with the usual limit of 1024: who has the token gets in, and the log stays short."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < 1400:
        pytest.skip("this process may not open 1,100 connections")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 1400), hard))
    process = subprocess.Popen(
        [sys.executable, "-m", "live.serve", "--port", "0", "--backend", "cpu", "--streams", "2", "--token", "geheim"],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024)),
    )
    try:
        for line in process.stdout:
            if found := re.search(r"open http://127\.0\.0\.1:(\d+)/ ", line):
                break
        port = int(found[1])
        socks = []
        for _ in range(1100):
            socks.append(socket.create_connection(("127.0.0.1", port)))
            socks[-1].sendall(b"GET / HTTP/1.1\r\n")
        for _ in range(5):
            with Connection(f"ws://127.0.0.1:{port}/stream", token="geheim") as connection:
                assert connection.welcome["type"] == "welcome"
            assert json.load(get(f"http://127.0.0.1:{port}/healthz"))["status"] == "ok"
        for sock in socks:
            sock.close()
    finally:
        process.terminate()
        _, err = process.communicate(timeout=600)
    assert len(err) < 1000


def test_a_limit_of_open_files_that_is_too_low():
    code = (
        "import resource; from live.connections import most_waiting; from reference.errors import LLVCError\n"
        "resource.setrlimit(resource.RLIMIT_NOFILE, (300, 1024))\n"
        "print(most_waiting(4), resource.getrlimit(resource.RLIMIT_NOFILE)[0], most_waiting(700))\n"
        "try: most_waiting(800)\n"
        "except LLVCError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    figures, line = said.splitlines()
    assert figures == "512 644 196"
    assert line.startswith("800 streams are too many for a limit of 1024 open files") and "1440" in line


def test_300_clients_behind_one_address_all_get_in():
    with LiveServer(FakeEngine(300), token="geheim", warm_up_s=0) as server:

        async def client():
            reader, writer = await upgraded(server.url)
            writer.write(frame(TEXT, json.dumps({**HELLO, "token": "geheim"}).encode()))
            return await asyncio.wait_for(reader.readuntil(b"}"), DEADLINE_S), writer

        async def all_at_once():
            answers = await asyncio.gather(*(client() for _ in range(300)))
            assert all(b'"welcome"' in answer for answer, _ in answers)
            assert server.server.streams == 300 and not server._web.visits
            for _, writer in answers:
                writer.transport.abort()

        asyncio.run(all_at_once())


class Watched:
    """The most that a server kept for its WebSockets, looked at while a client floods it."""

    def __init__(self, server):
        self.unsent = self.queued = self.unwritten = self.fragments = 0
        self._server, self._ended = server, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._ended.set()
        self._thread.join()

    def _watch(self):
        while not self._ended.wait(0.002):
            self.unsent = max(
                [self.unsent, *(channel.unsent for channel in list(self._server.server._channels.values()))]
            )
            for protocol in list(self._server._web.server_state.connections):
                if isinstance(protocol, connections.WebSocketProtocol) and protocol.transport:
                    self.queued = max(self.queued, protocol.queue.qsize())
                    self.unwritten = max(self.unwritten, protocol.transport.get_write_buffer_size())
                    self.fragments = max(self.fragments, len(protocol.frames))


@pytest.mark.parametrize("kind", FLOODS)
def test_a_client_that_sends_without_end_and_reads_nothing(kind, monkeypatch):
    """Whatever it makes the server keep is bounded, it is cut off, and nobody else notices."""
    reason = {"pings": "silent", "fragments": "silent", "questions": "stuck", "audio": "stuck"}.get(kind)
    # A busy machine may hold up the client that is not to notice anything, too.
    monkeypatch.setattr(session, "SILENT_S", 2.0 if reason == "silent" else 20.0)
    monkeypatch.setattr(session, "STUCK_S", 20.0 if reason == "silent" else 2.0)
    monkeypatch.setattr(connections, "WAIT_S", 3.0)
    with LiveServer(FakeEngine(2)) as server, Watched(server) as watched:

        async def both():
            seconds = 4 if reason is None else 60  # others are ended by the server
            good, sent = await asyncio.gather(load(server.url, 1, 4, SPEECH), flood(server.url, kind, seconds))
            return good[0], sent

        begin = time.monotonic()
        (audio, figures), sent = asyncio.run(both())
        elapsed = time.monotonic() - begin
        assert np.array_equal(audio, GAIN * np.resize(SPEECH, len(audio))) and len(audio) == 4 * 16000
        assert figures["dropped"] == 0 and sent > 0
        closed = {code for code in CLOSE_CODES if server.metric("streams_closed_total", code=code)}
        assert closed == ({reason} if reason else set())
        most_of_a_read = connections.READ_SIZE // 6 + 1  # frames of no bytes
        assert watched.queued <= most_of_a_read
        # Of what is read at once one may be above the rate, and one before the hello is found right.
        assert watched.fragments <= connections.FRAME_BURST + connections.FRAMES_PER_S * elapsed + 2 * most_of_a_read
        second_of_audio = 77
        assert watched.unsent <= session.TEXT_BURST + session.TEXTS_PER_S * elapsed + 2 * second_of_audio
        assert watched.unwritten <= session.MIN_SEND_BUFFER + 2 * connections.READ_SIZE


def test_messages_that_a_client_leaves_unread(monkeypatch):
    """Also where it reads a little now and then, so that it is not stuck with one of them."""
    monkeypatch.setattr(session, "MAX_UNSENT", 20)
    monkeypatch.setattr(session, "STUCK_S", 600)
    monkeypatch.setattr(connections, "WAIT_S", 1.0)
    with LiveServer(FakeEngine(1)) as server:
        asyncio.run(flood(server.url, "questions", 60))
        assert server.metric("streams_closed_total", code="stuck") == 1


def test_texts_have_a_rate():
    with LiveServer(FakeEngine(1)) as server, Connection(server.url) as connection:
        begin = time.monotonic()
        for number in range(session.TEXT_BURST + 30):
            connection.say("ping", time=number)
        answers = 0
        while answers < session.TEXT_BURST + 30:
            received = connection.receive(DEADLINE_S)
            answers += received.get("type") == "pong"
            assert answers <= session.TEXT_BURST + 1 + session.TEXTS_PER_S * (time.monotonic() - begin)


def test_who_closes_and_reads_nothing_does_not_stay(monkeypatch):
    """Its place is free at once; what was to be sent to it would else keep the connection open for good."""
    monkeypatch.setattr(connections, "WAIT_S", 1.0)
    with LiveServer(FakeEngine(1)) as server:

        async def leave():
            _, writer = await upgraded(server.url, receive_buffer=4096)
            writer.transport.pause_reading()
            writer.write(frame(TEXT, json.dumps(HELLO).encode()))
            (protocol,) = server._web.server_state.connections
            while not protocol.transport.get_write_buffer_size():
                writer.write(10 * frame(PING, bytes(125)))
                await asyncio.sleep(0.01)
            writer.write(frame(CLOSE, b"\x03\xe8"))
            await asyncio.to_thread(wait_until, lambda: not server.server.streams, "the place is free")
            await asyncio.to_thread(
                wait_until, lambda: not server._web.server_state.connections and not server._web.visits, "all is gone"
            )
            writer.transport.abort()

        asyncio.run(leave())
        assert server.metric("streams_closed_total", code="closed") == 1
        assert server.metric("connections_cut_total", reason="late") == 1


def test_requests_and_new_connections_have_a_rate(monkeypatch):
    """Of all strangers together, so that the streams have the rest of the time."""
    for name, value in (("REQUESTS_PER_S", 20), ("REQUEST_BURST", 5), ("ACCEPTS_PER_S", 50), ("ACCEPT_BURST", 10)):
        monkeypatch.setattr(app, name, value)
    with LiveServer(FakeEngine(1)) as server:
        begin = time.monotonic()
        for answered in range(1, 31):
            assert get(server.page + ("healthz", "", "metrics")[answered % 3]).status == 200
            assert answered <= 5 + 1 + 20 * (time.monotonic() - begin)
        begin = time.monotonic()
        socks = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(60)]
        while (accepted := len(server._web.visits)) < 60:
            assert accepted <= 30 + 10 + 1 + 50 * (time.monotonic() - begin)  # of those above some may still be open
            time.sleep(0.01)
        for sock in socks:
            sock.close()


def test_a_rate():
    now = [0.0]
    rate = Rate(10, 3, lambda: now[0])
    assert [rate.take() for _ in range(5)] == [0, 0, 0, pytest.approx(0.1), pytest.approx(0.2)]
    now[0] = 0.2
    assert rate.take(0) == 0
    now[0] = 100.0
    assert rate.take(3) == 0 and rate.take() > 0  # what was not taken does not pile up beyond the burst


def test_what_is_read_before_a_hello():
    """64 KB, whatever it is, however long the first message says that it will be."""
    with LiveServer(FakeEngine(1)) as server, socket.create_connection(("127.0.0.1", server.port)) as sock:
        sock.sendall(
            f"GET /stream HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode()
        )
        assert sock.recv(1000).startswith(b"HTTP/1.1 101")
        (protocol,) = server._web.server_state.connections
        sock.sendall(bytes([0x80 | BINARY, 0xFF]) + (700_000).to_bytes(8, "big") + bytes(4))
        sock.settimeout(0.5)
        with pytest.raises(TimeoutError):
            sock.sendall(bytes(50_000_000))
        wait_until(lambda: protocol._unproven > connections.MAX_UNPROVEN, "it reads no more")
        assert protocol._unproven <= connections.MAX_UNPROVEN + 2 * connections.READ_SIZE
    # Who sends a hello and at once, without waiting for the welcome, a lot of audio is no stranger.
    with LiveServer(FakeEngine(1)) as server:

        async def at_once():
            reader, writer = await upgraded(server.url)
            hello = frame(TEXT, json.dumps({**HELLO, "mode": "file"}).encode())
            writer.write(hello + 20 * frame(BINARY, bytes(16000)) + frame(TEXT, b'{"type": "end"}'))
            received = b""
            while b'"ended"' not in received:
                received += await asyncio.wait_for(reader.read(65536), DEADLINE_S)
            writer.transport.abort()
            assert b'"samples": 80000' in received

        asyncio.run(at_once())


@pytest.mark.parametrize("tls", [False, True], ids=["ws", "wss"])
def test_who_sends_all_the_time_still_hears_why_it_is_closed(tls, certificate, monkeypatch):
    """Input that nobody reads any more would reset the connection, and the last message might be lost with it."""
    cert, key = certificate if tls else (None, None)
    monkeypatch.setenv("SSL_CERT_FILE", certificate[0])

    def speak_until_closed(server, samples):
        """Sends as fast as it can; returns what the one that sends and the one that receives are told."""

        def send():
            try:
                while True:
                    connection.send(samples)
            except ServerError as error:
                told.append(error)

        told = []
        with Connection(server.url.replace("ws:", "wss:") if tls else server.url, rate=192000) as connection:
            sender = threading.Thread(target=send)
            sender.start()
            try:
                while True:
                    connection.receive(DEADLINE_S)
                    begun.set()
            except ServerError as error:
                told.append(error)
            sender.join()
        return told

    begun = threading.Event()
    with LiveServer(FakeEngine(1), ssl_certfile=cert, ssl_keyfile=key, max_minutes=1 / 60) as server:
        assert [error.code for error in speak_until_closed(server, np.zeros(19200, np.float32))] == 2 * ["time_limit"]
        told = speak_until_closed(server, np.zeros(400_000, np.float32))
        assert all("exceeds limit" in str(error) for error in told) and len(told) == 2
    begun.clear()
    with LiveServer(FakeEngine(1), ssl_certfile=cert, ssl_keyfile=key) as server:
        told = []
        speaker = threading.Thread(target=lambda: told.extend(speak_until_closed(server, np.zeros(19200, np.float32))))
        speaker.start()
        begun.wait(DEADLINE_S)
    speaker.join()
    assert all("1012" in str(error) for error in told) and len(told) == 2


def test_a_log_that_nobody_can_fill():
    now = [0.0]
    repeats = Repeats(lambda: now[0])

    def written(message, *arguments):
        record = logging.LogRecord("a", logging.WARNING, "", 0, message, arguments, None)
        return record.getMessage() if repeats.filter(record) else None

    assert [written("client %d is odd", number) for number in range(1000)] == ["client 0 is odd"] + 999 * [None]
    now[0] = INTERVAL_S
    assert written("client %d is odd", 7) == "client 7 is odd (and 999 times more)"
    others = [written(f"message {number}") for number in range(10 * MOST)]
    assert sum(line is not None for line in others) <= MOST
    now[0] = 2 * INTERVAL_S
    assert written("something new") == "something new"


def test_visits_that_end_are_forgotten():
    async def visit():
        visits = Visits(3, Metrics())
        pairs = [socket.socketpair() for _ in range(5)]
        waiting = [Visit(visits, pair[0], f"10.0.0.{number // 4}") for number, pair in enumerate(pairs)]
        assert {network: list(ones) for network, ones in visits._waiting.items()} == {
            "10.0.0.0": waiting[2:4],
            "10.0.0.1": waiting[4:],
        }
        waiting[2].comes_from("10.0.0.1")
        assert len(visits._waiting["10.0.0.1"]) == 2
        for one in waiting:
            one.leave()
        assert len(visits) == 0 and not visits._waiting
        for pair in pairs:
            for sock in pair:
                sock.close()

    asyncio.run(visit())
