# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""lhotse's cuts as corpora: JSON lines of MonoCut, MultiCut, MixedCut and PaddingCut."""

import copy
import os
from pathlib import Path

from .item import CorpusError, joined_facts, with_facts
from .jsonl import JsonCorpus

WITHOUT_AUDIO = "PaddingCut"


class CutCorpus(JsonCorpus):
    """The cuts of a lhotse manifest. Their recordings are converted whole, each once; what cuts say of time stays true.

    `output` is the folder of the results, by whose name, as it was given, lhotse finds them. A cut is a failure whose
    recording is not in files, is transformed as it is loaded, or has channels that would be mixed.
    """

    manifest = "cuts.jsonl.gz"
    takes_shards = False

    def __init__(self, path, rows, output, channels):
        super().__init__()
        self._folder, self._output = os.path.dirname(os.path.abspath(path)), Path(output)
        self._rows = []  # (row, names of its cuts' sources, None if it cannot be converted)
        for number, row in enumerate(rows, 1):
            name = f"row {number}"
            try:
                name = str(row["id"])
                self._rows.append((row, self._take(row, channels)))
            except CorpusError as error:
                self.failures.append((name, f"cut {name}: {error}"))
                self._rows.append((row, None))
            except (KeyError, TypeError, AttributeError):
                self.failures.append((name, f"row {number}: not a cut of lhotse"))
        if not self._rows:
            raise CorpusError(f"{path}, {self.failures[0][1]}; mend the manifest")

    def _take(self, row, channels):
        """Takes a row's recordings; returns the names of the files of each. CorpusError tells of an obstacle."""
        cuts = _parts(row)
        for cut in cuts:
            float(cut["start"] + cut["duration"])
            if reason := _obstacle(cut.get("recording"), channels):
                raise CorpusError(reason)
        return [
            [self.add_file(source["source"], self._folder) for source in cut["recording"]["sources"]] for cut in cuts
        ]

    def row(self, index, facts):
        row, names = self._rows[index]
        if names is None:
            return None
        row = copy.deepcopy(row)
        for cut, files in zip(_parts(row), names, strict=True):
            known = [name and facts(name) for name in files]
            if not all(known):
                return None
            if not self._replace(cut, known):
                self.failures.append((str(row["id"]), f"cut {row['id']}: lies behind the end of its damaged recording"))
                return None
        return row

    def _replace(self, cut, known):
        """Puts the results in the place of a cut's recording; False for a cut that lies behind their end."""
        recording, first = cut["recording"], known[0]
        source = copy.deepcopy(recording)
        for entry, result in zip(recording["sources"], known, strict=True):
            entry["source"] = str(self._output / result["path"])
        seconds = first["seconds"]
        recording |= {"sampling_rate": first["sample_rate"], "num_samples": first["num_samples"], "duration": seconds}
        if cut["start"] >= seconds:
            return False
        cut["duration"] = min(cut["duration"], seconds - cut["start"])
        facts = joined_facts(known) | {"source_recording": source}
        if "features" in cut:  # of the voice before
            facts["source_features"] = cut.pop("features")
        cut["custom"] = with_facts(cut.get("custom") or {}, facts)
        return True

    def __len__(self):
        return len(self._rows)


def _parts(row):
    """The cuts of a row that have audio: itself, or those that a MixedCut mixes."""
    if row.get("type") == "MixedCut":
        return [track["cut"] for track in row["tracks"] if track["cut"].get("type") != WITHOUT_AUDIO]
    return [] if row.get("type") == WITHOUT_AUDIO else [row]


def _obstacle(recording, channels):
    """Why a recording cannot be converted, or None."""
    if not recording or not recording["sources"]:
        return "it has no recording that is in files"
    kinds = {source["type"] for source in recording["sources"]} - {"file"}
    if kinds:
        return f"its recording is of type {kinds.pop()}, not in a file; export it with lhotse first"
    if recording.get("transforms"):
        return "its recording is transformed as it is loaded; save the audio with lhotse first"
    if channels != "each" and any(len(source["channels"]) > 1 for source in recording["sources"]):
        return "its recording has several channels, which a cut tells apart; take --channels each"
    return None
