# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Load and faults for a live server on this machine: python tools/load_test.py (see --help).

Starts python -m live.serve by itself, speaks to it over the loopback interface with as many streams as asked for, in
real time, and prints what they found; then storms of broken clients beside streams that must not notice.
"""

import argparse
import asyncio
import json
import re
import select
import socket
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from demo.program import exit_code  # noqa: E402
from live.protocol import MAX_PACKET_MS, MIN_PACKET_MS  # noqa: E402
from tools.null_server import GAIN  # noqa: E402
from tools.storms import (  # noqa: E402
    AT_A_TIME,
    BINARY,
    FLOODS,
    HANDSHAKE,
    HELLO,
    PACKET,
    PING,
    PONG,
    RATE,
    TEXT,
    come_and_go,
    flood,
    frame,
    fuzz,
    host_and_port,
)

SPEECH = ROOT / "test_wavs" / "example.wav"
CLIENT_STREAMS = 50  # of a process


class Speaker:
    """One stream that costs little: a socket, frames made beforehand, and per message hardly more than a comparison.

    Sends samples [N], `packet` of them in a message and `packets` messages over and over, and asks for as large ones.
    Without a gain what comes back is kept as `audio`; with one it is compared with that times the samples, and those
    that differ are counted as `wrong`.
    """

    def __init__(self, url, samples, packets=None, gain=None, packet=PACKET):
        self._frames = [frame(BINARY, samples[i : i + packet].tobytes()) for i in range(0, len(samples), packet)]
        self.packet, self.packets = packet, packets or len(self._frames)
        self._expected = None if gain is None else 2 * (np.float32(gain) * samples).tobytes()
        self._sent_at, self.samples, self._buffer = [], 0, b""
        self.audio, self.latencies, self.statistics, self.is_over = [], [], [], False
        self.wrong = self.dropped = self.late = self.chunks = 0
        self.socket = socket.create_connection(host_and_port(url))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.sendall(HANDSHAKE.format(host="127.0.0.1").encode())
        while b"\r\n\r\n" not in self._buffer:
            self._buffer += self.socket.recv(65536)
        self._buffer = b""
        self.socket.sendall(frame(TEXT, json.dumps({**HELLO, "packet_ms": 1e3 * packet / RATE}).encode()))
        while not self._sent_at and not self.is_over:  # until the welcome
            self.read()

    def send(self):
        """Sends the next packet, behind the last one the end."""
        number = len(self._sent_at) - 1
        self._sent_at.append(time.perf_counter())
        self.socket.sendall(self._frames[number % len(self._frames)])
        if number + 1 == self.packets:
            self.socket.sendall(frame(TEXT, b'{"type": "end"}'))

    def read(self):
        """Takes what there is, at least something."""
        data = self.socket.recv(65536)
        if not data:
            raise RuntimeError("the server closed a stream that had not ended")
        data = self._buffer + data if self._buffer else data
        start = 0
        while len(data) - start >= 4:
            length, head = data[start + 1], start + 2
            if length >= 126:
                head += 2 if length == 126 else 8
                length = int.from_bytes(data[start + 2 : head], "big")
            if len(data) < head + length:
                break
            self._take(data[start] & 0x0F, data[head : head + length])
            start = head + length
        self._buffer = data[start:]

    def _take(self, opcode, message):
        if opcode == BINARY:
            self._take_audio(message)
        elif opcode == PING:
            self.socket.sendall(frame(PONG, message))
        elif opcode == TEXT:
            message = json.loads(message)
            if message["type"] == "welcome":
                self._lookahead = round((message["algorithmic_ms"] - message["chunk_ms"]) * RATE / 1000)
                self._sent_at = [time.perf_counter()]
            elif message["type"] == "statistics":
                self.statistics.append(message)
                self.late = message["late"]
            elif message["type"] == "dropped":
                self.dropped += message["samples"]
            elif message["type"] in ("error", "ended"):
                self.is_over = True
                if message["type"] == "error":
                    raise RuntimeError(message["message"])

    def _take_audio(self, message):
        position = self.samples + self.dropped
        self.samples += len(message) // 4
        self.chunks += -(-len(message) // (4 * PACKET))
        if self._expected is None:
            self.audio.append(np.frombuffer(message, np.float32))
        elif not self._expected.startswith(message, 4 * position % (len(self._expected) // 2)):
            self.wrong += len(message) // 4
        number = (self.samples + self.dropped + self._lookahead - 1) // self.packet + 1  # of the last one it waited for
        if number < len(self._sent_at):  # the tail does not wait for its chunk
            self.latencies.append(1e3 * (time.perf_counter() - self._sent_at[number]))

    def figures(self):
        names = ("latencies", "statistics", "samples", "wrong", "dropped", "late", "chunks")
        return {name: getattr(self, name) for name in names}


def speak(speakers, begin):
    """Has all of them speak in real time from `begin` on (time.time()), one a little behind the other, to their end."""
    poll, by_file = select.epoll(), {speaker.socket.fileno(): speaker for speaker in speakers}
    for number in by_file:
        poll.register(number, select.EPOLLIN)
    begin += time.perf_counter() - time.time()
    turns, turn, period = len(speakers) * max(speaker.packets for speaker in speakers), 0, speakers[0].packet / RATE
    while by_file:
        wait = 1.0
        while turn < turns and (wait := begin + turn / len(speakers) * period - time.perf_counter()) <= 0:
            speakers[turn % len(speakers)].send()
            turn += 1
        for number, _ in poll.poll(max(0.001, wait)):
            by_file[number].read()
            if by_file[number].is_over:
                poll.unregister(number)
                by_file.pop(number).socket.close()


async def load(url, streams, seconds, speech):
    """So many streams at a time for so long -> (audio, figures) of each."""

    def work():
        signals = [np.resize(np.roll(speech, -4000 * stream), int(seconds * RATE)) for stream in range(streams)]
        speakers = [Speaker(url, samples) for samples in signals]
        speak(speakers, time.time())
        return [(np.concatenate(speaker.audio), speaker.figures()) for speaker in speakers]

    return await asyncio.to_thread(work)


@contextmanager
def server(streams, options, null_ms=None, folder=ROOT):
    """A checkout's live.serve on a free port, or its tools/null_server.py -> (its WebSocket's address, its process)."""
    command = ["-m", "live.serve"] if null_ms is None else [str(ROOT / "tools" / "null_server.py"), str(null_ms)]
    own = folder / ".venv" / "bin" / "python"
    python = str(own) if own.exists() else sys.executable
    command = [python, *command, "--port", "0", "--streams", str(streams), *options]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            found = re.search(r"open http://(\S+)/ ", line)
            if found:
                break
        else:
            raise SystemExit("error: the server does not start")
        yield f"ws://{found[1]}/stream", process
    finally:
        process.terminate()
        process.wait()


def cpu_s(pid):
    """CPU seconds of a process and those below it (Linux): (of what serves the network, of all threads).

    The network is served by the processes below, where there are any, and else by the first thread.
    """
    folder = Path(f"/proc/{pid}/task")
    threads = {int(task.name): int((task / "schedstat").read_text().split()[0]) / 1e9 for task in folder.iterdir()}
    children = [int(child) for task in folder.iterdir() for child in (task / "children").read_text().split()]
    below = sum(cpu_s(child)[1] for child in children)
    return below or threads[pid], below + sum(threads.values())


_speakers = []  # of this process


def connect_speakers(url, numbers, seconds, gain, packet):
    speech, _ = soundfile.read(SPEECH, dtype="float32")
    whole = np.resize(speech, len(speech) // packet * packet)
    packets = int(seconds * RATE / packet)
    _speakers[:] = [Speaker(url, np.roll(whole, -4000 * number), packets, gain, packet) for number in numbers]


def run_speakers(begin):
    speak(_speakers, begin)
    return [speaker.figures() for speaker in _speakers]


def measure(url, pid, streams, seconds, gain, packet):
    """Streams from processes of their own -> (figures of each, the server's CPU ms per second of audio: cpu_s)."""
    shares = [range(streams)[first :: -(-streams // CLIENT_STREAMS)] for first in range(-(-streams // CLIENT_STREAMS))]
    clients = [ProcessPoolExecutor(1, get_context("spawn")) for _ in shares]
    try:
        pairs = zip(clients, shares, strict=True)
        for ready in [c.submit(connect_speakers, url, share, seconds, gain, packet) for c, share in pairs]:
            ready.result()
        before = cpu_s(pid)
        results = [client.submit(run_speakers, time.time() + 0.5) for client in clients]
        figures = [figures for result in results for figures in result.result()]
        audio_s = sum(f["samples"] for f in figures) / RATE
        return figures, [1e3 * (after - b) / audio_s for after, b in zip(cpu_s(pid), before, strict=True)]
    finally:
        for client in clients:
            client.shutdown()


def memory_mb(url):
    """Resident memory of the server's process, which shows it as a metric of its own where Linux has it."""
    text = urllib.request.urlopen(url.replace("ws://", "http://").replace("/stream", "/metrics")).read().decode()
    found = re.search(r"^process_resident_memory_bytes ([\d.e+]+)$", text, re.MULTILINE)
    return float(found[1]) / 2**20 if found else float("nan")


HEAD = (
    "server  streams  CPU ms a stream and s: network, all   server, ms: p50, p95, p99   at the client: p50, p95, p99  "
    "late %  dropped s  wrong"
)


def row(name, figures, cpu):
    """A row of the table."""
    own = [s["server_ms"] for f in figures for s in f["statistics"] if "server_ms" in s]
    server_ms = " ".join(f"{np.median([s[p] for s in own] or [np.nan]):6.1f}" for p in ("p50", "p95", "p99"))
    latencies = np.percentile([ms for f in figures for ms in f["latencies"]] or [np.nan], (50, 95, 99))
    chunks, late, dropped, wrong = (sum(f[n] for f in figures) for n in ("chunks", "late", "dropped", "wrong"))
    return (
        f"{name:7} {len(figures):7}  {cpu[0]:30.2f} {cpu[1]:7.2f}   {server_ms}          "
        f"{' '.join(f'{ms:6.1f}' for ms in latencies)}           {100 * late / max(1, chunks):6.2f}  "
        f"{dropped / RATE:9.2f} {wrong:6}"
    )


def storms(args):
    """Broken clients and floods, and what they leave of the server's memory."""
    with server(AT_A_TIME + 1, args.options) as (url, _):
        for name, count, storm in (
            ("come and go", args.connects, lambda count: come_and_go(url, count)),
            ("malformed", args.malformed, lambda count: fuzz(url, count, args.seed)),
        ):
            asyncio.run(storm(count // 10))  # what is allocated once is there
            before, begin = memory_mb(url), time.perf_counter()
            codes = asyncio.run(storm(count))
            seconds, after = time.perf_counter() - begin, memory_mb(url)
            print(f"{name}: {count} in {seconds:.1f} s, close codes {codes}, memory {before:.0f} -> {after:.0f} MB")
        for kind in FLOODS:
            before = memory_mb(url)
            sent = asyncio.run(flood(url, kind, args.flood)) / 2**20
            print(f"flood of {kind}: {sent:.1f} MB sent, memory {before:.0f} -> {memory_mb(url):.0f} MB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("--streams", type=int, nargs="+", default=[1, 2, 4, 8], help="how many at a time, one by one")
    add("--seconds", type=float, default=10, help="that each of them speaks")
    add(
        "--null_engine", action="store_true", help="an engine that halves the samples: every byte is checked; no storms"
    )
    add("--engine_ms", type=float, default=3, help="that the null engine sleeps for a chunk")
    add("--against", metavar="DIR", help="measure the server of this checkout as well, in turn with this one's")
    add(
        "--packet_ms",
        type=float,
        default=MIN_PACKET_MS,
        help="of audio in a message, each way; as many whole chunks as fit",
    )
    add("--connects", type=int, default=1000, help="clients that come and go, half of them in a frame")
    add("--malformed", type=int, default=10000, help="malformed messages")
    add("--flood", type=float, default=10, help="seconds of each flood")
    add("--seed", type=int, default=1)
    add("options", nargs="*", help="of live.serve, behind --")
    args = parser.parse_args()
    if not MIN_PACKET_MS <= args.packet_ms <= MAX_PACKET_MS:
        parser.error(f"--packet_ms is from {MIN_PACKET_MS} to {MAX_PACKET_MS}")
    packet = int(args.packet_ms / MIN_PACKET_MS + 1e-6) * PACKET
    null_ms, gain = (args.engine_ms, GAIN) if args.null_engine else (None, None)
    servers = [("this", ROOT, args.options)] + ([("other", Path(args.against).resolve(), [])] if args.against else [])
    print(HEAD)
    for streams in args.streams:
        for name, folder, options in servers:
            with server(streams, options, null_ms, folder) as (url, process):
                print(row(name, *measure(url, process.pid, streams, args.seconds, gain, packet)), flush=True)
    if not args.null_engine:
        storms(args)


if __name__ == "__main__":
    sys.exit(exit_code(main))
