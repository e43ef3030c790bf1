# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Results as the rows of Parquet shards, all of them replaced at once."""

import hashlib
import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

import pyarrow
from pyarrow import parquet

from audio.files import sha256_of

from .arrow import with_audio, write_table
from .item import Source
from .rows import RowReader
from .state import to_json, write_text

SHARD_BYTES = 256 << 20  # of audio, at least


class Shards:
    """The shards of a State's output folder, data/train-00000-of-00002.parquet and so on.

    `places` {name of a result: (shard, (row group, row))} are the results in shards as they were written.
    """

    def __init__(self, state):
        self._state = state
        self._folder, self._list = state.output / "data", state.folder / "shards.json"
        self._new, self._ready = state.folder / "shards.new", state.folder / "shards.ready"
        shutil.rmtree(self._new, ignore_errors=True)
        if self._ready.exists():
            self._replace()
        self.places, self._rows = {}, None
        with suppress(OSError, ValueError):
            written = json.loads(self._list.read_text())
            self._rows = written["rows"]
            for name, digest in written["sha256"].items():
                self._index(self._folder / name, digest)

    def _index(self, shard, digest):
        if not shard.is_file() or sha256_of(shard) != digest:
            self._rows = None
            return
        file = parquet.ParquetFile(shard)
        for group in range(file.num_row_groups):
            audio = file.read_row_group(group, columns=["audio.path"]).column(0).to_pylist()
            for row, entry in enumerate(audio):
                self.places[entry["path"]] = str(shard), (group, row)

    def write(self, table, known):
        """Writes a table's rows with the audio of their facts; nothing where they are there already."""
        digest = _digest(table)
        if digest != self._rows:
            names = self._write_new(table, known)
            sums = {name: sha256_of(self._new / "data" / name) for name in names}
            write_text(self._new / "shards.json", to_json({"rows": digest, "sha256": sums}) + "\n")
            os.replace(self._new, self._ready)
            self._replace()
        shutil.rmtree(self._state.audio, ignore_errors=True)

    def remove(self):
        """Removes the shards, whose rows are files now."""
        for shard in {shard for shard, _ in self.places.values()}:
            self._state.remove(Path(shard))
        self._list.unlink()

    def _write_new(self, table, known):
        starts, size = [0], 0
        files, reader = [], RowReader()
        for fact in known:
            path = self._state.audio / fact["path"]
            files.append(path if path.exists() else None)
        sizes = [fact["num_samples"] * 2 for fact in known]
        for row, length in enumerate(sizes):
            if size >= SHARD_BYTES:
                starts.append(row)
                size = 0
            size += length
        names = [f"train-{i:05d}-of-{len(starts):05d}.parquet" for i in range(len(starts))]
        for name, start, end in zip(names, starts, [*starts[1:], len(known)], strict=True):
            audio = [
                {"bytes": self._bytes(reader, files[row], known[row]["path"]), "path": known[row]["path"]}
                for row in range(start, end)
            ]
            rate = known[start]["sample_rate"] if known else None
            write_table(self._new / "data" / name, with_audio(table.slice(start, end - start), audio, rate))
        return names

    def _bytes(self, reader, file, name):
        if file is None:
            shard, place = self.places[name]
            file = Path(reader.take(Source(name, shard, name, 0.0, place), self._state.work / "audio"))
        return file.read_bytes()

    def _replace(self):
        """Puts the shards that are ready in the place of those before. Also goes on where that was cut off."""
        if (self._ready / "data").exists():
            shutil.rmtree(self._folder, ignore_errors=True)
            os.replace(self._ready / "data", self._folder)
        shutil.copyfile(self._ready / "shards.json", self._list)
        shutil.rmtree(self._ready)


def _digest(table):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()
