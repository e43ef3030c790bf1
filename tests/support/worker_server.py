# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A live server with workers on a FakeEngine: python -m support.worker_server WORKERS PLACES.

Says its port. live.serve does the same on a real engine.
"""

import sys

from support.fake_engine import SAMPLE_RATE, FakeEngine

from live.clocked import ClockedServer
from live.log import configure
from live.serve import bind
from live.workers import Workers


def main():
    count, places = map(int, sys.argv[1:])
    configure()
    facts = {"backend": "test", "device": "test", "voice": "test"}
    settings = {"service": {"facts": facts, "drain_s": 600}, "access": [[], [], [], False], "tls": [None, None]}
    workers = Workers(count, settings)
    server = ClockedServer(FakeEngine(places), SAMPLE_RATE, **workers.shared)
    with bind("127.0.0.1", 0) as listener, server.running():
        workers.run(server, listener, lambda: print(listener.getsockname()[1], flush=True))


if __name__ == "__main__":
    main()
