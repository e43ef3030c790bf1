# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Times the conversion of a corpus against the plain loop of demo.py.

    python -m tools.corpus_benchmark [--files N] [--rounds R]

Makes files of mixed length (0.5 to 15 s, most of them short) from test_wavs and converts them by demo.py on one thread
and by python -m corpus with 1 and 2 actors of one thread, in turns; and by two demo.py at a time with half the files
each, which is what the machine's cores and memory allow two actors. What is timed is the steady state, from the first
result to the last by the results' time stamps, and the start-up before it. Ratios are medians of those of each round.
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


def run(commands, output, seconds):
    """Runs them side by side: (start-up in s, wall s per second of audio in steady state, wall s of the whole)."""
    begin_stamp, begin = time.time(), time.perf_counter()
    processes = [
        subprocess.Popen(
            [sys.executable, *command, "--backend", "cpu", "-o", str(output)],
            cwd=ROOT,
            env={**os.environ, **ONE_THREAD},
            stdout=subprocess.DEVNULL,
        )
        for command in commands
    ]
    for process in processes:
        if process.wait():
            raise subprocess.CalledProcessError(process.returncode, process.args)
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
        halves = [Path(name, "half 1"), Path(name, "half 2")]
        for folder in (source, *halves):
            folder.mkdir()
        seconds = make_files(source, args.files)
        for i, file in enumerate(sorted(seconds, key=seconds.get)):
            os.link(source / file, halves[i % 2] / file)
        corpus = ["-m", "corpus", "-i", str(source), "--actors"]
        commands = {
            "demo.py": [["demo.py", "--threads", "1", "-i", str(source)]],
            "demo.py, two at a time": [["demo.py", "--threads", "1", "-i", str(half)] for half in halves],
            "1 actor": [[*corpus, "1"]],
            "2 actors": [[*corpus, "2"]],
        }
        rounds = [{key: run(group, output, seconds) for key, group in commands.items()} for _ in range(args.rounds)]

    def pace_ratio(one, other):
        return statistics.median(result[one][1] / result[other][1] for result in rounds)

    audio = sum(seconds.values())
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    print(f"{args.files} files, {audio / 60:.1f} min of audio, {args.rounds} rounds, load at the end {load}\n")
    print("| | start-up, s | hours per hour, steady | of demo.py's | whole run, s |")
    print("|---|--:|--:|--:|--:|")
    for key in commands:
        start, pace, whole = (statistics.median(result[key][i] for result in rounds) for i in range(3))
        ratio = pace_ratio("demo.py", key)
        print(f"| {key} | {start:.1f} | {1 / pace:.1f} | {ratio:.2f} | {whole:.1f} |")
    extra = statistics.median((result["1 actor"][1] - result["demo.py"][1]) * audio / args.files for result in rounds)
    print(f"\nOne actor takes {1e3 * extra:+.1f} ms per file in comparison with the loop.")
    actors, loops = (
        50 * pace_ratio(*pair) for pair in (("1 actor", "2 actors"), ("demo.py", "demo.py, two at a time"))
    )
    print(f"Efficiency of two: actors {actors:.0f}%, loops {loops:.0f}% (what the machine allows).")


if __name__ == "__main__":
    main()
