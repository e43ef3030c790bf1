# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What goes into tt-metal's registries, against their format, and against the tests that are there to run."""

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from support.tt_metal import PLUGINS, make_tree

yaml = pytest.importorskip("yaml", reason="needs PyYAML")

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "ci" / "tt-metal"
PLACE = "models/demos/audio/llvc"

# Of tests/pipeline_reorg/README.md and the registries' own heads.
REQUIRED = {"name", "cmd", "skus", "owner_id", "team", "budget_type"}
REGISTRIES = {  # file: its other keys, its budget, whether SKUs have tiers
    "models_unit_tests.yaml": ({"model"}, "unit", True),
    "models_e2e_tests.yaml": ({"model"}, "e2e", True),
    "models_mock_device_tests.yaml": ({"id", "arch"}, "unit", False),
}
SKUS = {"wh_n150", "wh_n300", "wh_n150_civ2", "wh_n300_civ2", "cpu_medium"}
BLANK_OWNER = "U_TODO"
DEFAULT_TIMEOUT = 300  # tt-metal's pytest.ini

# Collects each list of arguments and writes [[node id, its own timeout in s or None, its markers]] per list.
COLLECT = """
import json, sys
import pytest

class Collected:
    def pytest_collection_finish(self, session):
        self.items = [
            (
                item.nodeid,
                next((mark.args[0] for mark in item.iter_markers("timeout")), None),
                sorted({mark.name for mark in item.iter_markers()}),
            )
            for item in session.items
        ]

result = []
for arguments in json.loads(sys.argv[1]):
    collected = Collected()
    code = pytest.main([*arguments, "--collect-only", "-q", "-p", "no:cacheprovider"], plugins=[collected])
    result.append((int(code), getattr(collected, "items", [])))
with open(sys.argv[2], "w") as file:
    json.dump(result, file)
"""


def load(name):
    return yaml.safe_load((FOLDER / name).read_text())


ENTRIES = [(name, entry) for name in REGISTRIES for entry in load(name)]


def commands(entry):
    """The environment that an entry exports, and its pytest calls as lists of arguments."""
    environment, calls = {}, []
    for line in entry["cmd"].splitlines():
        words = shlex.split(line, comments=True)
        if words[:1] == ["export"]:
            environment |= dict(word.split("=", 1) for word in words[1:])
        elif words:
            assert words[0] == "pytest", f"not understood: {line}"
            calls.append(words[1:])
    return environment, calls


def timeout_of(arguments):
    return int(arguments[arguments.index("--timeout") + 1])


@pytest.mark.parametrize("registry, entry", ENTRIES, ids=lambda value: value if isinstance(value, str) else "")
def test_keys(registry, entry):
    others, budget, tiers = REGISTRIES[registry]
    assert set(entry) == REQUIRED | others
    assert entry["budget_type"] == budget and entry["team"] == "models"
    assert entry["owner_id"] == BLANK_OWNER
    assert "fill in" in re.search(r"owner_id: .*", (FOLDER / registry).read_text())[0]
    assert entry["skus"] and set(entry["skus"]) <= SKUS
    for sku in entry["skus"].values():
        assert isinstance(sku["timeout"], int) and sku["timeout"] > 0
        assert ("tier" in sku) == tiers and sku.get("tier", 3) in (1, 2, 3)
        assert set(sku) <= {"timeout", "tier", "release_ready"}
    assert "{" not in entry["cmd"], "a placeholder that no SKU fills"
    assert re.fullmatch(r"[a-z0-9-]+", entry.get("model", entry.get("id")))


def test_mock_entry_names_a_description_of_tt_metal():
    (entry,) = load("models_mock_device_tests.yaml")
    path = commands(entry)[0]["TT_METAL_MOCK_CLUSTER_DESC_PATH"]
    assert path.startswith("tt_metal/") and path.endswith("wormhole_N150.yaml")
    assert set(entry["skus"]) == {"cpu_medium"}


@pytest.fixture(scope="module")
def selected(tmp_path_factory):
    """{registry: [(arguments, tests that they select)]} in a tree like tt-metal's, as its CI would collect them."""
    root = tmp_path_factory.mktemp("tt-metal")
    make_tree(root, PLACE)
    found = {}
    for mock in (False, True):
        entries = [(name, entry) for name, entry in ENTRIES if ("mock" in name) == mock]
        calls = [(name, call) for name, entry in entries for call in commands(entry)[1]]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("TT_METAL")} | PLUGINS
        if mock:
            environment["TT_METAL_MOCK_CLUSTER_DESC_PATH"] = "nothing is opened here"
        out = root / f"collected_{mock}.json"
        process = subprocess.run(
            [sys.executable, "-c", COLLECT, json.dumps([call for _, call in calls]), str(out)],
            cwd=root,
            env=environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert process.returncode == 0, process.stdout + process.stderr
        for (name, call), (code, items) in zip(calls, json.loads(out.read_text()), strict=True):
            assert code == 0, f"{name}: pytest {shlex.join(call)} ends with {code}: {process.stdout[-2000:]}"
            found.setdefault(name, []).append((call, items))
    return found


def test_every_path_selects_tests(selected):
    for registry, calls in selected.items():
        for arguments, items in calls:
            paths = [word for word in arguments if word.startswith("models/")]
            assert paths and all(path.startswith(PLACE) for path in paths)
            for path in paths:
                assert any(node.startswith(path) for node, _, _ in items), f"{registry}: {path} selects nothing"


def test_every_part_of_a_selection_matters(selected):
    """-m and -k select what they name: a marker that is there, a word that some test has."""
    for registry, calls in selected.items():
        for arguments, items in calls:
            if "-m" in arguments:
                marker = arguments[arguments.index("-m") + 1]
                assert all(marker in markers for _, _, markers in items), f"{registry}: -m {marker}"
            if "-k" in arguments:
                (word,) = re.fullmatch(r"not (\w+)", arguments[arguments.index("-k") + 1]).groups()
                (path,) = [word for word in arguments if word.startswith("models/")]
                assert not any(word in node for node, _, _ in items)
                assert word in (ROOT / path.removeprefix(PLACE).lstrip("/")).read_text(), f"{registry}: -k not {word}"


def test_timeouts_cover_what_the_tests_declare(selected):
    """A job lasts as long as the marks of its tests allow them, and a test without one at its limit."""
    for registry, entry in ENTRIES:
        seconds = 0
        for arguments, items in selected[registry]:
            limit = timeout_of(arguments)
            assert limit <= DEFAULT_TIMEOUT, "longer tests carry a mark of their own"
            declared = [timeout for _, timeout, _ in items if timeout is not None]
            seconds += sum(declared) + limit * (len(declared) < len(items))
        for name, sku in entry["skus"].items():
            assert 60 * sku["timeout"] >= seconds, f"{registry}, {name}: {sku['timeout']} min for {seconds} s"


def test_budgets_are_the_sums(selected):
    needed = {}
    for _, entry in ENTRIES:
        for name, sku in entry["skus"].items():
            budget = entry["budget_type"] + (f"_tier{sku['tier']}" if "tier" in sku else "")
            needed.setdefault(budget, {}).setdefault(name, 0)
            needed[budget][name] += sku["timeout"]
    assert load("time_budget.yaml") == {"models": needed}
    text = (FOLDER / "time_budget.yaml").read_text()
    for line in text.splitlines():
        assert not re.search(r"\d$", line), f"{line}: CI's owners ask for a comment behind every number"


def test_model_targets():
    (key,) = targets = load("model_targets.yaml")["targets"]
    models = {entry["model"] for _, entry in ENTRIES if "model" in entry}
    assert models == {key}
    for name, sku in targets[key]["skus"].items():
        assert name in SKUS
        for entry in sku["entries"]:
            assert set(entry) <= {"batch_size", "seq_len", "status", "perf", "accuracy", "owner_id", "team", "note"}
            assert entry["status"] in ("active", "TODO")
            assert (entry["status"] == "TODO") == (not entry["perf"] and not entry["accuracy"])


def test_codeowners_and_page():
    (line,) = [line for line in (FOLDER / "CODEOWNERS").read_text().splitlines() if not line.startswith("#")]
    path, *owners = line.split()
    assert path == PLACE + "/" and all(owner.startswith("@") for owner in owners)
    page = (FOLDER / "README.md").read_text()
    for file in FOLDER.iterdir():
        if file.name != "README.md":
            assert f"`{file.name}" in page, f"the page does not say where {file.name} goes"
    for blank in (BLANK_OWNER, owners[0]):
        assert f"`{blank}`" in page
