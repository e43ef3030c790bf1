# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What is installed for what: the demo needs requirements.txt alone, and whatever needs more says which file."""

import importlib.metadata
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted(ROOT.glob("requirements*.txt"))

# A child process in which some packages are not there.
WITHOUT = """
import runpy, sys
sys.modules.update(dict.fromkeys({missing!r}))
sys.argv = {argv!r}
{run}
"""


def pinned(path):
    """Names of a requirements file, normalised."""
    lines = [line.partition("#")[0].strip() for line in path.read_text().splitlines()]
    return {re.split(r"[\[=;]", line)[0].lower().replace("_", "-") for line in lines if line}


def run_without(missing, run, *argv, cwd=ROOT):
    return subprocess.run(
        [sys.executable, "-c", WITHOUT.format(missing=list(missing), argv=list(argv), run=run)],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_line_is_a_pin(path):
    for line in path.read_text().splitlines():
        assert line.startswith("#") or re.fullmatch(
            r"[\w.-]+(\[\w+\])?==[\w.]+(; python_version (<|>=) \"3.11\")?", line
        ), line
    assert path.read_text().startswith("#"), "says what it is for"


def test_the_demo_needs_no_more_than_its_file(tmp_path):
    others = set().union(*map(pinned, FILES)) - pinned(ROOT / "requirements.txt")
    blocked = [
        name
        for name, distributions in importlib.metadata.packages_distributions().items()
        if {d.lower().replace("_", "-") for d in distributions} <= others
    ]
    assert {"ttnn", "resemblyzer", "pyworld", "fastapi", "pytest"} <= set(blocked)
    demo = 'runpy.run_path("demo.py", run_name="__main__")'
    output = str(tmp_path / "out.wav")
    process = run_without(
        blocked, demo, "demo.py", "-o", output, "--plot", str(tmp_path / "out.png"), "--backend", "cpu"
    )
    assert process.returncode == 0, process.stderr
    assert "ONNX" not in process.stdout and (tmp_path / "out.wav").exists() and (tmp_path / "out.png").exists()


@pytest.mark.parametrize(
    "missing, purpose, run, argv",
    [
        ("speechmos", "evaluation", "demo.evaluate", ["--input", "test_wavs", "--target", "test_wavs"]),
        ("sounddevice", "live", "demo.live", []),
        ("pyworld", "training", "tools.train_demo_voice", ["--help"]),
    ],
)
def test_what_is_missing_is_told_with_its_file(tmp_path, missing, purpose, run, argv):
    module = f'runpy.run_module({run!r}, run_name="__main__")'
    output = ["--output", str(tmp_path / "out")] if purpose == "evaluation" else []
    process = run_without([missing], module, run, *argv, *output)
    assert process.returncode == 1, process.stderr
    said = process.stderr.splitlines()[-1]
    assert said.startswith("error: ") and missing in said and "Traceback" not in process.stderr
    assert f"make {purpose}," in said
    named = re.findall(r"requirements-[\w-]+\.txt", said)
    assert named[0] == f"requirements-{purpose}.txt" and all((ROOT / name).is_file() for name in named)
    assert all(("--no-deps -r " + name in said) == ("nodeps" in name) for name in named)


def test_setup_refuses_a_purpose_without_a_file(tmp_path):
    (tmp_path / "requirements.txt").touch()
    (tmp_path / "tools").mkdir()
    (tmp_path / "tools" / "setup.sh").write_bytes((ROOT / "tools" / "setup.sh").read_bytes())
    process = subprocess.run(["sh", "tools/setup.sh", "singing"], cwd=tmp_path, capture_output=True, text=True)
    assert process.returncode == 1 and not (tmp_path / ".venv").exists()
    assert process.stderr.startswith("error: there is no requirements-singing.txt") and process.stderr.count("\n") == 1
