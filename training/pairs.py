# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Training pairs: two folders, source/ and target/, of recordings that have equal names and say the same in step.

The signal processing of target.py makes them, or any other converter. A pair's first folder is its group, "SPEAKER" or
"SPEAKER@SPEED"; without folders each file is a speaker.
"""

import multiprocessing
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import numpy as np
import torch
import torchaudio

from demo.backend import available_cores
from reference.errors import LLVCError, one_line

from .recordings import SAMPLE_RATE, Recording, audio_files, int16, read, write, write_manifest

UTTERANCE_SECONDS = (0.7, 12.0)
VOICED = 0.1  # share of an utterance, at least
RMS = 0.08
MEASURED = 40  # utterances of a speaker whose mean spectrum is taken for the speaker's

STEP = SAMPLE_RATE // 1000  # alignment is measured in milliseconds
LONGEST_LAG = 100  # of them
LARGEST_LAG = 5


@dataclass
class Job:
    """One speaker at one speed; another speed is another speaker's: pitch and vocal tract both change."""

    speaker: str
    speed: float
    rows: list = field(default_factory=list)

    @property
    def group(self):
        return self.speaker if self.speed == 1.0 else f"{self.speaker}@{self.speed:g}"


def speaker_of(name):
    """The speaker of a pair's or a group's name."""
    return name.split("/")[0].split("@")[0]


def jobs_of(rows, speeds):
    """The Jobs of a manifest's rows, every speaker at every speed; those with most to do first."""
    jobs = {}
    for row in rows:
        for speed in speeds:
            jobs.setdefault((row.speaker, speed), Job(row.speaker, speed)).rows.append(row)
    return sorted(jobs.values(), key=lambda job: -len(job.rows))


def make_pairs(rows, speeds, voice, folder, *, opus=False, workers=1):
    """Writes the pairs of Recordings and, where 1 is among the speeds, a manifest of their sources, into a folder.

    Groups that are there already stay as they are. Returns what was left out, a line each.
    """
    jobs, left_out = jobs_of(rows, speeds), []
    arguments = [(job, voice, folder, opus) for job in jobs]
    if workers == 1:
        left_out = [make_group(*a) for a in arguments]
    else:
        with multiprocessing.get_context("spawn").Pool(workers, torch.set_num_threads, (1,)) as pool:
            left_out = pool.starmap(make_group, arguments, chunksize=1)
    if not (folder / "source").is_dir():
        raise LLVCError(f"{folder}: no recording gives a pair; the first: {left_out[0][0]}")
    if 1.0 in speeds:
        licences = {row.speaker: row.licence for row in rows}
        sources = [
            Recording(path, speaker_of(name), licences[speaker_of(name)])
            for name, path in audio_files(folder / "source").items()
            if "@" not in name and speaker_of(name) in licences
        ]
        write_manifest(folder / "manifest.jsonl", sources)
    return [line for lines in left_out for line in lines]


def make_group(job, voice, folder, opus):
    """Writes source/GROUP/NUMBER and target/GROUP/NUMBER, or neither; returns what was left out, a line each."""
    from .target import Analysis, Speaker, to_target  # pyworld need not be there to train

    if (folder / "target" / job.group).exists():
        return []
    left_out, pieces = [], []
    for row in job.rows:
        try:
            pieces += _pieces(row.read(), job.speed)
        except LLVCError as error:
            left_out.append(one_line(error))
    measured = [Analysis.of(piece) for piece in pieces[:MEASURED]]
    if not any(map(_is_voiced, measured)):
        return [*left_out, f"{job.group}: no voiced speech of {UTTERANCE_SECONDS[0]} s"]
    speaker = Speaker.of(list(filter(_is_voiced, measured)), voice)
    part = {side: folder / side / f".{job.group}.part" for side in ("source", "target")}
    for path in (*part.values(), folder / "source" / job.group):  # what is left of an interrupted run
        shutil.rmtree(path, ignore_errors=True)
    for path in part.values():
        path.mkdir(parents=True)
    for number, analysis in enumerate(chain(measured, map(Analysis.of, pieces[MEASURED:]))):
        if _is_voiced(analysis):
            pair = {"source": analysis.samples, "target": to_target(analysis, speaker, voice)}
            scale = min(1.0, 0.98 / max(np.abs(samples).max() for samples in pair.values()))
            for side, samples in pair.items():
                write(part[side] / f"{number:04}", scale * samples, opus)
    for side, path in part.items():
        path.rename(folder / side / job.group)
    return left_out


def _is_voiced(analysis):
    return (analysis.f0 > 0).mean() > VOICED


def _pieces(samples, speed):
    """Pieces [N] of samples played at a speed, each of UTTERANCE_SECONDS, all equally loud, none silent."""
    if speed != 1.0:
        samples = torchaudio.functional.resample(torch.from_numpy(samples), round(100 * speed), 100).numpy()
    shortest, longest = (round(s * SAMPLE_RATE) for s in UTTERANCE_SECONDS)
    pieces = np.array_split(samples.astype(np.float64), max(1, -(-len(samples) // longest)))
    levels = [np.sqrt(np.mean(piece**2)) if len(piece) >= shortest else 0.0 for piece in pieces]
    return [piece * RMS / rms for piece, rms in zip(pieces, levels, strict=True) if rms > 1e-4]


def make_noise(rows, folder, opus=False):
    """Writes noise of a manifest's rows into folder/noise."""
    (folder / "noise").mkdir(parents=True, exist_ok=True)
    for number, row in enumerate(rows):
        write(folder / "noise" / f"{number:04}", row.read(), opus)


def lag(source, target):
    """By how many milliseconds target [N] comes after source [N], from -LONGEST_LAG to it.

    Cross-correlation of how the energy changes over 4 ms in eight bands: pitch and voice do not matter.
    """
    a, b = _changes(source), _changes(target)
    size = a.shape[1] + LONGEST_LAG
    product = torch.fft.rfft(a, size).conj() * torch.fft.rfft(b, size)
    correlation = torch.fft.irfft(product, size).sum(0)
    return int(torch.cat((correlation[-LONGEST_LAG:], correlation[: LONGEST_LAG + 1])).argmax()) - LONGEST_LAG


def _changes(samples):
    spectrum = torch.stft(samples, 256, STEP, window=torch.hann_window(256), return_complex=True).abs()
    bands = torch.stack([band.mean(0) for band in spectrum[2:114].split(14)])
    level = (bands + 1e-3 * bands.max() + 1e-9).log()
    return level[:, 4:] - level[:, :-4]


def read_pair(source, target):
    """The pair of two files as int16 [N, 2]. LLVCError if they are not of one length or not in step."""
    pair = [read(source), read(target)]
    if len(pair[0]) != len(pair[1]):
        raise LLVCError(f"{len(pair[0])} samples in the source and {len(pair[1])} in the target")
    if len(pair[0]) < 2 * LONGEST_LAG * STEP:
        raise LLVCError(f"shorter than {2e-3 * LONGEST_LAG:g} s")
    late = lag(*map(torch.from_numpy, pair))
    if abs(late) > LARGEST_LAG:
        raise LLVCError(f"the target is {abs(late)} ms {'late' if late > 0 else 'early'}")
    return int16(np.stack(pair, axis=1))


class PairFolders:
    """Two folders whose pairs are read as they come: source/ and target/, or any two."""

    def __init__(self, source, target):
        self.source, self.target = Path(source), Path(target)
        self._seen = set()

    def read_new(self):
        """Pairs that were not there the last time, {name: int16 [N, 2]}, and what is left out, [line]."""
        sources, targets = audio_files(self.source), audio_files(self.target)
        names = [name for name in targets if name in sources and name not in self._seen]
        left_out = [f"{name}: no such recording in {self.source}" for name in targets.keys() - sources.keys()]
        left_out += [f"{name}: no such recording in {self.target}" for name in sources.keys() - targets.keys()]
        left_out = sorted(line for line in left_out if line not in self._seen)
        self._seen.update(names, left_out)
        pairs = {}
        threads = torch.get_num_threads()
        torch.set_num_threads(1)  # of each of the pool's
        try:
            with ThreadPoolExecutor(available_cores()) as pool:
                results = list(pool.map(_pair_or_why, (sources[n] for n in names), (targets[n] for n in names)))
        finally:
            torch.set_num_threads(threads)
        for name, pair in zip(names, results, strict=True):
            if isinstance(pair, str):
                left_out.append(f"{name}: {pair}")
            else:
                pairs[name] = pair
        return pairs, left_out


def _pair_or_why(source, target):
    try:
        return read_pair(source, target)
    except LLVCError as error:
        return one_line(error)
