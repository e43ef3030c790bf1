# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Results as the rows of Parquet shards, which replace those of an earlier run and nothing else."""

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
from .item import CorpusError, Source
from .rows import RowReader
from .state import to_json, write_text

FOLDER, SUFFIX = "data", ".parquet"  # of the output
LIST, READY = "shards.json", "shards.ready"  # of the state
SHARD_BYTES = 256 << 20  # of audio, at least


def check_folder(state):
    """CorpusError if the folder of a State's shards holds what no run has put there.

    Without a list of shards nothing may be there but results that the records name; with one, other Parquet files are
    refused, which would be taken for rows of the same table.
    """
    folder = state.output / FOLDER
    if not os.path.lexists(folder):
        return
    before, ready = _listed(state.folder / LIST), _listed(state.folder / READY / LIST)
    no_list = before is None and ready is None
    moved = (name for name in ready or () if not (state.folder / READY / FOLDER / name).exists())
    ours = {folder / name for name in (*(before or ()), *moved)}
    ours |= {state.output / record["output"] for record in state.load_records().values() if "output" in record}
    there = {path for path in folder.rglob("*") if not path.is_dir()}
    foreign = sorted(path for path in there - ours if no_list or path.suffix == SUFFIX)
    if not folder.is_dir() or no_list and not there:
        foreign = [folder]
    if foreign:
        raise CorpusError(f"{foreign[0]}: was not written by an earlier run and stays; name another folder with -o")


def _listed(path):
    """{name of a shard: its sha256} of a list; None if there is none."""
    try:
        return json.loads(path.read_text())["sha256"]
    except (OSError, ValueError):
        return None


class Shards:
    """The shards of a State's output folder, data/train-00000-of-00002.parquet and so on.

    `places` {name of a result: (shard, its Source.row)} are the results in shards as they were written. Of what is in
    the folder only that is ever replaced or removed which the list of an earlier run names (see check_folder).
    """

    def __init__(self, state):
        self._state = state
        self._folder, self._list = state.output / FOLDER, state.folder / LIST
        self._new, self._ready = state.folder / "shards.new", state.folder / READY
        shutil.rmtree(self._new, ignore_errors=True)
        if self._ready.exists():
            self._replace()
        self.places, self._rows, self._intact = {}, None, []
        with suppress(OSError, ValueError):
            written = json.loads(self._list.read_text())
            self._rows = written["rows"]
            for name, digest in written["sha256"].items():
                self._index(self._folder / name, digest)

    def _index(self, shard, digest):
        if not shard.is_file() or sha256_of(shard) != digest:
            self._rows = None
            return
        self._intact.append(shard)
        file = parquet.ParquetFile(shard)
        for group in range(file.num_row_groups):
            audio = file.read_row_group(group, columns=["audio.path"]).column(0).to_pylist()
            for row, entry in enumerate(audio):
                self.places[entry["path"]] = str(shard), ("audio", group, row)

    def write(self, table, known):
        """Writes a table's rows with the audio of their facts; nothing where they are there already."""
        digest = _digest(table)
        if digest != self._rows:
            names = self._write_new(table, known)
            sums = {name: sha256_of(self._new / FOLDER / name) for name in names}
            write_text(self._new / LIST, to_json({"rows": digest, "sha256": sums}) + "\n")
            os.replace(self._new, self._ready)
            self._replace()
        shutil.rmtree(self._state.audio, ignore_errors=True)

    def remove(self):
        """Removes the shards, whose rows are files now; one that somebody has changed stays."""
        for shard in self._intact:
            self._state.remove(shard)
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
            write_table(self._new / FOLDER / name, with_audio(table.slice(start, end - start), audio, rate))
        return names

    def _bytes(self, reader, file, name):
        if file is None:
            shard, place = self.places[name]
            file = Path(reader.take(Source(name, shard, name, 0.0, place), self._state.work / "audio"))
        return file.read_bytes()

    def _replace(self):
        """Puts the shards that are ready in the place of those before. Also goes on where that was cut off."""
        check_folder(self._state)
        names = _listed(self._ready / LIST)
        self._folder.mkdir(exist_ok=True)
        for name in (_listed(self._list) or {}).keys() - names.keys():
            (self._folder / name).unlink(missing_ok=True)
        for name in names:
            with suppress(FileNotFoundError):  # it was moved before
                os.replace(self._ready / FOLDER / name, self._folder / name)
        write_text(self._list, (self._ready / LIST).read_text())
        shutil.rmtree(self._ready)


def _digest(table):
    sink = pyarrow.BufferOutputStream()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    return hashlib.sha256(sink.getvalue()).hexdigest()
