# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The wire protocol's messages and errors (docs/PROTOCOL.md); nothing here knows of sockets."""

import hmac
import json
from dataclasses import dataclass

import numpy as np

from reference.errors import LLVCError
from streaming.rings import MAX_SAMPLE

VERSION = 1
MIN_RATE, MAX_RATE = 8000, 192000  # Hz
FORMATS = {"f32": np.dtype("<f4"), "s16": np.dtype("<i2")}
SAMPLE_SIZES = {name: dtype.itemsize for name, dtype in FORMATS.items()}  # bytes
HELLO_MODES = ("live", "file")
MIN_PACKET_MS, MAX_PACKET_MS = 13, 60
FULL_SCALE_S16 = 32768
MAX_MESSAGE_S = 1.0  # audio in one message
MAX_TEXT = 4096  # bytes
# The last byte of f32 holds the sign and the exponent but for its last bit: these ones are of samples below 512.
SMALL = bytes(byte for byte in range(256) if byte & 0x7F < 0x44)
# What the WebSocket library refuses by itself, with 1009, before it is in memory: more than any message may hold.
MAX_FRAME = int(MAX_MESSAGE_S * MAX_RATE) * 4 + 1024

# Error code -> WebSocket close code.
CLOSE_CODES = {
    "bad_hello": 4000,
    "bad_version": 4001,
    "bad_token": 4002,
    "bad_origin": 4003,
    "full": 4004,
    "bad_message": 4005,
    "second_hello": 4006,
    "odd_bytes": 4007,
    "bad_samples": 4008,
    "silent": 4009,
    "time_limit": 4010,
    "engine": 4011,
    "stuck": 4012,
    "draining": 4013,
    "too_large": 1009,
}


class ProtocolError(LLVCError):
    """Why a connection is closed; `code` is a key of CLOSE_CODES."""

    def __init__(self, code, message):
        super().__init__(message)
        self.code = code

    @property
    def close_code(self):
        return CLOSE_CODES[self.code]

    def message(self):
        """The JSON message that goes out before the close."""
        return {"type": "error", "code": self.code, "message": str(self)}


@dataclass(frozen=True)
class Hello:
    """What a client's first message says."""

    rate: int  # Hz
    format: str
    mode: str
    packet_ms: float = MIN_PACKET_MS  # of audio that a message to the client holds, in whole chunks


def parse_json(text, code="bad_message"):
    """The object that a text message holds, with its `type`; ProtocolError(code) if it is none."""
    if len(text) > MAX_TEXT:
        raise ProtocolError("too_large", f"a text message of {len(text)} characters; the limit is {MAX_TEXT}")
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        raise ProtocolError(code, "a text message that is not JSON; audio goes in binary messages") from None
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        raise ProtocolError(code, 'a text message must be a JSON object with a "type"')
    return message


def parse_hello(text, token=None):
    """A client's first message -> Hello. ProtocolError if it is none, of another version, or its token is wrong."""
    message = parse_json(text, "bad_hello")
    if message["type"] != "hello":
        raise ProtocolError("bad_hello", f"the first message must be a hello, not {message['type'][:20]!r}")
    if message.get("version") != VERSION or isinstance(message["version"], bool):
        raise ProtocolError("bad_version", f"this server speaks version {VERSION} of the protocol")
    if token is not None:
        given = message.get("token")
        if not isinstance(given, str) or not hmac.compare_digest(_bytes(given), _bytes(token)):
            raise ProtocolError("bad_token", "the token is missing or wrong; it is what the server got as --token")
    rate = message.get("rate")
    if type(rate) is not int or not MIN_RATE <= rate <= MAX_RATE:
        raise ProtocolError("bad_hello", f'"rate" must be a whole number from {MIN_RATE} to {MAX_RATE} (Hz)')
    for name, allowed in (("format", FORMATS), ("mode", HELLO_MODES)):
        value = message.get(name, next(iter(allowed)))
        if not isinstance(value, str) or value not in allowed:
            raise ProtocolError("bad_hello", f'"{name}" must be one of {", ".join(allowed)}')
    packet_ms = message.get("packet_ms", MIN_PACKET_MS)
    if type(packet_ms) not in (int, float) or not MIN_PACKET_MS <= packet_ms <= MAX_PACKET_MS:
        raise ProtocolError("bad_hello", f'"packet_ms" must be a number from {MIN_PACKET_MS} to {MAX_PACKET_MS}')
    return Hello(rate, message.get("format", "f32"), message.get("mode", "live"), packet_ms)


def _bytes(text):
    return text.encode("utf-8", "surrogatepass")


def check_pcm(data, hello):
    """ProtocolError if a binary message is not PCM as the hello announced."""
    size = SAMPLE_SIZES[hello.format]
    if len(data) > MAX_MESSAGE_S * hello.rate * size:
        raise ProtocolError("too_large", f"a message of {len(data)} bytes; the limit is {MAX_MESSAGE_S:g} s of audio")
    if len(data) % size:
        raise ProtocolError("odd_bytes", f"{len(data)} bytes are no whole number of {hello.format} samples")
    if hello.format == "f32" and data[3::4].translate(None, SMALL):
        with np.errstate(invalid="ignore"):
            is_audio = (np.abs(np.frombuffer(data, FORMATS["f32"])) <= MAX_SAMPLE).all()  # a NaN is not
        if not is_audio:
            raise ProtocolError("bad_samples", f"samples that are not finite, or beyond ±{MAX_SAMPLE:g}")


def decode_pcm(data, hello):
    """A binary message as float32 samples [k] in -1 .. 1. ProtocolError as check_pcm."""
    check_pcm(data, hello)
    samples = np.frombuffer(data, FORMATS[hello.format])
    return samples.astype(np.float32) / FULL_SCALE_S16 if hello.format == "s16" else samples


def encode_pcm(samples, format):
    """float32 samples [k] as the bytes of a binary message; s16 is clipped."""
    if format == "s16":
        limits = np.iinfo(np.int16)
        samples = np.clip(np.rint(samples * FULL_SCALE_S16), limits.min, limits.max)
    return np.ascontiguousarray(samples, FORMATS[format]).tobytes()
