# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""An exported network: valid, and in the hands of other programs what the reference is."""

import json
import os
import shutil
import subprocess
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
import safetensors.torch
import soundfile
import torch
from support.golden import OPTIONS, PUBLISHED, SMALL, load_golden, relative_error

from demo.export import main
from demo.voice import ROOT
from reference.fold import fold
from streaming.onnx_graph import build

TOLERANCE = 1e-5


@pytest.mark.parametrize("chunk_factor", [1, 2])
@pytest.mark.parametrize("name", (*PUBLISHED, *SMALL, *OPTIONS))
def test_steps_with_explicit_state(name, chunk_factor):
    golden = load_golden(name)
    config = golden.model.config
    proto = build(fold(golden.model), config, chunk_factor)
    onnx.checker.check_model(proto, full_check=True)
    session = onnxruntime.InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    state = {value.name: np.zeros(value.shape, np.float32) for value in session.get_inputs()}
    names = [value.name for value in session.get_outputs()]
    chunk, lookahead = chunk_factor * config.chunk_len, config.lookahead_len
    length = 3 * chunk + chunk // 2 + 3  # ends within a frame
    samples = golden.arrays["audio"][:length]
    padded = np.pad(samples, (0, chunk + lookahead))
    audio = []
    for start in range(0, length, chunk):
        state["samples"] = padded[start : start + chunk + lookahead]
        frames = -(-min(chunk, length - start) // config.L)
        state["valid"] = (np.arange(chunk // config.L) < frames).astype(np.float32)[:, None]
        result = dict(zip(names, session.run(names, state), strict=True))
        audio.append(result.pop("audio"))
        state.update({name.removesuffix("_next"): value for name, value in result.items()})
    with torch.no_grad():
        expected = golden.model(torch.from_numpy(samples)[None, None])[0, 0]
    assert relative_error(np.concatenate(audio)[:length], expected) < TOLERANCE


@pytest.fixture
def exported(tmp_path):
    """(the small network as an ONNX file, speech as a WAV file, what the reference makes of it)."""
    golden = load_golden("small")
    checkpoint, config, model, speech = (tmp_path / name for name in ("g.safetensors", "c.json", "m.onnx", "in.wav"))
    safetensors.torch.save_file(golden.model.state_dict(), checkpoint)
    config.write_text(json.dumps({"model_params": golden.params, "data": {"sr": 16000}}))
    assert main(["-p", str(checkpoint), "-c", str(config), "-o", str(model)]) == 0
    soundfile.write(speech, golden.arrays["audio"], 16000, subtype="PCM_16")
    with torch.no_grad():
        expected = golden.model(torch.from_numpy(soundfile.read(speech, dtype="float32")[0])[None, None])[0, 0]
    return model, speech, expected.numpy()


def test_metadata(exported):
    meta = {prop.key: prop.value for prop in onnx.load(exported[0]).metadata_props}
    assert (meta["sample_rate"], meta["hop_length"], meta["chunk_length"], meta["lookahead_length"]) == (
        ("16000", "16", "208", "16")
    )
    assert json.loads(meta["model_params"])["L"] == 16 and len(meta["checkpoint_sha256"]) == 64
    assert json.loads(meta["state"])["encoder_0"][0] == 2 and "Apache-2.0" in meta["licence"]


def test_the_example_in_python(exported, tmp_path):
    model, speech, expected = exported
    out = tmp_path / "out.wav"
    subprocess.run(
        [sys.executable, ROOT / "examples" / "onnx_stream.py", model, speech, out],
        cwd=tmp_path,
        check=True,
        timeout=120,
    )
    assert np.abs(soundfile.read(out)[0] - expected).max() < 1e-4


def test_the_example_in_javascript(exported, tmp_path):
    """Where node and its package are: NODE_PATH names a folder that has onnxruntime-node."""
    found = shutil.which("node") and subprocess.run(
        ["node", "-e", "require('onnxruntime-node')"], capture_output=True, env=os.environ, timeout=120
    )
    if not found or found.returncode:
        pytest.skip("needs node and onnxruntime-node: npm i --ignore-scripts onnxruntime-node, and NODE_PATH")
    model, speech, expected = exported
    out = tmp_path / "out.wav"
    subprocess.run(["node", ROOT / "examples" / "onnx_stream.js", model, speech, out], check=True, timeout=120)
    assert np.abs(soundfile.read(out)[0] - expected).max() < 1e-4


def test_wrong_options(tmp_path, capsys):
    assert main(["-o", str(tmp_path / "voice.wav")]) == 1
    assert "ends in .onnx" in capsys.readouterr().err
    assert main(["-p", str(tmp_path / "none.pth"), "-o", str(tmp_path / "voice.onnx")]) == 1
    assert "no such checkpoint" in capsys.readouterr().err and not list(tmp_path.iterdir())
