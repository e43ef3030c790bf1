# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What demo.py converts into what, checked before any work."""

import os
from dataclasses import dataclass
from pathlib import Path

from audio.folder import find_audio_files, no_audio_files
from audio.reading import AudioError
from audio.writing import FORMATS, check_writable, is_stream
from reference.errors import LLVCError

from .names import result_names
from .voice import BUNDLED_CHECKPOINT, locate

PIPE = "-"


@dataclass(frozen=True)
class Plan:
    """pairs: (input, output) of each conversion; left_out and unreadable: of a folder, as find_audio_files has them."""

    pairs: list
    is_folder: bool = False
    left_out: tuple = ()
    unreadable: tuple = ()


def make_plan(args):
    """The Plan of these options. LLVCError where an output would overwrite an input or another output, among others."""
    is_folder = args.input_file != PIPE and Path(locate(args.input_file)).is_dir()
    if args.plot and is_folder:
        raise LLVCError("--plot draws one file; name one with -i instead of a folder")
    if args.plot and Path(args.plot).suffix.lower() != ".png":
        raise LLVCError(f"{args.plot}: --plot writes a PNG file; give it a name that ends in .png")
    if is_folder:
        plan = folder_plan(Path(locate(args.input_file)), args.output_file)
    else:
        plan = Plan([file_pair(args.input_file, args.output_file, args.output_rate)])
    if args.streams and (args.channels == "each" or not is_folder and not Path(plan.pairs[0][0]).is_file()):
        raise LLVCError("--streams converts files, one channel of each; leave it out for pipes and --channels each")
    check_outputs(plan.pairs, args)
    return plan


def file_pair(source, output, output_rate):
    """(input, output) of one file or pipe. AudioError if there is no such input or the output cannot be written."""
    if source != PIPE:
        source = Path(locate(source))
        if not source.exists():
            raise AudioError(f"{source}: no such file or folder; name an audio file or a folder with -i")
    if is_stream(output):
        return source, output
    target = Path(output)
    if target.is_dir():
        name = Path(source).name if Path(source).is_file() else "converted.wav"
        target /= Path(name).with_suffix(result_suffix(Path(name)))
    elif output.endswith("/"):
        raise AudioError(f"{output}: no such folder")
    check_writable(target, output_rate or 16000)
    return source, target


def folder_plan(folder, output):
    """The Plan of the audio files under a folder, but those under the output. AudioError without any."""
    target = Path(output)
    if target.suffix.lower() in FORMATS and not target.is_dir() or is_stream(output) or target.is_file():
        raise AudioError(f"{target}: -i is a folder, so name a folder with -o")
    sources, left_out, unreadable = find_audio_files(folder, target)
    if not sources:
        raise AudioError(no_audio_files(folder, left_out))
    names = result_names({source: source.relative_to(folder) for source in sources}, result_suffix)
    return Plan([(source, target / name) for source, name in names.items()], True, left_out, unreadable)


def result_suffix(path):
    """A result's suffix: that of its input or, where such files are only read, .wav."""
    return path.suffix if path.suffix.lower() in FORMATS else ".wav"


def check_outputs(pairs, args):
    """LLVCError if an output is an input or another output."""
    outputs = [Path(path) for path in (*(target for _, target in pairs), args.plot, args.json) if path]
    outputs = [path for path in outputs if not is_stream(path)]
    if len({os.path.realpath(path) for path in outputs}) < len(outputs):
        raise LLVCError("two outputs have the same name; give -o, --plot and --json a file each")
    voice = (locate(args.checkpoint_path), locate(args.config_path), BUNDLED_CHECKPOINT)
    inputs = {_file_id(path) for path in (*(source for source, _ in pairs if source != PIPE), *voice)}
    for output in outputs:
        if output.exists() and _file_id(output) in inputs:
            raise LLVCError(f"{output}: is an input and would be overwritten; name another output")


def _file_id(path):
    """What tells whether two names stand for one file; None where there is none."""
    path = Path(path)
    return (path.stat().st_dev, path.stat().st_ino) if path.exists() else None
