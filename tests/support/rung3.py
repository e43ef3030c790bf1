# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The record of what was run with the real kernels: docs/rung3.json.

CI runs no kernel. A run on the simulated Wormhole or on a card writes down, test by test, what came out and for which
sources; CI checks that these are the sources there are (tests/reference/test_rung3.py).
"""

import hashlib
import json
from datetime import date
from importlib.metadata import version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RECORD = ROOT / "docs" / "rung3.json"


def source_hashes():
    """sha256 of everything that decides what a card computes: the kernels, and the host code that packs for them."""
    folder = ROOT / "tt" / "fused"
    files = sorted(path for path in folder.rglob("*") if path.suffix in (".py", ".h", ".cpp"))
    return {str(path.relative_to(ROOT)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def read_record():
    return json.loads(RECORD.read_text()) if RECORD.exists() else {"sources": {}, "tests": {}}


def write_record(reports, rung):
    """Adds pytest's reports of tests of the fused kernels; starts anew if the sources have changed."""
    record, sources = read_record(), source_hashes()
    if record["sources"] != sources:
        record = {"sources": sources, "tests": {}}
    for report in reports:
        record["tests"][report.nodeid] = {
            "outcome": report.outcome,
            "rung": rung,
            "date": date.today().isoformat(),
            "ttnn": version("ttnn"),
            **dict(report.user_properties),
        }
    record["tests"] = dict(sorted(record["tests"].items()))
    RECORD.write_text(json.dumps(record, indent=1) + "\n")
