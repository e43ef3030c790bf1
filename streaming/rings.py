# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The samples of many streams, as arrays, between those who give and take them and the engine's side (rounds.py).

Every stream has a place, with a ring of samples that wait and a ring of chunks that came out. Positions count a
place's samples, and only grow; a run, from one start of the stream to the next, begins at a multiple of the chunk, so
that every chunk and the lookahead behind it lie in one piece.

Every counter has one writer, a place's giver or the engine's side, and moves behind what it counts. So two threads
need no lock, nor two processes where the arrays lie in shared memory (on processors that keep the order of stores).
Neither side waits for the other: who writes overwrites the oldest, and who reads finds out by the counters.
"""

import struct
from typing import NamedTuple

import numpy as np

from reference.errors import LLVCError

MAX_SAMPLE = 1000.0  # full scale is 1: far beyond it values would stay in a stream's state for good

CHUNK = np.dtype(
    [("position", "i8"), ("length", "i8"), ("late", "i8"), ("failed", "i8"), ("is_last", "i8")]
    + [("arrived", "f8"), ("started", "f8"), ("done", "f8")]
)
CHUNK_SIZE, SAMPLE_SIZE = CHUNK.itemsize, 4  # bytes
unpack_chunk = struct.Struct("=5q3d").unpack_from


class ServerFull(LLVCError):
    """No free place for another stream."""


class Chunk(NamedTuple):
    """What came out of a stream at a time."""

    number: int  # of the place's chunks
    data: bytes  # of its samples
    position: int  # of the first sample
    length: int
    late: int  # samples of the place that were dropped so far because they were late,
    failed: int  # or because the engine failed
    is_last: int  # of its run
    arrived: float  # when its last input sample came, its turn began, and it was done
    started: float
    done: float

    @property
    def samples(self):
        """float32 [length]."""
        return np.frombuffer(self.data, np.float32)


class Rings:
    """Rings of `places` streams: for input of chunks_in chunks, for output of chunks_out.

    `allocate(shape, dtype)` gives arrays of zeros. The methods are the giver's, who alone calls them for its place.
    """

    def __init__(self, places, chunk_len, lookahead_len, chunks_in, chunks_out, allocate=np.zeros):
        self.places, self.chunk_len, self.lookahead_len = places, chunk_len, lookahead_len
        self.window = chunk_len + lookahead_len  # samples that converting a chunk takes
        self.chunks_in, self.chunks_out = chunks_in, chunks_out
        self.capacity = chunks_in * chunk_len  # samples that may wait
        self.safe = self.capacity  # of these the newest ones, which no write under way is about to overwrite
        # The lookahead behind the ring is its beginning again.
        self._row = self.capacity + lookahead_len
        self._input = allocate((places, self._row), np.float32)
        chunk, row = chunk_len * self._input.itemsize, self._input.strides[0]
        shape, strides = (places, chunks_in, self.window), (row, chunk, self._input.itemsize)
        self.windows = np.lib.stride_tricks.as_strided(self._input, shape, strides, writeable=False)
        self.arrived = allocate((places, chunks_in), np.float64)  # when a chunk and its lookahead were complete
        self.output = allocate((places, chunks_out, chunk_len), np.float32)
        self.chunks = allocate((places, chunks_out), CHUNK)
        # The giver's counters.
        self.begin, self.written, self.end, self.read_ = (allocate((places,), np.int64) for _ in range(4))
        self.is_open = allocate((places,), np.bool_)
        # The engine's side's.
        self.taken, self.done, self.late, self.failed = (allocate((places,), np.int64) for _ in range(4))
        # The same memory for the giver, who is concerned with one place: plain numbers and copies of bytes cost a
        # fraction of what arrays do, and do not let go of the interpreter's lock.
        counters = self.begin, self.written, self.end, self.read_, self.taken, self.done
        self._begin, self._written, self._end, self._read, self._taken, self._done = map(memoryview, counters)
        arrays = self._input.view(np.uint8), self.arrived, self.output.view(np.uint8), self.chunks.view(np.uint8)
        self._ring, self._arrived, self._output, self._records = (memoryview(array.reshape(-1)) for array in arrays)

    def open(self, place):
        """Takes a place."""
        self.start(place)
        self.is_open[place] = True

    def close(self, place):
        """Gives it back."""
        self.is_open[place] = False

    def start(self, place):
        """A new run; what is under way is dropped. Returns its first position."""
        self._read[place] = self._done[place]
        begin = (self._written[place] // self.chunk_len + 1) * self.chunk_len
        self._written[place] = begin
        self._begin[place] = begin
        return begin

    def write(self, place, data, now=0.0):
        """Puts the bytes of float32 samples that came now, no more than the ring has room for, behind those there."""
        ring, size, start = self._ring, len(data), self._written[place]
        at, count = start % self.capacity, size // SAMPLE_SIZE
        row = place * self._row * SAMPLE_SIZE
        begin, end = row + at * SAMPLE_SIZE, row + self.capacity * SAMPLE_SIZE
        head = end - begin
        if size <= head:
            ring[begin : begin + size] = data
        else:
            ring[begin:end], ring[row : row + size - head] = data[:head], data[head:]
        if at < self.lookahead_len or size > head:
            lookahead = self.lookahead_len * SAMPLE_SIZE
            ring[end : end + lookahead] = ring[row : row + lookahead]
        complete = start - self.lookahead_len
        self._complete(place, complete // self.chunk_len, (complete + count) // self.chunk_len, now)
        self._written[place] = start + count

    def finish(self, place, now=0.0):
        """The run ends behind what was written: what is left is converted, down to an incomplete chunk."""
        written = self._written[place]
        self._complete(place, (written - self.lookahead_len) // self.chunk_len, written // self.chunk_len + 1, now)
        self._end[place] = written

    def _complete(self, place, first, last, now):
        """Notes when these chunks and their lookahead were complete."""
        for chunk in range(first, last):
            self._arrived[place * self.chunks_in + chunk % self.chunks_in] = now

    def is_ending(self, place):
        """Whether finish() was called since the run began."""
        return self._end[place] >= self._begin[place]

    def waiting(self, place):
        """Samples [k] that wait, also those that were overwritten meanwhile."""
        return self._written[place] - max(self._taken[place], self._begin[place])

    def unread(self, place):
        """Chunks that came out and were not read, also those that were overwritten meanwhile."""
        return self._done[place] - self._read[place]

    def read(self, place, most=None):
        """The Chunks of the run that came out since the last call, only the newest where these are more than `most`."""
        most = self.chunks_out - 1 if most is None else most
        begin, done, chunks = self._begin[place], self._done[place], []
        for number in range(max(self._read[place], done - most), done):
            slot = place * self.chunks_out + number % self.chunks_out
            fields = unpack_chunk(self._records, slot * CHUNK_SIZE)
            at = slot * self.chunk_len * SAMPLE_SIZE
            data = self._output[at : at + fields[1] * SAMPLE_SIZE].tobytes()
            if fields[0] >= begin and self._done[place] - number < self.chunks_out:  # and not overwritten meanwhile
                chunks.append(Chunk._make((number, data, *fields)))
        self._read[place] = done
        return chunks
