# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The speech that a voice is judged by: 50 utterances of LibriSpeech test-clean, and the target speaker's own."""

import os
import shutil
import tarfile
import tempfile
import urllib.parse
import zlib
from pathlib import Path

import httpx2
import torchaudio
from tqdm import tqdm

from audio.files import replacing
from reference.errors import LLVCError, one_line

UTTERANCES = Path(__file__).with_name("utterances.txt")
LIBRISPEECH = Path("LibriSpeech", "test-clean")  # in the folder of the corpus
TARGET_SPEAKER = 8312  # whose voice the published checkpoints have
TARGET_UTTERANCES = 20
# One speaker of LibriSpeech's training sets without its 29 GB: rows of a data set on the Hugging Face Hub.
ROWS = "https://datasets-server.huggingface.co/filter"
DATASET, SUBSET, SPLITS = "openslr/librispeech_asr", "clean", ("train.360", "train.100")


class CorpusError(LLVCError):
    """Speech that could not be had."""


def listed():
    """Names of the utterances, speaker-chapter-number."""
    lines = UTTERANCES.read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def fetch_utterances(root, folder, names):
    """Puts these utterances of test-clean and their words into `folder`; returns how many there are.

    Downloads the corpus (346 MB) into `root` where it is not. CorpusError if it cannot be had or lacks one of them.
    """
    if not (root / LIBRISPEECH).is_dir():
        _download(root)
    corpus = torchaudio.datasets.LIBRISPEECH(str(root), url="test-clean")
    wanted = dict.fromkeys(names)
    for index in range(len(corpus)):
        path, _, words, *numbers = corpus.get_metadata(index)
        name = "{}-{}-{:04}".format(*numbers)
        if name in wanted:
            wanted[name] = (root / "LibriSpeech" / path, words)
    if missing := [name for name, found in wanted.items() if found is None]:
        few = ", ".join(missing[:3])
        raise CorpusError(
            f"{root / LIBRISPEECH}: lacks {len(missing)} of {len(names)} utterances ({few}, ...); name a folder "
            "that has all of test-clean with --corpus"
        )
    for name, (path, words) in wanted.items():
        with replacing(folder / f"{name}{path.suffix}") as temporary:
            shutil.copyfile(path, temporary)
        with replacing(folder / f"{name}.txt") as temporary:
            temporary.write_text(words + "\n")
    return len(wanted)


def _download(root):
    """Downloads test-clean and puts it into `root` when all of it is there. CorpusError."""
    try:
        root.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=".download-", dir=root) as part:
            torchaudio.datasets.LIBRISPEECH(part, url="test-clean", download=True)
            (root / LIBRISPEECH).parent.mkdir(exist_ok=True)
            os.replace(Path(part, LIBRISPEECH), root / LIBRISPEECH)
    except (OSError, RuntimeError, EOFError, tarfile.TarError, zlib.error) as error:  # no connection, a broken archive
        reason = one_line(error)
        raise CorpusError(f"LibriSpeech test-clean cannot be had ({reason}); run this again to retry") from None


def fetch_target(folder, count=TARGET_UTTERANCES):
    """Puts up to `count` utterances of the target speaker into `folder`; returns how many there are. CorpusError."""
    with httpx2.Client(follow_redirects=True, timeout=60) as client:
        rows = _target_rows(client, count)
        for row in tqdm(rows, desc=f"speaker {TARGET_SPEAKER}", unit="file", leave=False):
            name, source = row["id"], row["audio"][0]["src"]
            suffix = Path(urllib.parse.urlparse(source).path).suffix or ".wav"
            if not (folder / f"{name}{suffix}").exists():
                audio = _get(client, source).content
                with replacing(folder / f"{name}{suffix}") as temporary:
                    temporary.write_bytes(audio)
    return len(rows)


def _target_rows(client, count):
    for split in SPLITS:
        query = {"dataset": DATASET, "config": SUBSET, "split": split, "where": f"speaker_id={TARGET_SPEAKER}"}
        found = _get(client, ROWS, params=query | {"offset": 0, "length": count})
        try:
            rows = [entry["row"] for entry in found.json()["rows"]]
            if rows and all({"id", "audio"} <= set(row) for row in rows):
                return rows
        except (ValueError, KeyError, TypeError) as error:
            raise CorpusError(f"{ROWS}: an answer that is not understood ({one_line(error)})") from None
    raise CorpusError(f"{ROWS}: no speech of speaker {TARGET_SPEAKER} in {SUBSET}, {' or '.join(SPLITS)}")


def _get(client, url, **options):
    try:
        return client.get(url, **options).raise_for_status()
    except httpx2.HTTPError as error:
        reason = one_line(error).partition(" For more information")[0]
        raise CorpusError(f"{urllib.parse.urlparse(url).hostname}: {reason}; run this again to retry") from None
