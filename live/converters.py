# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What converts a microphone's samples: an engine in this process, or a server."""

import threading
import time
from collections import deque
from contextlib import suppress
from functools import partial

import numpy as np
import torch

from reference.errors import LLVCError, one_line
from streaming.stream import ChunkedStream

from .client import Connection, ServerError

MOST_WAITING_S = 0.25  # of audio that waits to be sent
SILENT_S = 10.0  # a server sends statistics every second
KEEP_S = 3.0  # without anything to send, as when the microphone is gone; then the server is told that we are there
FIRST_RETRY_S, LAST_RETRY_S = 0.5, 8.0


class LocalConverter:
    """Converts in this process, with an engine for one stream."""

    def __init__(self, engine, sample_rate):
        self._stream = ChunkedStream(engine)
        self.sample_rate = sample_rate
        self.chunk_len = engine.chunk_len
        self.compute_s = 0.0  # of the latest chunk
        self.push(np.zeros(4 * self.chunk_len, np.float32))  # the first chunks take longer
        self._stream.reset()

    def push(self, samples):
        """Takes samples [any length] at sample_rate; returns (how many get no output, the audio [k] that is ready)."""
        begin = time.perf_counter()
        audio = self._stream.push(torch.from_numpy(samples)[None])[0].numpy()
        if len(audio):
            self.compute_s = (time.perf_counter() - begin) * self.chunk_len / len(audio)
        return 0, audio

    def close(self):
        self._stream.close()


class RemoteConverter:
    """Has a server convert, over connections that threads of their own serve. ServerError if there is none at first.

    A connection that is lost, or that a server which restarts closes, is made again; `tell` gets a line for each. What
    the uplink does not carry in time is dropped and counted, as the server does with what it cannot convert in time:
    when more than MOST_WAITING_S wait to be sent, all but the newest packet go.
    """

    def __init__(self, url, sample_rate, token=None, cafile=None, tell=print):
        self._connect = partial(Connection, url, sample_rate, token=token, cafile=cafile)
        self._tell = tell
        self.sample_rate = sample_rate
        self.compute_s = 0.0
        self._wake = threading.Condition()
        self._to_send, self._waiting = deque(), 0  # pieces, and samples of all of them
        self._given = self._taken = 0  # samples that were heard, and what became of them was handed out
        self._received = deque()  # (dropped, audio)
        self._gaps = deque()  # (samples before, samples that were not sent)
        self._error = None
        self._is_closed = False
        self._connection = self._connect()
        self.chunk_len = round(self._connection.welcome["chunk_ms"] * sample_rate / 1000)
        for work in (self._send, self._receive):
            threading.Thread(target=self._guarded, args=(work,), daemon=True).start()

    def push(self, samples):
        """As LocalConverter's. ServerError where the server does not want us, or is none."""
        with self._wake:
            if self._error:
                raise self._error
            self._given += len(samples)
            if self._connection is None:
                self._received.append((len(samples), samples[:0]))
            elif len(samples):
                self._to_send.append(samples)
                self._waiting += len(samples)
                self._drop_late()
                self._wake.notify()
            return self._take(samples[:0])

    def close(self):
        with self._wake:
            self._is_closed = True
            connection = self._connection
            self._wake.notify_all()
        if connection is not None:
            connection.close()

    def _drop_late(self):
        if self._waiting > MOST_WAITING_S * self.sample_rate and len(self._to_send) > 1:
            kept = self._to_send.pop()
            self._gaps.append((self._given - self._waiting, self._waiting - len(kept)))
            self._to_send, self._waiting = deque([kept]), len(kept)

    def _take(self, nothing):
        """The next (dropped, audio), in the order in which the samples were heard."""
        dropped, audio = 0, nothing
        if self._gaps and self._gaps[0][0] <= self._taken:
            dropped = self._gaps.popleft()[1]
        elif self._received:
            dropped, audio = self._received.popleft()
            room = self._gaps[0][0] - self._taken if self._gaps else len(audio)
            if len(audio) > room:
                self._received.appendleft((0, audio[room:]))
                audio = audio[:room]
        self._taken += dropped + len(audio)
        return dropped, audio

    def _guarded(self, work):
        try:
            work()
        except Exception as error:  # whatever a server may send, the voice is told
            with self._wake:
                self._error = error if isinstance(error, LLVCError) else ServerError(f"the server: {one_line(error)}")

    def _send(self):
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._to_send or self._is_closed, KEEP_S)
                if self._is_closed:
                    return
                samples, connection = self._to_send.popleft() if self._to_send else None, self._connection
                self._waiting -= 0 if samples is None else len(samples)
            with suppress(ServerError):  # told by whoever receives
                if samples is not None:
                    connection.send(samples)
                elif connection is not None:
                    connection.say("ping")

    def _receive(self):
        while not self._is_closed:
            try:
                received = self._connection.receive(SILENT_S)
            except TimeoutError:
                self._connect_again(f"the server said nothing for {SILENT_S:g} s")
            except ServerError as error:
                if self._is_closed:
                    return
                if not error.passing:
                    raise
                self._connect_again(one_line(error))
            else:
                self._take_in(received)

    def _take_in(self, received):
        with self._wake:
            if not isinstance(received, dict):
                self._account(0, received)
            elif received["type"] == "dropped":
                self._account(received["samples"], np.zeros(0, np.float32))
            elif "compute_ms" in received:
                self.compute_s = received["compute_ms"]["p50"] / 1000

    def _account(self, dropped, audio):
        unsent = self._waiting + sum(count for _, count in self._gaps)
        if not 0 <= dropped + len(audio) <= self._under_way() - unsent:
            raise ServerError("the server sent audio, or dropped some, that it was not given")
        self._received.append((dropped, audio))

    def _under_way(self):
        """Samples of which nothing is known yet."""
        return self._given - self._taken - sum(dropped + len(audio) for dropped, audio in self._received)

    def _connect_again(self, why):
        """Waits until there is a connection again; what was under way went with the old one."""
        with self._wake:
            self._received.append((self._under_way(), np.zeros(0, np.float32)))
            self._gaps.clear()
            self._to_send.clear()
            self._waiting, old, self._connection = 0, self._connection, None
        old.close()
        self._tell(f"{why}; connecting again")
        pause = FIRST_RETRY_S
        while not self._is_closed:
            time.sleep(pause)
            pause = min(2 * pause, LAST_RETRY_S)
            try:
                connection = self._connect()
            except ServerError as error:
                if not error.passing:
                    raise
                continue
            with self._wake:
                self._connection = connection
            if self._is_closed:  # by close(), which saw no connection
                connection.close()
                return
            self._tell("connected again")
            return
