# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio out of the rows of a table, one at a time."""

import os

import soundfile

from audio.files import replacing
from audio.reading import AudioError

from .item import find_file

SUBTYPES = {"float32": "FLOAT", "int16": "PCM_16", "int32": "PCM_32"}


class RowReader:
    """Takes rows' audio out of Parquet files; rows in the order of the table cost one pass."""

    def __init__(self):
        self._at = None  # (path, column, row group, the next row)
        self._rows = None

    def take(self, source, copy):
        """The path of a Source's audio: of `copy`, which is written, or of the file that the row names."""
        value = self._row(source.path, *source.row)
        if hasattr(value, "items"):
            parts = dict(value.items()) if value.is_valid else {}
        else:
            parts = {"bytes" if isinstance(value.as_py(), bytes) else "path": value}
        given = {name: part for name, part in parts.items() if part.is_valid}
        if "bytes" in given:
            with replacing(copy) as temporary:
                temporary.write_bytes(given["bytes"].as_py())
            return copy
        if "array" in given:
            rate = given["sampling_rate"].as_py() if "sampling_rate" in given else None
            with replacing(copy) as temporary:
                _write_samples(source.name, given["array"], rate, temporary)
            return copy
        path = given["path"].as_py() if "path" in given else ""
        if not path:
            raise AudioError(f"{source.name}: neither bytes nor a path in its row")
        return find_file(path, os.path.dirname(source.path))

    def _row(self, path, column, group, row):
        import pyarrow
        from pyarrow import parquet

        try:
            if self._at is None or self._at[:3] != (path, column, group) or self._at[3] > row:
                # Read as a stream: a row group may be larger than the memory.
                file = parquet.ParquetFile(path, buffer_size=1 << 20, pre_buffer=False)
                self._rows = file.iter_batches(batch_size=1, row_groups=[group], columns=[column])
                self._at = path, column, group, 0
            while True:
                batch = next(self._rows)
                self._at = path, column, group, self._at[3] + 1
                if self._at[3] > row:
                    return batch.column(0)[0]
        except (pyarrow.ArrowException, StopIteration) as error:
            self._at = None
            raise AudioError(f"{path}: row {row} of row group {group} cannot be read ({error})") from None


def _write_samples(name, samples, rate, path):
    """Writes decoded audio, a list of samples or one for each channel, as a WAV file. AudioError if it is none."""
    values, channels = samples.values, 1
    if values.type.num_fields:
        channels, values = len(values), values.flatten()
    array = values.to_numpy(zero_copy_only=False)
    if array.dtype.kind == "f":
        array = array.astype("float32")
    if array.dtype.name not in SUBTYPES:
        raise AudioError(f"{name}: an array of {array.dtype}, which are no samples")
    try:
        array = array.reshape(channels, -1).T
        soundfile.write(path, array, int(rate), format="WAV", subtype=SUBTYPES[array.dtype.name])
    except (TypeError, ValueError, soundfile.SoundFileError):
        raise AudioError(f"{name}: an array of {channels} channels at {rate} Hz, which is no audio") from None
