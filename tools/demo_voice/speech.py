# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Training pairs: speech of many speakers and the same speech by the target voice, two channels of one file."""

import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import soundfile
import torch
import torchaudio

from audio.folder import required_audio_files
from audio.recording import read_audio

from .target import SAMPLE_RATE, Analysis, Speaker, to_target

SENTENCES = Path(__file__).with_name("sentences.txt")
# eSpeak's voice variants: formants, pitch and voice quality; flite's are built from recordings of real people.
ESPEAK_VARIANTS = ["m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "klatt", "klatt2"]
ESPEAK_VARIANTS += ["klatt3", "klatt4", "Andy", "Annie", "Diogo", "Gene", "Jacky", "Lee", "Michael", "Mike", "Alicia"]
FLITE_VOICES = ["kal16", "awb", "rms", "slt"]
VALID_VOICES = {"espeak-m4", "espeak-f3", "flite-awb"}  # never trained on
# Playing a recording faster or slower makes another speaker of it: pitch and vocal tract length change alike.
SPEEDS = (0.62, 0.7, 0.78, 0.86, 0.93, 1.0, 1.0, 1.1, 1.2)
UTTERANCE_SECONDS = (0.7, 12.0)
RMS = 0.08


@dataclass
class SpeakerJob:
    """One speaker: where the recordings are, and how fast they are played, or the commands that make them."""

    name: str
    split: str
    recordings: list = field(default_factory=list)
    speed: float = 1.0
    commands: list = field(default_factory=list)  # each without the name of the file that it writes, its last word


def sentences():
    """[(eSpeak language, sentence)] of the text file beside this one."""
    return [tuple(line.split("\t")) for line in SENTENCES.read_text(encoding="utf-8").splitlines()]


def synthesiser_jobs(sentences_per_voice, rng):
    """Jobs for eSpeak's variants, any language, and flite's English voices."""
    texts = sentences()
    jobs = []
    for variant in ESPEAK_VARIANTS:
        pitch = rng.randint(20, 80)
        commands = []
        for _ in range(sentences_per_voice):
            language, text = rng.choice(texts)
            numbers = f" {rng.randint(0, 999999)}, {rng.randint(0, 9999)}."  # all digits' words, for nothing
            speed = rng.randint(115, 210)
            commands.append(
                ["espeak-ng", "-v", f"{language}+{variant}", "-p", str(pitch), "-s", str(speed), text + numbers, "-w"]
            )
        jobs.append(_job(f"espeak-{variant}", commands))
    english = [text for language, text in texts if language.startswith("en")]
    for voice in FLITE_VOICES:
        lines = [f"{rng.choice(english)} {rng.randint(0, 999999)}." for _ in range(sentences_per_voice)]
        jobs.append(_job(f"flite-{voice}", [["flite", "-voice", voice, "-t", line, "-o"] for line in lines]))
    return jobs


def _job(name, commands):
    return SpeakerJob(name, "valid" if name in VALID_VOICES else "train", commands=commands)


def recording_jobs(folder, copies, valid, rng):
    """Jobs for a folder of recordings with a folder for each speaker; those named in `valid` are not trained on.

    Each recording is used `copies` times, once as it is and then at other speeds.
    """
    jobs = {}
    for path in required_audio_files(folder):
        speaker = path.parent.name
        split = "valid" if speaker in valid else "train"
        for copy in range(copies if split == "train" else 1):
            speed = 1.0 if copy == 0 else rng.choice(SPEEDS)
            job = jobs.setdefault((speaker, speed), SpeakerJob(f"{speaker}-{speed}", split, speed=speed))
            job.recordings.append(path)
    return list(jobs.values())


def make_pairs(job, voice, folder):
    """Writes folder/SPLIT/SPEAKER/NUMBER.wav, source left and target right; returns the seconds written."""
    with tempfile.TemporaryDirectory() as temporary:
        paths = list(job.recordings)
        for number, command in enumerate(job.commands):
            path = Path(temporary) / f"{number}.wav"
            subprocess.run([*command, str(path)], check=True, capture_output=True)
            paths.append(path)
        analyses = [Analysis.of(samples) for path in paths if (samples := _read(path, job.speed)) is not None]
    analyses = [a for a in analyses if (a.f0 > 0).mean() > 0.1]
    if not analyses:
        return 0.0
    speaker = Speaker.of(analyses, voice)
    out = Path(folder) / job.split / job.name
    out.mkdir(parents=True, exist_ok=True)
    for number, analysis in enumerate(analyses):
        pair = np.stack((analysis.samples, to_target(analysis, speaker, voice)), axis=1)
        pair *= min(1.0, 0.98 / np.abs(pair).max())
        soundfile.write(out / f"{number:04}.wav", pair, SAMPLE_RATE, subtype="PCM_16")
    return sum(len(a.samples) for a in analyses) / SAMPLE_RATE


def _read(path, speed):
    """Samples [N] of a file played at a speed, all equally loud; None if they are too short or silent."""
    samples = read_audio(path, SAMPLE_RATE)
    if speed != 1.0:
        samples = torchaudio.functional.resample(samples, round(100 * speed), 100)
    if len(samples) < UTTERANCE_SECONDS[0] * SAMPLE_RATE:
        return None
    samples = samples[: int(UTTERANCE_SECONDS[1] * SAMPLE_RATE)].double().numpy()
    rms = np.sqrt(np.mean(samples**2))
    return samples * RMS / rms if rms > 1e-4 else None


class Pairs(torch.utils.data.IterableDataset):
    """Endless random segments (source, target), each [samples], of the pairs under a folder.

    Every speaker group is equally likely by the square root of its length. The level is random, and the source's
    spectrum gently tilted, as microphones do; the target's is not.
    """

    def __init__(self, folder, samples, seed):
        self.samples, self.seed = samples, seed
        self.speakers = [
            [soundfile.read(p, dtype="int16")[0] for p in sorted(d.glob("*.wav"))] for d in sorted(folder.iterdir())
        ]
        lengths = np.array([sum(map(len, s)) for s in self.speakers], float)
        self.weights = np.sqrt(lengths) / np.sqrt(lengths).sum()

    def __iter__(self):
        rng = np.random.default_rng(self.seed)
        while True:
            speaker = self.speakers[rng.choice(len(self.speakers), p=self.weights)]
            lengths = np.array([len(pair) for pair in speaker], float)
            pair = speaker[rng.choice(len(speaker), p=lengths / lengths.sum())]
            start = rng.integers(max(1, len(pair) - self.samples + 1))
            pair = pair[start : start + self.samples] / 32768.0
            pair = np.pad(pair, ((0, self.samples - len(pair)), (0, 0))) * 10 ** (rng.uniform(-12, 6) / 20)
            source = _tilt(pair[:, 0], rng)
            scale = min(1.0, 0.95 / max(np.abs(source).max(), np.abs(pair[:, 1]).max(), 1e-6))
            yield torch.from_numpy(source * scale).float(), torch.from_numpy(pair[:, 1] * scale).float()


def _tilt(x, rng):
    """x [N] through a smooth random response of a few decibels."""
    bins = len(x) // 2 + 1
    decibels = np.interp(np.linspace(0, 1, bins), np.linspace(0, 1, 5) ** 2, rng.normal(0, 2.5, 5))
    return np.fft.irfft(np.fft.rfft(x) * 10 ** (decibels / 20), len(x))
