# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Trains the bundled demo voice, from making its data to the checkpoint file. See checkpoints/README.md.

python tools/train_demo_voice.py data --out pairs --speech FOLDER
python tools/train_demo_voice.py train --data pairs --run run
python tools/train_demo_voice.py export --run run
python tools/train_demo_voice.py target --input FOLDER --out FOLDER
"""

import argparse
import multiprocessing
import random
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import safetensors.torch  # noqa: E402
import torch  # noqa: E402

from audio.files import replacing  # noqa: E402
from audio.folder import required_audio_files  # noqa: E402
from audio.recording import read_audio, write_audio  # noqa: E402
from demo.backend import available_cores  # noqa: E402
from demo.program import exit_code  # noqa: E402
from demo.voice import BUNDLED_CHECKPOINT  # noqa: E402
from reference.config import load_config  # noqa: E402
from reference.errors import LLVCError, not_installed  # noqa: E402

try:
    from loguru import logger

    from tools.demo_voice.speech import make_pairs, recording_jobs, synthesiser_jobs
    from tools.demo_voice.target import SAMPLE_RATE, Analysis, Speaker, TargetVoice, to_target
    from tools.demo_voice.training import Training, plot_log
except ModuleNotFoundError as error:
    sys.exit(f"error: {not_installed(error, 'training')}")

CONFIG = ROOT / "experiments/llvc/config.json"
VOICE = ROOT / "tools/demo_voice/voice.json"


def make_data(args):
    """Pairs of synthetic speakers and of those under --speech."""
    missing = [program for program in ("espeak-ng", "flite") if shutil.which(program) is None]
    if missing:
        raise LLVCError(f"{' and '.join(missing)} not found; install with: apt-get install {' '.join(missing)}")
    rng, voice = random.Random(args.seed), TargetVoice.load(VOICE)
    jobs = synthesiser_jobs(args.sentences, rng)
    for folder in args.speech:
        jobs += recording_jobs(folder, args.copies, set(args.valid), rng)
    with multiprocessing.Pool(args.workers) as pool:
        seconds = pool.starmap(make_pairs, [(job, voice, args.out) for job in jobs], chunksize=1)
    for split in ("train", "valid"):
        total = sum(s for job, s in zip(jobs, seconds, strict=True) if job.split == split)
        speakers = sum(job.split == split for job in jobs)
        logger.info(f"{split}: {total / 3600:.2f} hours, {speakers} speakers")


def train(args):
    """Trains, or goes on training, in --run."""
    config, _ = load_config(CONFIG)
    if args.threads:
        torch.set_num_threads(args.threads)
    training = Training(
        config,
        args.data,
        args.run,
        steps=args.steps,
        batch=args.batch,
        samples=round(args.seconds * SAMPLE_RATE),
        rate=args.rate,
        seed=args.seed,
        device=args.device,
        bf16=args.bf16,
    )
    if args.resume:
        training.resume()
    training()
    plot_log(args.run)


def export(args):
    """The best weights of --run as 16-bit floats."""
    state = torch.load(args.run / "best.pt", map_location="cpu", weights_only=True)
    with replacing(args.out) as path:
        safetensors.torch.save_file({name: value.half() for name, value in state["model"].items()}, path)
    plot_log(args.run)
    logger.info(f"{args.out}: step {state['step']}")


def make_target(args):
    """What the network should make of each file under --input, as the signal processing makes it."""
    voice = TargetVoice.load(VOICE)
    for source in required_audio_files(args.input):
        analysis = Analysis.of(read_audio(source, SAMPLE_RATE).numpy())
        try:
            speaker = Speaker.of([analysis], voice)
        except LLVCError as error:
            raise LLVCError(f"{source}: {error}") from None
        y = to_target(analysis, speaker, voice)
        write_audio(args.out / source.relative_to(args.input), torch.from_numpy(y).float(), SAMPLE_RATE)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    commands = parser.add_subparsers(required=True)

    data = commands.add_parser("data", help="make training and validation pairs")
    data.set_defaults(run_command=make_data)
    data.add_argument("--out", type=Path, required=True)
    data.add_argument("--speech", type=Path, action="append", default=[], help="recordings, a folder for each speaker")
    data.add_argument("--valid", action="append", default=[], help="speaker under --speech that is only validated on")
    data.add_argument("--copies", type=int, default=2, help="uses of each recording, all but one at another speed")
    data.add_argument("--sentences", type=int, default=20, help="for each synthetic voice")
    data.add_argument("--workers", type=int, default=available_cores())
    data.add_argument("--seed", type=int, default=0)

    training = commands.add_parser("train", help="train on the pairs")
    training.set_defaults(run_command=train)
    training.add_argument("--data", type=Path, required=True)
    training.add_argument("--run", type=Path, required=True)
    training.add_argument("--resume", action="store_true", help="go on where --run stopped, up to --steps")
    training.add_argument("--steps", type=int, default=7500)
    training.add_argument("--batch", type=int, default=3)
    training.add_argument("--seconds", type=float, default=1.04, help="length of a segment")
    training.add_argument("--rate", type=float, default=1e-3, help="the full learning rate")
    training.add_argument("--seed", type=int, default=0)
    training.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    training.add_argument("--threads", type=int, help="of the CPU")
    training.add_argument("--bf16", action="store_true", help="the mask network in bfloat16")

    exporting = commands.add_parser("export", help="write the best weights as a checkpoint")
    exporting.set_defaults(run_command=export)
    exporting.add_argument("--run", type=Path, required=True)
    exporting.add_argument("--out", type=Path, default=BUNDLED_CHECKPOINT)

    target = commands.add_parser("target", help="convert files by signal processing instead of the network")
    target.set_defaults(run_command=make_target)
    target.add_argument("--input", type=Path, required=True)
    target.add_argument("--out", type=Path, required=True)

    args = parser.parse_args()
    return exit_code(lambda: args.run_command(args))


if __name__ == "__main__":
    sys.exit(main())
