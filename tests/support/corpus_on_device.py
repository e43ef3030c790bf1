# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A corpus through the actor of corpora on a device: what comes out is the reference's, and demo.py's."""

from contextlib import contextmanager

import numpy as np
import soundfile
import torch
from support.blocks import NETWORK_PCC, golden, pcc

from corpus.converter import CorpusConverter, Settings
from corpus.item import Source, plan_items
from demo.backend import Backend
from demo.tracks import ConversionOptions, Converter

LENGTHS = (300, 208, 250, 100)


def convert_corpus(network, tmp_path, streams):
    """Converts files of several lengths as so many streams: the reference's samples and, alone, demo.py's."""
    model = golden("llvc").model

    @contextmanager
    def open_backend(name, _, streams):
        assert name == "ttnn"
        yield Backend("ttnn", "the test's", network.engine, network.offline_chunk_factor, "throughput")

    sources = []
    for i, length in enumerate(LENGTHS[: max(streams, 2)]):
        samples = 0.3 * np.random.default_rng(i).standard_normal(length).astype(np.float32)
        soundfile.write(tmp_path / f"{i}.wav", samples.clip(-1, 1), 16000)
        sources.append(Source(f"{i}.wav", str(tmp_path / f"{i}.wav"), f"{i}.wav", length / 16000))
    made = {"checkpoint_sha256": "", "configuration": {}, "backend": "ttnn"}
    settings = Settings(str(tmp_path / "out"), "run", made, 16000, streams, ConversionOptions())
    converter = CorpusConverter(settings, model, lambda *_: None, "here", lambda _: True, open_backend)
    unit = [(item, None) for item in plan_items(sources)]
    result = converter.convert(unit)
    converter.close()
    assert result["stop"] is None and [record["status"] for record in result["records"]] == ["done"] * len(sources)
    made = converter.state.made(result["records"][0]["made"])
    assert made["backend"] == "ttnn" and "ttnn" in made["versions"]
    for i in range(len(sources)):
        audio = torch.from_numpy(soundfile.read(tmp_path / f"{i}.wav", dtype="float32")[0])
        with torch.no_grad():
            expected = model(audio[None, None])[0, 0]
        value = torch.from_numpy(soundfile.read(tmp_path / "out" / f"{i}.wav", dtype="float32")[0])
        assert value.shape == expected.shape and pcc(value, expected.clip(-1, 1)) >= NETWORK_PCC
    if streams == 1:
        with open_backend("ttnn", None, 1) as backend, Converter(backend, 16000, ConversionOptions()) as demo:
            demo.convert(tmp_path / "0.wav", tmp_path / "demo.wav")
        assert (tmp_path / "demo.wav").read_bytes() == (tmp_path / "out" / "0.wav").read_bytes()
