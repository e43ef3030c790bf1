# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Trains a voice: python -m training COMMAND. docs/TRAINING.md goes through the commands."""

import argparse
import sys
from functools import partial
from pathlib import Path

import torch

from demo.backend import available_cores
from demo.program import Parser, count, exit_code, file_path
from reference.config import load_config
from reference.errors import LLVCError, not_installed, one_line

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / "experiments/llvc/config.json"
VOICE = ROOT / "training/voice.json"
say = partial(print, flush=True)


def path(text):
    return Path(file_path(text))


def number(minimum, maximum):
    """The type of an option that takes a number."""

    def parse(text):
        try:
            value = float(text)
        except ValueError:
            value = float("nan")
        if not minimum <= value <= maximum:
            raise argparse.ArgumentTypeError(f"{text[:20]!r} is not a number from {minimum:g} to {maximum:g}")
        return value

    return parse


def speech(args):
    """Sentences read by synthesisers."""
    from .synthesis import synthesise

    synthesise(args.out, args.sentences, args.seed)


def voice(args):
    """A person's pitch register and mean spectrum."""
    from .pairs import MEASURED, UTTERANCE_SECONDS
    from .recordings import SAMPLE_RATE, audio_files, read
    from .target import Analysis, TargetVoice

    analyses, longest = [], round(UTTERANCE_SECONDS[1] * SAMPLE_RATE)
    files = audio_files(args.input)
    for file in files.values():
        samples = read(file)
        analyses += [Analysis.of(samples[i : i + longest]) for i in range(0, len(samples), longest)]
        if len(analyses) >= 10 * MEASURED:
            break
    try:
        made = TargetVoice.of(analyses)
    except LLVCError as error:
        raise LLVCError(f"{args.input}: {one_line(error)} in {len(files)} files") from None
    made.save(args.out)
    say(f"{args.out}: pitch {made.f0:g} Hz; voices below {made.octave_below:g} Hz are raised by an octave")


def pairs(args):
    """Pairs of the recordings that manifests name."""
    from .pairs import make_noise, make_pairs
    from .recordings import read_manifest
    from .target import TargetVoice

    rows = [row for manifest in args.speech for row in read_manifest(manifest)]
    noise = [row for manifest in args.noise for row in read_manifest(manifest)]
    target = TargetVoice.load(args.voice)
    for line in make_pairs(rows, args.speeds, target, args.out, opus=args.opus, workers=args.workers):
        say(f"left out: {line}")
    make_noise(noise, args.out, args.opus)
    for licence in sorted({row.licence for row in rows}):
        say(f"{licence}: {len({row.speaker for row in rows if row.licence == licence})} speakers")


def train(args):
    """Trains, or goes on training, in --run."""
    from .initial import initial_network, network_from
    from .pairs import PairFolders
    from .recordings import SAMPLE_RATE
    from .trainer import Options, Training

    if args.threads:
        torch.set_num_threads(args.threads)
    if bool(args.data) == bool(args.source or args.target) or bool(args.source) != bool(args.target):
        raise LLVCError(
            "name the pairs by --data, a folder that holds source/ and target/, or by --source and --target"
        )
    if (args.run / "last.pt").exists() and not (args.resume or args.profile):
        raise LLVCError(f"{args.run}: holds a run; go on with it (--resume) or name another folder")
    config, _ = load_config(args.config)
    cuda = torch.device(args.device).type == "cuda"
    options = Options(
        steps=args.steps,
        minutes=None if args.steps else args.minutes,
        batch=args.batch or (32 if cuda else 3),
        samples=round(SAMPLE_RATE * (args.seconds or (2.08 if cuda else 1.04))),
        adversarial=args.adversarial if args.adversarial is not None else 0.5 * cuda,
        rate=args.rate,
        complex_weight=args.complex_weight,
        interval=args.interval,
        seed=args.seed,
        bf16=cuda if args.bf16 is None else args.bf16,
        compiled=args.compile,
    )
    if cuda:
        torch.set_float32_matmul_precision("high")
        torch.backends.cudnn.allow_tf32 = torch.backends.cudnn.benchmark = True
    noise = args.noise or args.data and args.data / "noise"
    training = Training(
        network_from(args.start, config) if args.start else initial_network(config, args.seed),
        PairFolders(args.source or args.data / "source", args.target or args.data / "target"),
        args.run,
        options,
        device=args.device,
        valid=args.valid,
        noise=noise if args.noise or noise and noise.is_dir() else None,
        say=say,
    )
    if args.profile:
        from .profile import profile_steps

        return say("\n".join(profile_steps(training)))
    if args.resume:
        training.resume()
    training()


def export(args):
    """The best weights of --run as a checkpoint."""
    from .export import export

    step = export(args.run, load_config(args.config)[0], args.out)
    say(f"{args.out}: step {step}")


def target(args):
    """What the network should make of each file under --input, as the signal processing makes it."""
    from audio.recording import write_audio

    from .recordings import SAMPLE_RATE, audio_files, read
    from .target import Analysis, Speaker, TargetVoice, to_target

    made = TargetVoice.load(args.voice)
    for source in audio_files(args.input).values():
        analysis = Analysis.of(read(source))
        try:
            speaker = Speaker.of([analysis], made)
        except LLVCError as error:
            raise LLVCError(f"{source}: {one_line(error)}") from None
        y = to_target(analysis, speaker, made)
        write_audio(args.out / source.relative_to(args.input), torch.from_numpy(y).float(), SAMPLE_RATE)


def parse_args(argv=None):
    """Parses the command line; ends the program with one line and code 2 if it is wrong."""
    parser = Parser(prog="python -m training", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def command(run, **options):
        added = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__, **options)
        added.set_defaults(run_command=run)
        return added.add_argument

    add = command(speech)
    add("--out", type=path, required=True, help="folder of recordings and manifest.jsonl")
    add("--sentences", type=count(1), default=20, help="for each of 30 voices")
    add("--seed", type=count(0), default=0)

    add = command(voice)
    add("--input", type=path, required=True, help="recordings of one person, who agreed")
    add("--out", type=path, required=True, metavar="VOICE.JSON")

    add = command(pairs)
    add("--speech", type=path, action="append", required=True, metavar="MANIFEST", help="recordings (docs/TRAINING.md)")
    add("--noise", type=path, action="append", default=[], metavar="MANIFEST", help="noise for the source")
    add("--voice", type=path, default=VOICE, metavar="VOICE.JSON", help="the target")
    add("--speeds", type=number(0.4, 2.5), nargs="+", default=[1.0, 0.72, 0.86], help="at which each is used")
    add("--out", type=path, required=True, help="folder of source/, target/ and noise/")
    add("--opus", action="store_true", help="some 10 MB an hour and folder instead of FLAC")
    add("--workers", type=count(1), default=available_cores())

    add = command(train)
    add("--data", type=path, help="what `pairs` made")
    add("--source", type=path, help="instead of --data: recordings, and in")
    add("--target", type=path, help="files of the same names: the same speech in the wanted voice")
    add("--noise", type=path, help="noise for the source, instead of that in --data")
    add("--run", type=path, required=True, help="folder of the run")
    add("--resume", action="store_true", help="go on where --run stopped")
    add("--from", dest="start", type=path, metavar="CHECKPOINT", help="weights to start with")
    add("--minutes", type=number(1e-3, 1e5), default=60.0, help="length of the run")
    add("--steps", type=count(1, 99999), help="length of the run, instead of --minutes")
    add("--valid", action="append", default=[], metavar="SPEAKER", help="only to validate on; * stands for any letters")
    add("--batch", type=count(1), help="segments of a step (32 on a GPU, else 3)")
    add("--seconds", type=number(0.3, 20), help="length of a segment (2.08 on a GPU, else 1.04)")
    add("--adversarial", type=number(0, 1), help="last share of the run, with discriminators (0.5 on a GPU, else 0)")
    add("--rate", type=number(0, 1), default=1e-3, help="the full learning rate")
    add("--complex_weight", type=number(0, 100), default=0.5, help="of the loss that hears phase; 0 for foreign pairs")
    add("--interval", type=count(1), default=250, help="steps from one checkpoint to the next")
    add("--seed", type=count(0), default=0)
    add("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    add("--threads", type=count(1), help="of the CPU")
    add("--bf16", action=argparse.BooleanOptionalAction, help="the mask in bfloat16 (on a GPU)")
    add("--compile", action="store_true", help="the encoder's layers by torch.compile")
    add("--profile", action="store_true", help="print where a step's time goes instead of training")
    add("--config", type=path, default=CONFIG, help="of the network")

    add = command(export)
    add("--run", type=path, required=True)
    add("--out", type=path, required=True, help="NAME.safetensors, or NAME.pth as the published scripts load it")
    add("--config", type=path, default=CONFIG, help="of the network")

    add = command(target)
    add("--input", type=path, required=True)
    add("--out", type=path, required=True)
    add("--voice", type=path, default=VOICE, metavar="VOICE.JSON")
    return parser.parse_args(argv)


def run(args):
    try:
        return args.run_command(args)
    except ModuleNotFoundError as error:
        raise LLVCError(not_installed(error, "training")) from None


def main(argv=None):
    args = parse_args(argv)
    return exit_code(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
