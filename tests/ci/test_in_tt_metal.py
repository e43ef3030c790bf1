# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What tools/upstream.py writes, in a tree configured as tt-metal's: imports, fixtures, conventions, the demo."""

import ast
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile
from support.rung import RUNG
from support.tt_metal import PLUGINS, make_checkout, make_tree

from tools.upstream import EXPERIMENTAL, LARGEST, PLACE

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
PLACES = (PLACE, EXPERIMENTAL)
# What the tests may import: Python's own, tt-metal's environment, and what the folder's requirements.txt names.
ENVIRONMENT = {"numpy", "scipy", "torch", "ttnn", "loguru", "pytest", "tracy", "models", "safetensors"}
ENVIRONMENT |= {"huggingface_hub"}
REQUIRED = {"soundfile", "onnx", "onnxruntime"}
PYTEST = ("-m", "pytest", "-p", "no:cacheprovider")
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
    (root / "hypothesis.py").write_text("raise ModuleNotFoundError('tt-metal has none', name='hypothesis')\n")
    return root, make_tree(root, request.param)


def python_files(folder):
    return [path for path in folder.rglob("*.py") if "__pycache__" not in path.parts]


def run(arguments, cwd, mock=False):
    """python with these arguments, as from tt-metal's root: without hypothesis, which it does not have."""
    environment = {k: v for k, v in os.environ.items() if mock or k != "TT_METAL_MOCK_CLUSTER_DESC_PATH"}
    environment |= {"PYTHONPATH": str(cwd), **PLUGINS}
    return subprocess.run(
        [sys.executable, *arguments], cwd=cwd, env=environment, capture_output=True, text=True, timeout=600
    )


@pytest.mark.parametrize("tree", PLACES[:1], indirect=True)
def test_tests_run_from_the_root(tree):
    root, llvc = tree
    probe = llvc / "tests" / "test_probe.py"
    probe.write_text(PROBE)
    tests = llvc.relative_to(root) / "tests"
    selected = (
        "test_fixtures or test_number_of_parameters or test_defaults or test_wrong_calls or test_from_file_to_file"
    )
    process = run([*PYTEST, str(tests), "-k", selected, *OPTIONS], root)
    probe.unlink()
    assert process.returncode == 0, process.stdout + process.stderr
    for test in ("test_probe.py::test_fixtures", "test_golden.py::test_number_of_parameters[llvc-3258720]"):
        assert f"{test} PASSED" in process.stdout, process.stdout
    assert (root / "generated" / "test_reports" / "most_recent_tests.xml").exists()


@pytest.mark.parametrize("tree", PLACES[:1], indirect=True)
@pytest.mark.skipif(RUNG != "mock", reason="needs the mock device, and here tests run on another")
def test_the_mock_device_of_whoever_starts_them(tree):
    """As in tt-metal's CI: a cluster description in the environment, and the golden functions' values."""
    root, llvc = tree
    test = llvc.relative_to(root) / "tests" / "pcc" / "test_synthesis.py"
    process = run([*PYTEST, str(test), "-k", "llvc_nc", "-m", "mock", *OPTIONS], root, True)
    assert process.returncode == 0, process.stdout + process.stderr
    assert "mask and out_conv" in process.stdout and "measured on the mock device" in process.stdout


@pytest.mark.parametrize("tree", PLACES[1:], indirect=True)
def test_the_demo_runs_in_place(tree, tmp_path):
    root, llvc = tree
    module = ".".join(llvc.relative_to(root).parts)
    soundfile.write(tmp_path / "in.wav", np.full(1000, 0.1), 16000)
    weights = ROOT / "checkpoints" / "demo_voice.safetensors"
    options = ["--backend", "torch", "-p", str(weights), "-i", str(tmp_path / "in.wav"), "-o"]
    process = run(["-m", f"{module}.demo.demo", *options, str(tmp_path / "out.wav"), "-s"], root)
    assert process.returncode == 0, process.stderr
    assert "RTF" in process.stdout and soundfile.info(tmp_path / "out.wav").frames == 1000


def test_imports_are_as_tt_metal_has_them(tree):
    """Absolute, from models.…, and of nothing that its environment does not have; no folder of ours in sys.path."""
    root, llvc = tree
    package = ".".join(llvc.relative_to(root).parts)
    allowed = {*sys.stdlib_module_names, *ENVIRONMENT, *REQUIRED}
    named = (llvc / "requirements.txt").read_text()
    assert all(re.search(rf"^{name}==", named, re.M) for name in REQUIRED)
    assert {*named.splitlines()[1:]} <= {*(ROOT / "requirements.txt").read_text().splitlines()}, "other versions there"
    for path in python_files(llvc):
        text = path.read_text()
        assert "sys.path.insert" not in text and "sys.path[" not in text, path
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{path}:{node.lineno}"
            modules = [node.module] if isinstance(node, ast.ImportFrom) else []
            modules += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for module in modules:
                assert module.partition(".")[0] in allowed, f"{path}:{node.lineno}: {module}"
                if module.startswith("models.") and not module.startswith("models.perf."):
                    assert module == package or module.startswith(f"{package}."), f"{path}:{node.lineno}: {module}"


def test_files_are_as_its_hooks_want_them(tree):
    """Headers, sizes, line ends, errors expected by its fixture, private names of ttnn with a reason."""
    _, llvc = tree
    for path in llvc.rglob("*"):
        if not path.is_file() or "__pycache__" in path.parts:
            continue
        assert path.stat().st_size <= LARGEST, path
        if path.suffix not in (".py", ".h", ".cpp", ".md", ".txt", ".json"):
            continue
        text = path.read_text()
        assert text.endswith("\n") and not text.endswith("\n\n") and not re.search(r"[ \t]$", text, re.M), path
        if path.suffix in (".py", ".h", ".cpp"):
            mark = "#" if path.suffix == ".py" else "//"
            assert text.startswith(f"{mark} SPDX-FileCopyrightText: © 2026 Tenstorrent USA, Inc.\n"), path
            assert f"\n{mark} SPDX-License-Identifier: Apache-2.0\n" in text, path
        for line in text.splitlines() if path.suffix == ".py" else ():
            assert "pytest.raises" not in line or "allow-pytest.raises: no test" in line, f"{path}: {line}"
            assert "ttnn._ttnn" not in line or "#" in line, f"{path}: {line}"


def test_an_older_copy_is_replaced_and_nothing_else(tmp_path):
    make_checkout(tmp_path)
    older = tmp_path / PLACE
    older.mkdir(parents=True)
    for name in ("ttnn_llvc.py", "stale.py"):
        (older / name).write_text("")
    command = [sys.executable, str(ROOT / "tools" / "upstream.py"), str(tmp_path)]
    process = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert process.returncode == 0, process.stderr
    assert not (older / "stale.py").exists() and (older / "ttnn_llvc.py").read_text()
    assert "LLVC unit tests" in process.stdout
    other = tmp_path / EXPERIMENTAL
    other.mkdir(parents=True)
    (other / "mine.py").write_text("")
    process = subprocess.run([*command, "--experimental"], capture_output=True, text=True, timeout=600)
    assert process.returncode == 1 and process.stderr.count("\n") == 1 and "no copy of this project" in process.stderr
    assert [path.name for path in other.iterdir()] == ["mine.py"]
    command[-1] = str(tmp_path / "elsewhere")
    process = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert process.returncode == 1 and "no checkout of tt-metal" in process.stderr
    environment = {**os.environ, "GIT_DIR": str(tmp_path)}
    command[-1] = str(tmp_path)
    process = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert process.returncode == 1 and "is no clone" in process.stderr and process.stderr.count("\n") == 1
    assert (tmp_path / PLACE / "ttnn_llvc.py").exists() and not list(tmp_path.glob(".llvc-*"))
