# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Many independent streams through one engine: they come and go, and share its chunks while they are there."""

import threading

import numpy as np
import torch

from .engine import Closeable, checked_samples
from .rings import Rings, ServerFull
from .rounds import Rounds


class StreamServer(Closeable):
    """Serves up to batch_size streams of an engine at a time.

    with StreamServer(engine) as server:
        stream = server.open()
        audio = stream.push(samples)  # [any length] -> [k]
        ...
        audio = stream.flush()
        stream.close()

    The engine converts a chunk of all streams that have one waiting in one go. It does so when every open stream
    has one, or as soon as one stream has two: a stream that is late costs the others a chunk of time at most. A
    caller with a clock calls step() and waits for nobody. Calls may come from several threads.
    """

    _name = "server"

    def __init__(self, engine):
        self.engine = engine
        self.chunk_len = engine.chunk_len
        # A stream has less than two chunks and a lookahead waiting when a push is over, and has read all the others.
        rings = Rings(engine.batch_size, engine.chunk_len, engine.lookahead_len, 4, engine.depth + 5)
        self._rings, self._rounds = rings, Rounds(engine, rings)
        self._streams = [None] * engine.batch_size
        self._broken = np.zeros(engine.batch_size, bool)
        self._lock = threading.RLock()

    def open(self):
        """A new ServedStream; ServerFull if there is no place for it."""
        with self._lock:
            self._check_open()
            if None not in self._streams:
                raise ServerFull(
                    f"all {len(self._streams)} streams are in use; close one, or open a server for more of them"
                )
            place = self._streams.index(None)
            stream = self._streams[place] = ServedStream(self, place)
            return stream

    @property
    def streams(self):
        """The open streams."""
        return [stream for stream in self._streams if stream is not None]

    def step(self):
        """Converts the next chunk of every stream that has one waiting; returns how many had."""
        with self._lock:
            self._check_open()
            places = np.flatnonzero(self._has_chunk())
            if len(places):
                self._run(self._rounds.convert, places)
            return len(places)

    def drain(self):
        """Waits for chunks under way; their audio is then ready."""
        with self._lock:
            self._check_open()
            self._run(self._rounds.drain)

    def close(self):
        """Closes all streams and the engine; every later call but close raises RuntimeError."""
        with self._lock:
            if not self._closed:
                for stream in self.streams:
                    stream.close()
                self._closed = True
                self.engine.close()

    def _has_chunk(self):
        """Which places have a chunk waiting to be converted."""
        self._rounds.look()
        return self._rounds.is_ready & (self._rounds.waiting > 0) & ~self._broken

    def _is_due(self, place):
        """Whether this stream has a chunk and waits for nobody: it has two, or no other that runs has none."""
        has_chunk = self._has_chunk()
        idle = self._rings.is_open & (self._rings.end < self._rings.begin) & ~self._broken & ~has_chunk
        has_two = self._rounds.waiting[place] >= self.chunk_len + self._rings.window
        return has_chunk[place] and (has_two or not idle.any())

    def _run(self, call, *arguments):
        """Calls the engine; what it left behind where it fails is unknown: all streams must be told, and start anew."""
        try:
            call(*arguments)
        except BaseException:
            self._broken |= self._rings.is_open
            raise


class ServedStream(Closeable):
    """One stream of a StreamServer. Output sample i belongs to input sample i."""

    def __init__(self, server, place):
        self._server, self._rings = server, server._rings
        self._place = place
        self._rings.open(place)
        self._server._broken[place] = False

    def push(self, samples):
        """Takes samples [any length] in -1 .. 1; returns the audio [k] that is ready, k may be 0.

        ValueError, and nothing taken, for another shape or samples that are not finite. RuntimeError after a chunk
        of the server failed, until the stream is reset.
        """
        samples = checked_samples(samples, (None,)).numpy()
        with self._server._lock:
            self._check_usable()
            if self._is_ending:
                raise RuntimeError("the stream is finished; flush() or reset() starts it anew")
            ready = [self._take_ready()]
            while len(samples):
                room = self._rings.capacity - self._rings.waiting(self._place)
                self._rings.write(self._place, samples[:room].tobytes())
                samples = samples[room:]
                while self._server._is_due(self._place):
                    self._server.step()
                    ready.append(self._take_ready())
            return torch.cat(ready)

    def read(self):
        """The audio [k] that became ready since, k may be 0."""
        with self._server._lock:
            self._check_usable()
            return self._take_ready()

    def finish(self):
        """Says that no more samples come: the coming steps convert what is left, down to an incomplete chunk."""
        with self._server._lock:
            self._check_usable()
            self._rings.finish(self._place)

    def flush(self):
        """Ends the stream: returns the audio still owed, in total as much as went in. The next push starts anew."""
        with self._server._lock:
            self.finish()
            ready = []
            while self._server._has_chunk()[self._place]:
                self._server.step()
                ready.append(self._take_ready())
            self._server.drain()
            audio = torch.cat([*ready, self._take_ready()])
            self.reset()
            return audio

    def reset(self):
        """Starts anew with the next sample pushed; what is still owed is dropped."""
        with self._server._lock:
            self._check_open()
            self._rings.start(self._place)
            self._server._broken[self._place] = False

    def close(self):
        """Leaves the server; what is still owed is dropped. Every later call but close raises RuntimeError."""
        with self._server._lock:
            if not self._closed:
                self._closed = True
                self._rings.close(self._place)
                self._server._streams[self._place] = None

    @property
    def broken(self):
        """Whether a chunk of the server failed, so that nothing but reset() and close() can be done."""
        return bool(self._server._broken[self._place]) and not self._closed

    @property
    def _is_ending(self):
        return self._rings.is_ending(self._place)

    def _check_usable(self):
        self._check_open()
        if self.broken:
            raise RuntimeError("a chunk of the server failed and its audio is lost; reset() starts the stream anew")

    def _take_ready(self):
        chunks = self._rings.read(self._place)
        return torch.from_numpy(np.concatenate([np.zeros(0, np.float32), *(chunk.samples for chunk in chunks)]))
