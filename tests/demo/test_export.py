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
from streaming.onnx_graph import WEIGHT, build, histories, past_samples

TOLERANCE = 1e-5


def overrides(config, chunk_factor):
    """Session options that make constants of the dimensions that a chunk of so many windows has."""
    frames = chunk_factor * config.dec_chunk_size
    options = onnxruntime.SessionOptions()
    options.add_free_dimension_override_by_name("frames", frames)
    samples = past_samples(config) + frames * config.L + config.lookahead_len
    options.add_free_dimension_override_by_name("samples", samples)
    return options


def convert(session, config, chunk_factor, samples):
    """The network's output for `samples`, chunk by chunk, with the state in the hands of the caller."""
    chunk, past, lookahead = chunk_factor * config.chunk_len, past_samples(config), config.lookahead_len
    padded = np.pad(samples, (past, chunk + lookahead))
    begun = (np.arange(len(padded)) >= past - lookahead).astype(np.float32)
    state = {history.name: np.zeros((history.rows, history.width), np.float32) for history in histories(config)}
    taken = [value.name for value in session.get_inputs()]
    names = [value.name for value in session.get_outputs()]
    audio = []
    for start in range(0, len(samples), chunk):
        window = slice(start, start + past + chunk + lookahead)
        frames = -(-min(chunk, len(samples) - start) // config.L)
        feed = state | {
            "window": padded[window][None, None],
            "begun": begun[window][None, None],
            "valid": (np.arange(chunk // config.L) < frames).astype(np.float32)[:, None],
        }
        result = dict(zip(names, session.run(names, {name: feed[name] for name in taken}), strict=True))
        audio.append(result["audio"].flatten())
        for name, past_rows in state.items():
            new = result[f"{name}_new"]
            state[name] = np.concatenate((past_rows, new))[len(new) :]
    return np.concatenate(audio)[: len(samples)]


@pytest.mark.parametrize("name", (*PUBLISHED, *SMALL, *OPTIONS))
def test_any_chunk_with_explicit_state(name):
    golden = load_golden(name)
    config = golden.model.config
    proto = build(fold(golden.model), config).SerializeToString()
    samples = golden.arrays["audio"][: 6 * config.chunk_len + config.chunk_len // 2 + 3]  # ends within a frame
    with torch.no_grad():
        expected = golden.model(torch.from_numpy(samples)[None, None])[0, 0]
    for chunk_factor, options in ((1, overrides(config, 1)), (2, overrides(config, 2)), (3, None)):
        session = onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
        assert relative_error(convert(session, config, chunk_factor, samples), expected) < TOLERANCE


def test_what_depends_on_the_chunk_becomes_constant(tmp_path):
    golden = load_golden("llvc")
    options = overrides(golden.model.config, 2)
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    proto = build(fold(golden.model), golden.model.config, half_weights=True).SerializeToString()
    onnxruntime.InferenceSession(proto, options, providers=["CPUExecutionProvider"])
    ops = {node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node}
    assert not ops & {"Cast", "Shape", "Range", "Tile", "Div"}


def test_half_weights():
    """Stored as 16-bit floats, computed in 32: the network whose weights are so rounded."""
    golden = load_golden("llvc")
    config, network = golden.model.config, fold(golden.model)
    halves = build(network, config, half_weights=True).SerializeToString()
    proto = build(network, config)
    assert len(halves) < 0.52 * proto.ByteSize()
    for constant in proto.graph.initializer:
        array = onnx.numpy_helper.to_array(constant)
        if array.dtype == np.float32 and array.size >= WEIGHT:
            constant.CopyFrom(onnx.numpy_helper.from_array(np.float32(np.float16(array)), constant.name))
    samples = golden.arrays["audio"][: 4 * config.chunk_len]
    results = [
        convert(onnxruntime.InferenceSession(p, providers=["CPUExecutionProvider"]), config, 1, samples)
        for p in (halves, proto.SerializeToString())
    ]
    assert relative_error(results[0], results[1]) < TOLERANCE


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
        timeout=600,
    )
    assert np.abs(soundfile.read(out)[0] - expected).max() < 1e-4


def test_the_example_in_javascript(exported, tmp_path):
    """Where node and its package are: NODE_PATH names a folder that has onnxruntime-node."""
    found = shutil.which("node") and subprocess.run(
        ["node", "-e", "require('onnxruntime-node')"], capture_output=True, env=os.environ, timeout=600
    )
    if not found or found.returncode:
        pytest.skip("needs node and onnxruntime-node: npm i --ignore-scripts onnxruntime-node, and NODE_PATH")
    model, speech, expected = exported
    out = tmp_path / "out.wav"
    subprocess.run(["node", ROOT / "examples" / "onnx_stream.js", model, speech, out], check=True, timeout=600)
    assert np.abs(soundfile.read(out)[0] - expected).max() < 1e-4


def test_wrong_options(tmp_path, capsys):
    assert main(["-o", str(tmp_path / "voice.wav")]) == 1
    assert "ends in .onnx" in capsys.readouterr().err
    assert main(["-p", str(tmp_path / "none.pth"), "-o", str(tmp_path / "voice.onnx")]) == 1
    assert "no such checkpoint" in capsys.readouterr().err and not list(tmp_path.iterdir())
