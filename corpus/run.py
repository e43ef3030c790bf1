# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A run: what is to be done, its way through Ray's actors, and the manifests at the end."""

import hashlib
import json
import os
import uuid
from contextlib import closing
from dataclasses import asdict, dataclass

from audio.files import sha256_of
from demo.report import LISTED
from demo.tracks import ConversionOptions

from .cluster import choose_actors, choose_backend, import_ray, session
from .converter import Settings
from .folder import FolderCorpus
from .item import CorpusError, plan_items
from .jsonl import read_json_lines
from .progress import Progress
from .state import State, write_text

SUFFIXES = {"same": None, "wav": ".wav", "flac": ".flac", "parquet": ".flac"}  # by --format
AUDIO = "audio"  # column of a table
FAILED, LEFT_OUT = "failed.jsonl", "left_out.jsonl"
UNIT_S = 120.0  # of audio for a stream: what an actor gets at a time
CHECKED = 256  # files of a unit whose results are there
UNITS = 4000  # at most, of all sizes


@dataclass(frozen=True)
class CorpusOptions:
    """What a run is asked for.

    input: a folder, a manifest or a table. output: the folder of the results.
    conversion: what is made of each recording.
    form: of the results, a name in SUFFIXES.
    column: of a table, the one with the audio; None: "audio".
    address: of the Ray cluster to join; None: one of this machine alone, for this run.
    actors: how many convert at a time; None: as many as fit.
    streams: files that each of them converts at a time.
    backend: where to compute (demo.backend.BACKENDS).
    """

    input: str
    output: str
    conversion: ConversionOptions = ConversionOptions()
    form: str = "same"
    column: str | None = None
    address: str | None = None
    actors: int | None = None
    streams: int = 1
    backend: str = "auto"


def open_corpus(path, output, channels, kept=(), column=None):
    """The corpus that a path holds: a folder tree, a manifest of NeMo or lhotse, or a Parquet table. CorpusError.

    `kept` are names in a folder of which there are results, if not the files; `column` is that of a table's audio.
    """
    path = str(path)
    if os.path.isdir(path):
        corpus = open_folder(path, output, kept, column or AUDIO)
        if column and corpus.manifest != "manifest.parquet":
            raise CorpusError(f"{path}: holds audio files, which have no --column {column}; leave it out")
        return corpus
    if not os.path.exists(path):
        raise CorpusError(f"{path}: no such file or folder; name a folder, a manifest or a table with -i")
    if path.endswith(".parquet"):
        from .table import TableCorpus

        return TableCorpus(path, [path], output, column or AUDIO)
    if not path.endswith((".jsonl", ".json", ".jsonl.gz", ".json.gz")):
        raise CorpusError(f"{path}: no folder, .jsonl(.gz) manifest or .parquet table; demo.py converts single files")
    if column:
        raise CorpusError(f"{path}: is no Parquet table and has no --column {column}; leave it out")
    rows = read_json_lines(path)
    if any("audio_filepath" in row for row in rows):
        from .nemo import NemoCorpus

        return NemoCorpus(path, rows)
    if any("tracks" in row or {"start", "duration"} <= row.keys() for row in rows):
        from .cuts import CutCorpus

        return CutCorpus(path, rows, output, channels)
    names = ", ".join(list(rows[0])[:8])
    raise CorpusError(f"{path}: neither NeMo's audio_filepath nor cuts of lhotse in its rows, which have {names}")


def open_folder(path, output, kept, column):
    """The audio files of a folder or, if there are none, the rows of its Parquet tables.

    A table with audio that lies beside audio files is a failure: nobody may take it for converted.
    """
    folder = FolderCorpus(path, output, kept)
    if not folder.tables:
        return folder
    from .table import TableCorpus, has_column

    if not folder.files:
        corpus = TableCorpus(path, folder.tables, output, column)
        corpus.failures += folder.failures
        taken = folder.tables
    else:
        corpus, taken = folder, [table for table in folder.tables if has_column(table, column)]
        for table in taken:
            name = os.path.relpath(table, path)
            reason = f"a table of audio beside audio files; convert it by itself, with -i {table}"
            corpus.failures.append((name, f"{name}: {reason}"))
    corpus.left_out = [(file, reason) for file, reason in folder.left_out if file not in taken]
    return corpus


def open_shards(state):
    from .shards import Shards

    return Shards(state)


def convert_corpus(options, voice):
    """Does what CorpusOptions say with a Voice; returns (records, how many were there before, failures).

    CorpusError, or another LLVCError, if the run cannot start or go on; what was done by then is kept.
    """
    import_ray()
    output, shards = os.path.abspath(options.output), options.form == "parquet"
    state = State(output, uuid.uuid4().hex[:12])
    kept = [record["name"] for record in state.load_records().values() if record["status"] == "done"]
    corpus = open_corpus(options.input, options.output, options.conversion.channels, kept, options.column)
    items = plan_items(corpus.sources, SUFFIXES[options.form])
    # Before anything is written.
    check_outputs(options.input, corpus, items, output)
    check_foreign(state, corpus, items, shards)
    with state.locked(os.path.abspath(options.input)):
        before = state.load_records()
        tell_left_out(state, corpus)
        packed = open_shards(state) if shards else None
        with session(options.address, options.actors) as ray:
            settings = Settings(
                output=output,
                run=state.run,
                made=made_with(options, voice, choose_backend(ray, options.backend)),
                sample_rate=voice.sample_rate,
                streams=options.streams,
                options=options.conversion,
                packed=frozenset(packed.places) if shards else None,
            )
            records = run_units(ray, options.actors, settings, state, items, before, voice.model) if items else {}
        return finish(state, corpus, items, records, before, packed)


def made_with(options, voice, backend):
    """What results depend on beside their input; where it is the same, so are they."""
    network = json.dumps(asdict(voice.model.config), sort_keys=True)
    conversion = options.conversion
    configuration = {
        "network_sha256": hashlib.sha256(network.encode()).hexdigest(),
        "network_rate": voice.sample_rate,
        "format": options.form,
        **{name: getattr(conversion, name) for name in ("channels", "output_rate", "match_loudness", "metadata")},
    }
    return {"checkpoint_sha256": voice.sha256(), "configuration": configuration, "backend": backend}


def tell_left_out(state, corpus):
    """Says what of a folder is left out, and why: the first of it here, all of it in left_out.jsonl."""
    for path, reason in corpus.left_out[:LISTED]:
        print(f"left out: {path} ({reason})")
    path = state.output / LEFT_OUT
    if len(corpus.left_out) > LISTED:
        print(f"left out: {len(corpus.left_out) - LISTED:,} more, all named in {path}")
    if corpus.left_out or path.exists():
        write_reasons(path, corpus.left_out)


def write_reasons(path, reasons):
    """Writes (name, reason) as lines of JSON."""
    lines = (json.dumps({"path": str(name), "reason": reason}) + "\n" for name, reason in reasons)
    write_text(path, "".join(lines))


def check_outputs(source, corpus, items, output):
    """CorpusError if a result or the manifest would overwrite an input."""
    names = (corpus.manifest, FAILED, LEFT_OUT, *(item.output for item in items))
    results = {_identity(os.path.join(output, name)) for name in names}
    inputs = {_identity(path) for path in (str(source), *(item.source.path for item in items))}
    if (results & inputs) - {None} or _identity(str(source)) == _identity(output) is not None:
        raise CorpusError(f"{output}: results would overwrite inputs there; name another folder with -o")


def check_foreign(state, corpus, items, shards):
    """CorpusError if something would be overwritten that no run has written."""
    if shards:
        if not corpus.takes_shards:
            raise CorpusError("rows that name several files of audio are no rows of a shard; take --format wav or flac")
        from .shards import check_folder

        check_folder(state)
    if not state.is_there():
        for name in (corpus.manifest, FAILED, LEFT_OUT, *(() if shards else (item.output for item in items))):
            if os.path.lexists(state.output / name):
                raise CorpusError(f"{state.output / name}: was there before and stays; name another folder with -o")


def _identity(path):
    """What tells whether two names stand for one file; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def run_units(ray, actors, settings, state, items, before, model):
    """Converts all items; returns {id: record}."""
    from .pipeline import board, convert_units

    actors = choose_actors(ray, actors, settings.made["backend"])
    place = state.output if settings.packed is None else state.audio
    units = plan_units(items, before, place, settings, actors)
    actors = min(actors, len(units))
    print(f"{len(items):,} files on {actors} actor{'s' if actors > 1 else ''}, backend {settings.made['backend']}")
    guesses = {item.id: item.source.seconds for item in items}
    records = {}
    with (
        board() as told,
        Progress(lambda: ray.get(told.read.remote()), len(items), sum(guesses.values())) as progress,
        closing(convert_units(units, settings, model, actors, told)) as results,
    ):
        for result in results:
            for record in result["records"]:
                records[record["id"]] = record
                progress.add(guesses[record["id"]], record["status"] != "done")
            if result["stop"]:
                raise CorpusError(f"{result['stop']}; the same command goes on from there")
    return records


def plan_units(items, before, place, settings, actors):
    """Units [[(Item, its record of a run before or None)]]: first what is probably done, then the longest files.

    So the files of a unit, which are streams of one device, are of similar length, and the last units are short ones.
    """
    there, rest = [], []
    for item in items:
        record = before.get(item.id)
        done = record is not None and record["status"] == "done"
        packed = settings.packed is not None and item.output in settings.packed
        (there if done and (packed or (place / item.output).exists()) else rest).append((item, record))
    units = [there[i : i + CHECKED] for i in range(0, len(there), CHECKED)]
    rest.sort(key=lambda entry: -entry[0].source.seconds)
    total = sum(item.source.seconds for item, _ in rest)
    limit = max(total / UNITS, min(UNIT_S * settings.streams, total / actors / 8))
    seconds = 0.0
    unit = []
    for item, record in rest:
        unit.append((item, record))
        seconds += item.source.seconds
        if seconds >= limit and len(unit) >= settings.streams or len(unit) >= CHECKED:
            units.append(unit)
            unit, seconds = [], 0.0
    return units + ([unit] if unit else [])


def finish(state, corpus, items, records, before, packed):
    """Writes shards, manifest and failed.jsonl; returns what convert_corpus does."""
    by_name = {item.source.name: records[item.id] for item in items}

    def facts(name):
        record = by_name[name]
        if record["status"] != "done":
            return None
        made = state.made(record["made"])
        taken = ("seconds", "sample_rate", "num_samples", "input_sha256", "output_sha256", "damage")
        return {"path": record["output"], **{key: record[key] for key in taken if key in record}, **made}

    if packed is not None:
        packed.write(*corpus.table(facts))
    corpus.write(state.output / corpus.manifest, facts)
    failures = list(corpus.failures)
    for name, record in by_name.items():
        if record["status"] != "done":
            failures.append((name, record["reason"]))
        elif "damage" in record:
            failures.append((name, f"{name}: {record['damage']}; converted up to there"))
    write_reasons(state.output / FAILED, failures)
    ordered = [records[item.id] for item in items]
    remove_superseded(state, ordered, before, packed)
    state.finish_records(ordered)
    there = sum(record == before.get(record["id"]) for record in ordered if record["status"] == "done")
    return ordered, there, failures


def remove_superseded(state, records, before, packed):
    """Removes results of earlier options, which others of another name or in another place have replaced."""
    if packed is None and any((state.folder / name).exists() for name in ("shards.json", "shards.ready")):
        open_shards(state).remove()
    wanted = {record.get("output") for record in records} if packed is None else set()
    for record in records:
        old = before.get(record["id"])
        if record["status"] == "done" and old and old["status"] == "done" and old["output"] not in wanted:
            path = state.output / old["output"]
            if path.is_file() and sha256_of(path) == old["output_sha256"]:
                state.remove(path)
