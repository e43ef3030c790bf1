# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A folder tree as a corpus."""

import os
from pathlib import Path

from audio.folder import SUFFIXES

from .item import CorpusError, Source, guess_seconds
from .jsonl import JsonCorpus


class FolderCorpus(JsonCorpus):
    """All audio files under a folder by their suffix, hidden ones and those under `output` left out.

    Folders that cannot be read are failures; `kept` are names of earlier results, whose sources may be gone.
    """

    def __init__(self, path, output, kept=()):
        super().__init__()
        names = set()
        output = os.path.realpath(output)

        def cannot_read(error):
            name = os.path.relpath(error.filename, path)
            self.failures.append((name, f"{name}: cannot be read ({error.strerror})"))

        for folder, folders, files in os.walk(path, onerror=cannot_read):
            visible = (name for name in folders if not name.startswith("."))
            folders[:] = [name for name in visible if os.path.realpath(os.path.join(folder, name)) != output]
            for file in files:
                if file.startswith(".") or not os.path.isfile(os.path.join(folder, file)):
                    continue
                if Path(file).suffix.lower() in SUFFIXES:
                    names.add(os.path.relpath(os.path.join(folder, file), path))
                else:
                    self.left_out += 1
        self.failures.sort()
        for name in sorted(names | set(kept)):
            file = os.path.abspath(os.path.join(path, name))
            self.sources.append(Source(name, file, name, guess_seconds(file)))
        if not self.sources and not self.failures:
            raise CorpusError(f"{path}: no audio files in this folder")

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
