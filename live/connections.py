# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Connections: how many there may be, for how long, and what one of them may have the server read and keep.

A connection waits until its hello was found right; then it is a stream, of which there are no more than places. So
strangers can only make connections wait: those are limited in number and time, and where there are too many of them,
the oldest one of the address that has the most makes room. Nobody is refused for what another address does.
"""

import asyncio
import ipaddress
import socket
import struct
import sys
import time
from contextlib import suppress
from functools import lru_cache

from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame, Opcode, apply_mask
from websockets.protocol import State

from reference.errors import LLVCError

from .protocol import MAX_FRAME
from .rate import Rate

MAX_WAITING = 512  # connections that are no streams; where the system allows fewer open files, not below MIN_WAITING
MIN_WAITING = 128
WAIT_S = 10.0  # that one may wait: for its TLS handshake, its request and its hello, or between two answers
RESERVED_FILES = 128  # of those that may be open, for everything but connections
LINGER_S = 5.0  # that a client may take to go, once it was told to
READ_SIZE = 16384  # bytes of a WebSocket at a time
TIMER_S = 0.001  # by which a timer of uvloop may come early
MAX_UNPROVEN = 65536  # bytes that are read before a hello was found right
FRAMES_PER_S, FRAME_BURST = 1000, 2000  # of a WebSocket


def most_waiting(places):
    """How many connections may wait beside so many streams. LLVCError if the limit of open files is too low."""
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MAX_WAITING
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    soft, hard = (sys.maxsize if limit == resource.RLIM_INFINITY else limit for limit in limits)
    needed = places + RESERVED_FILES
    if soft < needed + MAX_WAITING:
        soft = min(hard, needed + MAX_WAITING)
        if soft < needed + MIN_WAITING:
            raise LLVCError(
                f"{places} streams are too many for a limit of {hard} open files (ulimit -n): raise it to "
                f"{needed + MAX_WAITING}, or take fewer streams"
            )
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, limits[1]))
    return min(MAX_WAITING, soft - needed)


def network_of(address):
    """What one client has for itself: an address or, of IPv6, the network that it may choose addresses from."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if ip.version == 4:
        return address
    if ip.ipv4_mapped:
        return str(ip.ipv4_mapped)
    return str(ipaddress.ip_network((ip, 64), strict=False))


class Visits:
    """All connections that wait, at most `limit` of them."""

    def __init__(self, limit, metrics):
        self.limit = limit
        self._metrics = metrics
        self._waiting = {}  # network: its visits, the oldest first (a dict, for its order)
        self._count = 0

    def __len__(self):
        return self._count

    def add(self, visit):
        self._waiting.setdefault(visit.network, {})[visit] = None
        self._count += 1
        if self._count > self.limit:
            crowd = max(self._waiting.values(), key=len)
            next(iter(crowd)).end("crowded")

    def remove(self, visit):
        visits = self._waiting.get(visit.network, {})
        if visit in visits:
            del visits[visit]
            self._count -= 1
            if not visits:
                del self._waiting[visit.network]

    def count_cut(self, reason):
        self._metrics.cut.labels(reason).inc()


class Visit:
    """One connection that was accepted: `sock`, from `address`. It waits until leave()."""

    def __init__(self, visits, sock, address):
        self.address = address
        self.network = network_of(address)
        self.transport = None  # once there is one
        self._visits, self._socket = visits, sock
        self._loop = asyncio.get_running_loop()
        self._timer = None
        self.wait()

    def wait(self):
        """It waits, from now on: as a new one, or since it was answered."""
        self.leave()
        self._timer = self._loop.call_later(WAIT_S, self.end, "late")
        self._visits.add(self)

    def leave(self):
        """It waits no longer: it is a stream, or gone."""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        self._visits.remove(self)

    def comes_from(self, address):
        """A proxy says from where it really comes."""
        if self._timer:
            self._visits.remove(self)
            self.network = network_of(address)
            self._visits.add(self)

    def end(self, reason):
        """Cuts the connection off."""
        self.leave()
        self._visits.count_cut(reason)
        if self.transport:
            self.transport.abort()
        else:  # within its TLS handshake
            with suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)


class HTTPProtocol(H11Protocol):
    """uvicorn's, for a visit."""

    def connection_made(self, transport):
        self.app_state["visit"].transport = transport
        super().connection_made(transport)

    def connection_lost(self, exc):
        self.app_state["visit"].leave()
        super().connection_lost(exc)

    def handle_websocket_upgrade(self, event):
        super().handle_websocket_upgrade(event)
        self.transport.set_protocol(Buffered(self.transport.get_protocol()))

    def on_response_complete(self):
        if not self.transport.is_closing():
            self.app_state["visit"].wait()
        super().on_response_complete()


class Buffered(asyncio.BufferedProtocol):
    """A WebSocketProtocol as what reads into a buffer of its own: uvloop takes no asyncio.Protocol for that."""

    def __init__(self, protocol):
        names = ("get_buffer", "buffer_updated", "eof_received", "pause_writing", "resume_writing", "connection_lost")
        for name in names:
            setattr(self, name, getattr(protocol, name))


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """uvicorn's, for a visit, in bounds; the application finds it as state["connection"].

    Until the hello was found right the application receives messages as ASGI has it. Those of a stream go to it
    without a task in between, and what most of them are, a binary one in one frame, does not pass through the parser.

    At a close it goes on reading until the client has gone: a connection that is closed with input unread is reset,
    and what was said last may be lost with it.
    """

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self._visit = self.app_state["visit"]
        self.app_state = {**self.app_state, "connection": self}
        self._buffer = bytearray(READ_SIZE)
        self._unread, self._needed = bytearray(), 0  # the beginning of a frame, and how long it will be at least
        self._frames = Rate(FRAMES_PER_S, FRAME_BURST)
        self._unproven = 0  # bytes read before the hello was found right; None behind that
        self._until, self._timer = 0.0, None  # no message is taken before
        self._pong = b""  # is owed to a client that does not read
        self._is_ending = False
        self._stream = None

    # What the application calls.

    def begin_stream(self, stream, send_buffer):
        """The hello was right, and there is a place. What waits to be sent is kept to so many bytes and as many more
        in the system.

        `stream` has take(message), which returns for how many seconds it wants no other, flush(), for which there is
        room again, and lost(code).
        """
        self._visit.leave()
        self._unproven = None
        self._stream = stream
        if self.disconnected:
            self._lose(1006)
            return
        self.transport.set_write_buffer_limits(high=send_buffer)
        self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, send_buffer)
        self.go_on()

    def end_stream(self):
        """It waits again, to go. A last message and the close may follow, for which no buffer must be read first."""
        self._stream = None
        if not self.disconnected:
            self._visit.wait()
            self.go_on()
        self._is_ending = True
        self.writable.set()

    def go_on(self):
        """Takes messages again."""
        self._stop_timer()
        while self._stream and not self._until and not self.queue.empty():
            event = self.queue.get_nowait()
            if event["type"] == "websocket.receive":
                self._wait(self._stream.take(event["bytes"] if "bytes" in event else event["text"]))
            else:
                self._lose(event["code"])
        if self._stream:
            self.read_paused = False
        self._read_on()

    def write(self, data):
        """Sends a stream's message, str or bytes, at once, unless the connection is closed; the stream sees to it that
        it is `writable`."""
        if self.conn.state is not State.OPEN:
            return
        if isinstance(data, bytes):
            self.transport.write(binary_head(len(data)) + data)
        else:
            self.conn.send_text(data.encode())
            self.transport.write(b"".join(self.conn.data_to_send()))

    # Reading.

    def get_buffer(self, _sizehint):
        return self._buffer

    def buffer_updated(self, count):
        if self._unproven is not None:
            self._unproven += count
        data, start, frames, conn = self._buffer, 0, 0, self.conn
        if self._unread:
            data = self._with_unread(data[:count])
            count = len(data)
        while start < count and conn.parser_exc is None:
            head, end = frame_bounds(data, start, count)
            is_short = end - head <= MAX_FRAME
            if end > count and is_short:
                self._unread, self._needed = data[start:count], end - start
                break
            frames += 1
            is_plain = is_short and data[start] == BINARY and data[start + 1] & MASKED
            if is_plain and self._stream and conn.current_size is None:
                message = apply_mask(data[head:end], data[head - 4 : head])
                if self._until:
                    self.queue.put_nowait({"type": "websocket.receive", "bytes": message})
                elif seconds := self._stream.take(message):
                    self._wait(seconds)
            else:
                self.data_received(bytes(data[start : min(end, count)]))
            start = end
        if seconds := self._frames.take(frames):
            self._wait(seconds)
        if self._is_held:
            self.transport.pause_reading()

    def _with_unread(self, data):
        """What was read, behind the beginning of its first frame; nothing while that is not complete."""
        self._unread += data
        if len(self._unread) < self._needed:
            return b""
        data, self._unread = self._unread, bytearray()
        return data

    def send_receive_event_to_app(self):
        super().send_receive_event_to_app()
        if self._stream and not self._until:
            self.go_on()

    def _wait(self, seconds):
        """Takes no message for so long: of several such times the longest counts."""
        if seconds and (until := time.monotonic() + seconds) > self._until:
            self._stop_timer()
            self._until = until
            if seconds < float("inf"):
                self._timer = self.loop.call_later(seconds + TIMER_S, self.go_on)
            self.transport.pause_reading()

    def _stop_timer(self):
        if self._timer:
            self._timer.cancel()
        self._until, self._timer = 0.0, None

    @property
    def _is_held(self):
        """From reading."""
        return self._until > 0 or (self._unproven is not None and self._unproven > MAX_UNPROVEN)

    def _read_on(self):
        if not (self._is_held or self.read_paused or self.transport.is_closing()):
            self.transport.resume_reading()

    async def receive(self):
        message = await super().receive()
        if self._is_held:  # uvicorn reads on when there is nothing left to receive
            self.transport.pause_reading()
        return message

    # Writing.

    def pause_writing(self):
        if not self._is_ending:
            super().pause_writing()

    def resume_writing(self):
        if self._pong:
            self.transport.write(self._pong)
            self._pong = b""
        super().resume_writing()
        if self._stream:
            self._stream.flush()

    def handle_ping(self):
        pongs = self.conn.data_to_send()
        if self._is_ending or self.close_sent:
            return
        if self.writable.is_set():
            self.transport.write(b"".join(pongs))
        elif pongs:
            self._pong = pongs[-1]  # RFC 6455, 5.5.3: the latest ping alone may be answered

    # Closing.

    def connection_lost(self, exc):
        self._visit.leave()
        self._stop_timer()
        super().connection_lost(exc)
        self._lose(1006)

    def handle_close(self, event):
        super().handle_close(event)
        self._lose(1005)

    def shutdown(self):
        if not self.handshake_complete or self.close_sent or self.transport.is_closing():
            super().shutdown()
            return
        self.stop_keepalive()
        self.conn.send_close(1012)
        self._end(1012)

    def handle_parser_exception(self):
        if self.close_sent:
            return  # what comes now is not looked at any more
        if self.conn.close_sent is None:  # no WebSocket yet
            self.transport.abort()
            return
        self._end(self.conn.close_sent.code)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    def _end(self, code):
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code})
        self.transport.write(b"".join(self.conn.data_to_send()))
        self.close_sent = True
        self.close_timer = self.loop.call_later(LINGER_S, self.transport.abort)
        self.read_paused = False
        self.transport.resume_reading()
        self._lose(code)

    def _lose(self, code):
        stream, self._stream = self._stream, None
        if stream:
            stream.lost(code)


LENGTH_16, LENGTH_64 = struct.Struct("!H"), struct.Struct("!Q")
BINARY, MASKED = 0x80 | Opcode.BINARY, 0x80  # the first byte of a binary message in one frame, a bit of the second


def frame_bounds(data, start, stop):
    """Where the payload of the frame that begins at `start` begins and ends, as far as its head is there, before
    `stop`, to say."""
    head = start + 2
    if head > stop:
        return head, head
    second = data[start + 1]
    length = second & 0x7F
    if length >= 126:
        size = LENGTH_16 if length == 126 else LENGTH_64
        head += size.size
        length = size.unpack_from(data, start + 2)[0] if head <= stop else 0
    if second & MASKED:
        head += 4
    return head, head + length


@lru_cache(maxsize=64)
def binary_head(length):
    """What goes before a binary message of so many bytes."""
    frame = Frame(Opcode.BINARY, bytes(length)).serialize(mask=False)
    return frame[: len(frame) - length]
