# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""CPU time of a live server's engine side, without network and on an engine that halves the samples.

python tools/host_benchmark.py prints, for so many streams at a time, what a chunk of all of them costs the engine's
thread; pushing and reading are not counted. See --help.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

from live.clocked import ClockedServer  # noqa: E402
from tools.null_server import NullEngine  # noqa: E402

RATE = 16000


def chunk_times(streams, chunks):
    """Seconds [chunks] of the thread's CPU time for each chunk of so many streams."""
    now = 0.0
    server = ClockedServer(NullEngine(streams), RATE, clock=lambda: now)
    channels = [server.open() for _ in range(streams)]
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, 2 * server.chunk_len).astype(np.float32)
    seconds = []
    for number in range(chunks + 1):
        for channel in channels:
            channel.push(samples if number == 0 else samples[: server.chunk_len])
        begin = time.thread_time()
        while (wait := server.advance()) == 0:
            pass
        seconds.append(time.thread_time() - begin)
        for channel in channels:
            channel.read()
        now += wait or server.period
    assert server.metrics.registry.get_sample_value("llvc_chunks_total") >= chunks * streams
    return np.array(seconds[1:])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, nargs="+", default=[1, 64, 444, 1000], help="at a time, one by one")
    parser.add_argument("--chunks", type=int, default=1000, help="of each")
    args = parser.parse_args()
    print("streams  ms per chunk: p50, p95")
    for streams in args.streams:
        p50, p95 = np.percentile(1e3 * chunk_times(streams, args.chunks), (50, 95))
        print(f"{streams:>7}  {p50:.2f}  {p95:.2f}", flush=True)


if __name__ == "__main__":
    main()
