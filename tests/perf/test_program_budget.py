# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What a chunk costs in things that do not vary: programs, transfers, memory."""

from collections import Counter

import pytest
import ttnn
from support.blocks import golden, speech

from ttnn_llvc import DEVICE_PARAMS, TtLLVC

BUDGET = {"llvc": 140, "llvc_nc": 104, "readme_defaults": 180}  # programs per chunk


def capture(run):
    """Runs on the device; returns (result, names of its programs, most bytes of L1 per core)."""
    ttnn.graph.begin_graph_capture(ttnn.graph.RunMode.NORMAL)
    try:
        result = run()
    finally:
        graph = ttnn.graph.end_graph_capture()
    calls = (node["params"].get("name", "") for node in graph if node["node_type"] == "function_start")
    usage = ttnn.graph.extract_resource_usage_per_core(graph)
    return result, [name.split("::")[-1] for name in calls if name.endswith("Operation")], usage.peak_total


@pytest.mark.parametrize("device_params", [DEVICE_PARAMS], indirect=True)
@pytest.mark.parametrize(
    "name, chunk_factor, batch_size",
    [("llvc", 1, 1), ("llvc", 2, 1), ("llvc", 4, 1), ("llvc", 1, 8), ("llvc", 1, 32), ("llvc", 1, 64)]
    + [("llvc_nc", 1, 1), ("readme_defaults", 1, 1)],
)
def test_programs_per_chunk(device, name, chunk_factor, batch_size):
    model = TtLLVC.from_reference(device, golden(name).model)
    with model.stream(chunk_factor, batch_size) as stream:
        ops, state = stream._ops, stream._state
        features, *frontend = capture(lambda: model.frontend(ops, stream._rows))
        e, *encoder = capture(lambda: model.encoder(ops, features, state["encoder"]))
        decoded, *decoder = capture(lambda: model.decoder(ops, e, state["decoder"]))
        _, *synthesis = capture(lambda: model.synthesis(ops, decoded, e, features, state["synthesis"]))
        _, whole, _ = capture(lambda: model(ops, stream._rows, state))
    blocks = {"frontend": frontend, "encoder": encoder, "decoder": decoder, "synthesis": synthesis}
    print(f"\n{name}, n = {chunk_factor}, B = {batch_size}: {len(whole)} programs per chunk")
    for block, (programs, peak) in blocks.items():
        kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(programs).most_common())
        print(f"  {block:10} {len(programs):3} programs, {peak:6} B of L1 per core at most ({kinds})")
    assert sum(len(programs) for programs, _ in blocks.values()) == len(whole)
    assert 0 < len(whole) <= BUDGET[name]
    assert device.num_program_cache_entries() > 0


@pytest.mark.parametrize("device_params", [DEVICE_PARAMS], indirect=True)
@pytest.mark.parametrize("batch_size", [1, 3])
def test_transfers_and_compilations_per_chunk(device, batch_size, monkeypatch):
    """One transfer each way per chunk whatever the batch, and nothing compiled after the first."""
    calls = Counter()

    def count(name):
        original = getattr(ttnn, name)

        def counted(*args, **kwargs):
            calls[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(ttnn, name, counted)

    model = TtLLVC.from_reference(device, golden("llvc").model)
    with model.stream(1, batch_size) as stream:
        audio = speech("llvc", batch_size, 4 * 208 + 16)
        stream.push(audio[:, : 208 + 16])
        compiled = device.num_program_cache_entries()
        for name in ("from_torch", "copy_host_to_device_tensor", "to_torch"):
            count(name)
        assert stream.push(audio[:, 208 + 16 :]).shape == (batch_size, 3 * 208)
        assert calls == {"from_torch": 3, "copy_host_to_device_tensor": 3, "to_torch": 3}
        assert device.num_program_cache_entries() == compiled
