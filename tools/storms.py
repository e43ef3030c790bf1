# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Clients of a live server that come and go, break off, send nonsense, or send without end."""

import asyncio
import json
import random
import re
import socket
import time
from contextlib import suppress

import numpy as np
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

RATE = 16000
PACKET = 208  # samples
HELLO = {"type": "hello", "version": 1, "rate": RATE, "format": "f32"}
AT_A_TIME = 16  # broken clients
HANDSHAKE = (
    "GET /stream HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def host_and_port(url):
    host, port = re.fullmatch(r"ws://([^:]+):(\d+)/stream", url).groups()
    return host, int(port)


def frame(opcode, data, is_last=True):
    """A masked WebSocket frame; the mask is zero."""
    size = bytes([0x80 | len(data)]) if len(data) < 126 else bytes([0xFE]) + len(data).to_bytes(2, "big")
    return bytes([0x80 * is_last | opcode]) + size + bytes(4) + data


def connection(url):
    return connect(url, compression=None, max_size=None, open_timeout=60, ping_interval=None, proxy=None)


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
    host, port = host_and_port(url)
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    sock.setblocking(False)
    await asyncio.get_running_loop().sock_connect(sock, (host, port))
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
    host, port = host_and_port(url)

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
