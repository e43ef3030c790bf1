# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Many independent streams through one engine: they come and go, and share its chunks while they are there."""

import threading

import torch
from torch.nn import functional as F

from reference.errors import LLVCError

from .engine import Closeable, checked_samples


class ServerFull(LLVCError):
    """No free place for another stream."""


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
        self._streams = [None] * engine.batch_size
        self._idle = set()  # the running streams that have no chunk waiting: what the others wait for
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
            streams = [stream for stream in self.streams if stream._waiting]
            if streams:
                tag, samples, frames = zip(*(stream._take_chunk() for stream in streams), strict=True)
                places = [stream._place for stream in streams]
                self._run(self.engine.convert, tag, places, torch.stack(samples), torch.tensor(frames))
            return len(streams)

    def drain(self):
        """Waits for chunks under way; their audio is then ready."""
        with self._lock:
            self._check_open()
            self._run(self.engine.drain)

    def close(self):
        """Closes all streams and the engine; every later call but close raises RuntimeError."""
        with self._lock:
            if not self._closed:
                for stream in self.streams:
                    stream.close()
                self._closed = True
                self.engine.close()

    def _step_when_due(self, stream):
        while stream._waiting and (stream._has(2) or not self._idle):
            self.step()

    def _note(self, stream):
        """Keeps account of whether the others wait for this stream."""
        if stream._closed or stream.broken or stream._ending or stream._waiting:
            self._idle.discard(stream)
        else:
            self._idle.add(stream)

    def _run(self, call, *arguments):
        """Calls the engine and gives the audio that it returns to its streams."""
        try:
            finished = call(*arguments)
        except BaseException:
            # What the failed chunk left behind is unknown: all streams must start anew, and be told so.
            for stream in self.streams:
                stream._broken = True
                self._note(stream)
            self.engine.restart(self.engine.all_streams)
            raise
        for tag, audio in finished:
            for (stream, run, length), samples in zip(tag, audio, strict=True):
                if run is stream._run:  # not reset or closed meanwhile
                    stream._ready.append(samples[:length].clone())


class ServedStream(Closeable):
    """One stream of a StreamServer. Output sample i belongs to input sample i."""

    def __init__(self, server, place):
        self._server = server
        self._place = place
        self.reset()

    def push(self, samples):
        """Takes samples [any length] in -1 .. 1; returns the audio [k] that is ready, k may be 0.

        ValueError, and nothing taken, for another shape or samples that are not finite. RuntimeError after a chunk
        of the server failed, until the stream is reset.
        """
        samples = checked_samples(samples, (None,))
        with self._server._lock:
            self._check_usable()
            if self._ending:
                raise RuntimeError("the stream is finished; flush() or reset() starts it anew")
            self._pending = torch.cat((self._pending, samples))
            self._server._note(self)
            self._server._step_when_due(self)
            self._pending = self._pending.clone()  # a view would keep all that was pushed alive
            return self._take_ready()

    def read(self):
        """The audio [k] that became ready since, k may be 0."""
        with self._server._lock:
            self._check_usable()
            return self._take_ready()

    def finish(self):
        """Says that no more samples come: the coming steps convert what is left, down to an incomplete chunk."""
        with self._server._lock:
            self._check_usable()
            self._ending = True
            self._server._note(self)

    def flush(self):
        """Ends the stream: returns the audio still owed, in total as much as went in. The next push starts anew."""
        with self._server._lock:
            self.finish()
            while self._waiting:
                self._server.step()
            self._server.drain()
            audio = self._take_ready()
            self.reset()
            return audio

    def reset(self):
        """Starts anew with the next sample pushed; what is still owed is dropped."""
        with self._server._lock:
            self._check_open()
            self._run = object()  # what a chunk under way is compared with when it is done
            self._pending = torch.zeros(0)
            self._ready = []
            self._ending = self._broken = False
            self._server.engine.restart([self._place])
            self._server._note(self)  # last: where the restart fails, nobody waits for this stream

    def close(self):
        """Leaves the server; what is still owed is dropped. Every later call but close raises RuntimeError."""
        with self._server._lock:
            if not self._closed:
                self._closed = True
                self._run = self._pending = self._ready = None
                self._server._streams[self._place] = None
                self._server._note(self)

    @property
    def broken(self):
        """Whether a chunk of the server failed, so that nothing but reset() and close() can be done."""
        return self._broken

    def _check_usable(self):
        self._check_open()
        if self._broken:
            raise RuntimeError("a chunk of the server failed and its audio is lost; reset() starts the stream anew")

    def _has(self, chunks):
        engine = self._server.engine
        return len(self._pending) >= chunks * engine.chunk_len + engine.lookahead_len

    @property
    def _waiting(self):
        """Whether a chunk waits to be converted."""
        return not self._broken and (self._has(1) or (self._ending and len(self._pending) > 0))

    def _take_chunk(self):
        """Takes the next chunk: (what the server needs to hand it back, its samples, how many frames it has)."""
        engine = self._server.engine
        length = min(engine.chunk_len, len(self._pending))
        window = engine.chunk_len + engine.lookahead_len
        samples = F.pad(self._pending, (0, window - len(self._pending)))  # or cut to it
        self._pending = self._pending[length:]
        self._server._note(self)
        return (self, self._run, length), samples, -(-length // engine.frame_len)

    def _take_ready(self):
        ready, self._ready = self._ready, []
        return torch.cat(ready) if ready else torch.zeros(0)
