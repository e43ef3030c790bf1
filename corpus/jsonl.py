# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Corpora that are lists of JSON rows: reading the lines, and writing them with what became of their audio."""

import gzip
import json
import os
import zlib

from audio.files import replacing

from .item import CorpusError, Source, find_file, guess_seconds, relative_name


class Corpus:
    """What lists audio. `sources` are the audio, each once.

    `failures` [(name, reason)] are what cannot even be listed, `left_out` [(path, reason)] what is no audio.
    """

    takes_shards = True  # rows can have their audio in a Parquet shard

    def __init__(self):
        self.sources, self.failures, self.left_out = [], [], []
        self._known, self._given = {}, set()

    def add_file(self, given, folder, in_tar=False):
        """Takes a file that a manifest in `folder` names into the sources; returns the name of the source.

        That is the name that was given to it first. None, and a failure, for what is no file (see find_file), or only
        in a tar file.
        """
        try:
            path = find_file(given, folder)
            if in_tar and not os.path.exists(path):
                raise CorpusError(f"{given}: is in a tar file, which is not opened; unpack it beside the manifest")
        except CorpusError as error:
            self.failures.append((given, str(error)))
            return None
        if path not in self._known:
            name = path if given in self._given else given  # a file of that name in another folder
            self._given.add(name)
            self._known[path] = Source(name, path, relative_name(path, folder), guess_seconds(path))
            self.sources.append(self._known[path])
        return self._known[path].name


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
