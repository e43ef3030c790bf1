# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Writes a voice as an ONNX file, a streaming step with explicit state: python -m demo.export -o llvc.onnx
Or as a web site that converts in its visitors' browsers: python -m demo.export --site DIR

streaming/onnx_graph.py says what goes in and out; examples/ has programs in Python and JavaScript that need no more
than the file and ONNX Runtime. The file's metadata holds all that they have to know; chunks are as long as they like.
"""

import argparse
import sys
from pathlib import Path

from audio.files import replacing

from .onnx_file import ExportError, export
from .program import Parser, exit_code, file_path
from .site import write_site
from .voice import add_voice, load_voice


def parse_args(argv=None):
    """Parses the command line; ends the program with one line and code 2 if it is wrong."""
    parser = Parser(
        prog="demo.export",
        description="Write a voice as an ONNX file, a streaming step with explicit state, or as a web site.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add_voice(parser.add_argument)
    add = parser.add_mutually_exclusive_group().add_argument
    add("-o", "--output_file", type=file_path, default="llvc.onnx", metavar="FILE", help="where the result goes")
    help = "write a folder for any web server instead: the page of the live server with the voice in the browser"
    add("--site", type=file_path, metavar="DIR", help=help)
    return parser.parse_args(argv)


def run(args):
    """Does what the options say; returns the exit code. LLVCError if nothing could be done."""
    if args.site is None and Path(args.output_file).suffix.lower() != ".onnx":
        raise ExportError(f"{args.output_file}: an ONNX file is written; give it a name that ends in .onnx")
    voice = load_voice(args.checkpoint_path, args.config_path)
    if args.site is not None:
        write_site(voice, args.site)
    else:
        with replacing(args.output_file) as temporary:
            temporary.write_bytes(export(voice).SerializeToString())
    print(f"written: {args.site or args.output_file}")
    return 0


def main(argv=None):
    """Exports with these arguments, the command line's by default; returns the exit code."""
    return exit_code(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
