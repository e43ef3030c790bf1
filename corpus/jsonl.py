# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Corpora that are lists of JSON rows: reading the lines, and writing them with what became of their audio."""

import gzip
import json
import os
import zlib

from audio.files import replacing

from .item import CorpusError, Source, guess_seconds, relative_name


class Corpus:
    """What lists audio. `sources` are the audio, each once; `failures` [(name, reason)] what cannot even be listed."""

    takes_shards = True  # rows can have their audio in a Parquet shard

    def __init__(self):
        self.sources, self.failures, self.left_out = [], [], 0
        self._known = {}

    def add_file(self, name, folder, seconds=None):
        """Takes a file that a manifest in `folder` names into the sources; returns the name of the source.

        A relative name counts from the manifest or, if nothing is there, from the working directory.
        """
        path = os.path.normpath(os.path.join(folder, name))
        if not os.path.exists(path) and os.path.exists(name):
            path = os.path.abspath(name)
        if path not in self._known:
            seconds = guess_seconds(path) if seconds is None else seconds
            self._known[path] = Source(path, path, relative_name(path, folder), seconds)
            self.sources.append(self._known[path])
        return path


class JsonCorpus(Corpus):
    """Rows of JSON, of which there are len() many.

    row(i, facts) is the row of the output manifest, None for one whose audio failed: facts(name) tells what became of
    a source, or None.
    """

    manifest = "manifest.jsonl"

    def rows(self, facts):
        """The rows of the output manifest, in the order of the input's."""
        return [row for row in (self.row(index, facts) for index in range(len(self))) if row]

    def table(self, facts):
        """(the rows as an Arrow table, the facts of their audio)."""
        from .arrow import json_table

        rows = self.rows(facts)
        return json_table(rows), rows

    def write(self, path, facts):
        """Writes the output manifest, whole or not at all."""
        lines = (json.dumps(row) + "\n" for row in self.rows(facts))
        with replacing(path) as temporary, temporary.open("wb") as file:
            if path.suffix != ".gz":
                file.writelines(line.encode() for line in lines)
                return
            with gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
                packed.writelines(line.encode() for line in lines)


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


def read_json_lines(path):
    """The rows of a file of JSON lines, gzipped or not. CorpusError names the file and the line at fault."""
    rows, number = [], 0
    try:
        with open(path, "rb") as file:
            packed = file.read(2) == b"\x1f\x8b"
        with gzip.open(path, "rb") if packed else open(path, "rb") as file:
            for number, line in enumerate(file, 1):
                text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if text:
                    row = json.loads(text)
                    if not isinstance(row, dict):
                        raise CorpusError(f"{path}, line {number}: no table of names and values; mend the manifest")
                    rows.append(row)
    except CorpusError:
        raise
    except (ValueError, RecursionError):
        raise CorpusError(f"{path}, line {number or 1}: not JSON; mend the manifest") from None
    except (EOFError, zlib.error, gzip.BadGzipFile):
        raise CorpusError(f"{path}: a damaged gzip file; get it again") from None
    except OSError as error:
        raise CorpusError(f"{path}: cannot be read ({error.strerror or error})") from None
    if not rows:
        raise CorpusError(f"{path}: holds no rows")
    return rows
