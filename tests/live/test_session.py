# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The server over real sockets: what comes back, what is refused and how, and that nobody else notices."""

import json
import re
import socket
import threading
import time
import urllib.error
import urllib.request
from contextlib import suppress

import numpy as np
import pytest
import soxr
import torch
from support.fake_engine import GAIN, FakeEngine
from support.golden import load_golden
from support.live_server import DEADLINE_S, LiveServer, collect, wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from live import clocked as clocked_module
from live import converters
from live import session as session_module
from live.client import Connection, ServerError
from live.protocol import CLOSE_CODES, MAX_FRAME
from streaming.server import StreamServer
from streaming.torch_engine import TorchEngine

GOLDEN = load_golden("small")
SPEECH = GOLDEN.arrays["audio"][:8000]
HELLO = {"type": "hello", "version": 1, "rate": 16000, "format": "f32"}


def engine(places=3):
    return TorchEngine(GOLDEN.model, 1, places)


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """A busy machine is no overload here: audio that waits longer than usual is not dropped."""
    monkeypatch.setattr("live.channel.MAX_WAIT_S", 30)


@pytest.fixture(scope="module")
def offline():
    """The speech in one go through an engine of as many places."""
    with StreamServer(engine()) as server, server.open() as stream:
        return torch.cat((stream.push(torch.from_numpy(SPEECH)), stream.flush())).numpy()


@pytest.fixture
def running():
    with LiveServer(engine()) as server:
        yield server


def speak(connection, samples=SPEECH, piece=128, rate=None):
    """Sends samples in pieces, at the pace of `rate` (Hz) if there is one, and ends."""
    begin = time.monotonic()
    for start in range(0, len(samples), piece):
        if rate:
            time.sleep(max(0, begin + start / rate - time.monotonic()))
        connection.send(samples[start : start + piece])
    connection.say("end")


def converse(connection, samples=SPEECH, **options):
    """Speaks and listens at the same time -> (audio, messages)."""
    speaker = threading.Thread(target=speak, args=(connection, samples), kwargs=options)
    speaker.start()
    audio, messages = collect(connection)
    speaker.join()
    return np.concatenate(audio), messages


def test_the_bytes_that_come_back_are_those_of_the_offline_conversion(running, offline):
    with Connection(running.url) as connection:
        assert connection.welcome["network_rate"] == 16000 and connection.welcome["chunk_ms"] == pytest.approx(13)
        assert connection.welcome["algorithmic_ms"] == 14 and connection.welcome["resampling_ms"] == 0
        audio, messages = converse(connection, piece=97, rate=16000)
        assert audio.tobytes() == offline.tobytes()
        assert messages[-1] == {"type": "ended", "samples": len(SPEECH)}
        again, _ = converse(connection, SPEECH[:1000])
        assert np.array_equal(again[:800], offline[:800])  # four whole chunks; the rest ends earlier


def test_16_bit(running, offline):
    with Connection(running.url, format="s16") as connection:
        audio, _ = converse(connection, np.rint(SPEECH * 32768) / 32768)
        assert np.abs(audio - offline).max() < 1e-4


@pytest.mark.parametrize("rate", [8000, 44100, 48000, 192000])
def test_other_rates(rate, offline):
    """As resampled in one go, and as many samples as went in."""
    samples = soxr.resample(SPEECH, 16000, rate, "VHQ").astype(np.float32)
    with LiveServer(FakeEngine(1)) as running, Connection(running.url, rate, mode="file") as connection:
        assert 0 < connection.welcome["resampling_ms"] < 5
        audio, messages = converse(connection, samples, piece=rate // 100)
        assert len(audio) == len(samples) == messages[-1]["samples"]
        there = soxr.resample(samples, rate, 16000, "VHQ")
        expected = GAIN * soxr.resample(there, 16000, rate, "VHQ")[: len(audio)]
        inside = slice(rate // 20, len(expected) - rate // 20)
        assert np.abs(audio[: len(expected)] - expected)[inside].max() < 0.02 * np.abs(expected).max()


def test_a_file_comes_back_faster_than_it_plays_and_whole(running, offline):
    samples = np.tile(SPEECH, 12)
    with Connection(running.url, mode="file") as connection:
        audio, messages = converse(connection, samples, piece=8000)
        assert np.array_equal(audio[:7800], offline[:7800]) and len(audio) == len(samples)
        assert not [m for m in messages if m["type"] == "dropped"]


@pytest.mark.parametrize("packet_ms, chunks", [(13, 1), (25.9, 1), (26, 2), (60, 4)])
def test_messages_of_several_chunks(packet_ms, chunks):
    """As many whole ones as fit; what is said stands between the samples where it belongs."""
    with LiveServer(FakeEngine(1)) as running, connect(running.url, proxy=None) as client:
        client.send(json.dumps({**HELLO, "packet_ms": packet_ms}))
        for samples in (SPEECH[:2600], SPEECH[2600:]):
            client.send(samples.tobytes())
            client.send('{"type": "ping"}')
        client.send('{"type": "end"}')
        sizes, audio, kind = [], b"", None
        while kind != "ended":
            received = client.recv(DEADLINE_S)
            if isinstance(received, bytes):
                sizes.append(len(received) // 4)
                audio += received
            else:
                kind = json.loads(received)["type"]
    assert audio == (np.float32(GAIN) * SPEECH).tobytes()
    assert max(sizes) == 208 * chunks


def test_statistics_pings_and_resets(running):
    with Connection(running.url) as connection:
        speaker = threading.Thread(target=speak, args=(connection, np.tile(SPEECH, 4)), kwargs={"rate": 16000})
        connection.say("ping", time=12.5)
        assert connection.receive(DEADLINE_S) == {"type": "pong", "time": 12.5}
        speaker.start()
        _, messages = collect(connection, "statistics")
        speaker.join()
        statistics = messages[-1]
        assert statistics["chunks"] > 0 and statistics["streams"] == 1 and statistics["dropped"] == 0
        for name in ("wait_ms", "compute_ms", "server_ms"):
            assert 0 <= statistics[name]["p50"] <= statistics[name]["p95"] <= statistics[name]["max"]
        connection.say("reset")
        collect(connection, "reset")
        audio, messages = converse(connection, SPEECH[:500])
        assert len(audio) == messages[-1]["samples"] == 500


def test_pings_and_resets_are_all_answered_in_order(running):
    """A reset drops the audio that is under way, nothing else."""
    with Connection(running.url) as connection:
        for number in range(3):
            connection.send(SPEECH[:1000])
            connection.say("ping", time=number)
            connection.say("reset")
        connection.say("ping", time="last")
        answers = []
        while not answers or answers[-1] != {"type": "pong", "time": "last"}:
            received = connection.receive(DEADLINE_S)
            if isinstance(received, dict) and received["type"] != "statistics":
                answers.append(received)
        assert answers[:-1] == [
            answer for number in range(3) for answer in ({"type": "pong", "time": number}, {"type": "reset"})
        ]


MALFORMED = {
    "bad_hello": [
        b"\0\0\0\0",
        "",
        "hello",
        "[1]",
        '{"type":1}',
        "[" * 4000,
        {"type": "end"},
        {**HELLO, "rate": 7999},
        {**HELLO, "rate": 192001},
        {**HELLO, "rate": "16000"},
        {**HELLO, "rate": True},
        {**HELLO, "rate": 16000.5},
        {**HELLO, "format": "u8"},
        {**HELLO, "format": []},
        {**HELLO, "mode": "karaoke"},
        *({**HELLO, "packet_ms": value} for value in (12.9, 60.1, "26", True, None, float("nan"))),
    ],
    "bad_version": [{**HELLO, "version": 2}, {**HELLO, "version": None}, {**HELLO, "version": True}],
    "bad_message": [[HELLO, "PCM"], [HELLO, '{"type":"dance"}'], [HELLO, "null"]],
    "second_hello": [[HELLO, HELLO]],
    "odd_bytes": [[HELLO, b"\0" * 7], [{**HELLO, "format": "s16"}, b"\0"]],
    "bad_samples": [
        [HELLO, np.array([0, value], np.float32).tobytes()] for value in (np.nan, np.inf, -np.inf, 1e30, -1001)
    ],
    "too_large": [[HELLO, b"\0" * 64004], "x" * 5000, [HELLO, "[" * 5000]],
}
CASES = [(code, messages) for code, group in MALFORMED.items() for messages in group]


def refusal(url, messages, **options):
    """Sends messages -> (the code of the error, that of the close)."""
    error = {}
    with connect(url, **options) as client:
        try:
            for message in messages if isinstance(messages, list) else [messages]:
                client.send(json.dumps(message) if isinstance(message, dict) else message)
        except ConnectionClosed:
            pass  # what it said is still to be read
        try:
            while True:
                received = client.recv(DEADLINE_S)
                error = json.loads(received) if isinstance(received, str) else {}
        except ConnectionClosed as closed:
            return error.get("code"), closed.rcvd.code


def test_what_is_refused_has_its_own_error_and_nobody_else_hears_of_it():
    with LiveServer(FakeEngine(2)) as running, Connection(running.url) as good:
        speaker = threading.Thread(target=speak, args=(good,), kwargs={"rate": 16000})
        speaker.start()
        for code, messages in CASES:
            told, close_code = refusal(running.url, messages)
            assert close_code == CLOSE_CODES[code], (code, messages)
            assert told == code, (code, messages)
        # The library itself refuses what is longer still, before it is in memory.
        assert refusal(running.url, [HELLO, b"\0" * (MAX_FRAME + 1)])[1] == CLOSE_CODES["too_large"]
        audio, _ = collect(good)
        speaker.join()
        assert np.array_equal(np.concatenate(audio), GAIN * SPEECH)
        good.close()
        wait_until(lambda: running.server.streams == 0, "all places free")


def test_token_and_origin():
    with LiveServer(FakeEngine(1), token="geheim") as running:
        for token in (None, "", "falsch", 7, "geheim "):
            assert refusal(running.url, {**HELLO, "token": token}) == ("bad_token", CLOSE_CODES["bad_token"])
        with Connection(running.url, token="geheim") as connection:
            assert connection.welcome["type"] == "welcome"
        assert refusal(running.url, HELLO, origin="http://evil.example") == ("bad_origin", CLOSE_CODES["bad_origin"])
        assert refusal(running.url, HELLO, origin="null") == ("bad_origin", CLOSE_CODES["bad_origin"])
        own = running.page.rstrip("/")
        assert refusal(running.url, HELLO, origin=own)[0] == "bad_token"


def test_full_at_once_and_a_client_that_vanishes_frees_its_place(running):
    held = [Connection(running.url) for _ in range(3)]
    with pytest.raises(ServerError, match="all 3 places") as error:
        Connection(running.url)
    assert error.value.code == "full" and running.metric("streams_refused_total") == 1
    held[0].send(SPEECH[:1000])
    held[0]._socket.transport.get_extra_info("socket").shutdown(socket.SHUT_RDWR)  # without a word
    wait_until(lambda: running.server.streams == 2, "the place is free")
    with Connection(running.url) as new:
        new.say("end")
        collect(new)
    for connection in held:
        connection.close()


def test_a_silent_client_and_one_over_its_time(monkeypatch):
    monkeypatch.setattr(session_module, "HELLO_S", 0.2)
    monkeypatch.setattr(session_module, "STATISTICS_S", 0.05)
    monkeypatch.setattr(session_module, "SILENT_S", 0.3)
    with LiveServer(FakeEngine(2), max_minutes=0.02) as running:
        assert refusal(running.url, []) == ("silent", CLOSE_CODES["silent"])
        assert refusal(running.url, HELLO) == ("silent", CLOSE_CODES["silent"])
        with Connection(running.url) as connection, pytest.raises(ServerError) as error:
            while True:
                connection.send(SPEECH[:160])
                with suppress(TimeoutError):
                    connection.receive(0.01)
        assert error.value.code == "time_limit"


def test_a_client_whose_microphone_is_away_keeps_its_stream(monkeypatch):
    monkeypatch.setattr(session_module, "STATISTICS_S", 0.05)
    monkeypatch.setattr(session_module, "SILENT_S", 0.5)
    monkeypatch.setattr(converters, "KEEP_S", 0.05)
    told = []
    with LiveServer(FakeEngine(1)) as running:
        converter = converters.RemoteConverter(running.url, 16000, tell=told.append)
        pings = 30  # or more in thrice the time after which the server would close
        wait_until(lambda: running.metric("received_bytes_total") > pings * len('{"type": "ping"}'), "it sends pings")
        assert running.server.streams == 1 and not told
        converter.close()


def test_a_slow_reader_is_bounded_then_cut_off_and_nobody_else_notices(monkeypatch):
    monkeypatch.setattr(session_module, "STUCK_S", 1.0)
    monkeypatch.setattr(clocked_module, "CATCH_UP", 1e9)  # it sends all it has at once, to fill the buffers soon
    with LiveServer(FakeEngine(2)) as running:
        slow = socket.socket()
        slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        slow.connect(("127.0.0.1", running.port))
        with connect(running.url, sock=slow, max_queue=1, close_timeout=0, compression=None, proxy=None) as client:
            client.send(json.dumps(HELLO))
            with Connection(running.url) as good:
                speaker = threading.Thread(target=speak, args=(good,), kwargs={"rate": 16000})
                speaker.start()
                longest = 0
                try:
                    while running.server.streams > 1 or speaker.is_alive():
                        client.send(np.zeros(1600, np.float32).tobytes())
                        longest = max([longest, *(c.output_length for c in list(running.server._channels.values()))])
                        time.sleep(0.005)
                except ConnectionClosed:
                    pass
                audio, _ = collect(good)
                speaker.join()
        assert np.array_equal(np.concatenate(audio), GAIN * SPEECH)
        assert longest <= 16000 + 208
        assert running.metric("dropped_samples_total", reason="slow_reader") > 0
        wait_until(lambda: running.metric("streams_closed_total", code="stuck") == 1, "it is cut off")


def test_an_engine_that_fails_for_good_closes_the_streams_and_the_health():
    fake = FakeEngine(1)
    with LiveServer(fake) as running:
        health = json.load(urllib.request.urlopen(running.page + "healthz"))
        assert health == {"status": "ok", "streams": 0, "places": 1}
        fake.fail = True
        with Connection(running.url) as connection, pytest.raises(ServerError, match="the card fell out"):
            for _ in range(1000):
                connection.send(SPEECH[:208])
                with suppress(TimeoutError):
                    connection.receive(0.01)
        with pytest.raises(ServerError, match="the card fell out"):
            Connection(running.url)
        with pytest.raises(urllib.error.HTTPError, match="503"):
            urllib.request.urlopen(running.page + "healthz")


def test_who_only_sends_learns_why_the_server_closed_and_loses_no_audio():
    """The server's last message stands unread behind audio when a send finds the connection closed."""
    fake = FakeEngine(1)
    with LiveServer(fake) as running, Connection(running.url) as connection:
        connection.send(SPEECH[: 208 + 16])
        wait_until(lambda: running.metric("sent_bytes_total") > 4 * 208, "a chunk came back")
        fake.fail = True
        with pytest.raises(ServerError, match="the card fell out") as error:
            while True:
                connection.send(SPEECH[:208])
                time.sleep(0.001)
        assert error.value.code == "engine"
        assert np.array_equal(connection.receive(DEADLINE_S), GAIN * SPEECH[:208])
        with pytest.raises(ServerError, match="the card fell out"):
            while True:
                connection.receive(DEADLINE_S)


def test_the_page_and_the_metrics(running):
    with urllib.request.urlopen(running.page) as response:
        policy = re.search(r'Content-Security-Policy"\s+content="(.*?)"', response.read().decode())[1]
        assert response.headers["Content-Security-Policy"] == policy + "; frame-ancestors 'none'"
        assert response.headers["Content-Type"].startswith("text/html")
    with Connection(running.url) as connection:
        converse(connection)
    text = urllib.request.urlopen(running.page + "metrics").read().decode()
    for name in (
        "streams_open 0.0",
        "streams_refused_total",
        "chunk_seconds_bucket",
        "queue_seconds",
        "chunks_late_total",
        "dropped_samples_total",
        f"received_bytes_total {running.metric('received_bytes_total')}",
        "sent_bytes_total",
    ):
        assert f"llvc_{name}" in text, name
    assert running.metric("received_bytes_total") > 4 * len(SPEECH)


def test_a_client_without_a_server(running):
    with pytest.raises(ServerError, match="no live server answers"):
        Connection("ws://127.0.0.1:9/stream")
    with pytest.raises(ServerError, match="no live server at this path"):
        Connection(running.url + "s")
    with pytest.raises(ServerError, match="no address of a server"):
        Connection("not a url")


def test_a_connection_that_is_closed():
    """By one thread while another one waits in it; whatever is called then ends in a line, and nothing stays."""
    threads = threading.active_count()
    with LiveServer(FakeEngine(1)) as running:
        connection, caught = Connection(running.url), []

        def receive():
            try:
                while True:
                    connection.receive()
            except ServerError as error:
                caught.append(error)

        receiver = threading.Thread(target=receive)
        receiver.start()
        connection.close()
        receiver.join(30)
        assert len(caught) == 1
        connection.close()
        for call in (
            connection.receive,
            lambda: connection.send(np.zeros(10, np.float32)),
            lambda: connection.say("end"),
        ):
            with pytest.raises(ServerError, match="closed"):
                call()
    wait_until(lambda: threading.active_count() <= threads, "its threads are gone")
