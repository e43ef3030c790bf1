# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The demo's command line."""

import argparse
import json
import os
import sys
from contextlib import redirect_stdout
from datetime import datetime, timezone
from pathlib import Path

import torch
from tqdm import tqdm

from audio.files import replacing
from audio.folder import find_audio_files, no_audio_files
from audio.mixing import channel_choice
from audio.reading import MIN_RATE, RAW_TYPES
from audio.recording import AudioError, as_error
from audio.writing import FORMATS, STDOUT, check_writable, is_stream
from reference.checkpoint import CheckpointError, load_model
from reference.config import load_config
from reference.errors import LLVCError, one_line

from .backend import BACKENDS, KERNELS, available_cores, idle_cores, open_backend
from .convert import convert_jobs
from .program import Parser, count, exit_code, file_path
from .tracks import ConversionOptions, Converter, TrackJob

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_CHECKPOINT = "llvc_models/models/checkpoints/llvc/G_500000.pth"
DEFAULT_CONFIG = "experiments/llvc/config.json"
LISTED = 20  # files left out that are named
MODES = ("latency", "throughput")
BUNDLED_CHECKPOINT = ROOT / "checkpoints" / "demo_voice.safetensors"


def sample_rate_option(text):
    """The type of an option that takes a sample rate in Hz."""
    if not text.isdecimal() or len(text) > 6 or not MIN_RATE <= int(text) <= 768_000:
        raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a sample rate from {MIN_RATE} to 768000 Hz")
    return int(text)


def add_voice(add):
    """Adds the options that name a voice; `add` is a parser's add_argument."""
    option = {"type": file_path, "metavar": "FILE"}
    add("-p", "--checkpoint_path", default=DEFAULT_CHECKPOINT, help="weights of the voice", **option)
    add("-c", "--config_path", default=DEFAULT_CONFIG, help="configuration that the weights belong to", **option)


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
    add("-n", "--chunk_factor", type=count(1), default=1, metavar="N", help="chunk of a stream, in units of 13 ms")
    add("--streams", type=count(1), metavar="K", help="convert K files, or K copies of one, as streams at a time")
    add("--mode", choices=MODES, default="latency", help="of streams on a card: lowest latency, or transfers beside")
    add("--backend", choices=BACKENDS, default="auto", help="where to compute; auto takes a card if there is one")
    add("--kernels", choices=KERNELS, default="auto", help="on a card: one program a chunk, or ttnn's own operations")
    add("--threads", type=count(1), metavar="N", help="CPU threads: by default idle cores, -s 1, --streams 1 each")
    add("--device_id", type=count(0), metavar="N", help="which device, instead of 0 or, for streams, a whole N300")
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


def locate(path):
    """A path as given or, where nothing stands there, the one of that name in the project."""
    return path if Path(path).exists() or not (ROOT / path).exists() else str(ROOT / path)


def voice(args):
    """The checkpoint that load() reads: the one that the options name or, for a default that is not there, another."""
    checkpoint = args.checkpoint_path
    if checkpoint != DEFAULT_CHECKPOINT or Path(checkpoint).exists():
        return checkpoint
    from .voice import cached  # takes a while to import, and is seldom needed

    return (args.config_path == locate(DEFAULT_CONFIG) and cached("llvc")) or BUNDLED_CHECKPOINT


def load(args):
    """The network and sample rate (Hz) of voice(args)."""
    config, sample_rate = load_config(args.config_path)
    checkpoint, path = args.checkpoint_path, voice(args)
    if path == checkpoint:
        return load_model(checkpoint, config), sample_rate
    if path != BUNDLED_CHECKPOINT:
        print(f"speaking with the published voice from the cache of huggingface_hub: {path}")
        return load_model(path, config), sample_rate
    get_voice = "for the published one run: python -m demo.download_weights"
    try:
        model = load_model(BUNDLED_CHECKPOINT, config)
    except CheckpointError:
        raise CheckpointError(
            f"{checkpoint}: no such checkpoint, and the bundled one fits only {DEFAULT_CONFIG}; name one with -p, "
            f"{get_voice}"
        ) from None
    print(f"no checkpoint at {checkpoint}: speaking with the bundled demo voice; {get_voice}")
    return model, sample_rate


def _file_id(path):
    """What tells whether two names stand for one file; None where there is none."""
    path = Path(path)
    return (path.stat().st_dev, path.stat().st_ino) if path.exists() else None


def plan(args):
    """Pairs of input and output files, checked before any work: no output may be an input or another output."""
    source, target = Path(args.input_file), Path(args.output_file)
    piped = args.input_file == "-"
    if not piped and not source.exists():
        raise AudioError(f"{source}: no such file or folder; name an audio file or a folder with -i")
    if not piped and source.is_dir():
        if args.plot:
            raise LLVCError("--plot draws one file; name one with -i instead of a folder")
        if target.suffix.lower() in FORMATS and not target.is_dir() or is_stream(args.output_file) or target.is_file():
            raise AudioError(f"{target}: -i is a folder, so name a folder with -o")
        sources, left_out, _ = find_audio_files(source, target)
        pairs = list(zip(sources, result_names(source, target, sources), strict=True))
        if not pairs:
            raise AudioError(no_audio_files(source, left_out))
    else:
        if not is_stream(args.output_file) and (target.is_dir() or args.output_file.endswith("/")):
            if not target.is_dir():
                raise AudioError(f"{args.output_file}: no such folder")
            name = Path("converted.wav") if piped or not source.is_file() else Path(source.name)
            target /= name if name.suffix.lower() in FORMATS else name.with_suffix(".wav")
        if not is_stream(target):
            check_writable(target, args.output_rate or 16000)
        pairs = [("-" if piped else source, args.output_file if is_stream(args.output_file) else target)]
    if args.streams and (args.channels == "each" or piped or not (source.is_file() or source.is_dir())):
        raise LLVCError("--streams converts files, one channel of each; leave it out for pipes and --channels each")
    outputs = [output for _, output in pairs] + [Path(path) for path in (args.plot, args.json) if path]
    outputs = [Path(path) for path in outputs if not is_stream(path)]
    if len({os.path.realpath(path) for path in outputs}) < len(outputs):
        raise LLVCError("two outputs have the same name; give -o, --plot and --json a file each")
    others = (args.checkpoint_path, args.config_path, BUNDLED_CHECKPOINT)
    inputs = {_file_id(path) for path in (*(path for path, _ in pairs if path != "-"), *others)}
    for output in outputs:
        if output.exists() and _file_id(output) in inputs:
            raise LLVCError(f"{output}: is an input and would be overwritten; name another output")
    if args.plot and Path(args.plot).suffix.lower() != ".png":
        raise LLVCError(f"{args.plot}: --plot writes a PNG file; give it a name that ends in .png")
    return pairs


def result_names(source, target, paths):
    """Where the results of a folder's files go: the same name, as WAV where its format is only read."""
    taken = {path.relative_to(source) for path in paths if path.suffix.lower() in FORMATS}
    names = []
    for path in paths:
        name = path.relative_to(source)
        if name.suffix.lower() not in FORMATS:
            name = name.with_suffix(".wav")
            if name in taken:  # a.m4a beside a.wav or a.webm
                name = path.relative_to(source).with_name(f"{path.name}.wav")
            taken.add(name)
        names.append(target / name)
    return names


def report(figures):
    """The figures of one file, or of all streams at a time, as the lines that are printed."""
    lines = []
    if "streaming" in figures:
        f = figures["streaming"]
        if "streams" in f:
            lines.append(
                f"{f['streams']} streams            {f['seconds']:.2f} s of audio in {f['elapsed_s']:.2f} s, "
                f"{f['aggregate_times_real_time']:.1f} x real time in aggregate"
            )
        if f["preparation"]:
            steps = "  ".join(f"{name.removesuffix('_s')} {value:.2f}" for name, value in f["preparation"].items())
            lines.append(f"preparation          {steps} s")
        lines.append(f"chunk                {f['chunk_ms']:.1f} ms ({f['chunks']} timed)")
        lines.append(
            f"algorithmic latency  {f['algorithmic_latency_ms']:.1f} ms (chunk + 2L as in the paper; a sample waits "
            f"{f['longest_wait_ms']:.1f} ms at most)"
        )
        if f["first_chunk_ms"] is not None:
            lines.append(f"first chunk          {f['first_chunk_ms']:.2f} ms of compute")
        if f["compute_ms"] is None:
            lines.append("compute per chunk    not measured: the audio is shorter than two chunks")
        else:
            values = "  ".join(f"{name} {value:.2f}" for name, value in f["compute_ms"].items())
            lines.append(f"compute per chunk    {values} ms")
            lines.append(f"end-to-end latency   {f['latency_ms']:.1f} ms (algorithmic + mean compute)")
            lines.append(
                f"RTF                  {f['rtf']:.3f} (compute / audio, lower is faster), "
                f"{f['times_real_time']:.1f} x real time (what the paper calls RTF)"
            )
    else:
        f = figures["offline"]
        lines.append(
            f"offline: {figures['seconds']:.2f} s of audio in {f['compute_s']:.2f} s, RTF {f['rtf']:.3f} "
            f"(compute / audio, lower is faster), {f['times_real_time']:.1f} x real time"
        )
    lines += [f"note: {note}" for note in figures.get("notes", ())]
    if figures.get("clipped_samples"):
        lines.append(f"clipping: {figures['clipped_samples']} samples reached full scale")
    return lines


def run(args):
    """Does what the options say; returns the exit code. LLVCError if nothing could be done."""
    if args.output_file in STDOUT:  # which is for the audio alone
        with redirect_stdout(sys.stderr):
            return convert(args)
    return convert(args)


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
    )


def default_threads(args):
    """One for each stream. One for a file chunk by chunk, and whatever cores are idle for one in long chunks: threads
    that share a chunk wait for the slowest of them."""
    if args.streams:
        return min(args.streams, available_cores())
    return 1 if args.streaming else idle_cores()


def convert(args):
    """run() with the messages on stdout."""
    for name in ("checkpoint_path", "config_path", "input_file"):
        setattr(args, name, locate(getattr(args, name)))
    pairs = plan(args)
    model, sample_rate = load(args)
    options = conversion_options(args)
    threads = args.threads or default_threads(args)
    torch.set_num_threads(1)  # of the resampler: where a core is busy, its thread makes the others wait
    done, failed, streaming = [], [], None
    folder = args.input_file != "-" and Path(args.input_file).is_dir()
    _, left_out, unreadable = find_audio_files(args.input_file, args.output_file) if folder else ([], [], [])
    for path, reason in left_out[:LISTED]:
        print(f"left out: {path} ({reason})")
    if len(left_out) > LISTED:
        print(f"left out: {len(left_out) - LISTED} more")

    def fail(source, error):
        message = one_line(as_error(error, source))
        failed.append({"input": str(source), "error": message})
        tqdm.write(f"error: {message}", file=sys.stderr)

    def succeed(figures):
        done.append(figures)
        if "damage" in figures:
            fail(figures["input"], AudioError(f"{figures['input']}: {figures['damage']}; converted up to there"))
        if folder:
            for note in figures["notes"]:
                tqdm.write(f"note: {note}", file=sys.stderr)

    for path, reason in unreadable:
        fail(path, AudioError(f"{path}: {reason}"))
    with open_backend(args.backend, model, args.device_id, args.streams or 1, args.kernels, threads) as backend:
        if args.streams:
            if folder:
                jobs = [TrackJob(*pair, sample_rate, options, succeed, fail) for pair in pairs]
            else:  # copies of a single file fill all streams; one of them is written
                jobs = [TrackJob(*pairs[0], sample_rate, options, succeed, fail)]
                copy = (*pairs[0], sample_rate, options, ignore, ignore, False)
                jobs += [TrackJob(*copy) for _ in range(args.streams - 1)]
            streaming = convert_jobs(backend, jobs, args.streams, args.chunk_factor, args.mode, sample_rate)
            order = {str(source): index for index, (source, _) in enumerate(pairs)}
            done.sort(key=lambda figures: order[figures["input"]])
        else:
            chunk_factor = args.chunk_factor if args.streaming else None
            with Converter(backend, sample_rate, options, chunk_factor, args.mode) as converter:
                for source, target in tqdm(pairs, unit="file") if folder else pairs:
                    try:
                        succeed(converter.convert(source, target, progress=not folder))
                    except Exception as error:
                        if not folder:
                            raise
                        fail(source, error)  # whatever is wrong with one file, the others are not lost
        if args.json:
            summary = {
                "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
                "backend": backend.name,
                "device": backend.device,
                "torch": torch.__version__,
                "sample_rate": sample_rate,
                "streaming": streaming,
                "files": done,
                "failed": failed,
                "left_out": [{"path": str(path), "reason": reason} for path, reason in left_out],
            }
            with replacing(args.json) as temporary:
                temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if not folder and not done:
        return 1
    if streaming:
        print("\n".join(report({"streaming": streaming})))
    if done and not folder and not streaming:
        print("\n".join(report(done[0])))
    if folder:
        print(f"converted {len(done)} of {len(pairs)} files, {sum(f['seconds'] for f in done):.1f} s of audio")
    print(f"written: {args.output_file if folder else pairs[0][1]}")
    return 1 if failed else 0


def ignore(*_):
    """For copies of a file, whose results nobody wants."""


def main(argv=None):
    """Runs the demo with these arguments, the command line's by default; returns the exit code."""
    return exit_code(lambda: run(parse_args(argv)))
