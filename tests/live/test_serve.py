# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""python -m live.serve as a user starts and ends it."""

import asyncio
import json
import re
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from support.fake_engine import GAIN, FakeEngine
from support.live_server import LiveServer, collect
from websockets.asyncio.client import connect

from live import serve
from live.client import Connection, ServerError

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("workers", [1, 2])
def test_it_starts_serves_and_ends(workers):
    process = subprocess.Popen(
        [sys.executable, "-m", "live.serve", "--port", "0", "--backend", "cpu", "--streams", "1", "--token", "geheim"]
        + ["--threads", "2", "--workers", str(workers)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        for line in process.stdout:
            if found := re.search(r"open http://(127\.0\.0\.1:\d+)/ ", line):
                break
        health = json.load(urllib.request.urlopen(f"http://{found[1]}/healthz"))
        assert health == {"status": "ok", "streams": 0, "places": 1}
        connection = Connection(f"ws://{found[1]}/stream", token="geheim")
        assert connection.welcome["voice"] and connection.welcome["backend"] == "cpu"
        assert connection.welcome["device"] == "CPU, 2 threads"
        process.send_signal(signal.SIGINT)
        with pytest.raises(ServerError, match="1012"):  # a restart, as far as it knows
            while True:
                connection.receive(60)
        _, err = process.communicate(timeout=600)
        assert "Traceback" not in err and process.returncode in (0, 130, -signal.SIGINT)
    finally:
        process.kill()
        process.wait()


def test_https_and_wss(certificate, monkeypatch):
    certificate, key = certificate
    serve.check_certificate(certificate, key)
    trusting = ssl.create_default_context(cafile=certificate)
    with LiveServer(FakeEngine(2), ssl_certfile=certificate, ssl_keyfile=key) as server:
        address = f"127.0.0.1:{server.port}"
        assert urllib.request.urlopen(f"https://{address}/", context=trusting).status == 200

        async def page():
            secure = {"ssl": trusting, "origin": f"https://{address}", "proxy": None}
            async with connect(f"wss://{address}/stream", **secure) as client:
                await client.send(json.dumps({"type": "hello", "version": 1, "rate": 16000}))
                return json.loads(await asyncio.wait_for(client.recv(), 30))

        assert asyncio.run(page())["type"] == "welcome"
        with pytest.raises(ServerError, match="give it with --ssl_cafile"):
            Connection(f"https://{address}/")
        with Connection(f"https://{address}/", cafile=certificate) as connection:
            assert connection.welcome["type"] == "welcome"
        monkeypatch.setenv("SSL_CERT_FILE", certificate)
        with Connection(f"wss://{address}/stream") as connection:
            connection.send(np.ones(300, np.float32))
            connection.say("end")
            audio, _ = collect(connection)
        assert np.array_equal(np.concatenate(audio), np.full(300, GAIN, np.float32))


def test_bad_input_gets_one_line(tmp_path, capsys):
    (tmp_path / "no.pem").write_text("no certificate")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        for options, message in (
            (["--port", str(taken.getsockname()[1])], "cannot be listened at"),
            (["--host", "203.0.113.7"], "cannot be listened at"),
            (["--host", "no such host"], "cannot be listened at"),
            (["--ssl_certfile", "none.pem"], "none.pem: no such file"),
            (["--ssl_certfile", str(tmp_path / "no.pem")], "no certificate"),
            (["--ssl_keyfile", str(tmp_path / "no.pem")], "goes with --ssl_certfile"),
            (["--port", "0", "-p", "none.pth"], "no such checkpoint"),
        ):
            assert serve.main(options) == 1, options
            err = capsys.readouterr().err
            assert err.startswith("error: ") and err.count("\n") == 1 and message in err


def test_where_the_token_comes_from(tmp_path, monkeypatch, capsys):
    """Only --token itself is seen by others on this machine."""
    monkeypatch.delenv("LLVC_TOKEN", raising=False)
    assert serve.parse_args([]).token is None
    (tmp_path / "token").write_text("from a file\n")
    monkeypatch.setenv("LLVC_TOKEN", "from the environment")
    assert serve.parse_args([]).token == "from the environment"
    assert serve.parse_args(["--token_file", str(tmp_path / "token")]).token == "from a file"
    assert serve.parse_args(["--token", "given"]).token == "given"
    (tmp_path / "token").write_text("\n")
    for options, message in (
        (["--token_file", str(tmp_path / "token")], "holds no token"),
        (["--token_file", str(tmp_path / "none")], "cannot be read"),
    ):
        assert serve.main(options) == 1
        assert message in capsys.readouterr().err
    monkeypatch.setenv("LLVC_TOKEN", "")
    assert serve.main([]) == 1
    assert "LLVC_TOKEN is empty" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options",
    [
        ["--port", "65536"],
        ["--streams", "0"],
        ["--max_minutes", "0"],
        ["--max_minutes", "nan"],
        ["--loud"],
        ["--token", ""],
        ["--token", "a", "--token_file", "b"],
        ["--allowed_origins", "voice.example.com"],
        ["--allowed_origins", "https://voice.example.com/path"],
        ["--proxies", "localhost"],
    ],
)
def test_wrong_flags_get_one_line(options, capsys):
    with pytest.raises(SystemExit) as stop:
        serve.parse_args(options)
    assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_threads_are_as_many_as_streams_but_leave_a_core(monkeypatch):
    monkeypatch.setattr(serve, "available_cores", lambda: 4)
    assert [serve.default_threads("cpu", streams) for streams in (1, 2, 8)] == [1, 2, 3]
    assert serve.default_threads("torch", 8) == 1
    monkeypatch.setattr(serve, "available_cores", lambda: 1)
    assert serve.default_threads("cpu", 8) == 1


def test_without_its_requirements(monkeypatch, capsys):
    for name in [name for name in sys.modules if name == "fastapi" or name.startswith(("fastapi.", "live.app"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    assert serve.main([]) == 1
    assert "pyproject.toml:live" in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, said, unsaid",
    [
        ([], "open http://127.0.0.1:80/", "note"),
        (["--host", "0.0.0.0"], "https and localhost only", "xx"),
        (["--host", "0.0.0.0"], "add --token", "xx"),
        (["--host", "::1"], "open http://[::1]:80/", "note"),
        (["--host", "0.0.0.0", "--ssl_certfile", "x", "--token", "y"], "open https://localhost:80/", "note"),
    ],
)
def test_what_it_says_at_the_start(options, said, unsaid):
    text = serve.greeting(serve.parse_args(options), 80, "cpu")
    assert said in text and unsaid not in text
