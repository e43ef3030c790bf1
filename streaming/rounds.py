# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The engine's side of rings: a round converts the next chunk of many streams in one go, as arrays."""

import numpy as np
import torch

from .rings import CHUNK


class Rounds:
    """The streams of rings on an engine, for one thread. Nothing is done stream by stream."""

    def __init__(self, engine, rings):
        self.engine, self.rings = engine, rings
        self._run = np.full(rings.places, -1)  # where the run that is converted begins
        self._is_fresh = np.ones(rings.places, bool)  # to be restarted first
        self._has_ended = np.zeros(rings.places, bool)
        self.lost = 0  # samples of the chunk that failed last
        self.look()

    def look(self):
        """Sees what the givers did since; returns which places [P] began a new run.

        From then on hold, of each place: waiting, the samples that wait; is_ending, whether no more come; is_ready,
        whether there is a chunk to convert or an end to tell.
        """
        rings = self.rings
        end, begin, written = rings.end.copy(), rings.begin.copy(), rings.written.copy()  # in this order
        is_new = begin != self._run
        if is_new.any():
            self._run[is_new] = rings.taken[is_new] = begin[is_new]
            self._is_fresh[is_new], self._has_ended[is_new] = True, False
        self.waiting = np.where(rings.is_open, written - rings.taken, 0)
        self.is_ending = rings.is_open & (end >= begin) & ~self._has_ended
        self.is_ready = self.is_ending | (self.waiting >= rings.window)
        return is_new

    def skip(self, counts):
        """Drops the oldest samples that wait, whole chunks, of every place: counts [P]."""
        self.rings.late += counts
        self.rings.taken += counts
        self.waiting -= counts

    def convert(self, places, clock=lambda: 0.0):
        """Converts the next chunk of these places [S], ascending, which have samples waiting and are ready.

        Puts what the engine has finished by then into their output. Where it fails what was under way is lost; the
        streams go on behind it, as from their start. A place whose giver may have overwritten the chunk meanwhile is
        left out: that one is to be skipped, with all that wait too long.
        """
        rings = self.rings
        taken, waiting = rings.taken[places], self.waiting[places]
        samples = rings.windows[places, self._slot(taken)]  # [S, chunk_len + lookahead_len]
        is_whole = rings.written[places] - taken <= rings.safe
        if not is_whole.all():
            places, waiting, samples = places[is_whole], waiting[is_whole], samples[is_whole]
        if not len(places):
            return
        chunks = self._take(places, clock())
        if (waiting < rings.window).any():
            samples[np.arange(rings.window) >= waiting[:, None]] = 0
        frames = -(-chunks["length"] // self.engine.frame_len)
        arguments = places.tolist(), torch.from_numpy(samples), torch.from_numpy(frames)
        try:
            self._restart(places[self._is_fresh[places]])
            finished = self.engine.convert((places, chunks), *arguments)
        except BaseException:
            self.lost = int(chunks["length"].sum())
            rings.failed[places] += chunks["length"]
            chunks["position"] += chunks["length"]
            chunks["length"] = chunks["is_last"] = 0
            self._put(places, chunks, None, clock())
            self._fail()
            raise
        self._deliver(finished, clock())

    def end(self, places, now=0.0):
        """Tells the end of these places [S], which are ready and have nothing waiting."""
        self._put(places, self._take(places, now), None, now)

    def drain(self):
        """Waits for what is under way; puts it into the output."""
        try:
            finished = self.engine.drain()
        except BaseException:
            self._fail()
            raise
        self._deliver(finished, 0.0)

    def _take(self, places, now):
        """The next chunk of these places [S], or what is left of one at an end: records [S], which are not done yet."""
        rings, waiting = self.rings, self.waiting[places]
        chunks = np.zeros(len(places), CHUNK)
        chunks["position"], chunks["started"] = rings.taken[places], now
        chunks["length"] = np.minimum(waiting, rings.chunk_len)
        chunks["is_last"] = self.is_ending[places] & (waiting <= rings.chunk_len)
        chunks["arrived"] = np.where(chunks["length"], rings.arrived[places, self._slot(chunks["position"])], now)
        rings.taken[places] += chunks["length"]
        return chunks

    def _slot(self, positions):
        return positions // self.rings.chunk_len % self.rings.chunks_in

    def _restart(self, places):
        if len(places):
            self.engine.restart(places.tolist())
            self._is_fresh[places] = False

    def _fail(self):
        """All streams begin anew in the engine."""
        self._is_fresh[:] = True
        self._restart(np.arange(self.rings.places))

    def _deliver(self, finished, now):
        for (places, chunks), audio in finished:
            self._put(places, chunks, audio.numpy(), now)

    def _put(self, places, chunks, audio, now):
        """Puts chunks [S] into the output of their places, with audio [S, k] where they have any."""
        rings = self.rings
        slot = rings.done[places] % rings.chunks_out
        if audio is not None:
            rings.output[places, slot, : audio.shape[1]] = audio
        chunks["late"], chunks["failed"], chunks["done"] = rings.late[places], rings.failed[places], now
        rings.chunks[places, slot] = chunks
        self._has_ended[places] |= chunks["is_last"].astype(bool)
        rings.done[places] += 1
