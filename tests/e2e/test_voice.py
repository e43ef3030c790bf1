# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The voice that a runner has, through the demo's own conversion in every mode."""

import pytest
import torch
from support.blocks import golden, on_device, pcc
from support.rung import RUNG

from demo.backend import Backend
from demo.convert import convert_concurrently, convert_offline, timed_chunks
from demo.voice import find_published
from evaluation.metrics import token_accuracy
from reference.checkpoint import load_model
from streaming.engine import MODES
from streaming.stream import ChunkedStream

pytestmark = pytest.mark.slow

SAMPLE_RATE = 16000
START = 8000  # voiced
SAMPLES = 700 if RUNG in ("mock", "simulator") else 10 * SAMPLE_RATE


@pytest.fixture
def voice(model_location_generator):
    """The published voice, or the demo voice where it cannot be had; only a card is worth a download."""
    path, _ = find_published("llvc", model_location_generator, fetch=RUNG in ("card", "tt-metal"))
    return load_model(path, golden("llvc").model.config)


def speech():
    audio = torch.from_numpy(golden("llvc").arrays["audio"])[START:]
    return audio.repeat(-(-SAMPLES // len(audio)))[:SAMPLES]


def check(converted, model, audio):
    with torch.inference_mode():
        expected = model(audio[None, None])[0, 0]
    assert pcc(converted, expected) >= 0.999
    assert token_accuracy(converted, expected, model.config.L) > 95


@on_device
def test_a_file_offline_and_as_a_stream(device, voice, TtLLVC):
    audio, network = speech(), TtLLVC.from_reference(device, voice)
    with ChunkedStream(network.engine(network.offline_chunk_factor, 1, "throughput")) as stream:
        check(convert_offline(stream, audio)[0], voice, audio)
    with ChunkedStream(network.engine(1, 1, "latency")) as stream:
        check(timed_chunks(stream, audio)[0], voice, audio)


@on_device
@pytest.mark.parametrize("mode", MODES)
def test_files_at_a_time(device, voice, mode, TtLLVC):
    audio, network = speech(), TtLLVC.from_reference(device, voice)
    signals = [audio, audio[: len(audio) // 2], audio[len(audio) // 2 :]]
    backend = Backend("ttnn", "a test", network.engine, network.offline_chunk_factor, mode)
    converted, _ = convert_concurrently(backend, signals, 2, 1, mode, SAMPLE_RATE)
    for value, signal in zip(converted, signals, strict=True):
        check(value, voice, signal)
