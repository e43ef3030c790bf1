# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Recordings as the network takes them and gives them back: whole or block by block, at its sample rate."""

import numpy as np
import torch

from reference.errors import LLVCError
from streaming.engine import MAX_SAMPLE

from .mixing import ChannelMixer
from .reading import AudioError, AudioReader
from .resampling import Resampler, resampled
from .writing import check_writable, open_output

__all__ = ["AudioError", "Recording", "as_error", "check_writable", "read_audio", "write_audio"]

BLOCK = 0.5  # seconds


class Recording:
    """A file or pipe as signals for the network, block by block.

    with Recording(path, sample_rate) as recording:
        for samples in recording: ...  # [S, n] float32 at sample_rate

    S is `signals`, 1 unless every channel is asked for (see mixing.channel_choice). Behind the last block `read` is
    the length in samples, `peak` the largest sample of the file, `damage` as AudioReader's, and notes() says what is
    worth knowing. AudioError if nothing can be read.
    """

    def __init__(self, path, sample_rate, channels="mix", raw=None):
        self.reader = AudioReader(path, raw)
        self.name, self.live, self.tags = self.reader.name, self.reader.live, self.reader.tags
        self.rate, self.seconds = self.reader.rate, self.reader.seconds
        self.read, self.peak = 0, 0.0
        self._sample_rate = sample_rate
        try:
            self._mixer = ChannelMixer(channels, self.reader.channels, self.name)
            Resampler(self.rate, sample_rate)
        except AudioError:
            self.close()
            raise
        except ValueError as error:
            self.close()
            raise AudioError(f"{self.name}: {error}") from None
        self.signals = self._mixer.signals

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        """Closes the file."""
        self.reader.close()

    def drop_backlog(self):
        """AudioReader's."""
        return self.reader.drop_backlog()

    def tags_at(self, rate):
        """The tags of a result at a rate (Hz): a WAV file's time stamp counts samples."""
        stamp = self.tags.get("time_reference", "")
        if not stamp.isdecimal():
            return self.tags
        return self.tags | {"time_reference": str(round(int(stamp) * rate / self.rate))}

    @property
    def damage(self):
        return self.reader.damage

    def __iter__(self):
        for samples in resampled(self._mixed(), self._sample_rate):
            if samples.shape[1]:
                self.read += samples.shape[1]
                yield torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))

    def _mixed(self):
        """(samples [S, n], rate), pieces as they come from a pipe and longer ones of a file."""
        pieces, count, rate = [], 0, None
        for block in self.reader:
            peak = float(np.abs(block.samples).max())
            if peak > MAX_SAMPLE:
                raise AudioError(f"{self.name}: holds samples of {peak:.3g} where full scale is 1; it is no audio")
            self.peak = max(self.peak, peak)
            if pieces and block.rate != rate:
                yield np.concatenate(pieces, axis=1), rate
                pieces, count = [], 0
            rate = block.rate
            pieces.append(self._mixer.mix(block))
            count += block.samples.shape[1]
            if self.live or count >= BLOCK * rate:
                yield np.concatenate(pieces, axis=1), rate
                pieces, count = [], 0
        if pieces:
            yield np.concatenate(pieces, axis=1), rate

    def notes(self):
        """What to tell of the recording beside its damage, a line each."""
        lines = []
        if self.peak > 1:
            lines.append(f"{self.name}: goes up to {self.peak:.2f} where full scale is 1")
        if self._mixer.cancelled:
            lines.append(
                f"{self.name}: its channels cancel each other in the mix (antiphase); use --channels left or each"
            )
        return lines


def read_audio(path, sample_rate):
    """Reads an audio file: float32 samples [N] at sample_rate (Hz), its channels mixed.

    AudioError if it is missing, not audio, damaged, empty, not finite or at a rate that cannot be resampled.
    """
    with Recording(path, sample_rate) as recording:
        try:
            samples = torch.cat(list(recording), dim=1)[0]
        except MemoryError:
            raise AudioError(f"{path}: does not fit into memory") from None
    if recording.damage:
        raise AudioError(f"{path}: {recording.damage}")
    return samples


def write_audio(path, audio, sample_rate):
    """Writes samples [N], 16-bit where the format has it, all or nothing. Returns how many reached full scale.

    Samples beyond -1 .. 1 are clipped. AudioError if they are not finite or the format refuses them, FileError if
    the file cannot be written.
    """
    with open_output(path, sample_rate) as writer:
        writer.write(audio[None].detach().numpy())
    return writer.clipped


def as_error(error, name):
    """Any error of a conversion as an LLVCError that names the file."""
    return error if isinstance(error, LLVCError) else AudioError(f"{name}: {error or type(error).__name__}")
