# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Rows and their audio as Arrow tables, and as Parquet files that Hugging Face's datasets load."""

import json

import pyarrow
from pyarrow import parquet

from audio.files import replacing

from .item import with_facts
from .state import to_json

AUDIO = pyarrow.struct([("bytes", pyarrow.binary()), ("path", pyarrow.string())])
FEATURES = b"huggingface"  # of a table's metadata: what datasets takes the columns for


def with_audio(table, audio, rate):
    """A table with a column `audio` of {"bytes", "path"} in front, for datasets audio of this rate (Hz)."""
    metadata = dict(table.schema.metadata or {})
    try:
        described = json.loads(metadata.get(FEATURES, b"{}"))
        features = described.setdefault("info", {}).setdefault("features", {})
    except (ValueError, AttributeError):
        described = {"info": {"features": (features := {})}}
    for name in set(features) - set(table.column_names):
        del features[name]
    features["audio"] = {"sampling_rate": rate, "_type": "Audio"}
    metadata[FEATURES] = json.dumps(described).encode()
    columns = {name: table.column(name) for name in table.column_names}
    audio = {"audio": pyarrow.array(audio, AUDIO)}
    return pyarrow.table(audio | with_facts(columns, audio), metadata=metadata)


def json_table(rows):
    """JSON rows as a table; a column of mixed types becomes one of JSON."""
    return pyarrow.table({name: column(rows, name) for name in names_of(rows)})


def column(rows, name):
    """The values of a name in all rows as an Arrow array."""
    values = [row.get(name) for row in rows]
    try:
        array = pyarrow.array(values)
    except (pyarrow.ArrowException, UnicodeError, OverflowError):
        array = pyarrow.array([None if value is None else to_json(value) for value in values])
    return array.cast(pyarrow.string()) if pyarrow.types.is_null(array.type) else array


def names_of(rows):
    """The names in JSON rows, in the order in which they come up."""
    return list(dict.fromkeys(name for row in rows for name in row))


def write_table(path, table):
    """Writes a Parquet file, whole or not at all, the same bytes for the same table."""
    with replacing(path) as temporary:
        parquet.write_table(table, temporary, compression="zstd", row_group_size=100)
