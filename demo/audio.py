# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio files in and out: whatever libsndfile reads, as mono at the network's sample rate."""

import os
from fractions import Fraction
from pathlib import Path

import soundfile
import torch
import torchaudio

from reference.errors import LLVCError

from .files import replacing

# Formats by file name suffix: what libsndfile calls them, and what it leaves out.
FORMATS = {f".{name.lower()}": name for name in soundfile.available_formats() if name != "RAW"}
FORMATS |= {".aif": "AIFF", ".aifc": "AIFF", ".oga": "OGG", ".opus": "OGG", ".snd": "AU"}

# Rates are resampled by a ratio of whole numbers no larger than this below the line: exact for all usual rates, to
# within a millionth for odd ones, whose exact ratio would take gigabytes of filter.
MAX_RATIO = 2000


class AudioError(LLVCError):
    """Audio that cannot be read or written; the message names the file."""


def find_audio_files(folder):
    """All audio files under a folder by their suffix, sorted; hidden files and folders left out."""
    files = (path for path in Path(folder).rglob("*") if path.suffix.lower() in FORMATS and path.is_file())
    return sorted(p for p in files if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def required_audio_files(folder):
    """find_audio_files of a folder that must hold some. AudioError if it does not."""
    if not Path(folder).is_dir():
        raise AudioError(f"{folder}: no such folder; name a folder of audio files")
    files = find_audio_files(folder)
    if not files:
        raise AudioError(f"{folder}: no audio files in this folder")
    return files


def read_audio(path, sample_rate):
    """Reads an audio file: float32 samples [N] at sample_rate (Hz), the mean of its channels.

    AudioError if it is missing, not audio, damaged, empty, not finite or at a rate that cannot be resampled.
    """
    path = Path(path)
    try:
        if not path.is_file():
            what = "no such file" if not path.exists() else "not a file"
            raise AudioError(f"{path}: {what}; name an audio file or a folder with -i")
        # Opened here, because soundfile does not take every file name, and handed over as a descriptor, because it
        # swallows an interrupt while it reads through a Python file.
        with path.open("rb", buffering=0) as raw:
            _check_complete(path, raw)
            with soundfile.SoundFile(raw.fileno(), closefd=False) as file:
                rate, promised = file.samplerate, file.frames
                samples = torch.from_numpy(file.read(dtype="float32", always_2d=True))
    except AudioError:
        raise
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise AudioError(f"{path}: not an audio file that can be read ({reason})") from None
    except OSError as error:
        raise AudioError(f"{path}: cannot be read ({error.strerror or error})") from None
    except (TypeError, ValueError, MemoryError) as error:
        raise AudioError(f"{path}: cannot be read ({error})") from None
    if len(samples) == 0:
        raise AudioError(f"{path}: holds no samples")
    if len(samples) < promised:
        raise AudioError(f"{path}: damaged, ends after {len(samples)} of {promised} samples")
    ratio = Fraction(sample_rate, rate).limit_denominator(MAX_RATIO)
    if ratio == 0:
        raise AudioError(f"{path}: a rate of {rate} Hz is too high; resample it first")
    mono = samples.double().mean(dim=1).float()
    mono = torchaudio.functional.resample(mono, ratio.denominator, ratio.numerator)
    if not torch.isfinite(samples).all() or not torch.isfinite(mono).all():
        raise AudioError(f"{path}: holds samples that are not finite numbers, or too large")
    return mono


def _check_complete(path, raw):
    """Raises AudioError for a WAV file that ends before its header says: libsndfile takes what there is."""
    header = raw.read(8)
    size = raw.seek(0, os.SEEK_END)
    raw.seek(0)
    promised = int.from_bytes(header[4:], "little") + len(header)
    # Programs that write to a pipe cannot know the size and leave 0 or the largest number.
    if header[:4] == b"RIFF" and size + 1 < promised < 0xFFFFFF00:
        raise AudioError(f"{path}: damaged, ends after {size} of {promised} bytes")


def check_writable(path):
    """Raises AudioError if no audio file of this name can be written."""
    path = Path(path)
    if path.is_dir():
        raise AudioError(f"{path}: is a folder; name the output file with -o")
    if path.suffix.lower() not in FORMATS:
        suffixes = " ".join(sorted(FORMATS))
        raise AudioError(f"{path}: {path.suffix or 'a name without suffix'} is no audio format; take one of {suffixes}")


def write_audio(path, audio, sample_rate):
    """Writes samples [N], 16-bit where the format has it, all or nothing. Returns how many reached full scale.

    Samples beyond -1 .. 1 are clipped. AudioError if they are not finite or the format refuses them, FileError if
    the file cannot be written.
    """
    path = Path(path)
    check_writable(path)
    if not torch.isfinite(audio).all():
        raise AudioError(f"{path}: not written, the converted audio is not finite; check the checkpoint")
    suffix = path.suffix.lower()
    container = FORMATS[suffix]
    subtype = "PCM_16" if soundfile.check_format(container, "PCM_16") else soundfile.default_subtype(container)
    if suffix == ".opus":
        subtype = "OPUS"
    with replacing(path) as temporary:
        try:
            with temporary.open("w+b", buffering=0) as raw:
                options = {"samplerate": sample_rate, "channels": 1, "format": container, "subtype": subtype}
                with soundfile.SoundFile(raw.fileno(), "w", closefd=False, **options) as file:
                    file.write(audio.clamp(-1, 1).numpy())
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path}: cannot be written ({error.error_string.strip().rstrip('.')})") from None
    return int((audio.abs() >= 1).sum())
