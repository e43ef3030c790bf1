# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Speech of our own to train on: eSpeak NG and flite read sentences."""

import random
import shutil
import subprocess
from pathlib import Path

from reference.errors import LLVCError

from .recordings import Recording, write_manifest

SENTENCES = Path(__file__).with_name("sentences.txt")
# eSpeak's voice variants: formants, pitch and voice quality; flite's are built from recordings of real people.
ESPEAK_VARIANTS = ["m1", "m2", "m3", "m4", "m5", "m6", "m7", "m8", "f1", "f2", "f3", "f4", "f5", "klatt", "klatt2"]
ESPEAK_VARIANTS += ["klatt3", "klatt4", "Andy", "Annie", "Diogo", "Gene", "Jacky", "Lee", "Michael", "Mike", "Alicia"]
FLITE_VOICES = ["kal16", "awb", "rms", "slt"]


def sentences():
    """[(eSpeak language, sentence)] of the text file beside this one."""
    return [tuple(line.split("\t")) for line in SENTENCES.read_text(encoding="utf-8").splitlines()]


def commands(count, seed):
    """{speaker: [command]}, `count` for each voice; to each command the name of the file that it writes is added."""
    rng, texts, jobs = random.Random(seed), sentences(), {}
    for variant in ESPEAK_VARIANTS:
        pitch = rng.randint(20, 80)
        jobs[f"espeak-{variant}"] = []
        for _ in range(count):
            language, text = rng.choice(texts)
            numbers = f" {rng.randint(0, 999999)}, {rng.randint(0, 9999)}."  # all digits' words, for nothing
            speed = rng.randint(115, 210)
            jobs[f"espeak-{variant}"].append(
                ["espeak-ng", "-v", f"{language}+{variant}", "-p", str(pitch), "-s", str(speed), text + numbers, "-w"]
            )
    english = [text for language, text in texts if language.startswith("en")]
    for voice in FLITE_VOICES:
        lines = [f"{rng.choice(english)} {rng.randint(0, 999999)}." for _ in range(count)]
        jobs[f"flite-{voice}"] = [["flite", "-voice", voice, "-t", line, "-o"] for line in lines]
    return jobs


def synthesise(folder, count, seed):
    """Writes folder/SPEAKER/NUMBER.wav and folder/manifest.jsonl. LLVCError if a program is missing."""
    missing = [program for program in ("espeak-ng", "flite") if shutil.which(program) is None]
    if missing:
        raise LLVCError(f"{' and '.join(missing)} not found; install with: apt-get install {' '.join(missing)}")
    rows = []
    for speaker, lines in commands(count, seed).items():
        (folder / speaker).mkdir(parents=True, exist_ok=True)
        for number, command in enumerate(lines):
            path = folder / speaker / f"{number:04}.wav"
            subprocess.run([*command, str(path)], check=True, capture_output=True)
            rows.append(Recording(path, speaker, "own synthesis"))
    write_manifest(folder / "manifest.jsonl", rows)
