# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The same files at two depths of a tree that is configured as tt-metal's: imports, fixtures, options, the demo."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.rung import RUNG
from support.tt_metal import make_tree

ROOT = Path(__file__).resolve().parents[2]
PLACES = ("models/demos/llvc", "models/demos/audio/llvc")
OPTIONS = ["--device-id", "0", "--tt-arch", "wormhole_b0", "--input-method", "json"]

# Asks for all that tests may ask of tt-metal.
PROBE = """
def test_fixtures(device, mesh_device, reset_seeds, is_ci_env, model_location_generator, request):
    assert device.endswith("tt-metal") and mesh_device.endswith("tt-metal")
    assert model_location_generator("name", download_if_ci_v2=True) == "name"
    assert request.config.getoption("--device-id") == 0 and is_ci_env in (True, False)
    assert request.config.getini("timeout") == "300"
"""


@pytest.fixture(scope="module", params=PLACES)
def tree(request, tmp_path_factory):
    """(root, the project in it)."""
    root = tmp_path_factory.mktemp("tt-metal")
    return root, make_tree(root, request.param)


def run(arguments, cwd, mock=False):
    environment = {k: v for k, v in os.environ.items() if mock or k != "TT_METAL_MOCK_CLUSTER_DESC_PATH"}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=280
    )


def test_tests_run_from_the_root(tree):
    root, llvc = tree
    (llvc / "tests" / "test_probe.py").write_text(PROBE)
    tests = llvc.relative_to(root) / "tests"
    selected = "test_fixtures or test_number_of_parameters or test_defaults or test_wrong_calls"
    process = run(["-m", "pytest", "-p", "no:cacheprovider", str(tests), "-k", selected, *OPTIONS], root)
    assert process.returncode == 0, process.stdout + process.stderr
    for test in ("test_probe.py::test_fixtures", "test_golden.py::test_number_of_parameters[llvc-3258720]"):
        assert f"{test} PASSED" in process.stdout, process.stdout
    assert (root / "generated" / "test_reports" / "most_recent_tests.xml").exists()


@pytest.mark.parametrize("tree", PLACES[1:], indirect=True)
@pytest.mark.skipif(RUNG != "mock", reason="needs the mock device, and here tests run on another")
def test_the_mock_device_of_whoever_starts_them(tree):
    """As in tt-metal's CI: a cluster description in the environment, and the golden functions' values."""
    root, llvc = tree
    test = llvc.relative_to(root) / "tests" / "pcc" / "test_synthesis.py"
    process = run(
        ["-m", "pytest", "-p", "no:cacheprovider", str(test), "-k", "llvc_nc", "-m", "mock", *OPTIONS], root, True
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert "mask and out_conv" in process.stdout and "measured on the mock device" in process.stdout


@pytest.mark.parametrize("tree", PLACES[1:], indirect=True)
def test_demo_runs_in_place(tree):
    _, llvc = tree
    process = run(["demo.py", "--backend", "cpu", "-o", "out.wav"], llvc)
    assert process.returncode == 0, process.stderr
    assert (llvc / "out.wav").exists()
