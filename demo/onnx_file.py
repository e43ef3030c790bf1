# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A voice as an ONNX file: a streaming step, and what a program has to know of it."""

import json
from dataclasses import asdict

import onnx

from reference.errors import LLVCError
from reference.fold import fold
from streaming.onnx_graph import build, histories, past_samples

CODE_LICENCE = "Apache-2.0"


class ExportError(LLVCError):
    """A network that cannot be exported."""


def metadata(voice):
    """What a program has to know of the file, as texts: numbers in samples where nothing else is said."""
    config = voice.model.config
    return {
        "sample_rate": str(voice.sample_rate),
        "hop_length": str(config.L),
        "chunk_length": str(config.chunk_len),  # a chunk is this or a multiple
        "past_length": str(past_samples(config)),
        "lookahead_length": str(config.lookahead_len),
        "state": json.dumps({history.name: [history.rows, history.width] for history in histories(config)}),
        "model_params": json.dumps(asdict(config)),
        "checkpoint": voice.name,
        "checkpoint_sha256": voice.sha256(),
        "licence": f"code: {CODE_LICENCE}; weights: that of their checkpoint",
    }


def export(voice, half_weights=False):
    """The ModelProto of a step of any number of decoder windows, with its metadata. ExportError if it is too large."""
    try:
        proto = build(fold(voice.model), voice.model.config, half_weights=half_weights)
    except (ValueError, onnx.checker.ValidationError) as error:  # more than the 2 GB of a protobuf
        raise ExportError(f"{voice.path}: cannot be written as one ONNX file ({error})") from None
    onnx.helper.set_model_props(proto, metadata(voice))
    return proto
