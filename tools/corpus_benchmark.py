# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Times the conversion of a corpus against the plain loop of demo.py.

    python -m tools.corpus_benchmark [--files N] [--rounds R]

Makes files of mixed length (0.5 to 15 s, most of them short) from test_wavs and converts them by demo.py on one thread
and by demo.convert_corpus with 1 and 2 actors of one thread, each in a process of its own, in turns. What is timed is
the steady state, from the first result to the last by the results' time stamps, and the start-up before it. Ratios are
medians of those of each round.
"""

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parent.parent
SHORTEST_S, LONGEST_S = 0.5, 15.0
ONE_THREAD = {name: "1" for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")}


def make_files(folder, count):
    """Writes the files; returns {name: seconds}."""
    samples, rate = soundfile.read(ROOT / "test_wavs" / "example.wav", dtype="float32")
    samples = np.tile(samples, 3)
    random = np.random.default_rng(0)
    seconds = {}
    for i, length in enumerate(np.exp(random.uniform(np.log(SHORTEST_S), np.log(LONGEST_S), count))):
        start = random.integers(len(samples) - int(LONGEST_S * rate))
        seconds[f"{i:04d}.wav"] = int(length * rate) / rate
        soundfile.write(folder / f"{i:04d}.wav", samples[start : start + int(length * rate)], rate)
    return seconds


def run(command, output, seconds):
    """(start-up in s, wall s per second of audio in steady state, wall s of the whole process)."""
    begin_stamp, begin = time.time(), time.perf_counter()
    subprocess.run(
        [sys.executable, *command, "-o", str(output)],
        cwd=ROOT,
        env={**os.environ, **ONE_THREAD},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    whole = time.perf_counter() - begin
    stamps = {name: (output / name).stat().st_mtime for name in seconds}
    first = min(stamps, key=stamps.get)
    steady = max(stamps.values()) - stamps[first]
    shutil.rmtree(output)
    return stamps[first] - begin_stamp, steady / (sum(seconds.values()) - seconds[first]), whole


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=200, metavar="N")
    parser.add_argument("--rounds", type=int, default=3, metavar="R")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        source, output = Path(name, "in"), Path(name, "out")
        source.mkdir()
        seconds = make_files(source, args.files)
        options = ["-i", str(source), "--backend", "cpu"]
        commands = {
            "demo.py": ["demo.py", *options, "--threads", "1"],
            "1 actor": ["-m", "demo.convert_corpus", *options, "--actors", "1"],
            "2 actors": ["-m", "demo.convert_corpus", *options, "--actors", "2"],
        }
        rounds = [{key: run(command, output, seconds) for key, command in commands.items()} for _ in range(args.rounds)]
    audio = sum(seconds.values())
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{args.files} files, {audio / 60:.1f} min of audio, {args.rounds} rounds, load at the end {load}\n")
    print("| | start-up, s | hours per hour, steady | of demo.py's | efficiency | whole run, s |")
    print("|---|--:|--:|--:|--:|--:|")
    for key in commands:
        start, pace, whole = (statistics.median(result[key][i] for result in rounds) for i in range(3))
        ratio = statistics.median(result["demo.py"][1] / result[key][1] for result in rounds)
        actors = 2 if key == "2 actors" else 1
        print(f"| {key} | {start:.1f} | {1 / pace:.1f} | {ratio:.2f} | {100 * ratio / actors:.0f}% | {whole:.1f} |")
    extra = statistics.median((result["1 actor"][1] - result["demo.py"][1]) * audio / args.files for result in rounds)
    print(f"\nOne actor takes {1e3 * extra:+.1f} ms per file in comparison with the loop.")


if __name__ == "__main__":
    main()
