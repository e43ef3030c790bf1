# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The live server drives the TTNN engine: the same server, thread and sockets as on the CPU."""

import asyncio

import numpy as np
import pytest
import torch
from support.blocks import NETWORK_PCC, golden, on_device, pcc, speech

pytest.importorskip("fastapi", reason="run: make live")

from support.live_server import LiveServer  # noqa: E402

from live.clocked import ClockedServer  # noqa: E402
from streaming.rings import Chunk  # noqa: E402
from tools.load_test import load  # noqa: E402

SAMPLES = 208 * 3 + 70


@on_device
def test_streams_over_websockets_are_what_the_reference_gives(device, monkeypatch, measure, TtLLVC):
    # A mock or simulated device is no real-time device: what comes late is not dropped here.
    monkeypatch.setattr("live.channel.MAX_WAIT_S", 600)
    monkeypatch.setattr("live.session.SILENT_S", 600)
    model = golden("llvc").model
    audio = speech("llvc", 1, SAMPLES)[0].numpy()
    engine = TtLLVC.from_reference(device, model).engine(1, 2, "latency")
    with LiveServer(engine, warm_up_s=0) as server:
        results = asyncio.run(load(server.url, 2, SAMPLES / 16000, audio))
    values, expected = [], []
    for number, (value, figures) in enumerate(results):
        given = torch.from_numpy(np.roll(audio, -number * 4000))
        with torch.no_grad():
            expected.append(model(given[None, None])[0, 0])
        values.append(torch.from_numpy(value))
        assert len(value) == SAMPLES and figures["dropped"] == 0
        assert pcc(values[-1], expected[-1]) >= NETWORK_PCC
    measure("live server", ("llvc", 1, 2), values, expected, NETWORK_PCC)


@on_device
@pytest.mark.slow
def test_64_streams_are_each_what_one_is_alone(device, rung, TtLLVC):
    """To the bit, with the fused kernels."""
    if rung == "simulator":
        pytest.skip("takes hours there")
    now, places = [0.0], 64
    network = TtLLVC.from_reference(device, golden("llvc").model, "fused")
    signals = speech("llvc", 3, 208 + 50)
    with network.serve(1) as server, server.open() as stream:
        alone = [torch.cat((stream.push(samples), stream.flush())) for samples in signals]
    server = ClockedServer(network.engine(1, places, "latency"), 16000, clock=lambda: now[0])
    channels = [server.open() for _ in range(places)]
    for number, channel in enumerate(channels):
        channel.push(signals[number % len(signals)].numpy())
        channel.end()
    while (wait := server.advance()) is not None:
        now[0] += wait
    for number, channel in enumerate(channels):
        *chunks, ended = channel.read()
        assert ended == {"type": "ended"} and all(isinstance(chunk, Chunk) for chunk in chunks)
        value = np.concatenate([chunk.samples for chunk in chunks])
        assert np.array_equal(value, alone[number % len(signals)].numpy()), f"stream {number}"
    server.stop()
