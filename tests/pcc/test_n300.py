# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Both chips of an N300: weights on each, the streams of a batch shared between them."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import torch
from support.blocks import NETWORK_PCC, golden, on_device, pcc, speech
from support.rung import GIVEN_MOCK
from support.server_scenario import run_scenario

from streaming.engine import MODES

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]


@on_device
@pytest.mark.parametrize("case", [(1, 2, "latency"), (2, 5, "throughput")], ids=str)
def test_a_server(mesh_device, case, measure, rung, kernels, make_network):
    chunk_factor, batch_size, mode = case
    if rung == "simulator" and kernels == "stock" and batch_size > 2:
        pytest.skip("takes hours there")
    model = golden("llvc").model
    with make_network(mesh_device, model).serve(batch_size, chunk_factor, mode) as server:
        values, expected = run_scenario(server, model)
    measure(f"two chips, {mode}", ("llvc", chunk_factor, batch_size), values, expected, NETWORK_PCC)


@on_device
@pytest.mark.parametrize("batch_size", [1, 3, 9])  # nine: pairs of streams on each chip
def test_a_batch_that_does_not_divide(mesh_device, batch_size, make_network):
    audio = speech("llvc", batch_size, 300)
    with make_network(mesh_device, golden("llvc").model).stream(1, batch_size) as stream:
        value = torch.cat((stream.push(audio), stream.flush()), dim=1)
    with torch.no_grad():
        expected = golden("llvc").model(audio[:, None])[:, 0]
    for b in range(batch_size):
        assert pcc(value[b], expected[b]) >= NETWORK_PCC


@on_device
@pytest.mark.parametrize("mode", MODES)
def test_one_transfer_each_way_for_both_chips(mesh_device, mode, monkeypatch, make_network, ttnn):
    calls = Counter()
    with make_network(mesh_device, golden("llvc").model).stream(1, 4, mode) as stream:
        for name in ("copy_host_to_device_tensor", "to_torch"):
            original = getattr(ttnn, name)

            def counted(*args, name=name, original=original, **kwargs):
                calls[name] += 1
                return original(*args, **kwargs)

            monkeypatch.setattr(ttnn, name, counted)
        stream.push(speech("llvc", 4, 208 * 3 + 16))
        stream.flush()
    assert calls == {"copy_host_to_device_tensor": 4, "to_torch": 4}


@on_device
def test_a_chip_needs_memory_for_its_streams_only(mesh_device, make_network):
    tt_model = make_network(mesh_device, golden("llvc").model)
    assert tt_model.plan(1, 64).held == tt_model.plan(1, 63).held
    assert 32 <= tt_model.network.layout(1, 64).batch_size < 40  # fused: a few more fill the groups


def test_on_a_mock_n300(rung):
    """The tests above and the corpus actor's, in a process of their own: the board is chosen before ttnn is loaded."""
    if rung != "mock" or GIVEN_MOCK or "LLVC_MOCK_BOARD" in os.environ:
        pytest.skip("for the mock N150 of these tests")
    environment = {**os.environ, "LLVC_MOCK_BOARD": "n300"}
    environment.pop("TT_METAL_MOCK_CLUSTER_DESC_PATH")  # this process's own board
    process = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/pcc/test_n300.py"]
        + ["tests/pcc/test_corpus_actor.py", "-k", "not mock_n300 and not one_file_at_a_time"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    assert " passed" in process.stdout and "skipped" not in process.stdout.splitlines()[-1], process.stdout
