# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""How far a run is: what the workers report, and the line that says it."""

import sys
import threading
import time

TERMINAL_S, LOG_S = 1.0, 60.0  # between two lines
SILENT_S = 120.0  # of all workers: something is amiss


class Board:
    """Takes the workers' reports; lives in Ray, where all can reach it."""

    def __init__(self):
        self._figures = {}

    def add(self, worker, figures):
        self._figures[worker] = figures

    def read(self):
        return self._figures


class Progress:
    """Prints a line every second on a terminal, every minute elsewhere, while its `with` lasts.

    read() gives {worker: {"audio_s", "busy_s", "up_s"}}; files and guessed seconds of audio are those to do.
    """

    def __init__(self, read, files, guessed_s):
        self._read, self._files, self._guessed_s = read, files, guessed_s
        self._done = self._failed = 0
        self._done_guessed_s = 0.0
        self._begin = time.monotonic()
        self._seen, self._changed = None, self._begin
        self._terminal = sys.stderr.isatty()
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._end.set()
        self._thread.join()
        if self._terminal:
            print("\r\033[K", end="", file=sys.stderr, flush=True)

    def add(self, guessed_s, failed):
        """One file is settled."""
        self._done += 1
        self._failed += failed
        self._done_guessed_s += guessed_s

    def _run(self):
        while not self._end.wait(TERMINAL_S if self._terminal else LOG_S):
            try:
                line = self.line(self._read())
            except Exception:  # a node of the cluster is gone; the run itself will say so
                continue
            print(f"\r\033[K{line}" if self._terminal else line, end="" if self._terminal else "\n", file=sys.stderr)
            sys.stderr.flush()

    def line(self, workers):
        """The line for these reports of the workers."""
        elapsed = time.monotonic() - self._begin
        audio_s = sum(figures["audio_s"] for figures in workers.values())
        share = self._done_guessed_s / self._guessed_s if self._guessed_s else 1.0
        parts = [
            f"{self._done:,} of {self._files:,} files",
            f"{audio_s / 3600:.2f} h of audio",
            f"{audio_s / elapsed:.1f} x real time",
            f"{clock(elapsed / share - elapsed)} left" if share else "time left not known yet",
            f"{self._failed} failed",
        ]
        if workers != self._seen:
            self._seen, self._changed = dict(workers), time.monotonic()
        if (silent := time.monotonic() - self._changed) > SILENT_S:
            parts.append(f"no actor at work for {clock(silent)}: has the cluster lost its nodes?")
        elif workers:
            busy = [100 * figures["busy_s"] / figures["up_s"] for figures in workers.values()]
            shown = ", ".join(f"{value:.0f}" for value in busy) if len(busy) <= 8 else f"{sum(busy) / len(busy):.0f}"
            parts.append(f"actors {shown} % busy")
        return " · ".join(parts)


def clock(seconds):
    """A duration for people."""
    minutes = round(seconds / 60)
    return f"{seconds:.0f} s" if seconds < 100 else f"{minutes} min" if minutes < 100 else f"{minutes / 60:.1f} h"
