# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A server that ends while its streams go on, and HAProxy in front of two of them."""

import json
import re
import shutil
import signal
import socket
import subprocess
import urllib.error
import urllib.request
from contextlib import ExitStack, contextmanager
from pathlib import Path

import numpy as np
import pytest
from support.fake_engine import GAIN, FakeEngine
from support.live_server import DEADLINE_S, LiveServer, collect, wait_until

from live.access import Access
from live.agent import agent, answer
from live.client import Connection, ServerError
from live.serve import bind

CONFIGURATION = Path(__file__).resolve().parents[2] / "examples" / "haproxy.cfg"
SPEECH = np.random.default_rng(0).uniform(-0.5, 0.5, 3000).astype(np.float32)


@pytest.fixture(autouse=True)
def _patience(monkeypatch):
    """A busy machine is no overload here: audio that waits longer than usual is not dropped."""
    monkeypatch.setattr("live.channel.MAX_WAIT_S", 30)


def converse(connection):
    connection.send(SPEECH)
    connection.say("end")
    audio, messages = collect(connection)
    assert np.array_equal(np.concatenate(audio), GAIN * SPEECH)
    return messages


def drain(server):
    """What SIGTERM does."""
    server._web.handle_exit(signal.SIGTERM, None)
    wait_until(lambda: server.server.is_draining, "it drains")


def status(server):
    try:
        return json.load(urllib.request.urlopen(server.page + "healthz"))["status"]
    except urllib.error.HTTPError as error:
        assert error.code == 503
        return json.load(error)["status"]


def test_a_server_that_drains_keeps_its_streams_and_takes_no_others():
    with LiveServer(FakeEngine(2), drain_s=600) as server, Connection(server.url) as stays:
        assert answer(server.server) == "up ready 50%\n"
        drain(server)
        assert status(server) == "draining" and answer(server.server) == "drain\n"
        with pytest.raises(ServerError, match="connect again") as error:
            Connection(server.url)
        assert error.value.code == "draining" and error.value.passing
        message = collect(stays, "draining")[1][-1]
        assert message == {"type": "draining", "seconds": 600}
        assert "draining" not in [message["type"] for message in converse(stays)]  # it is said once
        stays.close()
        wait_until(lambda: not server._thread.is_alive(), "it ends behind its last stream")


def test_a_server_that_drains_ends_its_streams_in_time():
    with LiveServer(FakeEngine(1), drain_s=0.1) as server, Connection(server.url) as connection:
        drain(server)
        with pytest.raises(ServerError, match="1012") as error:
            while True:
                connection.receive(DEADLINE_S)
        assert error.value.passing


def test_sigint_and_a_second_sigterm_end_at_once():
    for first, second in ((signal.SIGINT, None), (signal.SIGTERM, signal.SIGTERM)):
        with LiveServer(FakeEngine(1), drain_s=600) as server, Connection(server.url):
            server._web.handle_exit(first, None)
            if second:
                server._web.handle_exit(second, None)
            wait_until(lambda s=server: not s._thread.is_alive(), "it ends")


def free_port():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@contextmanager
def haproxy(folder, servers, agents, certificate, hosts_certificate):
    """HAProxy with examples/haproxy.cfg, whose addresses and files are these -> its port."""
    pem, port = folder / "voice.pem", free_port()
    pem.write_text("".join(Path(file).read_text() for file in certificate))
    text = CONFIGURATION.read_text().replace(":443 ssl", f"127.0.0.1:{port} ssl")
    text = text.replace("/etc/haproxy/voice.pem", str(pem)).replace(" agent-port 8001", "")
    if hosts_certificate:
        tls = re.search(r"server a 10.0.0.1:8000 (ssl .*)", text)[1]
        text = text.replace("\n    default-server", f"\n    default-server {tls}")
        text = text.replace("/etc/haproxy/hosts.pem", hosts_certificate)
    for name, server, listener in zip("ab", servers, agents, strict=True):
        place = f"127.0.0.1:{server.port} agent-port {listener.getsockname()[1]}"
        text = re.sub(rf"\n    server {name} .*", f"\n    server {name} {place}", text)
    (folder / "haproxy.cfg").write_text(text)
    process = subprocess.Popen(["haproxy", "-db", "-f", str(folder / "haproxy.cfg")], stderr=subprocess.PIPE, text=True)
    try:
        yield port
    finally:
        process.terminate()
        process.communicate()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("haproxy") is None, reason="needs HAProxy: apt-get install haproxy")
@pytest.mark.parametrize("tls_at_hosts", [False, True])
def test_behind_haproxy_as_documented(tmp_path, certificate, tls_at_hosts):
    tls = dict(zip(("ssl_certfile", "ssl_keyfile"), certificate, strict=True)) if tls_at_hosts else {}
    access = Access(["https://voice.example.com"], proxies=["127.0.0.1"], tls=tls_at_hosts)
    with ExitStack() as stack:
        servers = [stack.enter_context(LiveServer(FakeEngine(2), access=access, drain_s=600, **tls)) for _ in range(2)]
        listeners = [bind("127.0.0.1", 0) for _ in servers]
        for server, listener in zip(servers, listeners, strict=True):
            stack.enter_context(agent(server.server, listener))
        port = stack.enter_context(haproxy(tmp_path, servers, listeners, certificate, tls_at_hosts and certificate[0]))

        def connect():
            return stack.enter_context(Connection(f"https://127.0.0.1:{port}/", cafile=certificate[0]))

        def is_open():
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", port)) == 0

        wait_until(is_open, "HAProxy listens")
        streams = [connect() for _ in range(2)]
        assert [server.server.streams for server in servers] == [1, 1]
        for stream in streams:
            converse(stream)
        drain(servers[0])
        collect(streams[0], "draining")
        streams.append(stack.enter_context(try_until_taken(connect)))
        assert [server.server.streams for server in servers] == [1, 2]
        converse(streams[0])  # goes on where it is
        with pytest.raises(ServerError) as error:  # the other host is full
            connect()
        assert error.value.passing


def try_until_taken(connect):
    """As a client does: until HAProxy has heard that a host drains, it may still be sent there."""
    found = []

    def is_taken():
        try:
            found.append(connect())
        except ServerError as error:
            assert error.passing and error.code in ("draining", None)
        return found

    wait_until(is_taken, "another host takes the stream")
    return found[0]
