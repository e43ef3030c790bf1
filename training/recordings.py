# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Recordings to train on: reading them, and manifests that say whose they are and under which licence."""

import json
import math
import re
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio

from audio.files import replacing
from reference.errors import LLVCError

SAMPLE_RATE = 16000
# Of libsndfile, and what telephones record, which FFmpeg reads.
SUFFIXES = {f".{name.lower()}" for name in soundfile.available_formats()}
SUFFIXES |= {".aif", ".mp3", ".opus", ".m4a", ".aac", ".amr", ".mp4", ".webm", ".wma"}
# What weights may be trained on that are given away under Apache-2.0. Not CC BY-SA, CC BY-NC, CC BY-ND.
CLEAN_LICENCE = re.compile(
    r"CC[ -]BY([ -]\d\.\d( [A-Z]{2})?)?|CC0([ -]1\.0)?|public domain|own synthesis", re.IGNORECASE
)


class ManifestError(LLVCError):
    """A manifest that cannot be read, or recordings that are not to be trained on."""


def audio_files(folder):
    """{relative path without suffix: path} of the audio files under a folder, by name; hidden ones are left out."""
    folder = Path(folder)
    if not folder.is_dir():
        raise LLVCError(f"{folder}: no such folder; name a folder of recordings")
    found = {}
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in relative.parts):
            name = relative.with_suffix("").as_posix()
            if name in found:
                raise LLVCError(f"{path}: {found[name].name} has the same name; keep one of the two")
            found[name] = path
    return found


def read(path, offset=0.0, duration=None):
    """Samples float32 [N] at SAMPLE_RATE of a file, its channels mixed, or of some seconds of it.

    LLVCError if the file cannot be read or is empty there.
    """
    if not Path(path).is_file():
        raise LLVCError(f"{path}: no such file; mend the manifest or the folder")
    try:
        with soundfile.SoundFile(path) as file:
            rate = file.samplerate
            file.seek(min(round(offset * rate), file.frames))
            samples = file.read(-1 if duration is None else round(duration * rate), "float32", always_2d=True)
    except soundfile.LibsndfileError:
        from audio.recording import read_audio  # by FFmpeg, which need not be there for the usual formats

        samples, rate = read_audio(path, SAMPLE_RATE).numpy()[:, None], SAMPLE_RATE
        start = round(offset * rate)
        samples = samples[start : None if duration is None else start + round(duration * rate)]
    if not len(samples):
        raise LLVCError(f"{path}: holds no samples there; mend the manifest or leave it out")
    samples = samples.mean(axis=1)
    if not np.isfinite(samples).all():
        raise LLVCError(f"{path}: holds samples that are not finite; leave it out")
    if rate == SAMPLE_RATE:
        return samples
    return torchaudio.functional.resample(torch.from_numpy(samples), rate, SAMPLE_RATE).numpy()


def int16(samples):
    """Samples as the integers of 16-bit files."""
    return torch.from_numpy((32768 * samples).round().clip(-32768, 32767).astype(np.int16))


def write(path, samples, opus=False):
    """Writes samples [N] at SAMPLE_RATE to path.flac, or to path.ogg as Opus of some 22 kbit/s."""
    if opus:
        soundfile.write(f"{path}.ogg", samples, SAMPLE_RATE, format="OGG", subtype="OPUS", compression_level=0.94)
    else:
        soundfile.write(f"{path}.flac", samples, SAMPLE_RATE, subtype="PCM_16")


@dataclass(frozen=True)
class Recording:
    """A row of a manifest: a file, or some seconds of it, spoken by one person."""

    audio_filepath: Path
    speaker: str
    licence: str
    offset: float = 0.0
    duration: float | None = None

    def read(self):
        return read(self.audio_filepath, self.offset, self.duration)


def read_manifest(path):
    """The Recordings of a manifest: JSON lines as NeMo's (audio_filepath, offset, duration) with speaker and licence.

    Relative names count from the manifest. ManifestError if it is broken, or names a recording whose licence is none of
    CLEAN_LICENCE.
    """
    path, rows = Path(path), []
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError:
        raise ManifestError(f"{path}: not text; name a manifest of JSON lines") from None
    for number, line in enumerate(lines, start=1):
        if line.strip():
            rows.append(_row(line, f"{path}, line {number}", path.parent))
    if not rows:
        raise ManifestError(f"{path}: names no recordings")
    unclean = [row for row in rows if not CLEAN_LICENCE.fullmatch(row.licence)]
    if unclean:
        names = "; ".join(sorted({f"{row.audio_filepath} ({row.licence or 'none'})" for row in unclean}))
        raise ManifestError(
            f"{path}: only CC BY, CC0, public domain and own synthesis are trained on; leave out: {names}"
        )
    licences = {}
    for row in rows:
        if licences.setdefault(row.speaker, row.licence) != row.licence:
            raise ManifestError(f"{path}: {row.speaker} has two licences; give each a speaker's name of its own")
    return rows


def _row(line, where, folder):
    try:
        row = json.loads(line)
        file, speaker, licence = (row[name] for name in ("audio_filepath", "speaker", "licence"))
        offset, duration = float(row.get("offset") or 0), row.get("duration")
        duration = None if duration is None else float(duration)
    except (ValueError, TypeError, AttributeError):
        raise ManifestError(f"{where}: no table of names and values; mend the manifest") from None
    except KeyError as error:
        raise ManifestError(f"{where}: {error.args[0]} is missing; mend the manifest") from None
    if not all(isinstance(value, str) for value in (file, speaker, licence)):
        raise ManifestError(f"{where}: audio_filepath, speaker and licence are texts; mend the manifest")
    if not speaker or "/" in speaker or speaker.startswith("."):
        raise ManifestError(f"{where}: {speaker!r} cannot be a folder's name; give the speaker another name")
    numbers = (offset, 1.0 if duration is None else duration)
    if not all(map(math.isfinite, numbers)) or offset < 0 or numbers[1] <= 0:
        raise ManifestError(f"{where}: offset and duration are seconds; mend the manifest")
    return Recording(folder / file, speaker, licence.strip(), offset, duration)


def write_manifest(path, rows):
    """Writes Recordings under the folder of `path` as a manifest."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for row in rows:
            table = asdict(row) | {"audio_filepath": row.audio_filepath.relative_to(Path(path).parent).as_posix()}
            table = {name: value for name, value in table.items() if value is not None}
            file.write(json.dumps(table, ensure_ascii=False) + "\n")
