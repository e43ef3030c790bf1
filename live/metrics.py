# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What Prometheus may know of a live server."""

import os
from bisect import bisect_left
from collections import Counter as Counts

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"
BUCKETS_S = (0.001, 0.002, 0.004, 0.006, 0.009, 0.013, 0.02, 0.03, 0.05, 0.1, 0.2, 0.5, 1.0)


class Latencies(Histogram):
    """A histogram that takes many values at a time."""

    def observe_all(self, values):
        """Takes a list of values."""
        for number, count in Counts([bisect_left(self._upper_bounds, value) for value in values]).items():
            self._buckets[number].inc(count)
        self._sum.inc(sum(values))


class Metrics:
    """The metrics of one server, in a registry of their own.

    Several processes count together where each had a folder for it in its environment, as MULTIPROC_DIR, before
    prometheus_client was imported; a gauge is what it was last set to by any of them.
    """

    def __init__(self):
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)

        def make(kind, name, meaning, **options):
            if kind is Gauge:
                options["multiprocess_mode"] = "mostrecent"
            return kind(f"llvc_{name}", meaning, registry=self.registry, **options)

        self.streams = make(Gauge, "streams_open", "Streams that have a place.")
        self.refused = make(Counter, "streams_refused", "Streams for which there was no place.")
        self.closed = make(Counter, "streams_closed", "Connections that ended, by code.", labelnames=["code"])
        self.cut = make(
            Counter,
            "connections_cut",
            "Connections cut off before they were streams, by reason.",
            labelnames=["reason"],
        )
        self.chunk = make(Histogram, "chunk_seconds", "Computation of a chunk of all streams.", buckets=BUCKETS_S)
        self.latency = make(
            Latencies, "latency_seconds", "From a chunk's last sample in to its audio out.", buckets=BUCKETS_S
        )
        self.chunks = make(Counter, "chunks", "Chunks converted, of all streams.")
        self.late = make(Counter, "chunks_late", "Chunks that were done after the next one was due.")
        self.failures = make(Counter, "chunks_failed", "Times that the engine failed.")
        self.dropped = make(Counter, "dropped_samples", "Samples dropped, by reason.", labelnames=["reason"])
        self.waiting = make(Gauge, "queue_seconds", "Audio of all streams that waits for the engine.")
        self.overloaded = make(Gauge, "overloaded", "1 while chunks take longer than they last.")
        self.received = make(Counter, "received_bytes", "Bytes of messages from clients.")
        self.sent = make(Counter, "sent_bytes", "Bytes of messages to clients.")

    def exposition(self):
        """All of them as text, those of other processes included."""
        if MULTIPROC_DIR not in os.environ:
            return generate_latest(self.registry)
        together = CollectorRegistry()
        ProcessCollector(pid=os.getppid, registry=together)  # of the engine's process
        MultiProcessCollector(together)
        return generate_latest(together)

    def round(self, streams, seconds, is_late):
        """Counts a chunk of so many streams that took so many seconds."""
        self.chunk.observe(seconds)
        self.chunks.inc(streams)
        if is_late:
            self.late.inc(streams)
