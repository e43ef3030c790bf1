# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Converts a 16-bit mono WAV file chunk by chunk: python onnx_stream.py llvc.onnx in.wav out.wav"""

import json
import sys
import wave

import numpy as np
import onnxruntime

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
meta = session.get_modelmeta().custom_metadata_map
chunk, hop, lookahead = (int(meta[name]) for name in ("chunk_length", "hop_length", "lookahead_length"))
with wave.open(sys.argv[2]) as file:
    assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, int(meta["sample_rate"]))
    samples = np.frombuffer(file.readframes(file.getnframes()), np.int16).astype(np.float32) / 32768

state = {name: np.zeros(shape, np.float32) for name, shape in json.loads(meta["state"]).items()}
names = [value.name for value in session.get_outputs()]
padded = np.pad(samples, (0, chunk + lookahead))
audio = []
for start in range(0, len(samples), chunk):
    frames = -(-min(chunk, len(samples) - start) // hop)
    valid = (np.arange(chunk // hop) < frames).astype(np.float32)[:, None]
    feed = {"samples": padded[start : start + chunk + lookahead], "valid": valid, **state}
    result = dict(zip(names, session.run(names, feed), strict=True))
    audio.append(result["audio"])
    state = {name: result[f"{name}_next"] for name in state}

with wave.open(sys.argv[3], "wb") as file:
    file.setparams((1, 2, int(meta["sample_rate"]), 0, "NONE", ""))
    file.writeframes((np.concatenate(audio)[: len(samples)] * 32767).round().astype(np.int16).tobytes())
