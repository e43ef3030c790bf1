# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What a run leaves for the next one: a record of every source, how it was made, and who died of what.

OUTPUT/.llvc-corpus/
    corpus.json       which corpus the folder belongs to
    lock              held by the run that is under way
    records.jsonl     the records of finished runs, in the corpus's order
    records/XX/ID.json    those of a run under way or cut off
    made/HASH.json    what results are made with; records name it by its hash
    attempts/RUN/ID   sources that are being converted, and how often that ended in a death
    work/RUN/         results that are not complete
    audio/            (Parquet) results that wait for their shard
"""

import fcntl
import hashlib
import json
import os
import shutil
from contextlib import contextmanager, suppress
from pathlib import Path

from audio.files import replacing

from .item import CorpusError

FOLDER = ".llvc-corpus"
FORMAT = 1  # of these files


def to_json(value):
    """One line that is the same for the same value, whatever characters it holds."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))


def write_text(path, text):
    """Writes a whole file or none. FileError if the file system refuses."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="ascii")


class State:
    """The state folder of an output folder."""

    def __init__(self, output, run):
        self.output, self.run = Path(output), run
        self.folder = self.output / FOLDER
        self.work, self.attempts = self.folder / "work" / run, self.folder / "attempts" / run
        self.audio = self.folder / "audio"
        self._made = {}

    def is_there(self):
        """Whether an earlier run has made the output folder its own."""
        return (self.folder / "corpus.json").exists()

    @contextmanager
    def locked(self, corpus):
        """Claims the folder for this run of a corpus (a name), and clears away what dead runs left half done.

        CorpusError if another run has it, or if it belongs to another corpus.
        """
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            lock = (self.folder / "lock").open("w")
        except OSError as error:
            raise CorpusError(f"{self.output}: cannot be written ({error.strerror or error})") from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise CorpusError(f"{self.output}: another run is writing there; wait for it to end") from None
            owner = {"format": FORMAT, "corpus": corpus}
            try:
                if json.loads((self.folder / "corpus.json").read_text()) != owner:
                    raise CorpusError(f"{self.output}: holds another corpus's results; name another folder with -o")
            except FileNotFoundError:
                write_text(self.folder / "corpus.json", to_json(owner) + "\n")
            self._clear()
            try:
                yield
            finally:
                self._clear()

    def _clear(self):
        for name in ("work", "attempts"):
            shutil.rmtree(self.folder / name, ignore_errors=True)

    # Records.

    def load_records(self):
        """{id: record} of all runs before."""
        records = {}
        for record in _json_lines(self.folder / "records.jsonl"):
            records[record["id"]] = record
        for path in (self.folder / "records").glob("??/*.json"):
            for record in _json_lines(path):
                records[record["id"]] = record
        return records

    def record(self, id):
        """What a run that did not end left of a source, or None."""
        return next(_json_lines(self._record_path(id)), None)

    def save_record(self, record):
        """Keeps the record of one source, whole or not at all."""
        write_text(self._record_path(record["id"]), to_json(record) + "\n")

    def finish_records(self, records):
        """Keeps these records, in this order, and no others."""
        write_text(self.folder / "records.jsonl", "".join(to_json(record) + "\n" for record in records))
        shutil.rmtree(self.folder / "records", ignore_errors=True)

    def _record_path(self, id):
        return self.folder / "records" / id[:2] / f"{id}.json"

    # How results were made.

    def keep_made(self, made):
        """Keeps a description of how results are made; returns its hash."""
        text = to_json(made)
        name = hashlib.sha256(text.encode()).hexdigest()[:16]
        path = self.folder / "made" / f"{name}.json"
        if not path.exists():
            write_text(path, text + "\n")
        return name

    def made(self, name):
        """The description of this hash; None if it is gone."""
        if name not in self._made:
            self._made[name] = next(_json_lines(self.folder / "made" / f"{name}.json"), None)
        return self._made[name]

    # Attempts.

    def begin_attempt(self, id, node, alive):
        """Notes that a source is about to be converted on a node; returns how many workers died of it in this run.

        A worker that died with its node did not die of the source; alive(node) says whether a node is there.
        """
        path = self.attempts / id
        deaths = 0
        for attempt in _json_lines(path):
            deaths = attempt["deaths"] + alive(attempt["node"])
        write_text(path, to_json({"deaths": deaths, "node": node}) + "\n")
        return deaths

    def end_attempt(self, id):
        """The worker lives."""
        (self.attempts / id).unlink(missing_ok=True)

    def was_begun(self, id):
        """Whether a worker of this run died while it had the source."""
        return (self.attempts / id).exists()

    def remove(self, path):
        """Removes a result, and the folders that it leaves empty."""
        path.unlink(missing_ok=True)
        with suppress(OSError):
            os.removedirs(path.parent)


def _json_lines(path):
    """The values of a file of JSON lines; none if it is not there or cut off."""
    try:
        with open(path, encoding="ascii") as file:
            for line in file:
                yield json.loads(line)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return
