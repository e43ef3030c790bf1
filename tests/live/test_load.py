# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Load and broken clients, beside streams that must not notice: every sample counts, and nothing stays behind."""

import asyncio
import gc
import random

import numpy as np
import pytest
from support.fake_engine import GAIN, FakeEngine
from support.live_server import LiveServer, wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from live.protocol import CLOSE_CODES, MAX_RATE, Hello, ProtocolError, decode_pcm, parse_hello, parse_json
from tools.load_test import load
from tools.storms import AT_A_TIME, FLOODS, come_and_go, flood, fuzz, malformed, unfinished

pytestmark = [pytest.mark.slow, pytest.mark.realtime]

STEADY = 4  # streams
SPEECH = np.random.default_rng(0).uniform(-0.5, 0.5, 20000).astype(np.float32)


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """A busy machine is no overload here: audio that waits longer than usual is not dropped."""
    monkeypatch.setattr("live.channel.MAX_WAIT_S", 60)


def beside_steady_streams(storm, seconds):
    """Runs storm(url) beside steady streams, which come back sample for sample; returns its result."""
    with LiveServer(FakeEngine(AT_A_TIME + STEADY)) as server:

        async def both():
            streams = asyncio.ensure_future(load(server.url, STEADY, seconds, SPEECH))
            while server.server.streams < STEADY:
                await asyncio.sleep(0.01)
            result = await storm(server.url)
            held = server.server.streams
            return result, held, await streams

        result, held, streams = asyncio.run(both())
        assert held >= STEADY or seconds < 10
        for number, (audio, figures) in enumerate(streams):
            given = np.resize(np.roll(SPEECH, -number * 4000), int(seconds * 16000))
            assert np.array_equal(audio, GAIN * given) and figures["dropped"] == 0
        wait_until(lambda: server.server.streams == 0, "all places are free")
        gc.collect()
        assert not server.server._channels
        # While it stormed the server may have refused whom it had no place for yet; now it has all of them.
        refused = server.metric("streams_refused_total")
        asyncio.run(load(server.url, AT_A_TIME + STEADY, 0.1, SPEECH))
        assert server.metric("streams_refused_total") == refused
        return result


def test_clients_that_come_and_go_half_of_them_in_a_frame():
    beside_steady_streams(lambda url: come_and_go(url, 400), 4)


def test_malformed_messages_over_the_wire():
    codes = beside_steady_streams(lambda url: fuzz(url, 200, seed=1), 2)
    assert sum(codes.values()) == 200
    assert set(codes) <= set(CLOSE_CODES.values()) and len(codes) >= 5


def test_thousands_of_malformed_messages():
    """Through the parser: each is refused with a code, or is no worse than another right message."""
    refused = 0
    for seed in range(4000):
        for message in malformed(random.Random(seed)):
            try:
                if isinstance(message, bytes):
                    assert np.isfinite(decode_pcm(message, Hello(16000, "f32", "live"))).all()
                elif '"hello"' in message:
                    assert 8000 <= parse_hello(message).rate <= MAX_RATE
                else:
                    parse_json(message)
            except ProtocolError as error:
                assert error.close_code in CLOSE_CODES.values()
                refused += 1
    assert refused > 3600


async def all_storms(url):
    """Everything that strangers may do, at once."""
    crowd = await unfinished(url, 150)
    pages = asyncio.gather(*(asyncio.to_thread(foreign_page, url, origin) for origin in FOREIGN))
    floods = asyncio.gather(*(flood(url, kind, 2) for kind in FLOODS))
    await asyncio.gather(come_and_go(url, 100), fuzz(url, 100, seed=2), floods, pages)
    for _, writer in crowd:
        writer.transport.abort()


FOREIGN = ("http://evil.example", "http://[", "null") * 5


def foreign_page(url, origin):
    with connect(url, origin=origin, proxy=None, open_timeout=60) as client, pytest.raises(ConnectionClosed) as closed:
        while True:
            client.recv(60)
    assert closed.value.rcvd.code == CLOSE_CODES["bad_origin"]


def test_all_storms_at_once(monkeypatch):
    monkeypatch.setattr("live.connections.MAX_WAITING", 100)
    beside_steady_streams(all_storms, 8)


def living(server, storm):
    """Objects that live when a storm is over. While the engine runs they cannot be counted: CPython's would break."""
    asyncio.run(storm)
    wait_until(lambda: server.server.streams == 0 and not server._web.server_state.connections, "all are gone")
    wait_until(lambda: not server._web.server_state.tasks and not server._web.visits, "all tasks are done")
    server.server.metrics.registry.collect()
    gc.collect()
    return len(gc.get_objects())


def test_nothing_grows_over_storms(monkeypatch):
    monkeypatch.setattr("live.connections.MAX_WAITING", 100)
    with LiveServer(FakeEngine(AT_A_TIME)) as server:
        few, _, many = (living(server, all_storms(server.url)) for _ in range(3))
        assert many - few < 300  # strangers were a thousand


def test_nothing_grows_over_many_streams():
    """Objects that live, after so many streams and ten times as many."""
    with LiveServer(FakeEngine(AT_A_TIME)) as server:
        living(server, come_and_go(server.url, 50))
        few = living(server, come_and_go(server.url, 50))
        many = living(server, come_and_go(server.url, 500))
        assert many - few < 500  # less than one for each
