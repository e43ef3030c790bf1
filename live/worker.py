# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A front process of a live server, which workers.py starts; see there.

Its settings are a line of JSON on standard input: those of app.web_server, and what it shares with the engine's
process, by descriptor.
"""

import asyncio
import json
import os
import shutil
import socket
import sys

from demo.program import exit_code

from .app import web_server
from .channel import Front, LiveRings
from .log import configure
from .metrics import MULTIPROC_DIR, Metrics
from .shared import SharedArrays, SharedEvent, SharedLock

LAST_WORDS_S = 0.5  # for what clients are told when the engine's process is gone


class Worker:
    """Serves until SIGTERM or until the engine's process is gone."""

    def __init__(self, settings):
        rings = LiveRings(*settings["rings"], SharedArrays(settings["memory"]))
        wake, lock = SharedEvent(settings["news"]).set, SharedLock(settings["memory"])
        self._front = Front(rings, Metrics(), number=settings["number"], lock=lock, wake=wake)
        self._told = SharedEvent(settings["told"])
        self._web = web_server(self._front, settings, self._begin, settings["workers"])
        self._listener = socket.socket(fileno=settings["listener"])
        self._is_orphan = False

    def run(self):
        """Returns the exit code."""
        self._web.run(sockets=[self._listener])
        if self._is_orphan:  # nobody else is left who could
            shutil.rmtree(os.environ[MULTIPROC_DIR], ignore_errors=True)
        return int(self._is_orphan)

    def _begin(self):
        loop = asyncio.get_running_loop()
        loop.add_reader(self._told.descriptor, self._tell)
        loop.add_reader(sys.stdin.fileno(), self._lose_engine)
        print("open", flush=True)

    def _tell(self):
        self._told.clear()
        self._front.tell()

    def _lose_engine(self):
        loop = asyncio.get_running_loop()
        loop.remove_reader(sys.stdin.fileno())
        self._is_orphan = True
        self._front.fail("the engine's process ended")
        self._front.tell()
        loop.call_later(LAST_WORDS_S, setattr, self._web, "should_exit", True)


def main():
    configure()
    return Worker(json.loads(sys.stdin.readline())).run()


if __name__ == "__main__":
    sys.exit(exit_code(main))
