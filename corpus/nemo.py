# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""NeMo's manifests as corpora: JSON lines with an audio_filepath."""

import os

from .item import CorpusError
from .jsonl import JsonCorpus, with_facts


class NemoCorpus(JsonCorpus):
    """The rows of a NeMo manifest. Rows may share a file: it is converted whole, and once."""

    def __init__(self, path, rows):
        super().__init__()
        folder = os.path.dirname(os.path.abspath(path))
        self._rows = []
        for number, row in enumerate(rows, 1):
            name = row.get("audio_filepath")
            if not isinstance(name, str) or not name:
                raise CorpusError(f"{path}, row {number}: no audio_filepath; mend the manifest")
            self._rows.append((row, self.add_file(name, folder)))

    def row(self, index, facts):
        row, name = self._rows[index]
        known = facts(name)
        if known is None:
            return None
        row = with_facts(row, {"audio_filepath": known["path"], **known})
        row.setdefault("duration", known["seconds"])
        return row

    def __len__(self):
        return len(self._rows)
