# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A run: what is to be done, its way through Ray's actors, and the manifests at the end."""

import json
import os
import uuid
from contextlib import closing
from pathlib import Path

from audio.files import replacing, sha256_of

from .cluster import choose_actors, choose_backend, session
from .converter import Settings
from .folder import FolderCorpus
from .item import CorpusError, plan_items
from .jsonl import read_json_lines
from .progress import Progress
from .state import State

SUFFIXES = {"same": None, "wav": ".wav", "flac": ".flac", "parquet": ".flac"}  # by --format
UNIT_S = 120.0  # of audio for a stream: what an actor gets at a time
CHECKED = 256  # files of a unit whose results are there
UNITS = 4000  # at most, of all sizes


def open_corpus(path, output, channels, kept=()):
    """The corpus that a path holds: a folder tree, a manifest of NeMo or lhotse, or a Parquet table. CorpusError.

    `kept` are names in a folder of which there are results, if not the files.
    """
    path = str(path)
    if os.path.isdir(path):
        try:
            return FolderCorpus(path, output, kept)
        except CorpusError:
            inside = Path(output).resolve()
            tables = sorted(file for file in Path(path).rglob("*.parquet") if inside not in file.resolve().parents)
            if not tables:
                raise
        return open_table(path, tables, output)
    if not os.path.exists(path):
        raise CorpusError(f"{path}: no such file or folder; name a folder, a manifest or a table with -i")
    if path.endswith(".parquet"):
        return open_table(path, [path], output)
    if not path.endswith((".jsonl", ".json", ".jsonl.gz", ".json.gz")):
        raise CorpusError(f"{path}: no folder, .jsonl(.gz) manifest or .parquet table; demo.py converts single files")
    rows = read_json_lines(path)
    if "audio_filepath" in rows[0]:
        from .nemo import NemoCorpus

        return NemoCorpus(path, rows)
    if "tracks" in rows[0] or {"start", "duration"} <= rows[0].keys():
        from .cuts import CutCorpus

        return CutCorpus(path, rows, output, channels)
    names = ", ".join(list(rows[0])[:8])
    raise CorpusError(f"{path}: neither NeMo's audio_filepath nor cuts of lhotse in its rows, which have {names}")


def open_shards(state):
    from .shards import Shards

    return Shards(state)


def open_table(path, files, output):
    from .table import TableCorpus

    return TableCorpus(path, files, output)


def convert_corpus(args, options, voice, configuration):
    """Does what the command line and ConversionOptions say; returns (records, how many were there before, failures).

    CorpusError, or another LLVCError, if the run cannot start or go on; what was done by then is kept.
    """
    output = os.path.abspath(args.output)
    shards = args.format == "parquet"
    state = State(output, uuid.uuid4().hex[:12])
    kept = [record["name"] for record in state.load_records().values() if record["status"] == "done"]
    corpus = open_corpus(args.input, args.output, args.channels, kept)  # before anything is written
    if shards and not corpus.takes_shards:
        raise CorpusError(f"{args.input}: cuts name files of audio, not rows of a shard; take --format wav or flac")
    with state.locked(os.path.abspath(args.input)):
        before = state.load_records()
        items = plan_items(corpus.sources, SUFFIXES[args.format])
        if corpus.left_out:
            print(f"left out: {corpus.left_out:,} files of no audio format")
        check_outputs(args.input, corpus, items, output)
        packed = open_shards(state) if shards else None
        with session(args.address, args.actors) as ray:
            backend = choose_backend(ray, args.backend)
            settings = Settings(
                output=output,
                run=state.run,
                made={"checkpoint_sha256": voice.sha256(), "configuration": configuration, "backend": backend},
                sample_rate=voice.sample_rate,
                streams=args.streams,
                options=options,
                packed=frozenset(packed.places) if shards else None,
            )
            records = run_units(ray, args, settings, state, items, before, voice.model) if items else {}
        return finish(state, corpus, items, records, before, packed)


def check_outputs(source, corpus, items, output):
    """CorpusError if a result or the manifest would overwrite an input."""
    results = {_identity(os.path.join(output, path)) for path in (corpus.manifest, *(item.output for item in items))}
    inputs = {_identity(path) for path in (str(source), *(item.source.path for item in items))}
    if (results & inputs) - {None} or _identity(str(source)) == _identity(output) is not None:
        raise CorpusError(f"{output}: results would overwrite inputs there; name another folder with -o")


def _identity(path):
    """What tells whether two names stand for one file; None where there is none."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def run_units(ray, args, settings, state, items, before, model):
    """Converts all items; returns {id: record}."""
    from .pipeline import board, convert_units

    actors = choose_actors(ray, args.actors, settings.made["backend"])
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
    failures = [{"path": name, "reason": reason} for name, reason in corpus.failures]
    for name, record in by_name.items():
        if record["status"] != "done":
            failures.append({"path": name, "reason": record["reason"]})
        elif "damage" in record:
            failures.append({"path": name, "reason": f"{name}: {record['damage']}; converted up to there"})
    with replacing(state.output / "failed.jsonl") as temporary:
        temporary.write_text("".join(json.dumps(failure) + "\n" for failure in failures), encoding="ascii")
    ordered = [records[item.id] for item in items]
    remove_superseded(state, ordered, before, packed)
    state.finish_records(ordered)
    there = sum(record == before.get(record["id"]) for record in ordered if record["status"] == "done")
    return ordered, there, failures


def remove_superseded(state, records, before, packed):
    """Removes results of earlier options, which others of another name or in another place have replaced."""
    if packed is None and (state.folder / "shards.json").exists():
        open_shards(state).remove()
    wanted = {record.get("output") for record in records} if packed is None else set()
    for record in records:
        old = before.get(record["id"])
        if record["status"] == "done" and old and old["status"] == "done" and old["output"] not in wanted:
            path = state.output / old["output"]
            if path.is_file() and sha256_of(path) == old["output_sha256"]:
                state.remove(path)
