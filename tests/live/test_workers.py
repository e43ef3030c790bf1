# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Front processes: what one of them, or the engine's, does to the others when it dies or stands still."""

import asyncio
import ctypes
import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
from support.fake_engine import GAIN
from support.live_server import DEADLINE_S, collect, wait_until

from live import serve
from live.client import Connection, ServerError
from tools.load_test import come_and_go

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="workers share memory as Linux has it"),
]

ROOT = Path(__file__).resolve().parents[2]
PR_SET_CHILD_SUBREAPER = 36  # prctl
SPEECH = np.random.default_rng(0).uniform(-0.5, 0.5, 4000).astype(np.float32)


class Server:
    """live.serve with workers, on an engine that halves the samples, and what it shows of itself."""

    def __init__(self, workers, places, folder):
        options = ["--port", "0", "--streams", str(places), "--workers", str(workers), "--drain_s", "600"]
        self.process = subprocess.Popen(
            [sys.executable, ROOT / "tools" / "null_server.py", "0", *options],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(folder)},
            stdout=subprocess.PIPE,
            text=True,
        )
        for line in self.process.stdout:
            if found := re.match("open http://(.*)/ ", line):
                break
        self.page = f"http://{found[1]}/"
        self.url = f"ws://{found[1]}/stream"

    @property
    def workers(self):
        """Their process numbers."""
        threads = Path(f"/proc/{self.process.pid}/task").iterdir()
        return [int(child) for thread in threads for child in (thread / "children").read_text().split()]

    def memory(self):
        """Resident, of each process in MB."""
        status = [Path(f"/proc/{number}/status").read_text() for number in (self.process.pid, *self.workers)]
        return np.array([int(re.search(r"VmRSS:\s+(\d+)", text)[1]) / 1024 for text in status])

    def health(self):
        return json.load(urllib.request.urlopen(self.page + "healthz", timeout=DEADLINE_S))

    def metric(self, name):
        text = urllib.request.urlopen(self.page + "metrics", timeout=DEADLINE_S).read().decode()
        return sum(map(float, re.findall(rf"^llvc_{name}(?:{{.*}})? ([\d.e+-]+)$", text, re.MULTILINE)))

    def worker_of(self, connection):
        """The process number of the worker that has a connection."""
        local, remote = (
            f":{connection._socket.transport.get_extra_info(name)[1]:04X}" for name in ("peername", "sockname")
        )
        rows = [row.split() for row in Path("/proc/net/tcp").read_text().splitlines()]
        (inode,) = [row[9] for row in rows if row[1].endswith(local) and row[2].endswith(remote)]
        (worker,) = [number for number in self.workers if f"socket:[{inode}]" in links(number)]
        return worker

    def connect_to_two(self, stack):
        """A connection to each of two workers: {process number: connection}."""
        wait_until(lambda: not self.health()["streams"], "all places are free")
        connections = {}
        while len(connections) < 2:
            connection = stack.enter_context(Connection(self.url))
            worker = self.worker_of(connection)
            if worker in connections:
                connection.close()
            connections.setdefault(worker, connection)
        wait_until(lambda: self.health()["streams"] == 2, "the others have left")
        return connections


def links(number):
    """What the descriptors of a process are."""
    found = set()
    for path in Path(f"/proc/{number}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(os.readlink(path))
    return found


@contextmanager
def serving(workers, places, folder):
    server = Server(workers, places, folder)
    try:
        yield server
        if server.process.poll() is None:
            server.process.terminate()
            assert server.process.wait(DEADLINE_S) == 0
    finally:
        server.process.kill()
        server.process.wait()


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with serving(4, 20, tmp_path_factory.mktemp("server")) as server:
        yield server


@pytest.fixture
def orphans():
    """Processes that lose their parent become this one's children, so that it can read how they end."""
    prctl = ctypes.CDLL(None).prctl
    assert prctl(PR_SET_CHILD_SUBREAPER, 1) == 0
    yield
    prctl(PR_SET_CHILD_SUBREAPER, 0)


def check_speaks(connection):
    connection.send(SPEECH)
    connection.say("end")
    assert np.array_equal(np.concatenate(collect(connection)[0]), GAIN * SPEECH)


def reason(connection):
    """Why a connection ends: a ServerError."""
    with pytest.raises(ServerError) as error:
        while True:
            connection.receive(DEADLINE_S)
    return error.value


def test_places_and_metrics_are_common(server):
    with ExitStack() as stack:
        held = [*server.connect_to_two(stack).values()]
        held += [stack.enter_context(Connection(server.url)) for _ in range(18)]
        for _ in range(4):  # whoever answers
            assert server.health() == {"status": "ok", "streams": 20, "places": 20}
            with pytest.raises(ServerError, match="all 20 places"):
                Connection(server.url)
        assert server.metric("streams_refused_total") == 4 and server.metric("streams_open") == 20
        with ThreadPoolExecutor() as threads:
            list(threads.map(check_speaks, held))
    wait_until(lambda: server.health()["streams"] == 0, "all places are free")
    assert server.metric("streams_open") == 0 and server.metric("chunks_failed_total") == 0
    wait_until(lambda: server.metric("received_bytes_total") >= 20 * 4 * len(SPEECH), "all is counted")


def test_a_worker_that_stands_still_holds_nobody_up(server):
    with ExitStack() as stack:
        (still, silent), (_, other) = server.connect_to_two(stack).items()
        silent.send(SPEECH[:1000])
        os.kill(still, signal.SIGSTOP)
        try:
            check_speaks(other)
            for _ in range(3):
                with Connection(server.url) as connection:
                    check_speaks(connection)
        finally:
            os.kill(still, signal.SIGCONT)
        silent.send(SPEECH[1000:])
        silent.say("end")
        audio, messages = collect(silent)
        dropped = sum(message.get("samples", 0) for message in messages if message["type"] == "dropped")
        assert sum(map(len, audio)) + dropped == len(SPEECH)


def test_a_thousand_come_and_go(server):
    asyncio.run(come_and_go(server.url, 200))  # what is allocated once is there
    before = server.memory()
    asyncio.run(come_and_go(server.url, 1000))
    wait_until(lambda: server.health()["streams"] == 0, "all places are free")
    assert (server.memory() - before).max() < 8  # MB
    with ExitStack() as stack:
        for _ in range(20):
            stack.enter_context(Connection(server.url))
        assert server.health()["streams"] == 20


def test_a_worker_that_is_killed_loses_its_own_streams_and_is_started_again(server):
    with ExitStack() as stack:
        (victim, lost), (_, kept) = server.connect_to_two(stack).items()
        lost.send(SPEECH)
        os.kill(victim, signal.SIGKILL)
        check_speaks(kept)
        assert reason(lost).passing
        wait_until(lambda: len(server.workers) == 4 and victim not in server.workers, "there are four again")
        wait_until(lambda: server.health()["streams"] == 1, "its place is free")
        check_speaks(kept)
        for _ in range(19):
            connection = stack.enter_context(Connection(server.url))
        check_speaks(connection)


def test_all_of_them_drain(server):
    with ExitStack() as stack:
        connections = server.connect_to_two(stack).values()
        server.process.terminate()
        for connection in connections:
            collect(connection, "draining")
        with pytest.raises(ServerError, match="takes no new streams"):
            Connection(server.url)
        for connection in connections:
            check_speaks(connection)
    assert server.process.wait(DEADLINE_S) == 0


@pytest.mark.usefixtures("orphans")
def test_clients_are_told_when_the_engines_process_is_gone(tmp_path):
    with serving(2, 4, tmp_path) as server, ExitStack() as stack:
        workers, connections = server.workers, server.connect_to_two(stack).values()
        server.process.kill()
        for connection in connections:
            assert "the engine's process ended" in str(reason(connection))
        assert server.process.wait(DEADLINE_S) == -signal.SIGKILL  # only now are the workers children of this process
        assert [os.waitstatus_to_exitcode(os.waitpid(number, 0)[1]) for number in workers] == [1, 1]
        assert not [*tmp_path.iterdir()]  # nor anything else
        with pytest.raises(ServerError, match="no live server answers"):
            Connection(server.url)


def test_how_many_workers_there_are(monkeypatch, capsys):
    monkeypatch.setattr("live.serve.available_cores", lambda: 8)
    assert [serve.default_workers(places) for places in (1, 4, 100, 101, 440, 2000)] == [1, 1, 1, 2, 5, 7]
    monkeypatch.setattr("live.serve.available_cores", lambda: 1)
    assert serve.default_workers(440) == 1
    monkeypatch.setattr("live.serve.CAN_SHARE", False)
    assert serve.main(["--workers", "2"]) == 1
    assert "need Linux" in capsys.readouterr().err
