# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A Ray cluster of two nodes on the loopback interface, and what the tests of corpora convert with."""

import os
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from support.golden import small_voice

from corpus.__main__ import main
from corpus.converter import CorpusConverter

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session", autouse=True)
def installed():
    """What the program needs; imported when a test runs, since that takes a while."""
    for name in ("ray", "pyarrow"):
        pytest.importorskip(name, reason="run: make corpus", exc_type=ImportError)


@pytest.fixture(scope="module")
def cluster(installed):
    """ray.cluster_utils.Cluster, joined by this process: two nodes of one CPU each. It takes a tenth of a core all the
    time, so it does not outlive the file that needs it."""
    from ray.cluster_utils import Cluster

    from corpus.cluster import STORE_BYTES, import_ray

    ray = import_ray()
    node = {"num_cpus": 1, "object_store_memory": STORE_BYTES, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=node)
    cluster.second = cluster.add_node(num_cpus=1, object_store_memory=STORE_BYTES)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.fixture
def workers_path(monkeypatch):
    """Ray's workers find tests/support."""
    path = os.pathsep.join(filter(None, (str(ROOT / "tests"), os.environ.get("PYTHONPATH"))))
    monkeypatch.setenv("PYTHONPATH", path)
    return path


@pytest.fixture(scope="session")
def voice(tmp_path_factory):
    """Options for a small network."""
    return small_voice(tmp_path_factory.mktemp("voice"))


@pytest.fixture
def convert(voice, monkeypatch):
    """convert(*options): the program's exit code; one worker, in this process instead of in Ray's."""

    def here(units, settings, model, actors, board):
        converter = CorpusConverter(settings, model, lambda *_: None, "here", lambda node: True)
        for unit in units:
            yield converter.convert(unit)
        converter.close()

    ray = SimpleNamespace(cluster_resources=lambda: {"CPU": 1.0}, get=lambda value: value)
    board = SimpleNamespace(read=SimpleNamespace(remote=dict))
    monkeypatch.setattr("corpus.run.session", lambda *_: nullcontext(ray))
    monkeypatch.setattr("corpus.pipeline.board", lambda: nullcontext(board))
    monkeypatch.setattr("corpus.pipeline.convert_units", here)
    return lambda *options: main([*voice, *map(str, options)])
