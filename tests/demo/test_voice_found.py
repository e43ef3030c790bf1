# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Which weights are taken where the published ones may lie in several places, and that it is said."""

import hashlib
import os
import subprocess
from pathlib import Path

import huggingface_hub
import onnx
import pytest
import torch
from huggingface_hub import constants
from support.golden import load_golden
from support.hub import isolated, published_checkpoint, serving, use_endpoint

import live.app
from demo import export
from demo import voice as weights
from demo.download_weights import CHECKPOINT_PATH, LOCAL_DIR, REPO_ID
from demo.voice import BUNDLED_CHECKPOINT, DEFAULT_CONFIG, load_voice
from live import serve
from reference.checkpoint import load_model

PATH = CHECKPOINT_PATH.format(name="llvc")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    return published_checkpoint(tmp_path_factory.mktemp("published"))


@pytest.fixture
def hub(monkeypatch, tmp_path, published):
    """A hub that has the checkpoint; no cache and no download yet."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(weights, "ROOT", tmp_path / "project")
    files = {f"/{REPO_ID}/resolve/main/{PATH}": published}
    with isolated(monkeypatch, {"llvc": hashlib.sha256(published).hexdigest()}), serving(files) as server:
        use_endpoint(monkeypatch, server.url)
        yield server


def put(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def test_the_order(hub, tmp_path, published, capsys):
    """model_location_generator, the hub's cache, the project's own folder, the hub, the demo voice."""
    folder = tmp_path / "mlperf"
    located = put(folder / PATH, published)
    huggingface_hub.hf_hub_download(REPO_ID, PATH)
    own = put(tmp_path / "project" / LOCAL_DIR / PATH, published)
    requests = len(hub.requests)

    def generator(model_version, model_subdir="", download_if_ci_v2=False, ci_v2_timeout_in_s=300):
        assert model_version == REPO_ID
        return folder

    path, line = weights.find_published("llvc", generator)
    assert path == located and "model_location_generator" in line
    located.unlink()
    path, line = weights.find_published("llvc", generator)
    assert tmp_path / "cache" in path.parents and path.read_bytes() == published and "cache" in line
    path.unlink()
    path, line = weights.find_published("llvc", generator)
    assert path == own and "downloaded before" in line
    assert len(hub.requests) == requests  # so far without the network
    own.unlink()
    path, line = weights.find_published("llvc", generator)
    assert path == own and path.read_bytes() == published and "from the hub" in line
    own.unlink()
    hub.status["HEAD"] = 503
    path, line = weights.find_published("llvc", generator)
    assert path == BUNDLED_CHECKPOINT and "demo voice" in line and "503" in line
    assert capsys.readouterr().out.count("weights: ") == 5


def test_without_fetching_nothing_is_asked(hub):
    path, line = weights.find_published("llvc", lambda name, **_: name, fetch=False)
    assert path == BUNDLED_CHECKPOINT and "demo voice" in line and not hub.requests


@pytest.mark.parametrize(
    "error", [AssertionError("a file at MLPerf"), subprocess.CalledProcessError(8, "wget"), OSError("no wget")]
)
def test_a_generator_that_fails_is_told_and_passed(hub, capsys, error):
    def generator(name, **_):
        raise error

    path, line = weights.find_published("llvc", generator)
    assert "from the hub" in line and path.is_file()
    assert "model_location_generator does not have" in capsys.readouterr().out


def test_another_file_under_its_name_is_no_published_voice(hub, tmp_path, published, capsys):
    put(tmp_path / "mlperf" / PATH, published[:-1])
    own = put(tmp_path / "project" / LOCAL_DIR / PATH, b"my own training")
    path, line = weights.find_published("llvc", lambda name, **_: tmp_path / "mlperf")
    assert path == BUNDLED_CHECKPOINT and "move it away" in line
    assert own.read_bytes() == b"my own training"
    assert capsys.readouterr().out.count("is not the published checkpoint (its sha256") == 2


@pytest.fixture
def elsewhere(hub, tmp_path, monkeypatch):
    """A project with its configuration and no voice but the bundled one, seen from another folder."""
    monkeypatch.chdir(tmp_path)
    put(tmp_path / "project" / DEFAULT_CONFIG, (BUNDLED_CHECKPOINT.parents[1] / DEFAULT_CONFIG).read_bytes())


def own_place(tmp_path, published):
    return put(tmp_path / "project" / LOCAL_DIR / PATH, published)


def hub_cache(tmp_path, published):
    return huggingface_hub.hf_hub_download(REPO_ID, PATH)


def nowhere(tmp_path, published):
    return BUNDLED_CHECKPOINT


class Served:
    """Takes the place of the web server, which would run until it is interrupted."""

    def __init__(self, service, *_):
        self.seen.append(service.facts["voice"])

    def run(self, sockets):
        pass


@pytest.mark.parametrize("provide", [own_place, hub_cache, nowhere])
def test_what_speaks_is_what_is_named(elsewhere, tmp_path, published, monkeypatch, capsys, provide):
    """By the demo, in the metadata of an exported file and by a server."""
    path = provide(tmp_path, published)
    name, content = os.path.basename(path), Path(path).read_bytes()
    voice = load_voice()
    expected = load_model(path, load_golden("llvc").model.config).state_dict()
    assert all(torch.equal(value, expected[key]) for key, value in voice.model.state_dict().items())
    assert (voice.name, voice.sha256()) == (name, hashlib.sha256(content).hexdigest())
    said = {own_place: "", hub_cache: "from the cache of huggingface_hub", nowhere: "the bundled demo voice"}[provide]
    printed = capsys.readouterr().out
    assert said in printed and bool(printed) == bool(said)

    assert export.main(["-o", "voice.onnx"]) == 0
    meta = {entry.key: entry.value for entry in onnx.load("voice.onnx").metadata_props}
    assert (meta["checkpoint"], meta["checkpoint_sha256"]) == (name, voice.sha256())

    monkeypatch.setattr(live.app, "WebServer", Served)
    monkeypatch.setattr(Served, "seen", [], raising=False)
    assert serve.main(["--port", "0", "--backend", "cpu", "--streams", "1"]) == 0
    assert Served.seen == [name]
