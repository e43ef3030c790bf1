# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What the tests of corpora share: recordings, and what a run leaves."""

import json
from pathlib import Path

import numpy as np
import soundfile

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
