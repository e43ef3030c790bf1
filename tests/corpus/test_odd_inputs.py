# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Corpora as people have them: what is odd is converted or named, and nothing of theirs is lost."""

import gzip
import hashlib
import json
import os

import numpy as np
import pytest
import soundfile
from support.corpus import STATE, contents, json_lines, leftovers, record


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def write_table(path, /, **columns):
    import pyarrow
    from pyarrow import parquet

    path.parent.mkdir(parents=True, exist_ok=True)
    parquet.write_table(pyarrow.table(columns), path)
    return path


def read_table(path):
    from pyarrow import parquet

    return parquet.read_table(path).to_pylist()


def embedded(*files):
    import pyarrow

    return pyarrow.array([{"bytes": file.read_bytes(), "path": file.name} for file in files])


def failed(output):
    """{name: reason} of failed.jsonl."""
    return {row["path"]: row["reason"] for row in json_lines(output / "failed.jsonl")}


# What lies in the output folder already.


@pytest.fixture
def dataset(tmp_path):
    """A dataset of two shards in the folder data, and a note beside them."""
    for i in range(2):
        audio = embedded(record(tmp_path / f"{i}.wav", seed=i))
        write_table(tmp_path / "set" / "data" / f"train-0000{i}-of-00002.parquet", audio=audio, text=["words"])
    (tmp_path / "set" / "data" / "notes.txt").write_text("mine")
    return tmp_path / "set"


def test_shards_beside_the_data_are_refused(convert, dataset, tmp_path, capsys):
    before = contents(dataset)
    source = dataset / "data" / "train-00000-of-00002.parquet"
    assert convert("-i", source, "-o", dataset, "--format", "parquet") == 1
    error = capsys.readouterr().err
    assert "was not written by an earlier run and stays" in error and error.count("\n") == 1
    assert contents(dataset) == before and not (dataset / STATE).exists()
    (tmp_path / "out" / "data").mkdir(parents=True)  # an empty one is no less somebody's
    assert convert("-i", source, "-o", tmp_path / "out", "--format", "parquet") == 1
    assert list((tmp_path / "out").rglob("*")) == [tmp_path / "out" / "data"]


def test_only_shards_of_the_list_are_replaced_and_removed(convert, dataset, tmp_path, capsys):
    options = ("-i", dataset / "data", "-o", tmp_path / "out", "--format", "parquet")
    assert convert(*options) == 0
    data = tmp_path / "out" / "data"
    (data / "notes.txt").write_text("mine")
    record(tmp_path / "0.wav", seed=9)
    write_table(dataset / "data" / "train-00000-of-00002.parquet", audio=embedded(tmp_path / "0.wav"), text=["new"])
    assert convert(*options) == 0
    assert sorted(path.name for path in data.iterdir()) == ["notes.txt", "train-00000-of-00001.parquet"]
    assert [row["text"] for row in read_table(data / "train-00000-of-00001.parquet")] == ["new", "words"]
    foreign = write_table(data / "train-00001-of-00001.parquet", audio=["theirs"])
    before = contents(tmp_path / "out")
    assert convert(*options) == 1 and f"{foreign}: was not written" in capsys.readouterr().err
    assert contents(tmp_path / "out") == before
    assert convert(*options[:4], "--format", "flac") == 0
    assert sorted(path.name for path in data.iterdir()) == ["notes.txt", "train-00001-of-00001.parquet"]
    assert convert(*options) == 1  # and has no list any more


@pytest.mark.parametrize("moves", range(4))
def test_a_replacement_that_is_cut_off_goes_on(convert, tmp_path, monkeypatch, moves):
    """Three shards by two others, after so many renamings of a file or folder."""
    monkeypatch.setattr("corpus.shards.SHARD_BYTES", 15_000)
    for i in range(5):
        record(tmp_path / "in" / f"{i}.wav", seed=i)
    options = ("-i", tmp_path / "in", "-o", tmp_path / "out", "--format", "parquet")
    assert convert(*options) == 0
    assert len(list((tmp_path / "out" / "data").iterdir())) == 3
    (tmp_path / "in" / "5.wav").write_bytes((tmp_path / "in" / "4.wav").read_bytes())
    record(tmp_path / "in" / "6.wav", seed=6)
    rename, left = os.replace, [moves]

    def cut_off(source, target):
        if "shards" in str(source):
            if not left[0]:
                raise KeyboardInterrupt
            left[0] -= 1
        rename(source, target)

    monkeypatch.setattr("corpus.shards.os.replace", cut_off)
    assert convert(*options) == 130
    monkeypatch.setattr("corpus.shards.os.replace", rename)
    assert convert(*options) == 0 and not leftovers(tmp_path / "out")
    assert convert(*options[:3], tmp_path / "fresh", *options[4:]) == 0
    assert contents(tmp_path / "out") == contents(tmp_path / "fresh")


@pytest.mark.parametrize("name", ["manifest.jsonl", "failed.jsonl", "left_out.jsonl", "0.wav"])
def test_what_no_run_has_written_is_not_overwritten(convert, tmp_path, capsys, name):
    record(tmp_path / "in" / "0.wav")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text("mine")
    assert convert("-i", tmp_path / "in", "-o", tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert f"out/{name}: was there before and stays" in error and error.count("\n") == 1
    assert contents(tmp_path / "out") == {name: b"mine"} and not (tmp_path / "out" / STATE).exists()


# Folders.


def test_links_of_a_folder(convert, tmp_path):
    record(tmp_path / "in" / "plain.wav")
    record(tmp_path / "elsewhere" / "linked.wav", seed=1)
    record(tmp_path / "elsewhere" / "sub" / "deep.wav", seed=2)
    links = {
        "file.wav": tmp_path / "elsewhere" / "linked.wav",
        "again.wav": tmp_path / "in" / "plain.wav",
        "folder": tmp_path / "elsewhere" / "sub",
        "loop": tmp_path / "in",
        "nothing.wav": tmp_path / "gone.wav",
    }
    for name, target in links.items():
        (tmp_path / "in" / name).symlink_to(target)
    assert convert("-i", tmp_path / "in", "-o", tmp_path / "out") == 0
    rows = json_lines(tmp_path / "out" / "manifest.jsonl")
    assert [row["source_audio_filepath"] for row in rows] == ["file.wav", "folder/deep.wav", "plain.wav"]
    left_out = {row["path"]: row["reason"] for row in json_lines(tmp_path / "out" / "left_out.jsonl")}
    assert left_out.keys() == {str(tmp_path / "in" / name) for name in ("again.wav", "loop", "nothing.wav")}


def test_all_that_is_left_out_is_named(convert, tmp_path, capsys):
    record(tmp_path / "in" / "a.wav")
    for i in range(30):
        (tmp_path / "in" / f"{i:02d}.txt").touch()
    assert convert("-i", tmp_path / "in", "-o", tmp_path / "out") == 0
    printed = capsys.readouterr().out
    assert printed.count("left out: ") == 21 and "10 more, all named in" in printed
    named = [os.path.basename(row["path"]) for row in json_lines(tmp_path / "out" / "left_out.jsonl")]
    assert named == [f"{i:02d}.txt" for i in range(30)]
    for path in (tmp_path / "in").glob("*.txt"):
        path.unlink()
    assert convert("-i", tmp_path / "in", "-o", tmp_path / "out") == 0
    assert (tmp_path / "out" / "left_out.jsonl").read_text() == ""


def test_tables_beside_audio_files(convert, dataset, tmp_path):
    """A dataset's folder with a sample in it: the shards are not passed over."""
    record(dataset / "sample.wav", seed=5)
    write_table(dataset / "speakers.parquet", name=["somebody"])
    assert convert("-i", dataset, "-o", tmp_path / "out") == 1
    assert [row["path"] for row in json_lines(tmp_path / "out" / "manifest.jsonl")] == ["sample.wav"]
    shards = {f"data/train-0000{i}-of-00002.parquet" for i in range(2)}
    assert failed(tmp_path / "out").keys() == shards
    assert all("convert it by itself, with -i" in reason for reason in failed(tmp_path / "out").values())
    left_out = {os.path.basename(row["path"]) for row in json_lines(tmp_path / "out" / "left_out.jsonl")}
    assert left_out == {"notes.txt", "speakers.parquet"}


def test_hidden_and_linked_tables(convert, dataset, tmp_path):
    shard = dataset / "data" / "train-00000-of-00002.parquet"
    (dataset / "data" / ".hidden.parquet").write_bytes(shard.read_bytes())
    (dataset / "again.parquet").symlink_to(shard)
    os.rename(dataset / "data" / "train-00001-of-00002.parquet", tmp_path / "blob")
    (dataset / "data" / "train-00001-of-00002.parquet").symlink_to(tmp_path / "blob")
    assert convert("-i", dataset, "-o", tmp_path / "out") == 0
    assert len(read_table(tmp_path / "out" / "manifest.parquet")) == 2


def test_a_folder_of_tables_again(convert, dataset, tmp_path, capsys):
    for _ in range(2):
        assert convert("-i", dataset, "-o", tmp_path / "out") == 0
        assert [row["text"] for row in read_table(tmp_path / "out" / "manifest.parquet")] == ["words", "words"]
        assert "left out: " in (printed := capsys.readouterr().out) and "notes.txt" in printed
    assert "2 were there already" in printed and not (tmp_path / "out" / "manifest.jsonl").exists()


# Manifests.


def test_odd_rows_of_nemo(convert, tmp_path, monkeypatch):
    folder = tmp_path / "in"
    for i, name in enumerate(["a.wav", "sp ace.wav", "left.wav", "right.wav", "home/~.wav", "home/b#1.wav"]):
        record(folder / name, 0.3, seed=i)
    monkeypatch.setenv("HOME", str(folder / "home"))
    good = [
        "a.wav",
        "sp ace.wav",
        "~/~.wav",
        f"file://{folder}/sp%20ace.wav",
        f"file://localhost{folder}/home/b%231.wav",
        "../in/./a.wav",
        ["left.wav", "right.wav"],
        ["a.wav"],
    ]
    bad = {
        "s3://bucket/a.wav": "is an address",
        "https://example.org/a.wav": "is an address",
        "file://nas/a.wav": "is on the host nas",
        "sub\\a.wav": "no such file",
        "a.wav ": "no such file",
        "~/gone.wav": "no such file",
    }
    rows = [{"audio_filepath": name, "n": i} for i, name in enumerate(good)]
    rows += [{"audio_filepath": name} for name in bad]
    rows += [
        {"audio_filepath": "audio_0/inside.wav", "shard_id": 0},
        {"audio_filepath": "a.wav", "shard_id": 0, "n": 8},
    ]
    rows += [{"text": "nothing"}, {"audio_filepath": ["a.wav", None]}]
    rows.insert(0, {"audio_filepath": None})
    assert convert("-i", write_lines(folder / "list.jsonl", rows), "-o", tmp_path / "out") == 1
    written = json_lines(tmp_path / "out" / "manifest.jsonl")
    assert [row["n"] for row in written] == list(range(9))
    assert [row["source_audio_filepath"] for row in written[:8]] == good
    source = [folder / "a.wav", folder / "sp ace.wav", folder / "home/~.wav"]
    source += [folder / "sp ace.wav", folder / "home/b#1.wav", folder / "a.wav"]
    assert [row["input_sha256"] for row in written[:6]] == [sha256(file) for file in source]
    assert written[6]["audio_filepath"] == written[6]["path"] == ["left.wav", "right.wav"]
    assert written[6]["input_sha256"] == [sha256(folder / "left.wav"), sha256(folder / "right.wav")]
    assert written[7]["audio_filepath"] == ["a.wav"] and written[7]["path"] == "a.wav"
    reasons = failed(tmp_path / "out")
    assert reasons.keys() == {*bad, "audio_0/inside.wav", "row 1", "row 18", "row 19"}
    assert all(reasons[name] == f"{name}: no such file" or words in reasons[name] for name, words in bad.items())
    assert "in a tar file" in reasons["audio_0/inside.wav"] and "no audio_filepath" in reasons["row 19"]


def test_lists_of_channels_are_no_rows_of_shards(convert, tmp_path, capsys):
    record(tmp_path / "a.wav")
    record(tmp_path / "b.wav")
    manifest = write_lines(tmp_path / "list.jsonl", [{"audio_filepath": ["a.wav", "b.wav"]}])
    assert convert("-i", manifest, "-o", tmp_path / "out", "--format", "parquet") == 1
    assert "take --format wav or flac" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_a_field_called_audio_goes_into_shards_by_another_name(convert, tmp_path):
    record(tmp_path / "a.wav")
    manifest = write_lines(tmp_path / "list.jsonl", [{"audio_filepath": "a.wav", "audio": "mine"}])
    assert convert("-i", manifest, "-o", tmp_path / "out", "--format", "parquet") == 0
    (row,) = read_table(tmp_path / "out" / "data" / "train-00000-of-00001.parquet")
    assert row["audio"]["bytes"] and row["source_audio"] == "mine"


def cut(name, recording=None, **fields):
    row = {"id": name, "start": 0.0, "duration": 0.2, "channel": 0, "supervisions": [], "type": "MonoCut"}
    return row | ({"recording": recording} if recording else {}) | fields


def recording(source, kind="file"):
    sources = [{"type": kind, "channels": [0], "source": source}] if source else []
    facts = {"sampling_rate": 16000, "num_samples": 4800, "duration": 0.3, "channel_ids": [0]}
    return {"id": "r", "sources": sources, **facts}


def test_odd_cuts(convert, tmp_path):
    record(tmp_path / "in" / "a.wav", 0.3)
    rows = [
        {"text": "no cut"},
        cut("good", recording("a.wav")),
        cut("features", features={"type": "fbank"}),
        cut("empty", recording("")),
        cut("url", recording("https://example.org/a.wav", "url")),
        cut("bucket", recording("s3://bucket/a.wav")),
        cut("no time", recording("a.wav"), duration=None),
        {key: value for key, value in cut("", recording("a.wav")).items() if key != "id"},
        cut("uri", recording(f"file://{tmp_path}/in/a.wav")),
    ]
    assert convert("-i", write_lines(tmp_path / "in" / "cuts.jsonl", rows), "-o", tmp_path / "out") == 1
    with gzip.open(tmp_path / "out" / "cuts.jsonl.gz", "rt") as file:
        assert [json.loads(line)["id"] for line in file] == ["good", "uri"]
    reasons = failed(tmp_path / "out")
    assert reasons.keys() == {"row 1", "features", "empty", "url", "s3://bucket/a.wav", "no time", "row 8"}
    assert "no recording that is in files" in reasons["features"] and "no recording" in reasons["empty"]
    assert "of type url" in reasons["url"] and reasons["no time"] == "row 7: not a cut of lhotse"


# Tables.


@pytest.mark.parametrize("form", ["same", "parquet"])
def test_a_table_of_nothing_but_audio(convert, tmp_path, form):
    files = [record(tmp_path / f"{i}.wav", seed=i) for i in range(3)]
    source = write_table(tmp_path / "in" / "a.parquet", audio=embedded(*files))
    write_table(tmp_path / "in" / "b.parquet", audio=embedded(files[0]), text=["words"])
    for table, count in ((source, 3), (tmp_path / "in", 4)):
        output = tmp_path / f"out {count}"
        assert convert("-i", table, "-o", output, "--format", form) == 0
        rows = read_table(output / "manifest.parquet")
        assert [row["input_sha256"] for row in rows] == [sha256(file) for file in (*files, files[0])[:count]]
        if form == "parquet":
            assert len(read_table(output / "data" / "train-00000-of-00001.parquet")) == count
    assert [row["text"] for row in rows] == [None, None, None, "words"]


def test_a_table_of_which_nothing_can_be_converted(convert, tmp_path):
    source = write_table(tmp_path / "a.parquet", audio=[{"bytes": b"none", "path": "a.wav"}])
    for form in ("same", "parquet", "flac"):
        assert convert("-i", source, "-o", tmp_path / "out", "--format", form) == 1
        assert read_table(tmp_path / "out" / "manifest.parquet") == [] and failed(tmp_path / "out").keys() == {"a.wav"}
    assert not (tmp_path / "out" / "data").exists()


TYPES = {
    "string_view": lambda arrow: arrow.string_view(),
    "binary_view": lambda arrow: arrow.binary_view(),
    "dictionary of string": lambda arrow: arrow.dictionary(arrow.int32(), arrow.string()),
    "dictionary of binary": lambda arrow: arrow.dictionary(arrow.int32(), arrow.binary()),
    "large struct": lambda arrow: arrow.struct([("bytes", arrow.large_binary()), ("path", arrow.large_string())]),
    "struct of views": lambda arrow: arrow.struct([("bytes", arrow.binary_view()), ("path", arrow.string_view())]),
}


@pytest.mark.parametrize("name", TYPES)
def test_types_of_arrow(convert, tmp_path, name):
    import pyarrow

    kind = TYPES[name](pyarrow)
    files = [record(tmp_path / f"{i}.wav", seed=i) for i in range(2)]
    values = [file.name if "string" in name else file.read_bytes() for file in files]
    if "struct" in name:
        values = [{"bytes": file.read_bytes(), "path": file.name} for file in files]
    if "dictionary" in name:
        values = pyarrow.array(values, kind.value_type).dictionary_encode()
    else:
        values = pyarrow.array(values, kind)
    source = write_table(tmp_path / "in.parquet", audio=values, n=[1, 2])
    assert pyarrow.parquet.read_schema(source).field("audio").type == kind
    assert convert("-i", source, "-o", tmp_path / "out") == 0
    rows = read_table(tmp_path / "out" / "manifest.parquet")
    assert [row["input_sha256"] for row in rows] == [sha256(file) for file in files]


def test_decoded_audio(convert, tmp_path):
    """Arrays of samples, as datasets has them where it has decoded: results are those of the same samples in a file."""
    import pyarrow

    mono = np.random.default_rng(0).uniform(-0.5, 0.5, 4800).astype(np.float32)
    stereo = np.stack([mono, mono[::-1]])
    soundfile.write(tmp_path / "mono.wav", mono, 16000, subtype="FLOAT")
    soundfile.write(tmp_path / "stereo.wav", stereo.T, 8000, subtype="FLOAT")
    for name, kind in {"float": pyarrow.float32(), "double": pyarrow.float64()}.items():
        rows = [
            {"array": mono, "sampling_rate": 16000, "path": "x.flac"},
            {"array": None, "sampling_rate": None, "path": "mono.wav"},
            {"array": [], "sampling_rate": 16000, "path": "empty.wav"},
            {"array": mono, "sampling_rate": None, "path": "no rate.wav"},
            {"array": [None, 0.5], "sampling_rate": 16000, "path": "gap.wav"},
            None,
        ]
        form = pyarrow.struct(
            [("array", pyarrow.list_(kind)), ("sampling_rate", pyarrow.int64()), ("path", pyarrow.string())]
        )
        source = write_table(tmp_path / f"{name}.parquet", audio=pyarrow.array(rows, form), n=list(range(6)))
        assert convert("-i", source, "-o", tmp_path / name, "--format", "wav") == 1
        written = read_table(tmp_path / name / "manifest.parquet")
        assert [row["n"] for row in written] == [0, 1]
        samples = [soundfile.read(tmp_path / name / row["path"], dtype="int16")[0] for row in written]
        assert len(samples[0]) == 4800 and (samples[0] == samples[1]).all()
        assert failed(tmp_path / name).keys() == {"empty.wav", "no rate.wav", "gap.wav", "#5"}
    form = pyarrow.struct(
        [("array", pyarrow.list_(pyarrow.list_(pyarrow.float32()))), ("sampling_rate", pyarrow.int32())]
    )
    bad = [[[0.1], [0.1, 0.2, 0.3]], [[0.1, 0.2], None], [], None]
    rows = [{"array": array, "sampling_rate": 8000} for array in (list(stereo), *bad)]
    source = write_table(tmp_path / "stereo.parquet", audio=pyarrow.array(rows, form))
    assert convert("-i", source, "-o", tmp_path / "out", "--channels", "each") == 1
    (row,) = read_table(tmp_path / "out" / "manifest.parquet")
    assert failed(tmp_path / "out").keys() == {"#1", "#2", "#3", "#4"}
    (tmp_path / "in").mkdir()
    os.rename(tmp_path / "stereo.wav", tmp_path / "in" / "stereo.wav")
    assert convert("-i", tmp_path / "in", "-o", tmp_path / "by file", "--channels", "each") == 0
    value = soundfile.read(tmp_path / "out" / row["path"], dtype="int16")[0]
    assert (
        value.shape[1] == 2 and (value == soundfile.read(tmp_path / "by file" / "stereo.wav", dtype="int16")[0]).all()
    )


def test_paths_of_a_table(convert, tmp_path):
    for name in ("a.wav", "b.wav"):
        record(tmp_path / name, seed=ord(name[0]))
    values = ["a.wav", "s3://bucket/a.wav", None, "gone.wav", f"file://{tmp_path}/b.wav", "a.wav"]
    source = write_table(tmp_path / "in.parquet", audio=values, n=list(range(6)))
    assert convert("-i", source, "-o", tmp_path / "out") == 1
    assert [row["n"] for row in read_table(tmp_path / "out" / "manifest.parquet")] == [0, 4, 5]
    assert failed(tmp_path / "out").keys() == {"s3://bucket/a.wav", "#2", "gone.wav"}


@pytest.mark.parametrize("array", [[b"bytes"], [{"x": 1}], [[[0.1]]], b"bytes", ["text"], 0.5])
def test_arrays_of_no_samples(convert, tmp_path, capsys, array):
    source = write_table(tmp_path / "in.parquet", audio=[{"array": array, "sampling_rate": 16000}])
    assert convert("-i", source, "-o", tmp_path / "out") == 1
    error = capsys.readouterr().err
    assert "its column audio holds struct" in error and error.count("\n") == 1 and not (tmp_path / "out").exists()


def test_whole_numbers_are_samples_of_their_width(convert, tmp_path):
    import pyarrow

    samples = np.random.default_rng(0).integers(-9999, 9999, 4800)
    soundfile.write(tmp_path / "a.wav", samples.astype(np.int16), 16000)
    outputs = []
    for kind in (pyarrow.int16(), pyarrow.int64()):
        form = pyarrow.struct([("array", pyarrow.list_(kind)), ("sampling_rate", pyarrow.int32())])
        rows = [{"array": samples, "sampling_rate": 16000}]
        source = write_table(tmp_path / f"{kind}.parquet", audio=pyarrow.array(rows, form))
        outputs.append((convert("-i", source, "-o", tmp_path / str(kind)), tmp_path / str(kind)))
    assert [code for code, _ in outputs] == [0, 1]
    (row,) = read_table(outputs[0][1] / "manifest.parquet")
    assert row["input_sha256"] == sha256(tmp_path / "a.wav")
    assert "an array of int64, which are no samples" in failed(outputs[1][1])["#0"]


def test_another_column(convert, tmp_path, capsys):
    files = [record(tmp_path / f"{i}.wav", seed=i) for i in range(2)]
    columns = {"audio": ["words", "more"], "path": [file.name for file in files], "speech": embedded(*files)}
    source = write_table(tmp_path / "in.parquet", **columns)
    for column in ("path", "speech"):
        assert convert("-i", source, "-o", tmp_path / column, "--column", column, "--format", "parquet") == 0
        rows = read_table(tmp_path / column / "data" / "train-00000-of-00001.parquet")
        assert [row["input_sha256"] for row in rows] == [sha256(file) for file in files]
        assert [row["source_audio"] for row in rows] == ["words", "more"] and all(row["audio"]["bytes"] for row in rows)
    capsys.readouterr()
    assert convert("-i", source, "-o", tmp_path / "no", "--column", "sound") == 1
    assert "has no column sound; it has audio, path, speech" in capsys.readouterr().err
    (tmp_path / "in").mkdir()
    os.rename(files[0], tmp_path / "in" / "0.wav")
    assert convert("-i", tmp_path / "in", "-o", tmp_path / "no", "--column", "sound") == 1
    assert "leave it out" in capsys.readouterr().err and not (tmp_path / "no").exists()
