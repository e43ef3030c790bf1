# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What a run leaves in its output folder: manifests, lists of what is not in them, and nothing of runs before."""

import json
import os

from audio.files import sha256_of
from demo.report import LISTED

from .item import CorpusError
from .state import write_text

FAILED, LEFT_OUT = "failed.jsonl", "left_out.jsonl"


def open_shards(state):
    """The Shards of a State; what imports pyarrow is imported when it is needed."""
    from .shards import Shards

    return Shards(state)


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
