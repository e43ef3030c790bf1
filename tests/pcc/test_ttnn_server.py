# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Many streams on the device: they join, leave and start anew, and each is what it is alone."""

import pytest
import torch
from support.blocks import NETWORK_PCC, golden, on_device, pcc, speech
from support.server_scenario import run_scenario

from demo.backend import Backend
from demo.convert import convert_concurrently
from streaming.engine import MODES

pytestmark = pytest.mark.slow

# Chunk factor, batch size, mode, with a trace or without. Streams wait for a place, have one each, leave some empty;
# tests/pcc/test_runner.py shows that modes and traces change no sample.
CASES = [
    (1, 1, "latency", True),
    (1, 2, "throughput", True),
    (2, 1, "throughput", False),
    (2, 5, "latency", True),
    (1, 17, "throughput", True),  # the fused kernels take turns; the stock ones have their state in DRAM
]


@on_device
@pytest.mark.parametrize("case", CASES, ids=str)
def test_streams_join_leave_and_start_anew(device, case, measure, monkeypatch, rung, make_network):
    chunk_factor, batch_size, mode, traced = case
    if rung == "simulator" and batch_size > 5:
        pytest.skip("takes hours there")
    if not traced:
        monkeypatch.setenv("TT_METAL_SLOW_DISPATCH_MODE", "1")
    model = golden("llvc").model
    with make_network(device, model).serve(batch_size, chunk_factor, mode) as server:
        assert server.engine.runner.traced or not traced
        values, expected = run_scenario(server, model)
    for value, wanted in zip(values, expected, strict=True):
        assert value.shape == wanted.shape and pcc(value, wanted) >= NETWORK_PCC
    how = f"server, {mode}" if traced else f"server, {mode}, no trace"
    measure(how, ("llvc", chunk_factor, batch_size), values, expected, NETWORK_PCC)


@on_device
def test_a_stream_is_what_it_is_alone(device, make_network):
    audio = speech("llvc", 3, 208 * 3 + 50)
    tt_model = make_network(device, golden("llvc").model)

    def alone(samples):
        with tt_model.serve(1) as server, server.open() as stream:
            return torch.cat((stream.push(samples), stream.flush()))

    with tt_model.serve(3) as server:
        streams = [server.open() for _ in range(3)]
        outputs = [[] for _ in streams]
        for piece in audio.split(208, dim=1):
            for stream, samples, output in zip(streams, piece, outputs, strict=True):
                output.append(stream.push(samples))
        for stream, output in zip(streams, outputs, strict=True):
            output.append(stream.flush())
    for samples, output in zip(audio, outputs, strict=True):
        assert pcc(torch.cat(output), alone(samples)) >= 0.9999


@on_device
@pytest.mark.parametrize("mode", MODES)
def test_the_demo_converts_signals_as_streams(device, mode, make_network):
    """More signals than streams: where one ends the next one joins."""
    model = golden("llvc").model
    signals = [samples[: 500 - 150 * b] for b, samples in enumerate(speech("llvc", 3, 500))]
    tt_model = make_network(device, model)
    backend = Backend("ttnn", "", tt_model.engine, tt_model.offline_chunk_factor, "throughput")
    converted, figures = convert_concurrently(backend, signals, 2, 1, mode, 16000)
    for samples, value in zip(signals, converted, strict=True):
        assert value.shape == samples.shape
        with torch.no_grad():
            assert pcc(value, model(samples[None, None])[0, 0]) >= NETWORK_PCC
    assert figures["streams"] == 2 and figures["preparation"]["warm_up_s"] > 0


@on_device
@pytest.mark.parametrize("mode", MODES)
def test_a_failed_chunk_leaves_none_under_way(device, mode, make_network, monkeypatch, ttnn):
    """Also where the streams start anew one by one, so that the next chunk is of another one alone."""
    audio = speech("llvc", 2, 500)
    with make_network(device, golden("llvc").model).serve(2, mode=mode) as server:
        streams = [server.open(), server.open()]
        with monkeypatch.context() as patch:

            def fail(*_, **__):
                raise RuntimeError("the link went down")

            patch.setattr(ttnn, "to_torch", fail)
            with pytest.raises(RuntimeError, match="link went down"):
                for stream, samples in zip(streams, audio, strict=True):
                    stream.push(samples)
        for stream, samples in reversed(list(zip(streams, audio, strict=True))):
            stream.reset()
            value = torch.cat((stream.push(samples), stream.flush()))
            with torch.no_grad():
                assert pcc(value, golden("llvc").model(samples[None, None])[0, 0]) >= NETWORK_PCC


@on_device
def test_nothing_leaks_into_a_silent_stream(device, make_network):
    """Beside a loud stream it is bit for bit what it is with nobody in the other places."""
    loud = speech("llvc", 1, 208 * 3 + 16)[0] * 3
    tt_model = make_network(device, golden("llvc").model)

    def silence(neighbour):
        with tt_model.serve(2) as server:
            other = server.open() if neighbour is not None else None
            stream, received = server.open(), []
            for start in range(0, 208 * 3, 208):
                if other:
                    other.push(neighbour[start : start + 208])
                received.append(stream.push(torch.zeros(208)))
            if other:
                other.close()  # leaves its last state in its place
            return torch.cat([*received, stream.flush()])

    alone = silence(None)
    assert torch.equal(silence(loud), alone)
    assert torch.equal(silence(torch.zeros_like(loud)), alone)


@on_device
def test_a_place_is_clean_for_the_next_stream(device, make_network, monkeypatch):
    """Whatever stood in it, values that are not finite among them."""
    monkeypatch.setattr("streaming.engine.MAX_SAMPLE", float("inf"))  # what the device would do without that check
    audio = speech("llvc", 1, 500)[0]
    with make_network(device, golden("llvc").model).serve(1) as server:

        def one():
            with server.open() as stream:
                return torch.cat((stream.push(audio), stream.flush()))

        first = one()
        with server.open() as stream:
            stream.push(torch.cat((torch.full((500,), 3e38), torch.full((500,), -3e38))))
        assert torch.equal(one(), first)
