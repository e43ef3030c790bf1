# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio out of the rows of a table, one at a time."""

import os

from audio.files import replacing
from audio.reading import AudioError


class RowReader:
    """Takes rows' audio out of Parquet files; rows in the order of the table cost one pass."""

    def __init__(self):
        self._at = None  # (path, row group, the next row)
        self._rows = None

    def take(self, source, copy):
        """The path of a Source's audio: of `copy`, which its bytes are written to, or of the file that it names."""
        audio = self._row(source.path, *source.row)
        if not isinstance(audio, dict):
            audio = {"bytes" if isinstance(audio, bytes) else "path": audio}
        if audio.get("bytes") is not None:
            with replacing(copy) as temporary:
                temporary.write_bytes(audio["bytes"])
            return copy
        if not audio.get("path"):
            raise AudioError(f"{source.name}: neither bytes nor a path in its row")
        return os.path.join(os.path.dirname(source.path), audio["path"])

    def _row(self, path, group, row):
        import pyarrow
        from pyarrow import parquet

        try:
            if self._at is None or self._at[:2] != (path, group) or self._at[2] > row:
                # Read as a stream: a row group may be larger than the memory.
                file = parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
                self._rows = file.iter_batches(batch_size=1, row_groups=[group], columns=["audio"])
                self._at = path, group, 0
            while True:
                batch = next(self._rows)
                self._at = path, group, self._at[2] + 1
                if self._at[2] > row:
                    return batch.column(0)[0].as_py()
        except (pyarrow.ArrowException, StopIteration) as error:
            self._at = None
            raise AudioError(f"{path}: row {row} of row group {group} cannot be read ({error})") from None
