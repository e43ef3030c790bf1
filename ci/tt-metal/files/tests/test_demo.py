# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The demo's conversion from file to file, and its way to refuse what is no audio."""

import pytest
import soundfile
import torch
from support.blocks import golden, on_device, pcc
from support.golden import small_voice

from demo import demo
from ttnn_llvc import TtLLVC

SAMPLE_RATE = 16000


@on_device
@pytest.mark.parametrize("streaming", [False, True])
def test_conversion(device, streaming):
    model, audio = golden("llvc").model, torch.from_numpy(golden("llvc").arrays["audio"])[:1500]
    network = TtLLVC.from_reference(device, model)
    converted, said = demo.convert(network.engine, audio, SAMPLE_RATE, 1, "latency", streaming)
    with torch.inference_mode():
        assert pcc(converted, model(audio[None, None])[0, 0]) >= 0.999
    assert said.startswith("RTF ")


def test_from_file_to_file(tmp_path, monkeypatch, capsys):
    _, config, _, checkpoint, *_ = small_voice(tmp_path)
    monkeypatch.setattr(demo, "CONFIG", config)
    soundfile.write(tmp_path / "in.wav", torch.zeros(4800, 2).numpy(), 48000)
    options = ["--backend", "torch", "-p", str(checkpoint), "-o", str(tmp_path / "out.wav")]
    assert demo.main(["-i", str(tmp_path / "in.wav"), *options]) == 0
    assert soundfile.info(tmp_path / "out.wav").frames == 1600
    (tmp_path / "out.wav").unlink()
    (tmp_path / "in.wav").write_bytes(b"no audio")
    assert demo.main(["-i", str(tmp_path / "in.wav"), *options]) == 1
    assert "cannot be read" in capsys.readouterr().err and not (tmp_path / "out.wav").exists()
