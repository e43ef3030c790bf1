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
import random
import re
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import soundfile
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from demo.program import exit_code  # noqa: E402

SPEECH = ROOT / "test_wavs" / "example.wav"
RATE = 16000
PACKET = 208  # samples
HELLO = {"type": "hello", "version": 1, "rate": RATE, "format": "f32"}
START_S = 120  # for the server to load its voice
AT_A_TIME = 16  # broken clients
HANDSHAKE = (
    "GET /stream HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)


def connection(url):
    return connect(url, compression=None, max_size=None, open_timeout=60, ping_interval=None, proxy=None)


async def speak(url, samples):
    """One stream in real time -> (audio [N], figures): latencies in ms from a chunk's last sample to its audio."""
    async with connection(url) as client:
        await client.send(json.dumps(HELLO))
        welcome = json.loads(await client.recv())
        if welcome["type"] != "welcome":
            raise RuntimeError(welcome["message"])
        sent_at, audio, latencies, statistics = [], [], [], []
        lookahead = round(welcome["algorithmic_ms"] * RATE / 1000) - round(welcome["chunk_ms"] * RATE / 1000)

        async def send():
            begin = time.perf_counter()
            for start in range(0, len(samples), PACKET):
                await asyncio.sleep(max(0, begin + start / RATE - time.perf_counter()))
                sent_at.append(time.perf_counter())
                await client.send(samples[start : start + PACKET].tobytes())
            await client.send(json.dumps({"type": "end"}))

        sender = asyncio.ensure_future(send())
        received = dropped = late = 0
        while True:
            message = await client.recv()
            if isinstance(message, bytes):
                audio.append(np.frombuffer(message, np.float32))
                received += len(audio[-1])
                packet = (received + dropped + lookahead - 1) // PACKET
                if packet < len(sent_at):  # the tail does not wait for its chunk
                    latencies.append(1e3 * (time.perf_counter() - sent_at[packet]))
                continue
            message = json.loads(message)
            if message["type"] == "statistics":
                statistics.append(message)
                late = message["late"]
            elif message["type"] == "dropped":
                dropped += message["samples"]
            elif message["type"] == "ended":
                break
        await sender
    figures = {"latencies": latencies, "dropped": dropped, "late": late, "chunks": len(audio), "statistics": statistics}
    return np.concatenate(audio), figures


async def load(url, streams, seconds, speech):
    """So many streams at a time for so long -> what speak() gives, for each."""
    count = int(seconds * RATE)
    signals = [np.resize(np.roll(speech, -stream * 4000), count) for stream in range(streams)]
    return await asyncio.gather(*(speak(url, signal) for signal in signals))


async def each(count, work):
    """Runs work(0) .. work(count - 1), some at a time; returns their results."""
    gate = asyncio.Semaphore(AT_A_TIME)

    async def one(number):
        async with gate:
            return await work(number)

    return await asyncio.gather(*(one(number) for number in range(count)))


async def come_and_go(url, count):
    """Clients that connect, speak a little and vanish, every other one in the middle of a frame."""

    async def vanish(number):
        if number % 2:
            with suppress(ConnectionClosed):
                async with connection(url) as client:
                    await client.send(json.dumps(HELLO))
                    await client.send(bytes(4 * PACKET))
            return
        _, writer = await upgraded(url)
        writer.write(frame(TEXT, json.dumps(HELLO).encode()))
        writer.write(bytes([0x82, 0xFE, 0x10, 0x00]) + bytes(4) + bytes(1000))  # 4096 bytes announced, 1000 sent
        await writer.drain()
        writer.transport.abort()

    await each(count, vanish)


def frame(opcode, data, is_last=True):
    """A masked WebSocket frame; the mask is zero."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + len(data).to_bytes(2, "big")
    return bytes([0x80 * is_last | opcode]) + size + bytes(4) + data


CONTINUATION, TEXT, BINARY, CLOSE, PING = 0, 1, 2, 8, 9
FLOODS = {  # what a client may send without end: (at first, again and again)
    "pings": (b"", frame(PING, bytes(125))),
    "questions": (b"", frame(TEXT, json.dumps({"type": "ping", "time": 1000 * [[]]}).encode())),
    "resets": (b"", frame(TEXT, b'{"type": "reset"}')),
    "audio": (b"", frame(BINARY, bytes(64000))),
    "grains of audio": (b"", frame(BINARY, bytes(4))),
    "fragments": (frame(BINARY, b"", False), frame(CONTINUATION, b"", False)),
}


async def upgraded(url, receive_buffer=65536):
    """(reader, writer) of a WebSocket by hand, before its hello."""
    host, port = re.fullmatch(r"ws://([^:]+):(\d+)/stream", url).groups()
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, int(port)))
    reader, writer = await asyncio.open_connection(sock=sock)
    writer.write(HANDSHAKE.format(host=f"{host}:{port}").encode())
    await reader.readuntil(b"\r\n\r\n")
    return reader, writer


async def flood(url, kind, seconds):
    """Sends one of FLOODS for so long, or until the server closes, and reads nothing; returns the bytes sent."""
    _, writer = await upgraded(url, receive_buffer=4096)
    writer.transport.pause_reading()
    first, again = FLOODS[kind]
    writer.write(frame(TEXT, json.dumps(HELLO).encode()) + first)
    block, sent, end = again * max(1, 65536 // len(again)), 0, time.perf_counter() + seconds
    with suppress(OSError, asyncio.TimeoutError):
        while (left := end - time.perf_counter()) > 0:
            writer.write(block)
            await asyncio.wait_for(writer.drain(), left)
            sent += len(block)
    writer.transport.abort()
    return sent


async def unfinished(url, count):
    """Opens so many connections and says on each of them half of what it should -> their (reader, writer)."""
    host, port = re.fullmatch(r"ws://([^:]+):(\d+)/stream", url).groups()

    async def half(number):
        if number % 4 == 3:
            return await upgraded(url)
        reader, writer = await asyncio.open_connection(host, port)
        head = b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n"
        writer.write((b"", head[: number % len(head)], head)[number % 4])
        return reader, writer

    return await each(count, half)


def malformed(generator):
    """One connection's messages, of which the last or an earlier one is wrong: a mutated hello, or what follows it."""
    hello = json.dumps(HELLO)
    kind = generator.randrange(6)
    if kind == 0:  # a hello with a few other characters
        letters = list(hello)
        for _ in range(generator.randint(1, 5)):
            letters[generator.randrange(len(letters))] = chr(generator.randint(32, 0x2FFF))
        return ["".join(letters)]
    if kind == 1:  # a hello with another value
        values = (None, True, -1, 1e99, "", "x" * 300, [], {}, [[[]]], 2**70)
        return [
            json.dumps(
                {**HELLO, generator.choice(["type", "version", "rate", "format", "mode"]): generator.choice(values)}
            )
        ]
    if kind == 2:  # a hello cut off, or bytes
        return [
            generator.choice([hello[: generator.randrange(len(hello))], generator.randbytes(generator.randrange(99))])
        ]
    if kind == 3:  # text where audio belongs
        return [hello, "".join(chr(generator.randint(32, 126)) for _ in range(generator.randrange(200)))]
    if kind == 4:  # no whole number of samples
        return [hello, generator.randbytes(4 * generator.randrange(500) + generator.randint(1, 3))]
    samples = np.zeros(generator.randint(1, 300), np.float32)
    samples[generator.randrange(len(samples))] = generator.choice([np.nan, np.inf, -np.inf, 1e30, -3e38])
    return [hello, samples.tobytes()]


async def fuzz(url, count, seed):
    """Sends `count` malformed messages, each over a connection of its own -> how many got which close code."""
    codes = {}

    async def one(number):
        async with connection(url) as client:
            with suppress(ConnectionClosed):
                for message in malformed(random.Random(seed * 1_000_003 + number)):
                    await client.send(message)
                # What happens to be right is ended like everything else.
                await client.send(json.dumps({"type": "goodbye"}))
                while True:
                    await asyncio.wait_for(client.recv(), 60)
            code = client.close_code
        codes[code] = codes.get(code, 0) + 1

    await each(count, one)
    return codes


@contextmanager
def server(streams, options):
    """python -m live.serve on a free port -> its WebSocket's address."""
    command = [sys.executable, "-m", "live.serve", "--port", "0", "--streams", str(streams), *options]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        for line in process.stdout:
            found = re.search(r"open http://(\S+)/ ", line)
            if found:
                break
        else:
            raise SystemExit("error: the server does not start")
        yield f"ws://{found[1]}/stream"
    finally:
        process.terminate()
        process.wait()


def memory_mb(url):
    """Resident memory of the server's process, which shows it as a metric of its own where Linux has it."""
    text = urllib.request.urlopen(url.replace("ws://", "http://").replace("/stream", "/metrics")).read().decode()
    found = re.search(r"^process_resident_memory_bytes ([\d.e+]+)$", text, re.MULTILINE)
    return float(found[1]) / 2**20 if found else float("nan")


def percentiles(values):
    return "  ".join(f"{value:6.1f}" for value in np.percentile(values, (50, 95, 99)))


def report(streams, results):
    """A row of the table."""
    figures = [figures for _, figures in results]
    latencies = [ms for f in figures for ms in f["latencies"]]
    own = [s["server_ms"] for f in figures for s in f["statistics"] if "server_ms" in s]
    server_ms = "  ".join(f"{np.median([s[p] for s in own]):6.1f}" for p in ("p50", "p95", "p99"))
    chunks, late = (sum(f[name] for f in figures) for name in ("chunks", "late"))
    dropped = sum(f["dropped"] for f in figures) / RATE
    return f"{streams:>7}  {server_ms}   {percentiles(latencies)}  {100 * late / chunks:6.2f}  {dropped:9.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 2, 4, 8], help="how many at a time, one by one")
    parser.add_argument("--seconds", type=float, default=10, help="that each of them speaks")
    parser.add_argument("--connects", type=int, default=1000, help="clients that come and go, half of them in a frame")
    parser.add_argument("--malformed", type=int, default=10000, help="malformed messages")
    parser.add_argument("--flood", type=float, default=10, help="seconds of each flood")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("options", nargs="*", help="of live.serve, behind --")
    args = parser.parse_args()
    speech, _ = soundfile.read(SPEECH, dtype="float32")
    print("         server, ms: p50, p95, p99   at the client: p50, p95, p99  late %  dropped s")
    for streams in args.streams:
        with server(streams, args.options) as url:
            print(report(streams, asyncio.run(load(url, streams, args.seconds, speech))), flush=True)
    with server(AT_A_TIME + 1, args.options) as url:
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


if __name__ == "__main__":
    sys.exit(exit_code(main))
