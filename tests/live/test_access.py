# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Whose pages may use the server, by which names it is called, and what stands behind a proxy."""

import json
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from support.fake_engine import FakeEngine
from support.live_server import DEADLINE_S, LiveServer, wait_until
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from live.access import Access, Origin, is_own_name, parse_origin
from live.protocol import ProtocolError
from tools.storms import HELLO

DOCS = Path(__file__).resolve().parents[2] / "docs" / "LIVE.md"
OURS, PEER, PROXY = "127.0.0.1:8000", "192.0.2.1", "10.0.0.1"


def code_of(access, peer=PEER, **headers):
    """What a page is told, None if it may use the server. Header names have _ for -."""
    try:
        access.check_page({name.replace("_", "-"): value for name, value in headers.items()}, peer)
    except ProtocolError as error:
        return error.code
    return None


@pytest.mark.parametrize(
    "text, origin",
    [
        ("https://Voice.Example.com", Origin("https", "voice.example.com", 443)),
        ("http://[::1]:8000", Origin("http", "::1", 8000)),
        *(
            (text, None)
            for text in ("", "null", "file://", "http://", "http://[", "http://a:b", "a.example", "http://a:99999")
        ),
        *((text, None) for text in ("http://a/", "http://u@a", "http://a?b", "http://a#b", "ftp://a")),
    ],
)
def test_origins(text, origin):
    assert parse_origin(text) == origin
    if origin is None:
        assert code_of(Access(), host=OURS, origin=text) == "bad_origin"


def test_a_page_of_its_own_and_those_that_are_named():
    access = Access(["https://voice.example.com", "http://studio.example:8080"])
    assert code_of(access, host=OURS) is None  # a program
    assert code_of(access, host=OURS, origin=f"http://{OURS}") is None
    assert code_of(access, host="localhost", origin="http://localhost:80") is None
    assert code_of(access, host=OURS, origin="https://voice.example.com") is None
    assert code_of(access, host=OURS, origin="http://studio.example:8080") is None
    for origin in (
        "http://voice.example.com",
        "https://voice.example.com:8443",
        "http://studio.example",
        "http://127.0.0.1",
    ):
        assert code_of(access, host=OURS, origin=origin) == "bad_origin", origin


def test_names_that_a_strangers_domain_cannot_have():
    own = socket.gethostname()
    for host in (
        "localhost",
        "127.0.0.1",
        "[::1]:80",
        "192.168.1.7:8000",
        "llvc",
        own,
        f"{own}.local",
        "voice.example.com:1",
    ):
        assert code_of(Access(["https://voice.example.com"]), host=host) is None, host
    for host in ("evil.example", "127.0.0.1.evil.example:80", "[", "a b.example", "evil.example/", "x@evil.example"):
        origin = f"http://{host}"
        assert code_of(Access(), host=host, origin=origin) == "bad_origin", host
    assert code_of(Access(names=["live.example.com"]), host="live.example.com") is None
    assert code_of(Access(tls=True), host="any.example", origin="https://any.example") is None
    assert not is_own_name("evil.example")


def test_what_a_proxy_says_counts_if_it_is_named():
    headers = {"host": OURS, "origin": "https://voice.example.com", "x_forwarded_host": "voice.example.com"}
    access = Access(["https://voice.example.com:8443"], proxies=["10.0.0.0/8", "::1"])
    assert code_of(access, PROXY, **headers) is None
    assert code_of(access, PEER, **headers) == "bad_origin"
    assert code_of(access, PROXY, **{**headers, "x_forwarded_host": "voice.example.com, evil.example"}) == "bad_origin"


def test_over_http_and_websockets():
    with LiveServer(FakeEngine(1)) as server:

        def status(host):
            request = urllib.request.Request(server.page + "healthz", headers={"Host": host})
            try:
                return urllib.request.urlopen(request).status
            except urllib.error.HTTPError as error:
                assert b"--allowed_origins" in error.read()
                return error.code

        assert status("localhost") == 200 and status("evil.example") == 421 and status("[") == 421
        for number, origin in enumerate(("http://[", "http://evil.example", "")):
            with connect(server.url, origin=origin, proxy=None) as client, pytest.raises(ConnectionClosed) as closed:
                assert json.loads(client.recv(DEADLINE_S))["code"] == "bad_origin"
                client.recv(DEADLINE_S)
            assert closed.value.rcvd.code == 4003
            wait_until(lambda n=number: server.metric("streams_closed_total", code="bad_origin") == n + 1, "it counts")


@pytest.mark.parametrize("proxies, seen", [(["127.0.0.1"], "198.51.100.7"), ([], "127.0.0.1")])
def test_where_a_client_of_a_proxy_comes_from(proxies, seen):
    with LiveServer(FakeEngine(1), access=Access(proxies=proxies)) as server:
        headers = {"X-Forwarded-For": "203.0.113.5, 198.51.100.7"}
        with connect(server.url, additional_headers=headers, proxy=None) as client:
            wait_until(lambda: seen in server._web.visits._waiting, "it is known")
            client.send(json.dumps(HELLO))
            assert json.loads(client.recv(DEADLINE_S))["type"] == "welcome"


def snippet(language):
    """The configuration in docs/LIVE.md."""
    return re.search(rf"```{language}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)[1]


@pytest.mark.skipif(shutil.which("nginx") is None, reason="needs nginx: apt-get install nginx-light")
def test_behind_nginx_as_documented(tmp_path):
    """Below a path, with nginx's defaults but for what the documentation says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    origin = f"http://voice.example.com:{port}"
    with LiveServer(FakeEngine(1), access=Access([origin], proxies=["127.0.0.1"])) as server:
        inside = snippet("nginx").replace("127.0.0.1:8000", f"127.0.0.1:{server.port}")
        paths = "".join(
            f"{name}_temp_path {tmp_path}/{name}; " for name in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
            f"http {{ access_log off; {paths} server {{ listen 127.0.0.1:{port}; {inside} }} }}"
        )
        command = ["nginx", "-e", str(tmp_path / "error.log"), "-c", str(tmp_path / "nginx.conf")]
        process = subprocess.Popen(command, stderr=subprocess.PIPE)
        try:

            def is_open():
                with socket.socket() as probe:
                    return probe.connect_ex(("127.0.0.1", port)) == 0

            wait_until(is_open, "nginx listens")
            page = urllib.request.urlopen(f"http://127.0.0.1:{port}/voice/").read()
            assert page == urllib.request.urlopen(server.page).read()
            with connect(f"ws://127.0.0.1:{port}/voice/stream", origin=origin, proxy=None) as client:
                wait_until(lambda: server._web.visits._waiting, "it is there")
                client.send(json.dumps(HELLO))
                assert json.loads(client.recv(DEADLINE_S))["type"] == "welcome"
            with connect(f"ws://127.0.0.1:{port}/voice/stream", origin="http://evil.example", proxy=None) as client:
                assert json.loads(client.recv(DEADLINE_S))["code"] == "bad_origin"
        finally:
            process.terminate()
            process.wait()
