# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Parquet tables with an audio column as corpora, as Hugging Face's datasets keep them."""

import os
from collections import Counter
from pathlib import Path

import pyarrow
from pyarrow import parquet

from .arrow import column, names_of, with_audio, write_table
from .item import LOSSLESS_BYTES_PER_S, CorpusError, Source
from .jsonl import Corpus, with_facts


class TableCorpus(Corpus):
    """The rows of Parquet files, whose `audio` holds bytes, a path, or both: {"bytes", "path"}.

    `output` is the folder of the results, by whose name, as it was given, the output table finds them.
    """

    manifest = "manifest.parquet"

    def __init__(self, path, files, output):
        super().__init__()
        self._output = Path(output)
        self._names, tables = [], []
        for file in files:
            try:
                opened = parquet.ParquetFile(file)
                schema = opened.schema_arrow
                if "audio" not in schema.names:
                    raise CorpusError(f"{file}: has no column audio; it has {', '.join(schema.names)}")
                self._list(opened, file)
                tables.append(opened.read(columns=[name for name in schema.names if name != "audio"]))
            except (pyarrow.ArrowException, OSError) as error:
                raise CorpusError(f"{file}: cannot be read as Parquet ({_first_line(error)})") from None
        try:
            self._table = pyarrow.concat_tables(tables, promote_options="default")
        except pyarrow.ArrowException:
            raise CorpusError(f"{path}: its files have columns of different types; convert them one by one") from None
        if not self._names:
            raise CorpusError(f"{path}: holds no rows")
        self._name_rows()

    def _list(self, opened, file):
        """Lists a file's rows: (file, row group, row, its path or None, whether it is a file of its own, bytes)."""
        kind = opened.schema_arrow.field("audio").type
        folder, metadata = os.path.dirname(os.path.abspath(file)), opened.metadata
        is_text = pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind)
        fields = [kind.field(i).name for i in range(kind.num_fields)] if pyarrow.types.is_struct(kind) else []
        if not (is_text or pyarrow.types.is_binary(kind) or pyarrow.types.is_large_binary(kind) or fields):
            raise CorpusError(f"{file}: its column audio holds {kind}, not bytes, paths or both")
        for group in range(opened.num_row_groups):
            part = metadata.row_group(group)
            columns = {part.column(i).path_in_schema: part.column(i) for i in range(part.num_columns)}
            paths = [None] * part.num_rows
            if is_text or "path" in fields:
                column = opened.read_row_group(group, columns=["audio" if is_text else "audio.path"]).column(0)
                paths = [value if is_text else value and value["path"] for value in column.to_pylist()]
            data = columns.get("audio" if not fields else "audio.bytes")
            empty = (
                is_text or data is None or data.statistics is not None and (data.statistics.null_count == part.num_rows)
            )
            size = 0 if empty else data.total_uncompressed_size / max(part.num_rows, 1)
            for row, name in enumerate(paths):
                self._names.append((folder, os.path.abspath(file), (group, row), name, empty, size))

    def _name_rows(self):
        """Makes a source of each row, or of each file that rows name."""
        counts = Counter(name for *_, name, empty, _ in self._names if not empty)
        rows, self._names = self._names, []
        for number, (folder, file, place, name, empty, size) in enumerate(rows):
            if empty and name:
                self._names.append(self.add_file(name, folder))
                continue
            called = name if name and counts[name] == 1 else f"{name or ''}#{number}"
            source = Source(called, file, name or f"{number:09d}", size / LOSSLESS_BYTES_PER_S, place)
            self.sources.append(source)
            self._names.append(called)

    def table(self, facts):
        """(the rows of the output without audio, their facts)."""
        known = [facts(name) for name in self._names]
        table = self._table.filter(pyarrow.array([fact is not None for fact in known]))
        known = [fact for fact in known if fact is not None]
        columns = {name: table.column(name) for name in table.column_names}
        columns = with_facts(columns, {name: column(known, name) for name in names_of(known)})
        return pyarrow.table(columns, metadata=self._table.schema.metadata), known

    def write(self, path, facts):
        table, known = self.table(facts)
        audio = [{"bytes": None, "path": str(self._output / fact["path"])} for fact in known]
        write_table(path, with_audio(table, audio, known[0]["sample_rate"] if known else None))


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0]
