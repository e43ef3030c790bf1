# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What the tests of corpora share: small voices and recordings, what a run leaves, and workers that misbehave.

The workers run in Ray's processes, which find this module by PYTHONPATH.
"""

import json
import os
import signal
import sys
import time
from pathlib import Path

import numpy as np
import soundfile

from corpus.job import ItemJob
from corpus.pipeline import RayConverter

ROOT = Path(__file__).resolve().parents[2]
STATE = ".llvc-corpus"


def record(path, seconds=0.3, seed=0, rate=16000, channels=1):
    """Writes noise as an audio file; returns its path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.random.default_rng(seed).uniform(-0.5, 0.5, (round(seconds * rate), channels))
    soundfile.write(path, samples, rate)
    return path


def json_lines(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def contents(folder):
    """{path: bytes} of all that a run leaves to its user."""
    files = (path for path in sorted(Path(folder).rglob("*")) if path.is_file())
    return {
        str(path.relative_to(folder)): path.read_bytes() for path in files if path.relative_to(folder).parts[0] != STATE
    }


def leftovers(folder):
    """What is in the state folder that a finished run has no use for."""
    names = {path.name for path in Path(folder, STATE).iterdir()}
    return names - {"corpus.json", "lock", "made", "records.jsonl", "shards.json"}


class SlowConverter(RayConverter):
    """Takes its time, so that there is something to interrupt."""

    def advance(self, seconds):
        time.sleep(0.1)
        super().advance(seconds)


class StillbornConverter(RayConverter):
    """Dies of whatever it is given, before any file, as for want of memory."""

    def convert(self, unit):
        os.kill(os.getpid(), signal.SIGKILL)


class FragileConverter(RayConverter):
    """Dies, as by a fault in a decoder, of every file whose name has `poison` in it."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        read = ItemJob.read

        def read_or_die(job, count):
            samples = read(job, count)
            if "poison" in job.item.source.name:
                os.kill(os.getpid(), signal.SIGKILL)
            return samples

        ItemJob.read = read_or_die


def main(argv):
    """The program with SlowConverter, for a process of its own."""
    from support.corpus import SlowConverter  # Ray's workers find it there, not in __main__

    import corpus.pipeline
    from corpus.__main__ import main

    corpus.pipeline.RayConverter = SlowConverter
    return main(argv)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
