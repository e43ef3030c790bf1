# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Which kind of corpus a path holds."""

import os

from .folder import FolderCorpus
from .item import CorpusError
from .jsonl import read_json_lines

AUDIO = "audio"  # column of a table


def open_corpus(path, output, channels, kept=(), column=None):
    """The corpus that a path holds: a folder tree, a manifest of NeMo or lhotse, or a Parquet table. CorpusError.

    `kept` are names in a folder of which there are results, if not the files; `column` is that of a table's audio.
    """
    path = str(path)
    if os.path.isdir(path):
        corpus = open_folder(path, output, kept, column or AUDIO)
        if column and corpus.manifest != "manifest.parquet":
            raise CorpusError(f"{path}: holds audio files, which have no --column {column}; leave it out")
        return corpus
    if not os.path.exists(path):
        raise CorpusError(f"{path}: no such file or folder; name a folder, a manifest or a table with -i")
    if path.endswith(".parquet"):
        from .table import TableCorpus

        return TableCorpus(path, [path], output, column or AUDIO)
    if not path.endswith((".jsonl", ".json", ".jsonl.gz", ".json.gz")):
        raise CorpusError(f"{path}: no folder, .jsonl(.gz) manifest or .parquet table; demo.py converts single files")
    if column:
        raise CorpusError(f"{path}: is no Parquet table and has no --column {column}; leave it out")
    rows = read_json_lines(path)
    if any("audio_filepath" in row for row in rows):
        from .nemo import NemoCorpus

        return NemoCorpus(path, rows)
    if any("tracks" in row or {"start", "duration"} <= row.keys() for row in rows):
        from .cuts import CutCorpus

        return CutCorpus(path, rows, output, channels)
    names = ", ".join(list(rows[0])[:8])
    raise CorpusError(f"{path}: neither NeMo's audio_filepath nor cuts of lhotse in its rows, which have {names}")


def open_folder(path, output, kept, column):
    """The audio files of a folder or, if there are none, the rows of its Parquet tables.

    A table with audio that lies beside audio files is a failure: nobody may take it for converted.
    """
    folder = FolderCorpus(path, output, kept)
    if not folder.tables:
        return folder
    from .table import TableCorpus, has_column

    if not folder.files:
        corpus = TableCorpus(path, folder.tables, output, column)
        corpus.failures += folder.failures
        taken = folder.tables
    else:
        corpus, taken = folder, [table for table in folder.tables if has_column(table, column)]
        for table in taken:
            name = os.path.relpath(table, path)
            reason = f"a table of audio beside audio files; convert it by itself, with -i {table}"
            corpus.failures.append((name, f"{name}: {reason}"))
    corpus.left_out = [(file, reason) for file, reason in folder.left_out if file not in taken]
    return corpus
