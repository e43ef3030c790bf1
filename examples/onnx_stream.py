# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Converts a 16-bit mono WAV file chunk by chunk: python onnx_stream.py llvc.onnx in.wav out.wav"""

import json
import struct
import sys
import wave

import numpy as np
import onnxruntime


def read_wav(path, rate):
    """The samples int16 [n] of a WAV file. ValueError, with what is wrong, for other samples or another rate (Hz)."""
    with open(path, "rb") as file:
        content = file.read()
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        raise ValueError("not a WAV file")
    form, at = None, 12
    while at + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, at)
        body = content[at + 8 : at + 8 + (size or len(content))]
        if name == b"fmt " and len(body) >= 16:
            tag, channels, found, _, _, bits = struct.unpack_from("<HHIIHH", body)
            if tag == 0xFFFE and len(body) >= 26:  # WAVE_FORMAT_EXTENSIBLE
                tag = int.from_bytes(body[24:26], "little")
            form = tag, channels, bits, found
        if name == b"data":  # whose size is 0 or too large where a program wrote into a pipe
            if form is None:
                raise ValueError("a WAV file that does not say what its samples are")
            if form != (1, 1, 16, rate):
                kind = {1: "PCM", 3: "floating point"}.get(form[0], f"format {form[0]}")
                raise ValueError(
                    f"holds {form[1]} channel(s) of {form[2]}-bit {kind} at {form[3]} Hz, this takes one of 16-bit PCM "
                    f"at {rate} Hz; convert it first: ffmpeg -i IN -ac 1 -ar {rate} -c:a pcm_s16le OUT.wav"
                )
            return np.frombuffer(body[: len(body) // 2 * 2], "<i2")
        at += 8 + size + size % 2
    raise ValueError("a WAV file without samples")


session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
meta = session.get_modelmeta().custom_metadata_map
chunk, hop, past, lookahead = (
    int(meta[name]) for name in ("chunk_length", "hop_length", "past_length", "lookahead_length")
)
try:
    samples = read_wav(sys.argv[2], int(meta["sample_rate"])).astype(np.float32) / 32768
except (OSError, ValueError) as error:
    sys.exit(f"error: {sys.argv[2]}: {error}")

state = {name: np.zeros(shape, np.float32) for name, shape in json.loads(meta["state"]).items()}
names = [value.name for value in session.get_outputs()]
taken = [value.name for value in session.get_inputs()]
padded = np.pad(samples, (past, chunk + lookahead))
begun = (np.arange(len(padded)) >= past - lookahead).astype(np.float32)
audio = [np.zeros(0, np.float32)]
for start in range(0, len(samples), chunk):
    window = slice(start, start + past + chunk + lookahead)
    frames = -(-min(chunk, len(samples) - start) // hop)
    valid = (np.arange(chunk // hop) < frames).astype(np.float32)[:, None]
    feed = {"window": padded[window][None, None], "begun": begun[window][None, None], "valid": valid, **state}
    result = dict(zip(names, session.run(names, {name: feed[name] for name in taken}), strict=True))
    audio.append(result["audio"].flatten())
    for name in state:
        new = result[f"{name}_new"]
        state[name] = np.concatenate((state[name], new))[len(new) :]

with wave.open(sys.argv[3], "wb") as file:
    file.setparams((1, 2, int(meta["sample_rate"]), 0, "NONE", ""))
    file.writeframes((np.concatenate(audio)[: len(samples)] * 32767).round().astype(np.int16).tobytes())
