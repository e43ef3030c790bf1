# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""One item of a corpus: whether there is anything to do, its conversion, and the record of what came of it."""

import errno
import os
import stat
from pathlib import Path

import soundfile

from audio.files import FileError, sha256_of
from audio.reading import AudioError
from audio.recording import as_error
from demo.tracks import TrackJob
from reference.errors import one_line

DEATHS = 2  # of workers by one file: then it is left alone
# What is wrong with the place that results go to, not with one of them.
STORAGE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO}


class ItemJob(TrackJob):
    """An Item for a CorpusConverter; settle(record) gets what came of it.

    Nothing is half there at any time: a result is renamed to its place when it is complete, and recorded then.
    """

    def __init__(self, worker, item, record, settle):
        self.item, self._worker, self._settle = item, worker, settle
        self._old = worker.state.record(item.id) or record
        self._sha256 = self._seen = self._deaths = None
        source = item.source
        # Of audio out of a table, which goes with the job.
        self._copy = None if source.row is None else worker.state.work / (item.id + Path(source.wanted).suffix)
        self._path = source.path
        self._target = str(worker.state.work / f"{item.id}.result{Path(item.output).suffix}")
        settings = worker.settings
        super().__init__(self._path, self._target, settings.sample_rate, settings.options, self._done, self._failed)

    def is_settled(self):
        """Whether nothing is to be done: the result is there, or the audio is known as deadly or cannot be read."""
        worker, old = self._worker, self._old
        same = old is not None and "made" in old and self._same_settings(old)
        try:
            self._read_source()
        except ValueError as error:  # LLVCErrors, and names that no file has
            self._failed(self._path, error)
            return True
        except OSError as error:
            gone = isinstance(error, FileNotFoundError)
            if gone and same and old["status"] == "done" and self._is_intact(old):
                self._settle(old)  # a result outlives its source
            else:
                what = "no such file" if gone else f"cannot be read ({error.strerror or error})"
                self._record("failed", reason=f"{self.item.source.name}: {what}")
            return True
        if not same or old["input_sha256"] != self._sha256:
            return False
        if old["status"] == "done" and not self._is_intact(old):
            return False
        if old["status"] == "done" and worker.settings.options.strict and "damage" in old:
            return False
        self._settle(old)
        self._clean()
        return True

    def _same_settings(self, old):
        made = self._worker.state.made(old["made"])
        return made is not None and all(made.get(name) == value for name, value in self._worker.settings.made.items())

    def _is_intact(self, old):
        if old["output"] != self.item.output:
            return False
        path = self._worker.place / old["output"]
        if path.is_file():
            return sha256_of(path) == old["output_sha256"]
        return old["output"] in (self._worker.settings.packed or ())  # whose shard was compared

    def _read_source(self):
        """Hashes the source; takes it out of its table where it is in one."""
        source = self.item.source
        if self._copy is not None:
            self._path = self._worker.rows.take(source, str(self._copy))
            self._arguments = (self._path, *self._arguments[1:])
        self._seen = os.stat(self._path)
        if not stat.S_ISREG(self._seen.st_mode):
            raise AudioError(f"{source.name}: not a file; name an audio file")
        self._sha256 = sha256_of(self._path)

    # The conversion.

    def is_deadly(self):
        """Begins an attempt; settles an item that too many workers died of."""
        if self._begin() < DEATHS:
            return False
        name = self.item.source.name
        reason = f"{name}: quarantined, {DEATHS} workers died of it; convert it alone with demo.py to see why"
        self._record("quarantined", reason=reason, made=self._worker.made)
        return True

    def _begin(self):
        if self._deaths is None:
            worker = self._worker
            self._deaths = worker.state.begin_attempt(self.item.id, worker.node, worker.alive)
        return self._deaths

    def read(self, count):
        if self._worker.stopped:
            raise AudioError(self._worker.stopped)
        self._begin()
        return super().read(count)

    def write(self, samples):
        super().write(samples)
        self._worker.advance(len(samples) / self._worker.settings.sample_rate)

    def convert_by(self, converter):
        """Converts by a Converter, which makes a stream of every channel. What the device raises is not caught."""
        if self._worker.stopped:
            return
        try:
            self._begin()
            figures = converter.convert(self._path, self._target)
            self._worker.advance(figures["seconds"])
            self._done(figures)
        except (OSError, ValueError, MemoryError) as error:  # LLVCErrors among them
            self._failed(self._path, error)

    def _done(self, figures):
        worker, item = self._worker, self.item
        now = os.stat(self._path)
        if (now.st_size, now.st_mtime_ns) != (self._seen.st_size, self._seen.st_mtime_ns):
            raise AudioError(f"{item.source.name}: changed while it was read; convert it again when it is complete")
        info = soundfile.info(self._target)
        known = {
            "output": item.output,
            "output_sha256": sha256_of(self._target),
            "seconds": info.frames / info.samplerate,
            "num_samples": info.frames,
            "sample_rate": info.samplerate,
            "channels": info.channels,
            "made": worker.made,
        }
        if "damage" in figures:
            known["damage"] = figures["damage"]
        path = worker.place / item.output
        path.parent.mkdir(parents=True, exist_ok=True)
        os.replace(self._target, path)
        self._record("done", **known)

    def _failed(self, _, error):
        worker = self._worker
        if worker.stopped:
            return
        if not isinstance(error, (OSError, ValueError, MemoryError)):  # of the device, not of a file
            worker.stopped = one_line(error)
            return
        if isinstance(error, (FileError, OSError)):
            cause = error.__context__ if isinstance(error, FileError) else error
            if getattr(cause, "errno", None) in STORAGE:
                worker.stopped = f"{worker.settings.output}: cannot be written ({os.strerror(cause.errno)})"
                return
        reason = one_line(as_error(error, self.item.source.name))
        for path, name in ((self._path, self.item.source.name), (self._target, self.item.output)):
            reason = reason.replace(one_line(path), one_line(name))
        self._record("failed", reason=reason)

    def _record(self, status, **known):
        record = {
            "id": self.item.id,
            "name": self.item.source.name,
            "status": status,
            "input_sha256": self._sha256,
            **known,
        }
        self._worker.state.save_record(record)
        self._worker.state.end_attempt(self.item.id)
        self._clean()
        self._settle(record)

    def _clean(self):
        if self._copy is not None:
            self._copy.unlink(missing_ok=True)
