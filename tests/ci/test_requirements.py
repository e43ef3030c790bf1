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


def with_dependencies(names):
    """Names of distributions and of all that they ask for."""
    found, waiting = set(), set(names)
    while waiting:
        found.add(name := waiting.pop())
        try:
            lines = importlib.metadata.requires(name) or []
        except importlib.metadata.PackageNotFoundError:  # for another platform or Python
            continue
        asked = {re.split(r"[^\w.-]", line)[0].lower().replace("_", "-") for line in lines if "extra ==" not in line}
        waiting |= asked - found
    return found


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
    others = set().union(*map(pinned, FILES)) - with_dependencies(pinned(ROOT / "requirements.txt"))
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
        ("speechmos", "evaluation", "evaluation", ["--input", "test_wavs", "--target", "test_wavs"]),
        ("sounddevice", "live", "live", []),
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


# In place of .venv/bin/python: fits, has no torch, and writes down what pip is to install.
PYTHON = """#!/bin/sh
case "$*" in
    *version_info*) ;;
    *"import torch"*) exit 1 ;;
    *) echo "$@" | sed "s/.*disable-pip-version-check //" >> installed ;;
esac
"""


@pytest.fixture
def setup(tmp_path):
    """setup(purpose) runs tools/setup.sh in a copy with a stand-in for Python: (process, [what pip was to install])."""
    for path in (ROOT / "tools" / "setup.sh", *FILES):
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())

    def run(purpose):
        python = tmp_path / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(PYTHON)
        python.chmod(0o755)
        process = subprocess.run(["sh", "tools/setup.sh", purpose], cwd=tmp_path, capture_output=True, text=True)
        installed = tmp_path / "installed"
        return process, installed.read_text().splitlines() if installed.exists() else []

    return run


def installed_files(line):
    return set(line.removeprefix("--no-deps ").split()) - {
        "-r",
        "requirements-card.txt",
    }  # that one: where there is a card


@pytest.mark.parametrize("purpose", ["demo", "live", "evaluation", "tests", "acceptance"])
def test_setup_installs_what_a_purpose_needs(setup, tmp_path, purpose):
    process, (first, *others) = setup(purpose)
    assert process.returncode == 0 and (tmp_path / ".venv" / f".{purpose}").exists(), process.stderr
    assert f"for: {purpose}" in process.stdout and "3 GB" in process.stdout
    everything = {path.name for path in FILES if "nodeps" not in path.name}
    everything -= {"requirements-card.txt"}
    expected = {
        "demo": {"requirements.txt"},
        "tests": everything - {"requirements-acceptance.txt"},
        "acceptance": everything,
    }.get(purpose, {"requirements.txt", f"requirements-{purpose}.txt"})
    assert installed_files(first) == expected
    judges = ["--no-deps -r requirements-evaluation-nodeps.txt"]
    assert others == (judges if "requirements-evaluation.txt" in expected else [])


def test_setup_refuses_a_purpose_without_a_file(setup):
    process, installed = setup("singing")
    assert process.returncode == 1 and not installed
    assert process.stderr.startswith("error: there is no requirements-singing.txt") and process.stderr.count("\n") == 1
