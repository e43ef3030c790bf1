# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What converts a microphone's samples: an engine in this process, or a server."""

import threading
import time
from collections import deque

import numpy as np
import torch

from streaming.stream import ChunkedStream

from .client import Connection, ServerError


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
    """Has a server convert, over a connection that threads of its own serve. ServerError if there is none."""

    def __init__(self, url, sample_rate, token=None):
        self._connection = Connection(url, sample_rate, token=token)
        self.sample_rate = sample_rate
        self.chunk_len = round(self._connection.welcome["chunk_ms"] * sample_rate / 1000)
        self.compute_s = 0.0
        self._received = deque()  # (dropped, audio)
        self._to_send = deque()
        self._error = None
        self._wake = threading.Semaphore(0)
        self._is_closed = False
        for work in (self._send, self._receive):
            threading.Thread(target=self._guarded, args=(work,), daemon=True).start()

    def push(self, samples):
        """As LocalConverter's. ServerError if the connection broke."""
        if self._error:
            raise self._error
        if len(samples):
            self._to_send.append(samples)
            self._wake.release()
        return self._received.popleft() if self._received else (0, samples[:0])

    def close(self):
        self._is_closed = True
        self._wake.release()
        self._connection.close()

    def _guarded(self, work):
        try:
            work()
        except ServerError as error:
            self._error = error

    def _send(self):
        while not self._is_closed:
            self._wake.acquire()
            if self._to_send:
                self._connection.send(self._to_send.popleft())

    def _receive(self):
        while not self._is_closed:
            received = self._connection.receive()
            if not isinstance(received, dict):
                self._received.append((0, received))
            elif received["type"] == "dropped":
                self._received.append((received["samples"], np.zeros(0, np.float32)))
            elif "compute_ms" in received:
                self.compute_s = received["compute_ms"]["p50"] / 1000
