# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Converts corpora on many cards and hosts: python -m corpus (see --help)."""

import argparse
import sys

from corpus.results import FAILED
from corpus.run import SUFFIXES, CorpusOptions, convert_corpus
from demo.backend import BACKENDS
from demo.cli import sample_rate_option
from demo.program import Parser, count, exit_code, file_path
from demo.report import LISTED
from demo.tracks import ConversionOptions
from demo.voice import add_voice, load_voice
from reference.errors import LLVCError

CHANNELS = {"mix": "mix", "each": "each", "first": 1}


def parse_args(argv=None):
    """Parses the command line; ends the program with one line and code 2 if it is wrong."""
    parser = Parser(
        prog="python -m corpus",
        description="Convert a corpus on all CPUs or cards of this machine or of a Ray cluster. The same command "
        "again does what is missing or has changed.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add(
        "-i",
        "--input",
        required=True,
        metavar="PATH",
        help="folder, NeMo or lhotse manifest, or Parquet",
    )
    add(
        "-o",
        "--output",
        type=file_path,
        required=True,
        metavar="FOLDER",
        help="of results, manifest and failed.jsonl",
    )
    add(
        "--format",
        choices=SUFFIXES,
        default="same",
        help="of results: FLAC stays FLAC and all else becomes WAV; or FLAC in shards",
    )
    add("--column", metavar="NAME", help="of a Parquet table, the one with the audio instead of audio")
    add("--address", metavar="HOST:PORT", help="Ray cluster to join, auto for the one here; without it none is needed")
    add("--actors", type=count(1), metavar="N", help="how many convert at a time, by default as many as fit")
    add("--streams", type=count(1), default=1, metavar="K", help="files that each of them converts at a time")
    add("--backend", choices=BACKENDS, default="auto", help="where to compute; auto takes cards if there are any")
    add_voice(add)
    add("--channels", choices=CHANNELS, default="mix", help="of each file: all mixed, each on its own, or the first")
    add("--output_rate", type=sample_rate_option, metavar="HZ", help="of the result, instead of the network's 16000")
    add("--match_loudness", action="store_true", help="bring results to the loudness of their input")
    add("--no-metadata", dest="metadata", action="store_false", help="leave out the inputs' tags")
    add("--strict", action="store_true", help="refuse damaged files instead of converting what is left of them")
    return parser.parse_args(argv)


def run(args):
    """Does what the options say; returns the exit code. LLVCError if nothing could be done."""
    if args.channels == "each" and args.streams > 1:
        raise LLVCError("--streams converts one channel of each file; leave it out for --channels each")
    conversion = ConversionOptions(
        channels=CHANNELS[args.channels],
        output_rate=args.output_rate,
        match_loudness=args.match_loudness,
        metadata=args.metadata,
        strict=args.strict,
    )
    options = CorpusOptions(
        input=args.input,
        output=args.output,
        conversion=conversion,
        form=args.format,
        column=args.column,
        address=args.address,
        actors=args.actors,
        streams=args.streams,
        backend=args.backend,
    )
    records, there, failures = convert_corpus(options, load_voice(args.checkpoint_path, args.config_path))
    done = [record for record in records if record["status"] == "done"]
    for _, reason in failures[:LISTED]:
        print(f"error: {reason}", file=sys.stderr)
    if len(failures) > LISTED:
        print(f"error: {len(failures) - LISTED} more files, all named in {args.output}/{FAILED}", file=sys.stderr)
    hours = sum(record["seconds"] for record in done) / 3600
    print(f"converted {len(done):,} of {len(records):,} files, {hours:.2f} h of audio; {there:,} were there already")
    print(f"written: {args.output}")
    return 1 if failures else 0


def main(argv=None):
    """Converts with these arguments, the command line's by default; returns the exit code."""
    return exit_code(lambda: run(parse_args(argv)), "interrupted; the same command goes on from there")


if __name__ == "__main__":
    sys.exit(main())
