# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The audio of a corpus, each once, whatever lists it how often, and the names of the results."""

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

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
    row: tuple[str, int, int] | None = None  # column of the table, row group, and row in it

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


def find_file(given, folder):
    """The absolute path of what a manifest in `folder` calls a file; CorpusError if that is an address.

    A relative name counts from the manifest or, if nothing is there, from the working directory; "~" is the home.
    """
    if given.startswith("file://"):
        host, _, path = given.removeprefix("file://").partition("/")
        if host not in ("", "localhost"):
            raise CorpusError(f"{given}: is on the host {host}; only files of this machine are opened")
        return os.path.abspath("/" + unquote(path))
    home = os.path.expanduser(given)
    for path in (os.path.join(folder, given), home):
        if os.path.exists(path):
            return os.path.abspath(path)
    if "://" in given:
        raise CorpusError(f"{given}: is an address; download it and name the file, only files are opened")
    return os.path.abspath(os.path.join(folder, home))


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


def with_facts(row, facts):
    """A row and facts about it; a field of the row that has a fact's name goes on as source_NAME."""
    row = dict(row)
    for name, value in facts.items():
        if name in row:
            kept = f"source_{name}"
            while kept in row or kept in facts:
                kept = f"source_{kept}"
            row[kept] = row[name]
        row[name] = value
    return row


def joined_facts(known):
    """The facts of several files as those of one recording: theirs where they differ, in a list."""
    lists = ("path", "input_sha256", "output_sha256") if len(known) > 1 else ()
    return known[0] | {name: [facts[name] for facts in known] for name in lists}
