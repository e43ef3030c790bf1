# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A chunk as one upload, one replay and one download: in every mode, whatever streams do, and after faults."""

import os
from collections import Counter

import pytest
import torch
from loguru import logger
from support.blocks import NETWORK_PCC, allocated, golden, on_device, pcc, speech
from support.queues import QueueRace

from streaming.engine import MODES
from tt.device import DEVICE_PARAMS
from tt.errors import DeviceMemoryError

TRANSFERS = ("copy_host_to_device_tensor", "execute_trace", "to_torch")


def run(stream, audio):
    """All of audio [B, N] in slices of a chunk, and the end."""
    return torch.cat([stream.push(piece) for piece in audio.split(stream.chunk_len, dim=1)] + [stream.flush()], dim=1)


@pytest.fixture
def without_trace(monkeypatch):
    """A call of it makes runners launch every program by itself, as they do under slow dispatch."""
    return lambda: monkeypatch.setenv("TT_METAL_SLOW_DISPATCH_MODE", "1")


@pytest.fixture
def counts(monkeypatch, ttnn):
    """How often each of ttnn's calls in TRANSFERS ran."""
    calls = Counter()

    def count(name):
        original = getattr(ttnn, name)

        def counted(*args, **kwargs):
            calls[name] += 1
            return original(*args, **kwargs)

        monkeypatch.setattr(ttnn, name, counted)

    for name in TRANSFERS:
        count(name)
    return calls


@on_device
def test_every_mode_gives_the_same_samples(device, without_trace, make_network):
    audio = speech("llvc", 2, 3 * 208 + 100)
    tt_model = make_network(device, golden("llvc").model)
    outputs = {}
    for mode in MODES:
        with tt_model.stream(1, 2, mode) as stream:
            outputs[mode] = run(stream, audio)
            assert stream.latency == 208 * (1 + MODES[mode]) + 32
    without_trace()
    with tt_model.stream(1, 2, "throughput") as stream:
        assert not stream.engine.runner.traced
        outputs["without trace"] = run(stream, audio)
    for output in outputs.values():
        assert torch.equal(output, outputs["latency"])
    for b in range(2):
        with torch.no_grad():
            assert pcc(outputs["latency"][b], golden("llvc").model(audio[b : b + 1, None])[0, 0]) >= NETWORK_PCC


@on_device
@pytest.mark.parametrize("mode", MODES)
def test_one_transfer_each_way_whatever_streams_do(device, mode, counts, make_network):
    """Starts, pauses, restarts and incomplete ends are chunks like all others."""
    audio = speech("llvc", 1, 208 * 6)[0]
    with make_network(device, golden("llvc").model).serve(3, mode=mode) as server:
        if not server.engine.runner.traced:
            pytest.skip("slow dispatch replays nothing")
        compiled = device.num_program_cache_entries()
        counts.clear()
        a, b = server.open(), server.open()
        a.push(audio[: 208 + 16])
        assert server.step() == 1 and counts["execute_trace"] == 1  # b pauses
        b.push(audio[: 208 + 16])
        a.push(audio[208:416])
        a.reset()
        b.finish()
        a.push(audio[:300])
        while server.step():
            pass
        b.close()
        c = server.open()
        for stream in (c, a):
            stream.push(audio[:50])
            stream.finish()
        while server.step():
            pass
        server.drain()
        assert counts == dict.fromkeys(TRANSFERS, counts["execute_trace"])
        assert counts["execute_trace"] >= 4
        assert device.num_program_cache_entries() == compiled


@on_device
def test_what_was_measured_while_preparing(device, make_network, monkeypatch, ttnn):
    """Each step until the device is done with it, in a time in which only waiting takes any."""
    now, wait = [0.0], ttnn.synchronize_device

    def take_a_second(device):
        wait(device)
        now[0] += 1

    tt_model = make_network(device, golden("llvc").model)
    monkeypatch.setattr(ttnn, "synchronize_device", take_a_second)
    monkeypatch.setattr("tt.runner.time.perf_counter", lambda: now[0])
    with tt_model.stream() as stream:
        traced = stream.engine.runner.traced
        assert stream.engine.preparation == {"compile_s": 1, "warm_up_s": 1, "capture_s": int(traced)}


@on_device
def test_memory_may_be_taken_while_a_stream_is_open(device, make_network):
    """A second stream, a second network: neither lies where the trace of the first one writes.

    Two networks of the fused kernels do not fit, as each holds its weights in the L1 of all its cores.
    """
    audio = speech("llvc", 1, 208 * 5)
    first, second = make_network(device, golden("llvc").model), golden("llvc_nc").model
    values = []
    with first.stream(1, 1, "throughput") as a:
        parts = [a.push(audio[:, :500])]
        with first.stream(2) as b:
            parts.append(a.push(audio[:, 500:750]))
            if first.kernels == "fused":
                with pytest.raises(DeviceMemoryError, match="too little L1 for the network's weights"):
                    make_network(device, second)
            else:
                with make_network(device, second).stream() as c:
                    values.append((second, run(c, audio)))
            values.append((golden("llvc").model, run(b, audio)))
        parts += [a.push(audio[:, 750:]), a.flush()]
        values.append((golden("llvc").model, torch.cat(parts, dim=1)))
    for model, value in values:
        with torch.no_grad():
            assert pcc(value, model(audio[:, None])[:, 0]) >= NETWORK_PCC


@on_device
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("call", TRANSFERS)
def test_an_exception_in_the_middle_of_a_chunk(device, monkeypatch, mode, call, make_network, ttnn):
    audio = speech("llvc", 1, 500)
    tt_model = make_network(device, golden("llvc").model)
    with tt_model.stream(mode=mode) as stream:
        if call == "execute_trace" and not stream.engine.runner.traced:
            pytest.skip("slow dispatch replays nothing")
        expected = run(stream, audio)
        stream.push(audio[:, : 208 + 16])
        with monkeypatch.context() as patch:

            def fail(*_, **__):
                raise RuntimeError("the link went down")

            patch.setattr(ttnn, call, fail)
            with pytest.raises(RuntimeError, match="link went down"):
                stream.push(audio)
        with pytest.raises(RuntimeError, match="reset"):
            stream.push(audio)
        stream.reset()
        assert torch.equal(run(stream, audio), expected)


@on_device
def test_an_exception_leaves_the_device_clean(device, monkeypatch, make_network):
    """From a chunk, and from a capture: nothing stays allocated, and the next stream works."""
    audio = speech("llvc", 1, 500)
    tt_model = make_network(device, golden("llvc").model)
    with tt_model.stream() as stream:  # loads the programs, which stay
        streams = type(stream.engine.streams)
        expected = run(stream, audio)
    del stream  # it would still hold what close() did not give back
    before = allocated(device)
    with pytest.raises(ZeroDivisionError), tt_model.stream(mode="throughput") as stream:
        stream.push(audio)
        raise ZeroDivisionError
    assert allocated(device) == before
    if "TT_METAL_SLOW_DISPATCH_MODE" not in os.environ:
        run_chunk, calls = streams.__call__, []

        def failing(*arguments):
            calls.append(arguments)
            if len(calls) == 3:  # two runs to prepare, then the capture
                raise KeyboardInterrupt
            return run_chunk(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(streams, "__call__", failing)
            with pytest.raises(KeyboardInterrupt):
                tt_model.stream()
        calls.clear()
    assert allocated(device) == before
    with tt_model.stream() as stream:
        assert torch.equal(run(stream, audio), expected)


@on_device
def test_many_streams_opened_and_closed(device, make_network):
    """Joining and leaving does nothing on the device."""
    audio = speech("llvc", 1, 208 * 2 + 16)[0]
    with make_network(device, golden("llvc").model).serve(2) as server:
        stays = server.open()
        stays.push(audio)
        before, programs = allocated(device), device.num_program_cache_entries()
        for _ in range(1000):
            with server.open() as stream:
                stream.push(audio[:100])
        assert allocated(device) == before and device.num_program_cache_entries() == programs
        assert server.streams == [stays]


@on_device
def test_a_trace_region_that_is_too_small(device_params, rung, make_network, ttnn):
    if rung not in ("simulator", "card"):
        pytest.skip("the mock device records no traces")
    device = ttnn.open_device(device_id=0, **{**DEVICE_PARAMS, "trace_region_size": 1024})
    try:
        with pytest.raises(DeviceMemoryError, match="too little trace region"):
            make_network(device, golden("llvc").model).stream()
    finally:
        ttnn.close_device(device)


@on_device
def test_slow_dispatch_says_so(device, without_trace, make_network):
    messages = []
    sink = logger.add(messages.append, level="WARNING")
    without_trace()
    with make_network(device, golden("llvc").model).stream() as stream:
        assert stream.engine.preparation["capture_s"] < stream.engine.preparation["warm_up_s"]
    logger.remove(sink)
    assert any("slow dispatch has no traces" in message for message in messages)


@on_device
def test_modes_have_names(device, make_network):
    with pytest.raises(ValueError, match="mode must be one of latency, throughput, not 'fast'"):
        make_network(device, golden("llvc").model).stream(mode="fast")


@on_device
def test_no_event_is_superfluous(device, monkeypatch, rung, make_network, ttnn):
    """The mock's watch over the queues sees each of them missing."""
    if rung != "mock":
        pytest.skip("a race need not show on a device")
    wait = ttnn.wait_for_event
    tt_model = make_network(device, golden("llvc").model)
    for deaf in (0, 1):

        def deaf_to_one(queue, event, deaf=deaf):
            if queue != deaf:
                wait(queue, event)

        with monkeypatch.context() as patch:
            patch.setattr(ttnn, "wait_for_event", deaf_to_one)
            with pytest.raises(QueueRace), tt_model.stream(mode="throughput") as stream:
                run(stream, speech("llvc", 1, 208 * 4))
