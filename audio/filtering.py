# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""FFmpeg's audio filters, on a signal that comes piece by piece."""

from fractions import Fraction

import av
import numpy as np
from av.filter import Graph

DTYPES = {"flt": np.float32, "dbl": np.float64}  # by FFmpeg's names


class SignalFilter:
    """Filters one after the other, each by its name and options as FFmpeg takes them, on a signal [n].

    rate is that of the signal in Hz; samples are of the type `kind` of DTYPES, in and out.
    """

    def __init__(self, rate, filters, kind="flt"):
        self._rate, self._kind, self._graph = rate, kind, Graph()
        source = {"sample_rate": rate, "format": kind, "layout": "mono", "time_base": Fraction(1, rate)}
        nodes = [self._graph.add_abuffer(**source), *(self._graph.add(*each) for each in filters)]
        nodes.append(self._graph.add("abuffersink"))
        self._graph.link_nodes(*nodes).configure()
        self._source, self._sink = nodes[0], nodes[-1]

    def push(self, samples):
        """Takes samples [n]; returns what comes out [m] by now."""
        if not len(samples):
            return np.zeros(0, DTYPES[self._kind])
        samples = np.ascontiguousarray(samples, DTYPES[self._kind])
        frame = av.AudioFrame.from_ndarray(samples[None], format=self._kind, layout="mono")
        frame.sample_rate = self._rate
        self._source.push(frame)
        return self._ready()

    def flush(self):
        """Ends the signal; returns the rest [m]."""
        self._source.push(None)
        return self._ready()

    def _ready(self):
        pieces = [np.zeros(0, DTYPES[self._kind])]
        while True:
            try:
                pieces.append(self._sink.pull().to_ndarray()[0])
            except (av.error.BlockingIOError, av.error.EOFError):
                return np.concatenate(pieces)
