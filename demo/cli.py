# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The demo's command line."""

import argparse
import json
import sys
from contextlib import redirect_stdout

import torch
from tqdm import tqdm

from audio.files import replacing
from audio.mixing import channel_choice
from audio.reading import MIN_RATE, RAW_TYPES
from audio.writing import STDOUT
from streaming.engine import MODES

from .backend import KERNELS, add_backend, available_cores, idle_cores, open_backend
from .convert import convert_jobs
from .plan import make_plan
from .program import Parser, count, exit_code, file_path
from .report import Results, left_out_lines
from .tracks import ConversionOptions, Converter, TrackJob
from .voice import add_voice, load_voice


def sample_rate_option(text):
    """The type of an option that takes a sample rate in Hz."""
    if not text.isdecimal() or len(text) > 6 or not MIN_RATE <= int(text) <= 768_000:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a sample rate from {MIN_RATE} to 768000 Hz")
    return int(text)


def parse_args(argv=None):
    """Parses the command line; ends the program with one line and code 2 if it is wrong."""
    parser = Parser(
        prog="demo.py",
        description="Convert speech to the target voice, a file or a folder of files, in one go or as a live stream.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add_voice(add)
    example, result = "test_wavs/example.wav", "converted_output.wav"
    add(
        "-i", "--input_file", type=file_path, default=example, metavar="PATH", help="audio file, folder, or - for stdin"
    )
    add("-o", "--output_file", type=file_path, default=result, metavar="PATH", help="file, folder, or - for stdout")
    add("-s", "--streaming", action="store_true", help="convert chunk by chunk; between pipes, as a live filter")
    add("--every_sample", action="store_true", help="of a live filter: keep what came in before all was ready")
    add("-n", "--chunk_factor", type=count(1), default=1, metavar="N", help="chunk of a stream, in units of 13 ms")
    add("--streams", type=count(1), metavar="K", help="convert K files, or K copies of one, as streams at a time")
    add("--mode", choices=MODES, default="latency", help="of streams on a card: lowest latency, or transfers beside")
    add_backend(add)
    add("--kernels", choices=KERNELS, default="auto", help="on a card: one program a chunk, or ttnn's own operations")
    add("--threads", type=count(1), metavar="N", help="CPU threads: by default idle cores, -s 1, --streams 1 each")
    add(
        "--channels", type=channel_choice, default="mix", metavar="C", help="mix, left, right, each, or a number from 1"
    )
    add("--output_rate", type=sample_rate_option, metavar="HZ", help="of the result, instead of the network's 16000")
    add("--raw", choices=RAW_TYPES, help="pipes, and files of no known suffix, hold mono samples without a header")
    add("--rate", type=sample_rate_option, metavar="HZ", help="of the samples of --raw")
    add("--match_loudness", action="store_true", help="bring the result to the loudness of the input")
    add("--no-metadata", dest="metadata", action="store_false", help="leave out the input's tags")
    add("--strict", action="store_true", help="refuse a damaged file instead of converting what is left of it")
    add("--plot", type=file_path, metavar="FILE.png", help="also draw input and output")
    add("--json", type=file_path, metavar="FILE", help="also write all figures to a file")
    return parser.parse_args(argv)


def run(args):
    """Does what the options say; returns the exit code. LLVCError if nothing could be done."""
    if args.output_file in STDOUT:  # which is for the audio alone
        with redirect_stdout(sys.stderr):
            return convert(args)
    return convert(args)


def convert(args):
    """run() with the messages on stdout."""
    plan = make_plan(args)
    voice = load_voice(args.checkpoint_path, args.config_path)
    for line in left_out_lines(plan.left_out):
        print(line)
    torch.set_num_threads(1)  # of the resampler: where a core is busy, its thread makes the others wait
    results, threads = Results(plan), args.threads or default_threads(args)
    convert_plan = convert_as_streams if args.streams else convert_in_turn
    with open_backend(args.backend, voice.model, args.device_id, args.streams or 1, args.kernels, threads) as backend:
        convert_plan(args, plan, backend, voice.sample_rate, results)
        if args.json:
            with replacing(args.json) as temporary:
                figures = results.figures(backend, voice.sample_rate)
                temporary.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    for line in results.lines(args.output_file):
        print(line)
    return 1 if results.failed else 0


def convert_in_turn(args, plan, backend, sample_rate, results):
    """Converts one file after the other. A single one that fails raises what is wrong with it."""
    chunk_factor = args.chunk_factor if args.streaming else None
    with Converter(backend, sample_rate, conversion_options(args), chunk_factor, args.mode) as converter:
        if not plan.is_folder:
            results.add(converter.convert(*plan.pairs[0], progress=True))
            return
        for source, target in tqdm(plan.pairs, unit="file"):
            try:
                results.add(converter.convert(source, target))
            except Exception as error:  # whatever is wrong with one file, the others are not lost
                results.fail(source, error)


def convert_as_streams(args, plan, backend, sample_rate, results):
    """Converts all files as streams, several at a time. Copies of a single one fill them; one of them is written."""
    options = conversion_options(args)
    jobs = [TrackJob(*pair, sample_rate, options, results.add, results.fail) for pair in plan.pairs]
    if not plan.is_folder:
        copy = (*plan.pairs[0], sample_rate, options, ignore, ignore, False)
        jobs += [TrackJob(*copy) for _ in range(args.streams - 1)]
    results.streaming = convert_jobs(backend, jobs, args.streams, args.chunk_factor, args.mode, sample_rate)


def ignore(*_):
    """For copies of a file, whose results nobody wants."""


def conversion_options(args):
    """What the options say of recordings and results."""
    return ConversionOptions(
        channels=args.channels,
        output_rate=args.output_rate,
        raw=args.raw,
        raw_rate=args.rate,
        match_loudness=args.match_loudness,
        metadata=args.metadata,
        strict=args.strict,
        plot=args.plot,
        every_sample=args.every_sample,
    )


def default_threads(args):
    """One for each stream. One for a file chunk by chunk, and whatever cores are idle for one in long chunks: threads
    that share a chunk wait for the slowest of them."""
    if args.streams:
        return min(args.streams, available_cores())
    return 1 if args.streaming else idle_cores()


def main(argv=None):
    """Runs the demo with these arguments, the command line's by default; returns the exit code."""
    return exit_code(lambda: run(parse_args(argv)))
