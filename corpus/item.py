# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The audio of a corpus, each once, whatever lists it how often, and the names of the results."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from demo.names import result_names
from reference.errors import LLVCError

LOSSLESS_BYTES_PER_S, OTHER_BYTES_PER_S = 32_000, 8_000  # of a guess
LOSSLESS = {".wav", ".flac", ".aiff", ".aif", ".caf", ".au", ".w64", ".rf64"}


class CorpusError(LLVCError):
    """A corpus that cannot be read, or a run that cannot start or go on."""


@dataclass(frozen=True)
class Source:
    """Audio of a corpus: a file, or a row of a table.

    `name` is what the corpus calls it and what tells it from all others; `wanted` is the path that its result would
    like, with any suffix; `seconds` is a guess by which work is laid out.
    """

    name: str
    path: str  # of the file, or of the table
    wanted: str
    seconds: float
    row: tuple[int, int] | None = None  # row group of the table, and row in it

    @property
    def id(self):
        return hashlib.sha256(self.name.encode("utf-8", "surrogatepass")).hexdigest()[:32]


@dataclass(frozen=True)
class Item:
    """A Source and the path of its result under the output folder."""

    source: Source
    output: str

    @property
    def id(self):
        return self.source.id


def guess_seconds(path):
    """About how long a file is, by its size; 0 for one that is not there."""
    try:
        size = os.stat(path).st_size
    except (OSError, ValueError):  # no name of a file
        return 0.0
    return size / (LOSSLESS_BYTES_PER_S if Path(path).suffix.lower() in LOSSLESS else OTHER_BYTES_PER_S)


def relative_name(path, folder):
    """Where the result of a file belongs: as in the folder or, if it is not in there, by its absolute path."""
    path = os.path.normpath(os.path.join(folder, path))
    inside = os.path.relpath(path, folder)
    return path.lstrip("/") if inside.startswith("..") else inside


def inside_name(name):
    """Any name as a path that stays under the folder that it is joined to."""
    parts = [part for part in PurePosixPath(name.replace("\0", "")).parts if part not in ("/", "..")]
    return str(PurePosixPath(*parts)) if parts else ""


def plan_items(sources, suffix=None):
    """An Item of each Source, their outputs all different: a.wav is that of a.wav, not of the a.mp3 beside it.

    Without a suffix for all, FLAC stays FLAC and everything else becomes WAV.
    """
    wanted = {source.name: PurePosixPath(inside_name(source.wanted) or source.id) for source in sources}
    outputs = result_names(wanted, lambda path: suffix or (".flac" if path.suffix.lower() == ".flac" else ".wav"))
    return [Item(source, str(outputs[source.name])) for source in sources]
