# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""One file, pipe or stream of many from its samples to its result, block by block."""

import sys
from array import array
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from tqdm import tqdm

from audio.files import is_special
from audio.folder import SUFFIXES
from audio.loudness import LoudnessMatcher
from audio.recording import AudioError, Recording
from audio.resampling import Resampler
from audio.writing import STDOUT, is_stream, open_output
from streaming.stream import ChunkedStream

from .convert import Job, convert_blocks, stream_figures
from .program import stop_if_interrupted

PLOT_SECONDS = 600  # of a longer file only the beginning is drawn


@dataclass(frozen=True)
class ConversionOptions:
    """What is made of a recording beside converting it.

    channels: mix, left, right, each (a signal for every channel), or a number from 1.
    output_rate: of the result in Hz; None: the network's.
    raw: pipes and files of no audio format hold samples of this type (audio.reading.RAW_TYPES), without a header.
    raw_rate: of such samples in Hz.
    match_loudness: bring the result to the loudness of the recording.
    metadata: keep the recording's tags.
    strict: refuse a damaged recording instead of converting what is left of it.
    plot: a PNG file to draw the recording and its result into.
    every_sample: chunk by chunk from a microphone's pipe into another pipe, keep what came before all was ready.
    """

    channels: str | int = "mix"
    output_rate: int | None = None
    raw: str | None = None
    raw_rate: int | None = None
    match_loudness: bool = False
    metadata: bool = True
    strict: bool = False
    plot: str | None = None
    every_sample: bool = False


class Converter:
    """Converts files one after the other, with a stream for every number of signals that comes up.

    In one go, in the chunks that suit the backend or, with a chunk_factor, chunk by chunk in a mode of
    streaming.engine.MODES.

    with Converter(backend, sample_rate, options) as converter:
        figures = converter.convert(source, target)
    """

    def __init__(self, backend, sample_rate, options, chunk_factor=None, mode="latency"):
        self.sample_rate, self.options = sample_rate, options
        self._open_engine, self._chunked = backend.open_engine, chunk_factor is not None
        offline = backend.offline_chunk_factor, backend.offline_mode
        self._chunk_factor, self._mode = (chunk_factor, mode) if self._chunked else offline
        self._streams = {}

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for stream in self._streams.values():
            stream.close()

    def _stream(self, signals):
        if signals not in self._streams:
            self._streams[signals] = ChunkedStream(self._open_engine(self._chunk_factor, signals, self._mode))
        return self._streams[signals]

    def convert(self, source, target, progress=False):
        """Converts one file; returns its figures. LLVCError if it cannot be read, converted or written.

        progress: with a bar on the terminal, unless it is chunk by chunk.
        """
        seconds = array("d")
        with ExitStack() as stack:
            track = stack.enter_context(Track(source, target, self.sample_rate, self.options))
            stream = self._stream(track.signals)
            bar = stack.enter_context(track.bar(progress and not self._chunked))
            if self._chunked:
                track.catch_up()
            for audio in convert_blocks(stream, track.blocks(), seconds, chunked=self._chunked):
                track.write(audio)
                bar.update(audio.shape[1] / self.sample_rate)
            figures = track.finish()
        if self._chunked:
            figures["streaming"] = stream_figures(seconds, stream.engine, self.sample_rate)
        else:
            total, compute = figures["seconds"], sum(seconds)
            figures["offline"] = {"compute_s": compute, "rtf": compute / total, "times_real_time": total / compute}
        return figures


class Track:
    """A recording and where its result goes; the result is there when finish() was called and the `with` is left."""

    def __init__(self, source, target, sample_rate, options, write=True):
        self.source, self.target, self.sample_rate, self.options = source, target, sample_rate, options
        self._stack, self._dropped = ExitStack(), 0.0
        with self._stack:
            raw = raw_input(source, options)
            self.recording = self._stack.enter_context(Recording(source, sample_rate, options.channels, raw))
            self.signals = self.recording.signals
            raw_rate = options.raw_rate if options.raw and is_stream(target) else None
            rate = options.output_rate or raw_rate or sample_rate
            self._resampler = Resampler(sample_rate, rate, self.signals)
            self._matcher = None
            if options.match_loudness:
                self._matcher = LoudnessMatcher(self.signals, sample_rate)
            self._drawn = [[], []] if options.plot and write else None
            self._writer = None
            if write:
                tags = self.recording.tags_at(rate) if options.metadata else {}
                output = open_output(target, rate, self.signals, tags, options.raw)
                self._writer = self._stack.enter_context(output)
            self._stack = self._stack.pop_all()

    def __enter__(self):
        return self

    def __exit__(self, *error):
        return self._stack.__exit__(*error)

    def bar(self, wanted):
        """A progress bar in seconds of audio, shown on a terminal."""
        form = "{l_bar}{bar}| {n:.0f}/{total:.0f} s [{elapsed}<{remaining}]"
        total = self.recording.seconds
        options = {"bar_format": form} if total else {"unit": "s"}
        return tqdm(total=total, leave=False, disable=None if wanted else True, **options)

    def catch_up(self):
        """As a live filter, drops what came in before all was ready, and says so: it would stay as a delay.

        Where the result becomes a file, also one that a shell writes, nobody hears a delay.
        """
        output = "/dev/stdout" if str(self.target) in STDOUT else self.target
        if self.options.every_sample or not is_special(output):
            return
        self._dropped = self.recording.drop_backlog()
        if self._dropped:
            print(
                f"dropped: {self._dropped:.1f} s that came in before all was ready, which would stay as a delay "
                "(--every_sample keeps them)",
                file=sys.stderr,
            )

    def blocks(self):
        """The recording's samples [S, n]."""
        for samples in self.recording:
            stop_if_interrupted()
            self._draw(0, samples)
            yield samples if self._matcher is None else self._matcher.hear(samples)

    def write(self, audio):
        """Takes converted samples [S, k]."""
        if self._writer is None or not audio.shape[1]:
            return
        if self._matcher is not None:
            audio = self._matcher.match(audio)
        self._draw(1, audio)
        self._writer.write(self._resampler.push(audio.numpy()))

    def finish(self):
        """Writes the rest and draws; returns the figures. AudioError for a damaged recording with --strict."""
        recording, options = self.recording, self.options
        if recording.damage and options.strict:
            raise AudioError(f"{recording.name}: {recording.damage}; not converted (--strict)")
        figures = {
            "input": str(self.source),
            "output": str(self.target),
            "seconds": recording.read / self.sample_rate,
            "notes": recording.notes(),
        }
        if recording.damage:
            figures["damage"] = recording.damage
        if self._dropped:
            figures["dropped_s"] = self._dropped
        if self._writer is not None:
            self._writer.write(self._resampler.flush())
            figures["clipped_samples"] = self._writer.clipped
            figures["notes"] += self._writer.notes()
        if self._drawn is not None:
            from .plot import plot_conversion  # matplotlib takes a second to load

            signals = [torch.cat(pieces) for pieces in self._drawn]
            title = f"{Path(self.source).name}  →  {Path(self.target).name}"
            plot_conversion(options.plot, *signals, self.sample_rate, title)
        return figures

    def _draw(self, index, samples):
        if self._drawn is not None and sum(map(len, self._drawn[index])) < PLOT_SECONDS * self.sample_rate:
            self._drawn[index].append(samples[0].clone())


class TrackJob(Job):
    """A file as one of many streams. report(figures) gets what came of it, fail(source, error) what went wrong."""

    def __init__(self, source, target, sample_rate, options, report, fail, write=True):
        self._arguments = source, target, sample_rate, options, write
        self._report, self._fail = report, fail
        self._track = None
        self._pending = torch.zeros(0)

    def read(self, count):
        if self._track is None:
            self._track = Track(*self._arguments)
            self._blocks = self._track.blocks()
        while len(self._pending) < count and (block := next(self._blocks, None)) is not None:
            self._pending = torch.cat((self._pending, block[0]))
        samples, self._pending = self._pending[:count], self._pending[count:]
        return samples

    def write(self, samples):
        self._track.write(samples[None])

    def finish(self):
        with self._track:
            figures = self._track.finish()
        self._report(figures)

    def fail(self, error):
        try:
            if self._track is not None:
                self._track.__exit__(type(error), error, error.__traceback__)
        except Exception as named:  # the same with the name of the output
            error = named
        self._fail(self._arguments[0], error)


def raw_input(source, options):
    """(type, rate) where the source holds raw samples, else None: pipes and files of no audio format, with --raw."""
    if options.raw is None or not (str(source) == "-" or Path(source).suffix.lower() not in SUFFIXES):
        return None
    if options.raw_rate is None:
        raise AudioError("--raw needs the rate of the samples; give it with --rate")
    return options.raw, options.raw_rate
