# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Converts a recording to the target voice, in one go or as a stream: see README.md for the commands."""

import argparse
import sys
from pathlib import Path

import soundfile
import torch
from scipy.signal import resample_poly

from demo.backend import KERNELS, open_backend
from demo.convert import convert_offline, stream_figures, timed_chunks
from demo.program import Parser, count, exit_code, file_path
from reference.checkpoint import load_model
from reference.config import load_config
from reference.errors import LLVCError, one_line
from streaming.engine import MODES
from streaming.stream import ChunkedStream

REPO_ID, CHECKPOINT = "KoeAI/llvc", "models/checkpoints/llvc/G_500000.pth"
CONFIG = Path(__file__).resolve().parents[1] / "experiments/llvc/config.json"


def fetch_checkpoint():
    """The published voice, from huggingface_hub's cache or the hub. LLVCError if it cannot be had."""
    from huggingface_hub import hf_hub_download

    try:
        return hf_hub_download(REPO_ID, CHECKPOINT)
    except Exception as error:  # offline, no such file, a full disk: each has an exception of its own
        raise LLVCError(f"{REPO_ID}: cannot be downloaded ({one_line(error)}); name a checkpoint with -p") from None


def read_audio(path, sample_rate):
    """A recording's samples [N], its channels mixed, at sample_rate (Hz). LLVCError if it is no audio."""
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise LLVCError(f"{path}: cannot be read ({one_line(error)})") from None
    if not len(samples):
        raise LLVCError(f"{path}: holds no samples")
    return torch.from_numpy(resample_poly(samples.mean(axis=1), sample_rate, rate))


def convert(open_engine, audio, sample_rate, chunk_factor, mode, streaming):
    """Converts samples [N] by an engine that is opened for it -> (samples [N], what to say of it)."""
    with ChunkedStream(open_engine(chunk_factor, 1, mode)) as stream:
        if not streaming:
            converted, elapsed = convert_offline(stream, audio)
            return converted, f"RTF {elapsed * sample_rate / len(audio):.3f} (compute / audio)"
        converted, seconds = timed_chunks(stream, audio)
        figures = stream_figures(seconds, stream.engine, sample_rate)
    if figures["compute_ms"] is None:
        return converted, "not timed: the audio is shorter than two chunks"
    times = ", ".join(f"{name} {value:.2f}" for name, value in figures["compute_ms"].items())
    return converted, f"RTF {figures['rtf']:.3f} (compute / audio), ms per chunk: {times}"


def run(args):
    """Does what the options say; LLVCError if it cannot."""
    config, sample_rate = load_config(CONFIG)
    audio = read_audio(args.input, sample_rate)
    model = load_model(args.checkpoint or fetch_checkpoint(), config)
    with open_backend(args.backend, model, args.device_id, kernels=args.kernels) as backend:
        chunk_factor = args.chunk_factor if args.streaming else backend.offline_chunk_factor
        mode = args.mode if args.streaming else backend.offline_mode
        converted, said = convert(backend.open_engine, audio, sample_rate, chunk_factor, mode, args.streaming)
        print(f"{backend.device}: {said}")
    try:
        soundfile.write(args.output, converted.numpy(), sample_rate)
    except (soundfile.LibsndfileError, ValueError, OSError) as error:
        raise LLVCError(f"{args.output}: cannot be written ({one_line(error)})") from None
    print(f"written: {args.output}")


def parse_args(argv=None):
    parser = Parser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    add = parser.add_argument
    add("-i", "--input", type=file_path, required=True, metavar="FILE", help="audio file")
    add("-o", "--output", type=file_path, required=True, metavar="FILE.wav", help="where the result goes")
    add("-p", "--checkpoint", type=file_path, metavar="FILE", help="weights; without it the published voice's")
    add("-s", "--streaming", action="store_true", help="convert chunk by chunk, and time every chunk")
    add("-n", "--chunk_factor", type=count(1), default=1, metavar="N", help="chunk of a stream, in units of 13 ms")
    add("--mode", choices=MODES, default="latency", help="of a stream: lowest latency, or transfers beside")
    add("--backend", choices=("ttnn", "torch"), default="ttnn", help="where to compute")
    add("--kernels", choices=KERNELS, default="auto", help="one program a chunk, or ttnn's own operations")
    add("--device_id", type=count(0), default=0, metavar="N", help="which device")
    return parser.parse_args(argv)


def main(argv=None):
    return exit_code(lambda: run(parse_args(argv)))


if __name__ == "__main__":
    sys.exit(main())
