# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Parquet tables with an audio column as corpora, as Hugging Face's datasets keep them."""

import os
from collections import Counter
from pathlib import Path

import pyarrow
from pyarrow import parquet, types

from .arrow import column, names_of, with_audio, write_table
from .item import LOSSLESS_BYTES_PER_S, CorpusError, Source, with_facts
from .jsonl import Corpus

NUMBER = "\0row"  # a column for as long as the table is in memory: a table without columns would forget its rows


class TableCorpus(Corpus):
    """The rows of Parquet files whose audio is in a column `audio`: bytes, a path, {"bytes", "path"}, or decoded.

    Decoded audio is {"array", "sampling_rate"}, the array [n] or [C][n]. `audio` may be the column's name instead. The
    output's is always called so. `output` is the folder of the results, by whose name, as it was given, the output
    table finds them.
    """

    manifest = "manifest.parquet"

    def __init__(self, path, files, output, audio="audio"):
        super().__init__()
        self.audio, self._output = audio, Path(output)
        rows, tables = [], []
        for file in files:
            try:
                opened = parquet.ParquetFile(file)
                names = opened.schema_arrow.names
                if audio not in names:
                    has = ", ".join(names)
                    raise CorpusError(f"{file}: has no column {audio}; it has {has}; name one with --column")
                rows += self._list(opened, file)
                table = opened.read(columns=[name for name in names if name != audio])
                tables.append(table.append_column(NUMBER, pyarrow.array(range(len(table)), pyarrow.int64())))
            except (pyarrow.ArrowException, OSError) as error:
                raise CorpusError(f"{file}: cannot be read as Parquet ({_first_line(error)})") from None
        try:
            self._table = pyarrow.concat_tables(tables, promote_options="default")
        except pyarrow.ArrowException:
            raise CorpusError(f"{path}: its files have columns of different types; convert them one by one") from None
        if not rows:
            raise CorpusError(f"{path}: holds no rows")
        self._names = self._name_rows(rows)

    def _list(self, opened, file):
        """A file's rows: [(file, Source.row, path that the row names or None, whether there is only that, bytes)]."""
        audio, kind = self.audio, opened.schema_arrow.field(self.audio).type
        fields = {field.name: field.type for field in kind} if types.is_struct(kind) else {}
        is_text = _is_text(kind)
        is_decoded = "sampling_rate" in fields and _is_samples(fields.get("array"))
        has_path = is_text or "path" in fields and _is_text(fields["path"])
        if not (has_path or is_decoded or _is_bytes(kind) or "bytes" in fields and _is_bytes(fields["bytes"])):
            what = "not bytes, paths or both, nor decoded audio"
            raise CorpusError(f"{file}: its column {audio} holds {kind}, {what}")
        place, rows = os.path.abspath(file), []
        for group in range(opened.num_row_groups):
            part = opened.metadata.row_group(group)
            paths = [None] * part.num_rows
            if has_path:
                read = opened.read_row_group(group, columns=[audio if is_text else f"{audio}.path"]).column(0)
                paths = [value if is_text else value and value["path"] for value in read.to_pylist()]
            leaves = {part.column(i).path_in_schema: part.column(i) for i in range(part.num_columns)}
            data = None if is_text else leaves.get(f"{audio}.bytes" if fields else audio)
            empty = data is None or data.statistics is not None and data.statistics.null_count == part.num_rows
            empty &= not is_decoded
            sizes = [
                leaf.total_uncompressed_size for name, leaf in leaves.items() if f"{name}.".startswith(f"{audio}.")
            ]
            size = sum(sizes) / max(part.num_rows, 1)
            rows += [(place, (audio, group, row), name, empty, size) for row, name in enumerate(paths)]
        return rows

    def _name_rows(self, rows):
        """Makes a source of each row, or of each file that rows name; returns their names, None for what is no file."""
        files = {name for _, _, name, empty, _ in rows if empty and name}
        counts = Counter(name for _, _, name, empty, _ in rows if not empty)
        names = []
        for number, (file, place, name, empty, size) in enumerate(rows):
            if empty and name:
                names.append(self.add_file(name, os.path.dirname(file)))
                continue
            called = name if name and counts[name] == 1 and name not in files else f"{name or ''}#{number}"
            while called != name and (called in counts or called in files):
                called += "#"
            self.sources.append(Source(called, file, name or f"{number:09d}", size / LOSSLESS_BYTES_PER_S, place))
            names.append(called)
        return names

    def table(self, facts):
        """(the rows of the output without audio, their facts)."""
        known = [name and facts(name) for name in self._names]
        table = self._table.filter(pyarrow.array([fact is not None for fact in known]))
        known = [fact for fact in known if fact is not None]
        columns = {name: table.column(name) for name in table.column_names if name != NUMBER}
        columns = with_facts(columns, {name: column(known, name) for name in names_of(known)})
        return pyarrow.table(columns, metadata=self._table.schema.metadata), known

    def write(self, path, facts):
        table, known = self.table(facts)
        audio = [{"bytes": None, "path": str(self._output / fact["path"])} for fact in known]
        write_table(path, with_audio(table, audio, known[0]["sample_rate"] if known else None))


def has_column(file, name):
    """Whether a file is a Parquet table with a column of this name."""
    try:
        return name in parquet.read_schema(file).names
    except (pyarrow.ArrowException, OSError):
        return False


def _is_text(kind):
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_string(kind) or types.is_large_string(kind) or types.is_string_view(kind)


def _is_bytes(kind):
    kind = kind.value_type if types.is_dictionary(kind) else kind
    return types.is_binary(kind) or types.is_large_binary(kind) or types.is_binary_view(kind)


def _is_samples(kind):
    """Whether a type is a list of numbers, or of such lists."""
    depth = 0
    while kind is not None and (types.is_list(kind) or types.is_large_list(kind) or types.is_fixed_size_list(kind)):
        kind, depth = kind.value_type, depth + 1
    return depth in (1, 2) and (types.is_floating(kind) or types.is_integer(kind))


def _first_line(error):
    return (str(error).splitlines() or [type(error).__name__])[0]
