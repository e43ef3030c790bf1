# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What a chunk costs in things that do not vary: programs, transfers, memory."""

from collections import Counter

import pytest
import ttnn
from support.blocks import golden, on_device, speech

from ttnn_llvc import TtLLVC

BUDGET = {"llvc": 140, "llvc_nc": 104, "readme_defaults": 180}  # programs per chunk


def capture(device, run):
    """Runs on the device; returns (result, names of its programs, most bytes of L1 per core)."""
    device.clear_program_cache()  # a program from the cache does not tell what it needs
    ttnn.graph.begin_graph_capture(ttnn.graph.RunMode.NORMAL)
    try:
        result = run()
    finally:
        graph = ttnn.graph.end_graph_capture()
    calls = (node["params"].get("name", "") for node in graph if node["node_type"] == "function_start")
    usage = ttnn.graph.extract_resource_usage_per_core(graph)
    return result, [name.split("::")[-1] for name in calls if name.endswith("Operation")], usage.peak_total


@on_device
@pytest.mark.parametrize(
    "case",
    [("llvc", n, batch_size) for batch_size in (1, 8) for n in (1, 2, 4)]
    + [("llvc", 1, 64), ("llvc_nc", 1, 1), ("readme_defaults", 1, 1), ("readme_defaults", 1, 2)],
    ids=str,
)
def test_programs_per_chunk(device, case, tabulate_programs):
    name, chunk_factor, batch_size = case
    model = TtLLVC.from_reference(device, golden(name).model)
    with model.stream(chunk_factor, batch_size) as stream:
        ops, rows, state = stream._ops, stream._rows, stream._state
        features, *frontend = capture(device, lambda: model.frontend(ops, rows))
        e, *encoder = capture(device, lambda: model.encoder(ops, features, state["encoder"]))
        decoded, *decoder = capture(device, lambda: model.decoder(ops, e, state["decoder"]))
        _, *synthesis = capture(device, lambda: model.synthesis(ops, decoded, e, features, state["synthesis"]))
        _, *whole = capture(device, lambda: model(ops, rows, state))
        held = ttnn.get_memory_view(device, ttnn.BufferType.L1).total_bytes_allocated_per_bank
    blocks = {"frontend": frontend, "encoder": encoder, "decoder": decoder, "synthesis": synthesis}
    for block, (programs, peak) in blocks.items():
        kinds = ", ".join(
            f"{count} {kind.removesuffix('Operation').removesuffix('Device')}"
            for kind, count in Counter(programs).most_common()
        )
        tabulate_programs(case, block, len(programs), peak, kinds)
    tabulate_programs(case, "chunk", len(whole[0]), whole[1], f"weights and state: {held} B of L1 per core")
    assert sum(len(programs) for programs, _ in blocks.values()) == len(whole[0])
    assert 0 < len(whole[0]) <= BUDGET[name]


@on_device
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
