# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What is evaluated: speech to convert, what was said in it, and speech of the target voice."""

import codecs
from dataclasses import dataclass

import torch

from audio.folder import required_audio_files
from audio.recording import read_audio
from reference.errors import LLVCError


class EvaluationError(LLVCError):
    """Folders that cannot be evaluated."""


@dataclass
class Utterance:
    """A file of the input folder: samples [N], its reference text (or None) and its aligned target [N] (or None)."""

    name: str
    audio: torch.Tensor
    text: str | None
    target: torch.Tensor | None


def read_utterances(source, target, output, sample_rate, seconds=None):
    """([Utterance] of the folder `source`, {path in it: samples [N]} of the folder `target`), at sample_rate (Hz).

    seconds: of each file only the beginning. LLVCError if a folder has no audio, or files that the report in `output`
    would overwrite.
    """
    files = {folder: required_audio_files(folder) for folder in (source, target)}
    for folder, paths in files.items():
        if any(output.resolve() in path.resolve().parents for path in paths):
            raise EvaluationError(f"{output}: holds files of {folder} and would overwrite some; name another")
    limit = None if seconds is None else round(seconds * sample_rate)
    targets = {path.relative_to(target): read_audio(path, sample_rate)[:limit] for path in files[target]}
    utterances = []
    for path in files[source]:
        name = path.relative_to(source)
        audio = read_audio(path, sample_rate)
        # The words of a whole file are not those of its beginning.
        text = reference_text(path) if limit is None or len(audio) <= limit else None
        utterances.append(Utterance(str(name), audio[:limit], text, targets.get(name)))
    return utterances, targets


def reference_text(path):
    """The words of an audio file: NAME.txt beside it, or its line in a LibriSpeech *.trans.txt; else None."""
    beside = path.with_suffix(".txt")
    if beside.is_file():
        return read_text(beside).strip()
    for transcripts in sorted(path.parent.glob("*.trans.txt")):
        for line in read_text(transcripts).splitlines():
            name, _, words = line.partition(" ")
            if name == path.stem:
                return words.strip()
    return None


def read_text(path):
    """A text file's content, whichever editor wrote it: UTF-8 or UTF-16, with or without a mark, else Windows-1252."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    if b"\0" in content:  # of every second byte, where letters are Latin
        big = content[0::2].count(0) > content[1::2].count(0)
        return content.decode("utf-16-be" if big else "utf-16-le", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")
