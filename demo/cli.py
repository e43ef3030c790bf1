# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The demo's command line."""

import argparse
import json
import os
import sys
from datetime import datetime, timezone
from pathlib import Path

import torch
from tqdm import tqdm

from reference.checkpoint import CheckpointError, load_model
from reference.config import load_config
from reference.errors import LLVCError, one_line
from streaming.stream import ChunkedStream

from .audio import FORMATS, AudioError, check_writable, find_audio_files, read_audio, write_audio
from .backend import BACKENDS, KERNELS, open_backend
from .convert import convert_concurrently, convert_offline, convert_streaming
from .files import replacing

ROOT = Path(__file__).resolve().parent.parent
DEFAULT_CHECKPOINT = "llvc_models/models/checkpoints/llvc/G_500000.pth"
DEFAULT_CONFIG = "experiments/llvc/config.json"
MODES = ("latency", "throughput")
BUNDLED_CHECKPOINT = ROOT / "checkpoints" / "demo_voice.safetensors"


class Parser(argparse.ArgumentParser):
    """Ends the program with one line and code 2 where options are wrong."""

    def error(self, message):
        self.exit(2, f"error: {message} (--help lists the options)\n")


def count(minimum, maximum=9999):
    """The type of an option that takes a whole number."""

    def parse(text):
        if not text.isdecimal() or len(text) > 5 or not minimum <= int(text) <= maximum:
            raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a whole number from {minimum} to {maximum}")
        return int(text)

    return parse


def parse_args(argv=None):
    """Parses the command line; ends the program with one line and code 2 if it is wrong."""
    parser = Parser(
        prog="demo.py",
        description="Convert speech to the target voice, a file or a folder of files, in one go or as a live stream.",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = parser.add_argument
    add("-p", "--checkpoint_path", default=DEFAULT_CHECKPOINT, metavar="FILE", help="weights of the voice")
    add("-c", "--config_path", default=DEFAULT_CONFIG, metavar="FILE", help="configuration that the weights belong to")
    add("-i", "--input_file", default="test_wavs/example.wav", metavar="PATH", help="audio file, or a folder of them")
    add("-o", "--output_file", default="converted_output.wav", metavar="PATH", help="where the result goes")
    add("-s", "--streaming", action="store_true", help="feed the file chunk by chunk, as a microphone would")
    add("-n", "--chunk_factor", type=count(1), default=1, metavar="N", help="chunk of a stream, in units of 13 ms")
    add("--streams", type=count(1), metavar="K", help="convert K files, or K copies of one, as streams at a time")
    add("--mode", choices=MODES, default="latency", help="of streams on a card: lowest latency, or transfers beside")
    add("--backend", choices=BACKENDS, default="auto", help="where to compute; auto takes a card if there is one")
    add("--kernels", choices=KERNELS, default="auto", help="on a card: one program a chunk, or ttnn's own operations")
    add("--device_id", type=count(0), metavar="N", help="which device, instead of 0 or, for streams, a whole N300")
    add("--plot", metavar="FILE.png", help="also draw input and output")
    add("--json", metavar="FILE", help="also write all figures to a file")
    return parser.parse_args(argv)


def locate(path):
    """A path as given or, where nothing stands there, the one of that name in the project."""
    return path if Path(path).exists() or not (ROOT / path).exists() else str(ROOT / path)


def load(args):
    """The network and sample rate (Hz) that the options name, or the bundled network in place of the default one."""
    config, sample_rate = load_config(args.config_path)
    checkpoint = args.checkpoint_path
    if checkpoint != DEFAULT_CHECKPOINT or Path(checkpoint).exists():
        return load_model(checkpoint, config), sample_rate
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
    if source.is_dir():
        if args.plot:
            raise LLVCError("--plot draws one file; name one with -i instead of a folder")
        if target.suffix.lower() in FORMATS and not target.is_dir() or target.is_file():
            raise AudioError(f"{target}: -i is a folder, so name a folder with -o")
        inside = os.path.realpath(target) != os.path.realpath(source)
        sources = [
            path
            for path in find_audio_files(source)
            if not (inside and Path(os.path.realpath(target)) in Path(os.path.realpath(path)).parents)
        ]
        pairs = [(path, target / path.relative_to(source)) for path in sources]
        if not pairs:
            raise AudioError(f"{source}: no audio files in this folder")
    else:
        check_writable(target)
        pairs = [(source, target)]
    outputs = [output for _, output in pairs] + [Path(path) for path in (args.plot, args.json) if path]
    if len({os.path.realpath(path) for path in outputs}) < len(outputs):
        raise LLVCError("two outputs have the same name; give -o, --plot and --json a file each")
    others = (args.checkpoint_path, args.config_path, BUNDLED_CHECKPOINT)
    inputs = {_file_id(path) for path in (*(path for path, _ in pairs), *others)}
    for output in outputs:
        if output.exists() and _file_id(output) in inputs:
            raise LLVCError(f"{output}: is an input and would be overwritten; name another output")
    if args.plot and Path(args.plot).suffix.lower() != ".png":
        raise LLVCError(f"{args.plot}: --plot writes a PNG file; give it a name that ends in .png")
    return pairs


def convert_file(stream, source, target, sample_rate, args):
    """Converts one file; returns its figures. LLVCError if it cannot be read, converted or written."""
    audio = read_audio(source, sample_rate)
    figures = {"input": str(source), "output": str(target), "seconds": len(audio) / sample_rate}
    if args.streaming:
        converted, figures["streaming"] = convert_streaming(stream, audio, sample_rate)
    else:
        converted, seconds = convert_offline(stream, audio)
        figures["offline"] = {
            "compute_s": seconds,
            "rtf": seconds / figures["seconds"],
            "times_real_time": figures["seconds"] / seconds,
        }
    figures["clipped_samples"] = write(args, source, target, audio, converted, sample_rate)
    return figures


def write(args, source, target, audio, converted, sample_rate):
    """Writes a file's result, and draws it if asked to; returns how many samples reached full scale."""
    clipped = write_audio(target, converted, sample_rate)
    if args.plot:
        from .plot import plot_conversion  # matplotlib takes a second to load

        plot_conversion(args.plot, audio, converted, sample_rate, f"{source.name}  →  {target.name}")
    return clipped


def convert_streams(backend, pairs, sample_rate, args):
    """Converts all files as args.streams streams at a time -> (figures of each file, errors, figures of the whole).

    Copies of a single file fill all streams; one of them is written.
    """
    done, errors, signals = [], [], []
    for source, target in pairs:
        try:
            signals.append(read_audio(source, sample_rate))
            done.append({"input": str(source), "output": str(target), "seconds": len(signals[-1]) / sample_rate})
        except AudioError as error:
            errors.append((source, error))
    if not done:
        return done, errors, None
    copies = args.streams if len(pairs) == 1 else 1
    converted, figures = convert_concurrently(
        backend, signals * copies, args.streams, args.chunk_factor, args.mode, sample_rate
    )
    written = []
    for file, audio, samples in zip(done, signals, converted, strict=False):
        source, target = Path(file["input"]), Path(file["output"])
        try:
            file["clipped_samples"] = write(args, source, target, audio, samples, sample_rate)
            written.append(file)
        except LLVCError as error:
            errors.append((source, error))
    return written, errors, figures


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
    if figures.get("clipped_samples"):
        lines.append(f"clipping: {figures['clipped_samples']} samples reached full scale")
    return lines


def run(args):
    """Does what the options say; returns the exit code. LLVCError if nothing could be done."""
    for name in ("checkpoint_path", "config_path", "input_file"):
        setattr(args, name, locate(getattr(args, name)))
    pairs = plan(args)
    model, sample_rate = load(args)
    if args.streaming or args.streams:
        # A chunk is too small to share: with more threads, on a busy machine, each waits for the others.
        torch.set_num_threads(1)
    done, failed, streaming = [], [], None

    def fail(source, error):
        message = one_line(error if isinstance(error, LLVCError) else f"{source}: {error}")
        failed.append({"input": str(source), "error": message})
        tqdm.write(f"error: {message}", file=sys.stderr)

    with open_backend(args.backend, model, args.device_id, args.streams or 1, args.kernels) as backend:
        single = not Path(args.input_file).is_dir()
        if args.streams:
            done, errors, streaming = convert_streams(backend, pairs, sample_rate, args)
            if single and errors:
                raise errors[0][1]
            for source, error in errors:
                fail(source, error)
        else:
            offline = backend.offline_chunk_factor, backend.offline_mode
            chunk_factor, mode = (args.chunk_factor, args.mode) if args.streaming else offline
            with ChunkedStream(backend.open_engine(chunk_factor, 1, mode)) as stream:
                for source, target in pairs if single else tqdm(pairs, unit="file"):
                    try:
                        done.append(convert_file(stream, source, target, sample_rate, args))
                    except (LLVCError, OSError, ValueError, RuntimeError, MemoryError) as error:
                        if single:
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
            }
            with replacing(args.json) as temporary:
                temporary.write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    if streaming:
        print("\n".join(report({"streaming": streaming})))
    elif single:
        print("\n".join(report(done[0])))
    if not single:
        print(f"converted {len(done)} of {len(pairs)} files, {sum(f['seconds'] for f in done):.1f} s of audio")
    print(f"written: {args.output_file}")
    return 1 if failed else 0


def exit_code(program):
    """What program() returns; where the cause of an error lies with the user, 1 and one line on stderr."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a file name may be no text
    try:
        return program()
    except LLVCError as error:
        message = one_line(error)
    except OSError as error:
        message = one_line(f"{error.filename}: {error.strerror}" if error.filename else error)
    print(f"error: {message}", file=sys.stderr)
    return 1


def main(argv=None):
    """Runs the demo with these arguments, the command line's by default; returns the exit code."""
    return exit_code(lambda: run(parse_args(argv)))
