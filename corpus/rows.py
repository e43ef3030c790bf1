# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Audio out of the rows of a table, one at a time."""

import io
import os

import numpy as np
import pyarrow
import soundfile
from pyarrow import parquet

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
        if not isinstance(value, pyarrow.StructScalar):
            value = {"bytes" if isinstance(value.as_py(), bytes) else "path": value}
        elif not value.is_valid:
            value = {}
        given = {name: part for name, part in value.items() if part.is_valid}
        if "bytes" in given:
            content = given["bytes"].as_py()
        elif "array" in given:
            content = _as_wav(source.name, given["array"], "sampling_rate" in given and given["sampling_rate"].as_py())
        elif path := "path" in given and given["path"].as_py():
            return find_file(path, os.path.dirname(source.path))
        else:
            raise AudioError(f"{source.name}: neither bytes nor a path in its row")
        with replacing(copy) as temporary:
            temporary.write_bytes(content)
        return copy

    def _row(self, path, column, group, row):
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


def _as_wav(name, samples, rate):
    """Decoded audio, a list of samples or one for each channel, as a WAV file's bytes. AudioError if it is none."""
    values, content = samples.values, io.BytesIO()
    channels = [channel.values for channel in values] if values.type.num_fields else [values]
    try:
        if any(channel is None for channel in channels):
            raise ValueError("a channel without samples")
        array = np.stack([channel.to_numpy(zero_copy_only=False) for channel in channels], axis=1)
        array = array.astype(np.float32) if array.dtype.kind == "f" else array
        soundfile.write(content, array, int(rate), format="WAV", subtype=SUBTYPES[array.dtype.name])
    except KeyError:
        raise AudioError(f"{name}: an array of {array.dtype}, which are no samples") from None
    except (ValueError, soundfile.SoundFileError) as error:
        raise AudioError(f"{name}: {len(channels)} channels at {rate or 'no'} Hz make no audio ({error})") from None
    return content.getvalue()
