# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The gain that tools/fold_gain.py puts into the last layer, and that the bundled voice has it."""

import json

import numpy as np
import pytest
import safetensors.torch
import soundfile
import torch
from support.golden import load_golden

from audio.recording import read_audio
from reference.checkpoint import load_model
from tools.fold_gain import WEIGHT, fitting_gain, loudness, main, scaled


@pytest.fixture
def voice(tmp_path):
    """Options for the small network, whose result is quieter than what goes in, and two files."""
    golden = load_golden("small")
    weights = dict(golden.model.state_dict())
    weights[WEIGHT] = weights[WEIGHT] * 0.3
    safetensors.torch.save_file(weights, tmp_path / "small.safetensors")
    (tmp_path / "small.json").write_text(json.dumps({"model_params": golden.params, "data": {"sr": 16000}}))
    (tmp_path / "in").mkdir()
    audio = golden.arrays["audio"]
    for name, level in (("loud", 1.0), ("quiet", 0.3)):
        soundfile.write(tmp_path / "in" / f"{name}.wav", level * audio, 16000, subtype="FLOAT")
    options = {"checkpoint": "small.safetensors", "config": "small.json", "input": "in", "out": "out.safetensors"}
    return [part for name, value in options.items() for part in (f"--{name}", str(tmp_path / value))]


def test_it_is_as_loud_as_what_goes_in_on_average(tmp_path, voice, capsys):
    assert main(voice) == 0
    assert (tmp_path / "out.safetensors").stat().st_mode == (tmp_path / "small.json").stat().st_mode  # as other files
    config, old = load_golden("small").model.config, safetensors.torch.load_file(tmp_path / "small.safetensors")
    new = safetensors.torch.load_file(tmp_path / "out.safetensors")
    assert [name for name in old if not torch.equal(old[name], new[name])] == [WEIGHT]
    model, differences = load_model(tmp_path / "out.safetensors", config), []
    for path in (tmp_path / "in").iterdir():
        source = read_audio(path, 16000)
        with torch.no_grad():
            converted = model(source[None, None])[0, 0]
        assert converted.abs().max() < 1
        differences.append(loudness(converted, 16000) - loudness(source, 16000))
    assert np.mean(differences) == pytest.approx(0, abs=0.02)
    assert f"gain {float(new[WEIGHT].sum() / old[WEIGHT].sum()):.4f}" in capsys.readouterr().out


def test_what_the_gain_does_is_what_the_network_does():
    golden = load_golden("small")
    audio = torch.from_numpy(golden.arrays["audio"])[None, None]
    with torch.no_grad():
        before = golden.model(audio)
        golden.model.out_conv[0].weight *= 1.7
        assert (golden.model(audio) - scaled(before, 1.7)).abs().max() < 1e-5


def test_no_gain_does_it(voice, tmp_path, capsys):
    quiet = torch.sin(torch.arange(32000) / 10) * 1e-3
    assert fitting_gain([(quiet, 0.5 * quiet)], 16000) == pytest.approx(2, rel=1e-3)
    soundfile.write(tmp_path / "in" / "silent.wav", np.zeros(16000), 16000)
    assert main(voice) == 1
    assert "silent.wav: is silent; leave it out" in capsys.readouterr().err
    assert not (tmp_path / "out.safetensors").exists()
