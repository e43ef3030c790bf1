# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A run: what is asked for, in units for Ray's actors."""

import hashlib
import json
import os
import uuid
from contextlib import closing
from dataclasses import asdict, dataclass

from demo.tracks import ConversionOptions

from .cluster import choose_actors, choose_backend, import_ray, session
from .converter import Settings
from .item import CorpusError, plan_items
from .opening import open_corpus
from .progress import Progress
from .results import check_foreign, check_outputs, finish, open_shards, tell_left_out
from .state import State

SUFFIXES = {"same": None, "wav": ".wav", "flac": ".flac", "parquet": ".flac"}  # by --format
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
