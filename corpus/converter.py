# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What an actor does: converts units of a corpus as streams of its device."""

import fcntl
import importlib.metadata
import os
import platform
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from demo.backend import open_backend
from demo.convert import serve_jobs
from demo.tracks import ConversionOptions, Converter
from reference.errors import one_line
from streaming.server import StreamServer

from .item import CorpusError
from .job import ItemJob
from .state import State

PACKAGES = ("torch", "av", "soundfile", "onnxruntime", "ttnn")
REPORT_S = 0.5
DEVICES = Path("/dev/tenstorrent")


@dataclass(frozen=True)
class Settings:
    """How a run converts. `made` is what results depend on beside their input."""

    output: str
    run: str
    made: dict  # checkpoint_sha256, configuration, backend
    sample_rate: int
    streams: int
    options: ConversionOptions
    packed: frozenset | None = None  # with Parquet shards: the results that are in them already


class CorpusConverter:
    """A device, the network on it, and the streams as which it converts units of a corpus.

    report(worker, figures) is told how far it is; node names this machine and alive(node) says whether another one is
    there.
    """

    def __init__(self, settings, model, report, node, alive, open_backend=open_backend):
        self.settings, self._model, self._open_backend = settings, model, open_backend
        self.node, self.alive = node, alive
        self.state = State(settings.output, settings.run)
        self.place = self.state.output if settings.packed is None else self.state.audio
        self.stopped = None
        self._stack, self._engine, self._made = ExitStack(), None, None
        self._report, self._name = report, f"{platform.node()}:{os.getpid()}"
        self._audio_s = self._busy_s = 0.0
        self._begin = self._since = time.monotonic()

    @cached_property
    def rows(self):
        """Takes audio out of tables."""
        from .rows import RowReader  # pyarrow, which takes a while to import

        return RowReader()

    def convert(self, unit):
        """Converts [(Item, its record of an earlier run or None)].

        Returns {"records": one of each Item, "stop": None or, with fewer records, why nothing more can be converted}.
        """
        self._since, records = time.monotonic(), []
        try:
            self._convert(unit, records)
        except Exception as error:  # of the device, the disk or a shard: not of one file
            self.stopped = self.stopped or one_line(error)
        self._tell()
        return {"records": records, "stop": self.stopped}

    def _convert(self, unit, records):
        fresh, suspects = [], []
        for item, record in unit:
            job = ItemJob(self, item, record, records.append)
            if not job.is_settled():
                (suspects if self.state.was_begun(item.id) else fresh).append(job)
        self._run(fresh)
        for job in suspects:  # a worker died of one of them: alone, to know of which
            if not job.is_deadly():
                self._run([job])

    def _run(self, jobs):
        if not jobs:
            return
        engine = self._open()
        if isinstance(engine, StreamServer):
            serve_jobs(engine, jobs, self.settings.sample_rate)
        else:
            for job in jobs:
                job.convert_by(engine)

    def _open(self):
        """The device with its streams, or with as many as a file has channels where each is one; once."""
        if self._engine is None:
            settings = self.settings
            if settings.made["backend"] == "ttnn":
                self._stack.enter_context(claimed_card())
            backend = self._stack.enter_context(
                self._open_backend(settings.made["backend"], self._model, streams=settings.streams)
            )
            if backend.name != settings.made["backend"]:
                raise CorpusError(
                    f"{platform.node()}: has backend {backend.name} instead of {settings.made['backend']}; install "
                    f"requirements.txt there or choose --backend {backend.name}"
                )
            if settings.options.channels == "each":
                engine = Converter(backend, settings.sample_rate, settings.options)
            else:
                opened = backend.open_engine(backend.offline_chunk_factor, settings.streams, backend.offline_mode)
                engine = StreamServer(opened)
            self._engine = self._stack.enter_context(engine)
        return self._engine

    def close(self):
        """Gives the device back."""
        self._stack.close()

    @property
    def made(self):
        """The hash by which records name how results are made here."""
        if self._made is None:
            self._made = self.state.keep_made(
                {**self.settings.made, "versions": versions(self.settings.made["backend"])}
            )
        return self._made

    def advance(self, seconds):
        """So much audio was converted."""
        self._audio_s += seconds
        if time.monotonic() - self._since > REPORT_S:
            self._tell()

    def _tell(self):
        now = time.monotonic()
        self._busy_s += now - self._since
        self._since = now
        figures = {"audio_s": self._audio_s, "busy_s": self._busy_s, "up_s": now - self._begin}
        self._report(self._name, figures)


def versions(backend):
    """Of everything that samples go through."""
    unused = {"ttnn": ("onnxruntime",), "cpu": ("ttnn",)}.get(backend, ("onnxruntime", "ttnn"))
    found = {name: importlib.metadata.version(name) for name in PACKAGES if name not in unused}
    return {"python": platform.python_version(), **found}


@contextmanager
def claimed_card():
    """Makes one card of this machine the only one that ttnn sees: the first that no other worker has claimed.

    A claim is a lock on the card's device file. It ends with the process, however that ends. A single card needs none.
    """
    cards = sorted(int(path.name) for path in DEVICES.glob("[0-9]*"))
    with ExitStack() as stack:
        for card in cards if len(cards) > 1 else ():
            device = os.open(DEVICES / str(card), os.O_RDONLY)
            stack.callback(os.close, device)
            try:
                fcntl.flock(device, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            os.environ["TT_VISIBLE_DEVICES"] = str(card)
            break
        else:
            if len(cards) > 1:
                raise CorpusError(
                    f"{platform.node()}: has {len(cards)} cards, all in use; give its node no more tt_device"
                )
        yield
