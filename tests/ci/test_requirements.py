# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What is installed for what: the demo needs requirements.txt alone, and whatever needs more says which group."""

import http.server
import importlib.metadata
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

ROOT = Path(__file__).resolve().parents[2]
PIN = r"[\w.-]+(\[\w+\])?==[\w.]+(; (python_version (<|>=) \"3.11\"|sys_platform != \"win32\"))?"

# A child process in which some packages are not there.
WITHOUT = """
import runpy, sys
sys.modules.update(dict.fromkeys({missing!r}))
sys.argv = {argv!r}
{run}
"""


def read_groups():
    """The dependency groups of pyproject.toml: {name: its lines and {"include-group": name}}."""
    tomllib = pytest.importorskip("tomllib", reason="needs Python 3.11")
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]


def requirements():
    return [line for line in (ROOT / "requirements.txt").read_text().splitlines() if not line.startswith("#")]


def names(lines):
    """Names of requirements, normalised."""
    return {re.split(r"[\[=;]", line)[0].lower().replace("_", "-") for line in lines if isinstance(line, str)}


def with_dependencies(wanted):
    """Names of distributions and of all that they ask for."""
    found, waiting = set(), set(wanted)
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
        timeout=600,
    )


def test_every_requirement_is_a_pin():
    lines = requirements()
    for group, entries in read_groups().items():
        assert group.islower() and entries
        lines += [entry for entry in entries if isinstance(entry, str)]
    assert len(lines) > 30 and [line for line in lines if not re.fullmatch(PIN, line)] == []


def test_the_tests_install_what_every_purpose_needs():
    groups = read_groups()
    included = {entry["include-group"] for entry in groups["tests"] if isinstance(entry, dict)}
    assert included == groups.keys() - {"tests", "acceptance", "evaluation-nodeps"}
    makefile = (ROOT / "Makefile").read_text()
    purposes = set(re.search(r"^PURPOSES = (.*)$", makefile, re.M)[1].split())
    assert purposes == groups.keys() - {"tests", "evaluation-nodeps"}


@pytest.mark.slow
def test_the_demo_needs_no_more_than_its_file(tmp_path):
    others = set().union(*map(names, read_groups().values())) - with_dependencies(names(requirements()))
    blocked = [
        name
        for name, distributions in importlib.metadata.packages_distributions().items()
        if {d.lower().replace("_", "-") for d in distributions} <= others
    ]
    assert {"ttnn", "resemblyzer", "pyworld", "fastapi", "pytest"} <= set(blocked)
    demo = 'runpy.run_path("demo.py", run_name="__main__")'
    source, output, plot = (str(tmp_path / name) for name in ("in.wav", "out.wav", "out.png"))
    soundfile.write(source, np.full(1000, 0.1), 16000)
    process = run_without(blocked, demo, "demo.py", "-i", source, "-o", output, "--plot", plot, "--backend", "cpu")
    assert process.returncode == 0, process.stderr
    assert "ONNX" not in process.stdout and (tmp_path / "out.wav").exists() and (tmp_path / "out.png").exists()


# Programs, one after the other; behind what each prints stands how it ended.
PROGRAMS = """
for module, *sys.argv[1:] in {programs!r}:
    try:
        runpy.run_module(module, run_name="__main__")
    except SystemExit as end:
        print(module, "ends with", end.code, file=sys.stderr)
"""


@pytest.mark.slow
def test_what_is_missing_is_told_with_its_group(tmp_path):
    evaluation = ["evaluation", "--input", "test_wavs", "--target", "test_wavs", "--output", str(tmp_path / "out")]
    programs = [evaluation, ["live"], ["training", "target", "--input", "test_wavs", "--out", str(tmp_path / "out")]]
    missing = ["speechmos", "sounddevice", "pyworld"]
    process = run_without(missing, PROGRAMS.format(programs=programs), "")
    assert "Traceback" not in process.stderr
    for (purpose, *_), package in zip(programs, missing, strict=True):
        (said,) = re.findall(rf"^(error: .*)\n{purpose} ends with 1$", process.stderr, re.MULTILINE)
        assert package in said and f"make {purpose}," in said
        asked = re.findall(r"pip install( --no-deps)? --group (\S+):([\w-]+)", said)
        assert asked[0][0] == "" and asked[0][2] == purpose
        assert [(nodeps, group) for nodeps, _, group in asked[1:]] == [(" --no-deps", "evaluation-nodeps")] * (
            purpose == "evaluation"
        )
        assert all(Path(file) == ROOT / "pyproject.toml" and group in read_groups() for _, file, group in asked)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_training_on_pairs_needs_little(tmp_path):
    """A machine that is lent for training has PyTorch and soundfile, not what reads recordings or makes pairs."""
    code = 'runpy.run_module("training", run_name="__main__")'
    missing = ["pyworld", "av", "loguru", "onnx", "onnxruntime", "tqdm", "scipy", "ttnn"]
    process = run_without(missing, code, "training", "train", "--data", str(tmp_path), "--run", str(tmp_path / "run"))
    assert process.returncode == 1 and "source: no such folder" in process.stderr.splitlines()[-1]


# In place of .venv/bin/python: fits, has no torch, asks for addresses and for pip's settings, writes down what pip is
# to install, and fails with an option that FAILS names.
PYTHON = f"""#!/bin/sh
case "$*" in
    *version_info*) ;;
    *"import torch"*) exit 1 ;;
    *urlopen* | *"pip config list") exec {sys.executable} "$@" ;;
    *) echo "$@" | sed "s/.*disable-pip-version-check //" >> installed ;;
esac
case "$*" in *"${{FAILS:-no such option}}"*) exit 1 ;; esac
"""


@pytest.fixture
def index():
    """A server that has PyTorch: its address."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200 if self.path == "/cpu/torch/" else 404)
            self.end_headers()

        def log_message(self, *_): ...

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/cpu"
        server.shutdown()


@pytest.fixture
def silent():
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/cpu"


@pytest.fixture
def setup(tmp_path):
    """setup(purpose, index) runs tools/setup.sh in a copy with a stand-in for Python: (process, what pip gets)."""
    for name in ("tools/setup.sh", "requirements.txt", "pyproject.toml"):
        copy = tmp_path / name
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes((ROOT / name).read_bytes())

    def run(purpose, index, **settings):
        python = tmp_path / ".venv" / "bin" / "python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.write_text(PYTHON)
        python.chmod(0o755)
        environment = {
            k: v for k, v in os.environ.items() if not k.startswith("PIP_") and not k.lower().endswith("_proxy")
        }
        environment |= {"TORCH_INDEX": index, "PIP_CONFIG_FILE": os.devnull} | settings
        process = subprocess.run(
            ["sh", "tools/setup.sh", purpose],
            cwd=tmp_path,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        installed = tmp_path / "installed"
        lines = installed.read_text().splitlines() if installed.exists() else []
        return process, [line.replace(" --group card", "") for line in lines]  # that one: where there is a card

    return run


@pytest.mark.parametrize("purpose", ["demo", "live", "evaluation", "tests", "acceptance"])
def test_setup_installs_what_a_purpose_needs(setup, tmp_path, index, purpose):
    process, (pip, first, *others) = setup(purpose, index)
    assert process.returncode == 0 and (tmp_path / ".venv" / f".{purpose}").exists(), process.stderr
    assert f"for: {purpose}; PyTorch without CUDA from {index}" in process.stdout and pip == "pip>=25.1"
    group = "" if purpose == "demo" else f" --group {purpose}"
    assert first == f"--extra-index-url {index} -r requirements.txt{group}"
    judged = purpose in ("evaluation", "tests", "acceptance")
    assert others == ["--no-deps --group evaluation-nodeps"] * judged


@pytest.mark.parametrize("address", ["silent", "http://127.0.0.1:9/cpu", "http://no-such-host.invalid/cpu"])
def test_setup_takes_pytorch_from_pypi_where_its_own_index_does_not_answer(setup, request, address):
    address = request.getfixturevalue(address) if address == "silent" else address
    process, (_, first) = setup("demo", address)
    assert process.returncode == 0 and first == "-r requirements.txt"
    assert "PyTorch from PyPI, a download of 3 GB" in process.stdout and process.stderr == ""


@pytest.mark.parametrize("setting", [{"PIP_INDEX_URL": "http://127.0.0.1:9/simple"}, {"PIP_NO_INDEX": "1"}], ids=str)
def test_setup_leaves_the_index_to_whoever_named_one(setup, index, setting):
    process, (_, first) = setup("demo", index, **setting)
    assert process.returncode == 0 and first == "-r requirements.txt"
    assert "PyTorch from where pip's settings say" in process.stdout


def test_setup_takes_pytorch_from_pypi_where_its_own_index_fails(setup, index):
    process, (_, first, second) = setup("demo", index, FAILS="--extra-index-url")
    assert process.returncode == 0 and "--extra-index-url" in first and second == "-r requirements.txt"
    assert "again, with PyTorch from PyPI, a download of 3 GB" in process.stdout
    process, _ = setup("live", index, FAILS="requirements.txt")
    assert process.returncode == 1


@pytest.mark.parametrize("purpose", ["singing", "tool", "evaluation.*"])
def test_setup_refuses_a_purpose_without_a_group(setup, index, purpose):
    process, installed = setup(purpose, index)
    assert process.returncode == 1 and not installed
    assert process.stderr.startswith(f"error: there is no dependency group '{purpose}' in pyproject.toml")
    assert process.stderr.count("\n") == 1
