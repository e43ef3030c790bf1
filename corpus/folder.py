# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A folder tree as a corpus."""

import os

from audio.folder import find_audio_files, no_audio_files

from .item import CorpusError, Source, guess_seconds
from .jsonl import JsonCorpus


class FolderCorpus(JsonCorpus):
    """The audio files of a folder (audio/folder.py), but for those under `output`.

    Folders that cannot be read are failures. `files` are the paths of the audio, `tables` those of Parquet files.
    `kept` are names of earlier results, whose sources may be gone.
    """

    def __init__(self, path, output, kept=()):
        super().__init__()
        self.files, self.left_out, unreadable = find_audio_files(path, output)
        names = {os.path.relpath(file, path) for file in self.files}
        tables = [file for file, _ in self.left_out if file.suffix == ".parquet" and file.is_file()]
        tables = {os.path.realpath(file): file for file in reversed(tables) if not file.name.startswith(".")}
        self.tables = sorted(tables.values())
        if not names and not unreadable and not kept and not self.tables:
            raise CorpusError(no_audio_files(path, self.left_out))
        self.failures = [(name := os.path.relpath(folder, path), f"{name}: {why}") for folder, why in unreadable]
        for name in sorted(names | set(kept)):
            file = os.path.abspath(os.path.join(path, name))
            self.sources.append(Source(name, file, name, guess_seconds(file)))

    def row(self, index, facts):
        known = facts(self.sources[index].name)
        return known and {
            "audio_filepath": known["path"],
            "source_audio_filepath": self.sources[index].name,
            "duration": known["seconds"],
            **known,
        }

    def __len__(self):
        return len(self.sources)
