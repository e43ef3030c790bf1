# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The bundled voice on the device: trained weights and real speech, so activations as they really are."""

import pytest
import torch
from support.blocks import demo_voice, golden, on_device, pcc

from demo.convert import convert_offline, timed_chunks
from evaluation.metrics import token_accuracy
from streaming.stream import ChunkedStream

START, SAMPLES = 8000, 3000  # voiced


@on_device
@pytest.mark.parametrize("chunk_factor", [None, 1])
def test_bundled_voice(device, chunk_factor, make_network):
    model = demo_voice()
    audio = torch.from_numpy(golden("llvc").arrays["audio"])[START : START + SAMPLES]
    network = make_network(device, model)
    with ChunkedStream(network.engine(chunk_factor or 4, 1, "latency")) as stream:
        convert = convert_offline if chunk_factor is None else timed_chunks
        converted, _ = convert(stream, audio)
    with torch.inference_mode():
        expected = model(audio[None, None])[0, 0]
    assert pcc(converted, expected) >= 0.999
    assert token_accuracy(converted, expected, model.config.L) > 95
