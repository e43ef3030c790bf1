# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The same files at models/demos/llvc of a tree that is configured as tt-metal's: imports, fixtures, the demo."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

PYTEST_INI = """
[pytest]
addopts = --import-mode=importlib
markers =
    models_performance_bare_metal: mark model silicon tests for performance on bare metal
    models_device_performance_bare_metal: mark model silicon tests for device performance on bare metal
"""

CONFTEST = """
import pytest
from tests.scripts.common import anything  # tt-metal has a package of this name

@pytest.fixture
def device_params(request):
    return getattr(request, "param", {})

@pytest.fixture
def device(device_params):
    return "the device of tt-metal"

@pytest.fixture
def mesh_device(device_params):
    return "the mesh of tt-metal"
"""


@pytest.fixture
def tt_metal(tmp_path):
    llvc = tmp_path / "models" / "demos" / "llvc"
    shutil.copytree(
        ROOT, llvc, ignore=shutil.ignore_patterns(".git", ".venv", ".*_cache", "llvc_models", ".hypothesis")
    )
    scripts = tmp_path / "tests" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "common.py").write_text("anything = None\n")
    (tmp_path / "tt_metal").mkdir()
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text(PYTEST_INI)
    (llvc / "tests" / "test_probe.py").write_text("def test_fixture(device):\n    assert device.endswith('tt-metal')\n")
    return tmp_path


def test_tests_run_from_the_root(tt_metal):
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "models/demos/llvc/tests"]
        + ["-k", "test_fixture or test_number_of_parameters or test_defaults or test_wrong_calls"],
        cwd=tt_metal,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    for test in ("test_probe.py::test_fixture", "test_golden.py::test_number_of_parameters[llvc-3258720]"):
        assert f"{test} PASSED" in process.stdout, process.stdout


def test_demo_runs_in_place(tt_metal):
    llvc = tt_metal / "models" / "demos" / "llvc"
    process = subprocess.run(
        [sys.executable, "demo.py", "--backend", "cpu", "-o", "out.wav"],
        cwd=llvc,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr
    assert (llvc / "out.wav").exists()
