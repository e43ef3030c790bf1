# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What a chunk costs in things that do not vary: programs, transfers, bytes, memory. Runs on any device.

docs/PERF.md has tables of what these tests print, of more cases too, and what they may mean on a card.
"""

from collections import Counter

import pytest
import torch
from support.blocks import allocated, golden, on_device, speech

# Programs per chunk: at n = 1, and for longer chunks, whose layers have more taps within them.
BUDGET = {"llvc": (141, 148), "llvc_nc": (104, 108), "readme_defaults": (189, 193)}
KERNEL_BYTES = 2**20  # of DRAM per bank that the programs of one network take at most

# How many streams there are and how long their chunks change neither what a fused chunk runs nor, but for what is held,
# how: streams on groups of their own, in pairs, in pairs side by side, and as many as get samples into every L1.
FUSED_CASES = [("llvc", 1, 1), ("llvc", 2, 8), ("llvc", 1, 16), ("llvc", 4, 370)]
FUSED_CASES += [("llvc_nc", 1, 1), ("small", 1, 1), ("options_wide_groups", 2, 2)]

# Longer chunks have taps within them and, from n = 4 on, a selection in DRAM. Up to 256 rows, which are eight streams,
# are spread by columns; up to ten streams are in L1, and the largest server is all in DRAM.
CASES = [("llvc", 1, 1), ("llvc", 2, 1), ("llvc", 4, 1), ("llvc", 1, 10), ("llvc", 1, 12), ("llvc", 4, 64)]
CASES += [("llvc_nc", 1, 1), ("readme_defaults", 1, 1), ("readme_defaults", 1, 3)]

# A chunk moves so many bytes for a window of a stream; the fused kernels fill their groups of cores with streams.
MOVES = [("llvc", 1, 1), ("llvc", 4, 1), ("llvc", 1, 10), ("llvc", 2, 18)]


def capture(run):
    """Runs on the device; returns (result, its graph)."""
    import ttnn

    ttnn.graph.begin_graph_capture(ttnn.graph.RunMode.NORMAL)
    try:
        result = run()
    finally:
        graph = ttnn.graph.end_graph_capture()
    return result, graph


def programs(device, run):
    """Runs on the device; returns (result, names of its programs, most bytes of L1 per core)."""
    import ttnn

    device.clear_program_cache()  # a program from the cache does not tell what it needs
    result, graph = capture(run)
    calls = (node["params"].get("name", "") for node in graph if node["node_type"] == "function_start")
    usage = ttnn.graph.extract_resource_usage_per_core(graph)
    return result, [name.split("::")[-1] for name in calls if name.endswith("Operation")], usage.peak_total


def open_planned(tt_model, chunk_factor, batch_size):
    """(an engine, its plan, bytes per bank that were taken before it, bytes that it took by memory)."""
    device = tt_model.device
    plan, before = tt_model.plan(chunk_factor, batch_size), allocated(device)
    engine = tt_model.engine(chunk_factor, batch_size)
    taken = (after - then for then, after in zip(before, allocated(device), strict=True))
    return engine, plan, before, dict(zip(("L1", "DRAM"), taken, strict=True))


@pytest.fixture(autouse=True)
def counted_only(device, rung):
    """Nothing here looks at values: the mock device need not compute them."""
    from support import golden_ops

    if rung == "mock":
        golden_ops.keep_no_values()


@on_device
@pytest.mark.parametrize("case", CASES, ids=str)
def test_stock_programs_and_memory(device, case, tabulate_programs, TtLLVC, ttnn):
    name, chunk_factor, batch_size = case
    tt_model = TtLLVC.from_reference(device, golden(name).model, "stock")
    network = tt_model.network
    engine, plan, before, taken = open_planned(tt_model, chunk_factor, batch_size)
    ops, state, buffers = engine.streams.ops, engine.streams.state, engine.runner.buffers[0]

    engine.runner.release_trace()  # what follows runs beside it
    control, *frontend = programs(device, lambda: network.control(ops, buffers.rows))
    blocks = {"control": frontend}
    _, *blocks["restart"] = programs(device, lambda: network.restart(ops, state, control))
    features, *blocks["frontend"] = programs(device, lambda: network.frontend(ops, buffers.rows))
    e, *blocks["encoder"] = programs(device, lambda: network.encoder(ops, features, state["encoder"], control))
    decoded, *blocks["decoder"] = programs(device, lambda: network.decoder(ops, e, state["decoder"], control))
    _, *blocks["synthesis"] = programs(
        device,
        lambda: ttnn.tanh(
            network.synthesis(ops, decoded, e, features, state["synthesis"], control), output_tensor=buffers.samples
        ),
    )
    _, *whole = programs(device, lambda: network(ops, buffers.rows, state, buffers.samples))
    for block, (names, peak) in blocks.items():
        kinds = ", ".join(
            f"{count} {kind.removesuffix('Operation').removesuffix('Device')}"
            for kind, count in Counter(names).most_common()
        )
        tabulate_programs(case, block, len(names), peak, kinds)
    held = f"of L1 per core: weights {before[0]}, state and buffers {taken['L1']} B; DRAM {plan.total('DRAM')} B"
    tabulate_programs(case, "chunk", len(whole[0]), whole[1], held)
    engine.close()

    assert sum(len(names) for names, _ in blocks.values()) == len(whole[0])
    assert 0 < len(whole[0]) <= BUDGET[name][chunk_factor > 1]
    assert taken["L1"] == plan.held["L1"]
    assert plan.held["DRAM"] <= taken["DRAM"] <= plan.held["DRAM"] + KERNEL_BYTES
    assert whole[1] <= plan.working["L1"]
    assert not plan.lacking


@on_device
@pytest.mark.parametrize("case", FUSED_CASES, ids=str)
def test_fused_program_and_memory(device, case, tabulate_programs, TtLLVC):
    name, chunk_factor, batch_size = case
    tt_model = TtLLVC.from_reference(device, golden(name).model, "fused")
    engine, plan, before, taken = open_planned(tt_model, chunk_factor, batch_size)
    engine.runner.release_trace()
    _, names, peak = programs(device, lambda: engine.streams(engine.runner.buffers[0]))
    layout = engine.streams.layout
    where = "DRAM" if layout.state_in_dram else "L1"
    what = f"{layout.groups} groups x {layout.rounds} rounds x {layout.lanes} lanes x {layout.sharing} in a tile, "
    what += f"state in {where}; of L1 per core: "
    what += f"weights {before[0]}, held {taken['L1']}, program {plan.working['L1']} B; DRAM {plan.total('DRAM')} B"
    tabulate_programs(case, "chunk", len(names), peak, what)
    engine.close()

    assert names == ["GenericOpDeviceOperation"]
    assert taken["L1"] == plan.held["L1"] and peak == plan.working["L1"]
    assert plan.held["DRAM"] <= taken["DRAM"] <= plan.held["DRAM"] + KERNEL_BYTES
    assert not plan.lacking


@on_device
@pytest.mark.parametrize("case", MOVES, ids=str)
def test_what_a_chunk_moves_compiles_and_allocates(
    device, case, monkeypatch, tabulate_transfers, make_network, kernels, ttnn
):
    """One transfer each way, and after the preparation nothing compiled or allocated."""
    name, chunk_factor, batch_size = case
    moved = []

    def watch(call, place):
        original = getattr(ttnn, call)

        def watched(*args, **kwargs):
            tensor = args[place]
            moved.append((call, torch.Size(tensor.padded_shape).numel() * 4))  # float32 both ways
            return original(*args, **kwargs)

        monkeypatch.setattr(ttnn, call, watched)

    watch("copy_host_to_device_tensor", 1)
    watch("to_torch", 0)
    chunk = chunk_factor * 208
    audio = speech(name, batch_size, 2 * chunk + 16)
    with make_network(device, golden(name).model).stream(chunk_factor, batch_size) as stream:
        compiled, before = device.num_program_cache_entries(), allocated(device)
        if kernels == "fused":
            slots = stream.engine.streams.layout.batch_size  # which fill the groups of cores
            assert batch_size <= slots < batch_size + 8  # four groups, two streams in a tile
        stream.push(audio[:, : chunk + 16])
        moved.clear()
        ready, graph = capture(lambda: stream.push(audio[:, chunk + 16 :]))
        assert ready.shape == (batch_size, chunk)
        assert [call for call, _ in moved] == ["copy_host_to_device_tensor", "to_torch"]
        assert device.num_program_cache_entries() == compiled
        assert allocated(device) == before
        if stream.engine.runner.traced:
            assert not [node for node in graph if node["node_type"] == "buffer_allocate"]
    (_, up), (_, down) = moved
    windows = batch_size * chunk_factor
    if kernels == "stock":
        assert up == windows * 32 * 96 * 4 and down == windows * 32 * 32 * 4
    else:
        windows = slots * chunk_factor
        assert up == windows * 288 * 4 and down == windows * 208 * 4
    tabulate_transfers(case, up, down)


@on_device
def test_no_planned_server_is_too_large_for_an_n150(device, make_network):
    """64 streams at n = 1 fit with room to spare, and what does not fit is refused before anything is taken."""
    network = make_network(device, golden("llvc").model)
    plan = network.plan(1, 64, "throughput")
    assert not plan.lacking and plan.needs("DRAM") < plan.free["DRAM"] / 10
    if network.kernels == "stock":  # the fused kernels hold most of L1 whatever the number of streams
        assert plan.needs("L1") < plan.free["L1"] / 2
    before = allocated(device)
    with pytest.raises(
        ValueError, match="too little (L1 and )?DRAM for 100000 streams .* of .* MiB free.*; take fewer"
    ):
        network.serve(100000)
    assert allocated(device) == before
