# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""NeMo's manifests as corpora: JSON lines with an audio_filepath."""

import os

from .item import CorpusError, joined_facts, with_facts
from .jsonl import JsonCorpus


class NemoCorpus(JsonCorpus):
    """The rows of a NeMo manifest. Rows may share a file: it is converted whole, and once.

    Where audio_filepath is a list, of files that are the channels of a recording, each of them is converted by itself.
    """

    def __init__(self, path, rows):
        super().__init__()
        folder = os.path.dirname(os.path.abspath(path))
        self._rows = []  # (row, names of its sources)
        for number, row in enumerate(rows, 1):
            given = row.get("audio_filepath")
            files = given if isinstance(given, list) else [given]
            if not files or not all(isinstance(file, str) and file for file in files):
                self.failures.append((f"row {number}", f"row {number}: no audio_filepath"))
                continue
            names = [self.add_file(file, folder, in_tar="shard_id" in row) for file in files]
            self._rows.append((row, names))
            self.takes_shards &= len(names) == 1
        if not self._rows:
            raise CorpusError(f"{path}, {self.failures[0][1]}; mend the manifest")

    def row(self, index, facts):
        row, names = self._rows[index]
        known = [name and facts(name) for name in names]
        if not all(known):
            return None
        files = [result["path"] for result in known]
        one = not isinstance(row["audio_filepath"], list)
        row = with_facts(row, {"audio_filepath": files[0] if one else files, **joined_facts(known)})
        row.setdefault("duration", known[0]["seconds"])
        return row

    def __len__(self):
        return len(self._rows)
