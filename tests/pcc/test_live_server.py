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
