# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Writes a voice as an ONNX file, a streaming step with explicit state: python -m demo.export -o llvc.onnx

streaming/onnx_graph.py says what goes in and out; examples/ has programs in Python and JavaScript that need no more
than the file and ONNX Runtime. The file's metadata holds all that they have to know; chunks are as long as they like.
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

import onnx

from audio.files import replacing
from reference.errors import LLVCError
from reference.fold import fold
from streaming.onnx_graph import build, histories, past_samples

from .program import Parser, exit_code, file_path
from .voice import add_voice, load_voice

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


def parse_args(argv=None):
    """Parses the command line; ends the program with one line and code 2 if it is wrong."""
    parser = Parser(
        prog="demo.export",
        description="Write a voice as an ONNX file: a streaming step with explicit state.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add_voice(add)
    add("-o", "--output_file", type=file_path, default="llvc.onnx", metavar="FILE", help="where the result goes")
    return parser.parse_args(argv)


def run(args):
    """Does what the options say; returns the exit code. LLVCError if nothing could be done."""
    if Path(args.output_file).suffix.lower() != ".onnx":
        raise ExportError(f"{args.output_file}: an ONNX file is written; give it a name that ends in .onnx")
    proto = export(load_voice(args.checkpoint_path, args.config_path))
    with replacing(args.output_file) as temporary:
        temporary.write_bytes(proto.SerializeToString())
    print(f"written: {args.output_file}")
    return 0


def main(argv=None):
    """Exports with these arguments, the command line's by default; returns the exit code."""
    return exit_code(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
