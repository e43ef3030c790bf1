# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Front processes: they take the connections of one port, and share their samples with the engine's process.

A worker (worker.py) does all that the network needs, and opens channels in the engine's rings. The listening socket,
the places and the metrics are common to all of them. One that dies is started again.
"""

import json
import logging
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from reference.errors import LLVCError

from .shared import SharedArrays, SharedEvent, SharedLock

ROOT = Path(__file__).resolve().parents[1]

AGAIN_S = 0.5  # before a worker that died is started again
STOP_S = 10.0  # that one may take to end, behind the time for draining

logger = logging.getLogger(__name__)


class Workers:
    """`count` processes in front of a ClockedServer, whose arguments `shared` are.

    `settings` are those of app.web_server.
    """

    def __init__(self, count, settings):
        self._memory, self._news = SharedArrays(), SharedEvent()
        self.shared = {"allocate": self._memory, "news": self._news, "lock": SharedLock(self._memory.descriptor)}
        self._settings = settings
        self._told = [SharedEvent() for _ in range(count)]
        self._processes = [None] * count
        self._is_over, self._starting = threading.Event(), threading.Lock()

    def run(self, server, listener, on_open=lambda: None):
        """Serves `listener` until SIGTERM, or an exception. LLVCError where a worker does not start."""
        self._server, self._listener = server, listener
        server.hand_over = self._hand_over
        numbers = range(len(self._processes))
        watchers = [threading.Thread(target=self._keep, args=(number,)) for number in numbers]
        ending = signal.SIGINT
        before = signal.signal(signal.SIGTERM, lambda *_: self._is_over.set())
        if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # by who started it; uvicorn hears it even so
            signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            for number in numbers:
                self._start(number)
            for process in self._processes:
                if not process.stdout.readline():
                    raise LLVCError("a worker did not start; why is said above")
            for watcher in watchers:
                watcher.start()
            on_open()
            self._is_over.wait()
            ending = signal.SIGTERM
        finally:
            self._end(ending)
            signal.signal(signal.SIGTERM, before)

    def _hand_over(self, _):
        for event in self._told:
            event.set()

    def _start(self, number):
        """Starts a worker. Its settings come by its standard input, whose end tells it that this process is gone."""
        rings = self._server.rings
        shared = {
            "memory": self._memory.descriptor,
            "news": self._news.descriptor,
            "told": self._told[number].descriptor,
            "listener": self._listener.fileno(),
        }
        own = {
            "number": number + 1,
            "workers": len(self._processes),
            "rings": [rings.places, rings.chunk_len, rings.lookahead_len, rings.sample_rate],
        }
        process = subprocess.Popen(
            [sys.executable, "-m", "live.worker"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=shared.values(),
            start_new_session=True,  # an interrupt at the terminal is for this process
        )
        process.stdin.write(json.dumps({**self._settings, **shared, **own}).encode() + b"\n")
        process.stdin.flush()
        self._processes[number] = process

    def _keep(self, number):
        """Starts a worker again whenever it ends, until all is over."""
        while True:
            code = self._processes[number].wait()
            self._server.free(number + 1)
            if self._is_over.wait(AGAIN_S):
                return
            logger.error("a worker ended with code %d; another one is started", code)
            with self._starting:
                if self._is_over.is_set():
                    return
                self._start(number)

    def _end(self, number):
        """Ends the workers by a signal: at SIGTERM they may drain. Those that do not end by themselves are killed."""
        self._is_over.set()
        with self._starting:
            processes = [process for process in self._processes if process]
        for process in processes:
            process.send_signal(number)
        seconds = STOP_S + (self._settings["service"].get("drain_s", 0) if number == signal.SIGTERM else 0)
        deadline = time.monotonic() + seconds
        try:
            for process in processes:
                process.wait(max(0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            for process in processes:
                process.kill()
        except KeyboardInterrupt:
            self._end(signal.SIGINT)
            raise
