# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Every kind of corpus goes round: rows keep their fields and order, and others' readers read what is written."""

import gzip
import hashlib
import io
import json
import os
import shutil

import numpy as np
import pytest
import soundfile
from support.corpus import contents, json_lines, record

from demo import cli

FACTS = {"path", "seconds", "input_sha256", "output_sha256", "checkpoint_sha256", "configuration", "backend"}
FACTS |= {"versions"}


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture
def by_demo(voice, tmp_path):
    """by_demo(path): what demo.py makes of a file, as int16."""

    def convert(path, suffix=".wav", *options):
        result = tmp_path / f"by_demo{suffix}"
        assert cli.main([*voice, "-i", str(path), "-o", str(result), *options]) == 0
        return soundfile.read(result, dtype="int16")[0]

    return convert


def test_a_folder(convert, voice, by_demo, tmp_path):
    names = ["a.wav", "b/a.flac", "b/ü 文.wav", "two\nlines.wav", "same.wav", "same.mp3", "same.aiff", "UPPER.FLAC"]
    for i, name in enumerate(names):
        record(tmp_path / "in" / name, 0.2 + 0.1 * i, seed=i)
    record(tmp_path / "in" / ".hidden.wav")
    record(tmp_path / "in" / "out" / "earlier.wav")
    (tmp_path / "in" / "notes.txt").touch()
    (tmp_path / "in" / "folder.wav").mkdir()
    output = tmp_path / "in" / "out"  # inside of what is read
    assert convert("-i", tmp_path / "in", "-o", output) == 0
    rows = json_lines(output / "manifest.jsonl")
    assert [row["source_audio_filepath"] for row in rows] == sorted(names)
    outputs = {row["source_audio_filepath"]: row["audio_filepath"] for row in rows}
    renamed = {"same.mp3": "same.mp3.wav", "same.aiff": "same.aiff.wav", "UPPER.FLAC": "UPPER.flac"}
    assert outputs == {name: renamed.get(name, name) for name in names}
    for row in rows:
        source, result = tmp_path / "in" / row["source_audio_filepath"], output / row["path"]
        assert row.keys() >= FACTS and row["input_sha256"] == sha256(source) and row["output_sha256"] == sha256(result)
        samples = soundfile.read(result, dtype="int16")[0]
        assert np.array_equal(samples, by_demo(source, result.suffix))
        assert row["seconds"] == row["duration"] == len(samples) / 16000
        assert row["backend"] == "cpu" and row["versions"]["torch"] and row["configuration"]["channels"] == "mix"
        assert row["checkpoint_sha256"] == sha256(tmp_path.parent / voice_file(voice))
    assert (output / "failed.jsonl").read_text() == ""


def voice_file(voice):
    return voice[voice.index("-p") + 1]


def test_a_nemo_manifest(convert, tmp_path):
    record(tmp_path / "in" / "a.wav")
    record(tmp_path / "elsewhere" / "b.wav", seed=1)
    record(tmp_path / "in" / "strange \n 文.wav", seed=2)
    rows = [
        {"audio_filepath": "a.wav", "duration": 0.1, "offset": 0.1, "text": "first", "path": "mine"},
        {"audio_filepath": "missing.wav", "text": "nobody"},
        {"audio_filepath": str(tmp_path / "elsewhere" / "b.wav"), "text": "ü", "extra": {"deep": [1, None]}},
        {"audio_filepath": "./x/../a.wav", "duration": 0.1, "offset": 0.2, "text": "second"},
        {"audio_filepath": "strange \n 文.wav", "label": 7},
    ]
    manifest = write_lines(tmp_path / "in" / "list.jsonl", rows)
    assert convert("-i", manifest, "-o", tmp_path / "out") == 1
    written = json_lines(tmp_path / "out" / "manifest.jsonl")
    assert [row.get("text") for row in written] == ["first", "ü", "second", None]
    for row, source in zip(written, [rows[0], rows[2], rows[3], rows[4]], strict=True):
        assert {key: row[key] for key in source if key not in ("audio_filepath", "path")} == {
            key: value for key, value in source.items() if key not in ("audio_filepath", "path")
        }
        assert row["source_audio_filepath"] == source["audio_filepath"] and row.keys() >= FACTS
        assert (tmp_path / "out" / row["audio_filepath"]).is_file()
    assert written[0]["audio_filepath"] == written[2]["audio_filepath"] == "a.wav"  # once
    assert written[0]["source_path"] == "mine" and written[1]["duration"] == 0.3
    (failure,) = json_lines(tmp_path / "out" / "failed.jsonl")
    assert failure["path"].endswith("missing.wav") and failure["reason"].endswith("no such file")


def test_names_that_no_file_has(convert, tmp_path):
    record(tmp_path / "in" / "a.wav")
    (tmp_path / "in" / "folder.wav").mkdir()
    os.mkfifo(tmp_path / "in" / "pipe.wav")
    names = ["a.wav", "a\0.wav", "\ud800.wav", "x" * 300 + ".wav", "folder.wav", "pipe.wav", ".", "a.wav/b.wav"]
    manifest = write_lines(tmp_path / "in" / "list.jsonl", [{"audio_filepath": name} for name in names])
    assert convert("-i", manifest, "-o", tmp_path / "out") == 1
    assert [row["source_audio_filepath"] for row in json_lines(tmp_path / "out" / "manifest.jsonl")] == ["a.wav"]
    assert len(json_lines(tmp_path / "out" / "failed.jsonl")) == len(names) - 1


def test_lhotse_cuts(convert, tmp_path, by_demo):
    lhotse = pytest.importorskip("lhotse", exc_type=ImportError)
    recordings = []
    for i, rate in enumerate((16000, 44100, 16000)):
        path = record(tmp_path / "in" / f"{i}.wav", 1.003, seed=i, rate=rate)
        recordings.append(lhotse.Recording.from_file(path))
    words = lhotse.SupervisionSegment("s", recordings[1].id, start=0.1, duration=0.5, text="words", speaker="x")
    cuts = [
        lhotse.MonoCut("one", 0.0, recordings[0].duration, 0, recording=recordings[0], custom={"mine": 5}),
        lhotse.MonoCut("two", 0.25, 0.7, 0, recording=recordings[1], supervisions=[words]),
        lhotse.MonoCut("again", 0.5, 0.2, 0, recording=recordings[0]),
        lhotse.MonoCut("c", 0, 0.5, 0, recording=recordings[2])
        .pad(0.8)
        .append(lhotse.MonoCut("d", 0.5, 0.25, 0, recording=recordings[0])),
    ]
    stereo = lhotse.Recording.from_file(record(tmp_path / "in" / "stereo.wav", channels=2))
    cuts.append(lhotse.MonoCut("left", 0, 0.3, 0, recording=stereo))
    lhotse.CutSet.from_cuts(cuts).to_file(tmp_path / "in" / "cuts.jsonl.gz")
    assert convert("-i", tmp_path / "in" / "cuts.jsonl.gz", "-o", tmp_path / "out") == 1
    assert "take --channels each" in json_lines(tmp_path / "out" / "failed.jsonl")[0]["reason"]
    with gzip.open(tmp_path / "out" / "cuts.jsonl.gz") as file:
        raw = [json.loads(line) for line in file]
    written = list(lhotse.CutSet.from_file(tmp_path / "out" / "cuts.jsonl.gz"))
    assert [cut.id for cut in written] == [cut.id for cut in cuts[:4]]
    lhotse.qa.validate_recording(written[1].recording, read_data=True)
    for before, after in zip(cuts[:3], written, strict=False):
        whole = by_demo(before.recording.sources[0].source)
        assert np.array_equal(np.rint(after.recording.load_audio()[0] * 32768), whole)
        start, samples = round(before.start * 16000), after.load_audio()[0]
        assert abs(len(samples) - before.duration * 16000) <= 1
        assert np.array_equal(np.rint(samples * 32768), whole[start : start + len(samples)])
    assert written[1].supervisions[0].text == "words" and written[0].custom["mine"] == 5
    assert raw[0]["custom"].keys() >= FACTS and raw[0]["custom"]["source_recording"] == cuts[0].recording.to_dict()
    assert written[3].load_audio().shape == cuts[3].load_audio().shape
    assert convert("-i", tmp_path / "in" / "cuts.jsonl.gz", "-o", tmp_path / "no", "--format", "parquet") == 1
    assert not (tmp_path / "no").exists()
    assert convert("-i", tmp_path / "in" / "cuts.jsonl.gz", "-o", tmp_path / "both", "--channels", "each") == 0
    assert list(lhotse.CutSet.from_file(tmp_path / "both" / "cuts.jsonl.gz"))[4].load_audio().shape == (1, 4800)


@pytest.fixture
def hugging_face(tmp_path):
    """A table as datasets writes it: bytes, a path beside it, the same path again, and a row with a path only."""
    datasets = pytest.importorskip("datasets", exc_type=ImportError)
    files = [record(tmp_path / "files" / f"{i}.flac", 0.2 + 0.1 * i, seed=i) for i in range(4)]
    audio = [
        {"bytes": files[0].read_bytes(), "path": "sub/0.flac"},
        {"bytes": files[1].read_bytes(), "path": None},
        {"bytes": files[2].read_bytes(), "path": "sub/0.flac"},
        {"bytes": None, "path": str(files[3])},
        {"bytes": b"no audio", "path": "bad.wav"},
    ]
    table = datasets.Dataset.from_dict({"audio": audio, "text": list("abcde"), "label": [3, 1, 4, 1, 5]})
    table = table.cast_column("audio", datasets.Audio(decode=False))
    table = table.cast_column("label", datasets.ClassLabel(names=list("zyxwvu")))
    (tmp_path / "in").mkdir()
    table.to_parquet(str(tmp_path / "in" / "train-00000-of-00001.parquet"))
    return datasets, files


@pytest.mark.parametrize("form", ["same", "parquet"])
def test_a_hugging_face_table(convert, tmp_path, by_demo, hugging_face, form, monkeypatch):
    datasets, files = hugging_face
    monkeypatch.setattr("corpus.shards.SHARD_BYTES", 20_000)
    assert convert("-i", tmp_path / "in", "-o", tmp_path / "out", "--format", form) == 1
    shards = sorted(map(str, (tmp_path / "out" / "data").glob("*.parquet")))
    data = shards if form == "parquet" else [str(tmp_path / "out" / "manifest.parquet")]
    assert len(data) == (2 if form == "parquet" else 1)
    table = datasets.load_dataset("parquet", data_files=data, cache_dir=str(tmp_path / "cache"), split="train")
    assert isinstance(table.features["audio"], datasets.Audio) and table.features["audio"].sampling_rate == 16000
    assert table.features["label"].names == list("zyxwvu")
    table = table.cast_column("audio", datasets.Audio(decode=False))
    assert table["text"][:] == list("abcd") and table["label"][:] == [3, 1, 4, 1] and set(table.column_names) >= FACTS
    for row, source in zip(table, files, strict=True):
        audio = row["audio"]
        assert (audio["bytes"] is None) == (form == "same")
        content = io.BytesIO(audio["bytes"]) if audio["bytes"] else audio["path"]
        suffix = os.path.splitext(row["path"])[1]
        assert np.array_equal(soundfile.read(content, dtype="int16")[0], by_demo(source, suffix))
        assert row["input_sha256"] == sha256(source) and row["versions"]["python"]
    (failure,) = json_lines(tmp_path / "out" / "failed.jsonl")
    assert failure["path"] == "bad.wav"


@pytest.mark.parametrize("kind", ["string", "large_string", "binary", "large_binary"])
def test_a_plain_column(convert, tmp_path, kind):
    import pyarrow
    from pyarrow import parquet

    files = [record(tmp_path / "in" / f"{i}.wav", seed=i) for i in range(3)]
    values = [file.name if "string" in kind else file.read_bytes() for file in files]
    table = pyarrow.table({"n": [1, 2, 3], "audio": pyarrow.array(values, getattr(pyarrow, kind)())})
    parquet.write_table(table, tmp_path / "in" / "table.parquet", row_group_size=2)
    assert convert("-i", tmp_path / "in" / "table.parquet", "-o", tmp_path / "out") == 0
    written = parquet.read_table(tmp_path / "out" / "manifest.parquet").to_pylist()
    assert [row["n"] for row in written] == [1, 2, 3]
    assert [row["input_sha256"] for row in written] == [sha256(file) for file in files]


def test_shards_of_a_folder_are_rewritten_only_when_something_changed(convert, tmp_path, monkeypatch):
    monkeypatch.setattr("corpus.shards.SHARD_BYTES", 15_000)
    for i in range(6):
        record(tmp_path / "in" / f"{i}.wav", seed=i)
    options = ("-i", tmp_path / "in", "-o", tmp_path / "out", "--format", "parquet")
    assert convert(*options) == 0
    first, shard = contents(tmp_path / "out"), sorted((tmp_path / "out" / "data").iterdir())[0]
    assert len(first) == 2 + 3 and not (tmp_path / "out" / ".llvc-corpus" / "audio").exists()
    time = shard.stat().st_mtime_ns
    assert convert(*options) == 0
    assert contents(tmp_path / "out") == first and shard.stat().st_mtime_ns == time
    shard.write_bytes(b"damaged")
    assert convert(*options) == 0 and contents(tmp_path / "out") == first
    record(tmp_path / "in" / "1.wav", seed=9)
    record(tmp_path / "in" / "6.wav", seed=6)
    assert convert(*options) == 0
    shutil.move(tmp_path / "out", tmp_path / "grown")
    assert convert(*options) == 0 and contents(tmp_path / "out") == contents(tmp_path / "grown") != first


BAD = {
    "a.jsonl": (b"{\n", "a.jsonl, line 1: not JSON"),
    "b.jsonl": (b'{"audio_filepath": "a.wav"}\n[1]\n', "line 2: no table"),
    "c.jsonl": (b"", "holds no rows"),
    "d.jsonl": (b'{"audio": "a.wav"}\n', "neither NeMo's audio_filepath nor cuts of lhotse"),
    "e.jsonl": (b'{"audio_filepath": 3}\n{"audio_filepath": []}\n', "row 1: no audio_filepath"),
    "f.jsonl": (b'{"id": "x", "start": 0, "duration": null}\n', "row 1: not a cut"),
    "g.jsonl.gz": (gzip.compress(b'{"audio_filepath": "a.wav"}\n' * 99)[:-20], "damaged gzip"),
    "h.parquet": (b"PAR1", "cannot be read as Parquet"),
    "i.txt": (b"", "no folder, .jsonl(.gz) manifest or .parquet table"),
    "j.jsonl": (b"\xff\xfe{}\n", "line 1: not JSON"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_manifest_is_told_in_one_line(convert, tmp_path, capsys, name):
    content, complaint = BAD[name]
    (tmp_path / name).write_bytes(content)
    assert convert("-i", tmp_path / name, "-o", tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert complaint in error and error.count("\n") == 1 and "Traceback" not in error
    assert not (tmp_path / "out").exists()


def test_a_table_without_audio(convert, tmp_path, capsys):
    import pyarrow
    from pyarrow import parquet

    parquet.write_table(pyarrow.table({"sound": [1]}), tmp_path / "a.parquet")
    assert convert("-i", tmp_path / "a.parquet", "-o", tmp_path / "out") == 1
    assert "has no column audio; it has sound" in capsys.readouterr().err
    parquet.write_table(pyarrow.table({"audio": [1]}), tmp_path / "a.parquet")
    assert convert("-i", tmp_path / "a.parquet", "-o", tmp_path / "out") == 1
    assert "its column audio holds int64" in capsys.readouterr().err
