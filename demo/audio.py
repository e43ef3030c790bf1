# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio files in and out: whatever libsndfile reads, as mono at the network's sample rate."""

import math
from pathlib import Path

import soundfile
import torch
import torchaudio

from reference.errors import LLVCError

from .files import replacing

# Formats by file name suffix: what libsndfile calls them, and what it leaves out.
FORMATS = {f".{name.lower()}": name for name in soundfile.available_formats() if name != "RAW"}
FORMATS |= {".aif": "AIFF", ".aifc": "AIFF", ".oga": "OGG", ".opus": "OGG", ".snd": "AU"}

# Samples of the resampling kernel (0.5 GB): rates without a common divisor would need one of many gigabytes.
MAX_RESAMPLING_KERNEL = 2**27


class AudioError(LLVCError):
    """Audio that cannot be read or written; the message names the file."""


def find_audio_files(folder):
    """All audio files under a folder by their suffix, sorted; hidden files and folders left out."""
    files = (path for path in Path(folder).rglob("*") if path.suffix.lower() in FORMATS and path.is_file())
    return sorted(p for p in files if not any(part.startswith(".") for part in p.relative_to(folder).parts))


def read_audio(path, sample_rate):
    """Reads an audio file: float32 samples [N] at sample_rate (Hz), the mean of its channels.

    AudioError if it is missing, not audio, damaged, empty, not finite or at a rate that cannot be resampled.
    """
    path = Path(path)
    if not path.exists():
        raise AudioError(f"{path}: no such file; name an audio file or a folder with -i")
    try:
        with soundfile.SoundFile(path) as file:
            rate, promised = file.samplerate, file.frames
            samples = torch.from_numpy(file.read(dtype="float32", always_2d=True))
    except soundfile.LibsndfileError as error:
        reason = error.error_string.strip().rstrip(".")
        raise AudioError(f"{path}: not an audio file that can be read ({reason})") from None
    except (OSError, TypeError, ValueError, MemoryError) as error:
        raise AudioError(f"{path}: cannot be read ({error})") from None
    if len(samples) == 0:
        raise AudioError(f"{path}: holds no samples")
    if len(samples) < promised:
        raise AudioError(f"{path}: damaged, ends after {len(samples)} of {promised} samples")
    if not torch.isfinite(samples).all():
        raise AudioError(f"{path}: holds samples that are not finite numbers")
    return _resample(samples.mean(dim=1), rate, sample_rate, path)


def _resample(samples, rate, sample_rate, path):
    divisor = math.gcd(rate, sample_rate)
    if (rate // divisor) * (sample_rate // divisor) > MAX_RESAMPLING_KERNEL:
        raise AudioError(f"{path}: its rate of {rate} Hz has no common ratio to {sample_rate} Hz; resample it first")
    return torchaudio.functional.resample(samples, rate, sample_rate)


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
            soundfile.write(temporary, audio.clamp(-1, 1).numpy(), sample_rate, format=container, subtype=subtype)
        except soundfile.LibsndfileError as error:
            raise AudioError(f"{path}: cannot be written ({error.error_string.strip().rstrip('.')})") from None
    return int((audio.abs() >= 1).sum())
