# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The examples read WAV files as programs write them, and refuse in words what they do not convert.

ONNX Runtime is a stand-in here that gives back what goes in; tests/demo/test_export.py has the real one.
"""

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
import soundfile

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
CHUNK, HOP, PAST, LOOKAHEAD = 208, 16, 40, 16

PYTHON_STUB = f"""
from types import SimpleNamespace
META = {{"chunk_length": "{CHUNK}", "hop_length": "{HOP}", "past_length": "{PAST}", "lookahead_length": "{LOOKAHEAD}"}}
META |= {{"sample_rate": "16000", "state": '{{"s": [2, 1]}}'}}
def values(*names):
    return [SimpleNamespace(name=name) for name in names]
class InferenceSession:
    def __init__(self, path, providers): ...
    def get_modelmeta(self):
        return SimpleNamespace(custom_metadata_map=META)
    def get_inputs(self):
        return values("window", "begun", "valid", "s")
    def get_outputs(self):
        return values("audio", "s_new")
    def run(self, names, feed):
        return [feed["window"][0, 0, {PAST}:{PAST + CHUNK}], feed["s"]]
"""
NODE_STUB = f"""
exports.Tensor = class {{ constructor(type, data, dims) {{ Object.assign(this, {{ type, data, dims }}); }} }};
exports.InferenceSession = {{
  create: async () => ({{
    inputNames: ["window", "begun", "valid", "s"],
    run: async (feed) => ({{ audio: {{ data: feed.window.data.slice({PAST}, {PAST + CHUNK}) }}, s_new: feed.s }}),
  }}),
}};
"""


def model():
    """An ONNX file that says what the examples ask for."""
    proto = onnx.helper.make_model(onnx.helper.make_graph([], "none", [], []))
    numbers = {"chunk_length": CHUNK, "hop_length": HOP, "past_length": PAST, "lookahead_length": LOOKAHEAD}
    numbers = {name: str(number) for name, number in numbers.items()}
    onnx.helper.set_model_props(proto, numbers | {"sample_rate": "16000", "state": '{"s": [2, 1]}'})
    return proto.SerializeToString()


SAMPLES = np.random.default_rng(0).integers(-30000, 30000, 1000).astype("<i2")


@pytest.fixture(params=["py", "js"])
def example(request, tmp_path):
    """example(content of a WAV file) -> (process, path of the result)."""
    stubs = tmp_path / "stubs"
    if request.param == "py":
        command, variable = [sys.executable], "PYTHONPATH"
        (stubs / "onnxruntime").mkdir(parents=True)
        (stubs / "onnxruntime" / "__init__.py").write_text(PYTHON_STUB)
    else:
        if not shutil.which("node"):
            pytest.skip("needs node")
        command, variable = ["node"], "NODE_PATH"
        (stubs / "onnxruntime-node").mkdir(parents=True)
        (stubs / "onnxruntime-node" / "index.js").write_text(NODE_STUB)

    def run(content):
        (tmp_path / "in.wav").write_bytes(content)
        (tmp_path / "model.onnx").write_bytes(model())
        command.extend([str(EXAMPLES / f"onnx_stream.{request.param}"), "model.onnx", "in.wav", "out.wav"])
        process = subprocess.run(
            command, cwd=tmp_path, env=os.environ | {variable: str(stubs)}, capture_output=True, text=True, timeout=600
        )
        return process, tmp_path / "out.wav"

    return run


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def form(tag=1, channels=1, rate=16000, bits=16, extra=b""):
    frame = channels * bits // 8
    return chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits) + extra)


def wav(*chunks):
    body = b"WAVE" + b"".join(chunks)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def extensible(subtype=1, **options):
    guid = struct.pack("<H", subtype) + b"\0\0\0\0\x10\0\x80\0\0\xaa\0\x38\x9b\x71"
    return form(0xFFFE, extra=struct.pack("<HHI", 22, 16, 4) + guid, **options)


DATA = chunk(b"data", SAMPLES.tobytes())
LIST = chunk(b"LIST", b"INFOISFT\x0e\0\0\0Lavf59.27.100\0")  # as FFmpeg writes it


@pytest.mark.parametrize(
    "content",
    [
        wav(form(), DATA),
        wav(form(), LIST, DATA),
        wav(chunk(b"JUNK", bytes(28)), form(), chunk(b"fact", struct.pack("<I", len(SAMPLES))), DATA, LIST),
        wav(form(), chunk(b"odd ", b"abc"), DATA),
        wav(form(extra=b"\0\0"), DATA),
        wav(extensible(), DATA),
        wav(form(), b"data\xff\xff\xff\xff" + SAMPLES.tobytes()),
        wav(form(), b"data\0\0\0\x80" + SAMPLES.tobytes()),
        wav(form(), b"data\0\0\0\0" + SAMPLES.tobytes()),
    ],
    ids=["plain", "ffmpeg", "fact", "odd", "18 bytes", "extensible", "pipe", "arecord", "zero"],
)
def test_chunks_are_read_as_they_are(example, content):
    process, out = example(content)
    assert process.returncode == 0, process.stderr
    assert soundfile.info(out).subtype == "PCM_16" and soundfile.info(out).samplerate == 16000
    assert np.abs(soundfile.read(out, dtype="int16")[0].astype(int) - SAMPLES).max() <= 1


@pytest.mark.parametrize(
    "content, message",
    [
        (wav(form(channels=2), DATA), "holds 2 channel(s) of 16-bit PCM at 16000 Hz"),
        (wav(form(rate=48000), DATA), "holds 1 channel(s) of 16-bit PCM at 48000 Hz"),
        (wav(form(bits=24), DATA), "holds 1 channel(s) of 24-bit PCM at 16000 Hz"),
        (wav(form(tag=3, bits=32), DATA), "holds 1 channel(s) of 32-bit floating point at 16000 Hz"),
        (wav(extensible(3, bits=32), DATA), "holds 1 channel(s) of 32-bit floating point at 16000 Hz"),
        (wav(form(tag=7, bits=8), DATA), "holds 1 channel(s) of 8-bit format 7 at 16000 Hz"),
        (wav(DATA), "does not say what its samples are"),
        (wav(form()), "without samples"),
        (b"ID3 no wav at all", "not a WAV file"),
        (b"", "not a WAV file"),
    ],
)
def test_what_is_not_converted_is_refused_in_words(example, content, message):
    process, out = example(content)
    assert process.returncode == 1 and not out.exists()
    assert process.stderr.startswith("error: in.wav: ") and process.stderr.count("\n") == 1
    assert message in process.stderr
    if message.startswith("holds"):
        assert "ffmpeg -i IN -ac 1 -ar 16000 -c:a pcm_s16le OUT.wav" in process.stderr
