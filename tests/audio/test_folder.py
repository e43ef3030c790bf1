# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The audio files of a folder are found once each, through links too, and what is left out is named with the reason."""

import os

import pytest

from audio.folder import find_audio_files, required_audio_files
from audio.reading import AudioError


def make(folder, *names):
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")


def found(folder, output=None):
    """(names of the files, {name: reason} of what is left out, {name: reason} of what is unreadable)."""
    files, left_out, unreadable = find_audio_files(folder, output)
    assert len(set(map(os.path.realpath, files))) == len(files)

    def named(pairs):
        return {path.relative_to(folder).as_posix(): reason for path, reason in pairs}

    return [path.relative_to(folder).as_posix() for path in files], named(left_out), named(unreadable)


def test_files_by_their_suffix(tmp_path):
    make(tmp_path, "b.wav", "sub/a.FLAC", "sub/deep/c.mp3", "notes.txt", "README", ".hidden.wav", ".git/d.wav")
    make(tmp_path, "dir.wav/inner.wav")
    os.mkfifo(tmp_path / "pipe.wav")
    assert found(tmp_path) == (
        ["b.wav", "dir.wav/inner.wav", "sub/a.FLAC", "sub/deep/c.mp3"],
        {
            ".git": "hidden",
            ".hidden.wav": "hidden",
            "README": "a name without suffix is no audio format",
            "notes.txt": ".txt is no audio format",
            "pipe.wav": "neither a file nor a folder",
        },
        {},
    )


def test_the_order_is_that_of_the_names_whatever_the_file_system_has(tmp_path, monkeypatch):
    make(tmp_path, "a.wav", "b.wav", "c.wav", "a.txt", "b.txt")
    entries = sorted(os.scandir(tmp_path), key=lambda entry: entry.name, reverse=True)
    monkeypatch.setattr(os, "scandir", lambda path: entries)
    files, left_out, _ = found(tmp_path)
    assert files == ["a.wav", "b.wav", "c.wav"] and list(left_out) == ["a.txt", "b.txt"]


def test_links(tmp_path):
    """Those that lead outside count, and those to a hidden file; what has a name of its own counts by that."""
    folder, outside = tmp_path / "in", tmp_path / "outside"
    make(folder, "real.wav", "sub/b.wav", ".store/c.wav")
    make(outside, "linked.wav", "data", "sub/deep.wav", "sub/note.txt")
    links = {
        "a_file.wav": outside / "linked.wav",
        "again.wav": outside / "linked.wav",
        "by_its_name.wav": outside / "data",
        "note.wav.txt": outside / "linked.wav",
        "first_of_all.wav": folder / "real.wav",
        "folder": outside / "sub",
        "into_the_folder.wav": outside / "sub" / "deep.wav",
        "same_folder": outside / "sub",
        "stored.wav": folder / ".store" / "c.wav",
        "another_sub": folder / "sub",
        "nothing.wav": outside / "gone.wav",
        "self.wav": folder / "self.wav",
        "sub/loop": folder,
        "sub/wider_loop": tmp_path,
    }
    for name, target in links.items():
        (folder / name).symlink_to(target)
    (outside / "sub" / "back").symlink_to(outside)
    files, left_out, unreadable = found(folder)
    assert files == [
        "a_file.wav",
        "by_its_name.wav",
        "folder/deep.wav",
        "real.wav",
        "stored.wav",
        "sub/b.wav",
    ]
    assert left_out == {
        ".store": "hidden",
        "again.wav": f"a link to {folder}/a_file.wav, which counts by that name",
        "another_sub": f"a link to {folder}/sub, whose files count by that name",
        "first_of_all.wav": f"a link to {folder}/real.wav, which counts by that name",
        "folder/back": f"a link to {outside}, which it is in itself",
        "folder/note.txt": ".txt is no audio format",
        "into_the_folder.wav": f"a link to {folder}/folder/deep.wav, which counts by that name",
        "note.wav.txt": ".txt is no audio format",
        "nothing.wav": f"a link to {outside}/gone.wav, which is not there",
        "same_folder": f"a link to {folder}/folder, whose files count by that name",
        "self.wav": f"a link to {folder}/self.wav, which is not there",
        "sub/loop": f"a link to {folder}, whose files count by that name",
        "sub/wider_loop": f"a link to {tmp_path}, which it is in itself",
    }
    assert unreadable == {}


def test_a_folder_within_a_linked_folder_counts_once(tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "outside"
    make(outside, "a.wav", "deep/b.wav")
    folder.mkdir()
    (folder / "1").symlink_to(outside / "deep")
    (folder / "2").symlink_to(outside)
    files, left_out, _ = found(folder)
    assert files == ["1/b.wav", "2/a.wav"]
    assert left_out == {"2/deep": f"the same as {folder}/1, whose files count by that name"}


@pytest.mark.parametrize("output", ["out", "linked"])
def test_results_are_no_inputs(tmp_path, output):
    """Of a run before: under the output's own name, and under that of a link to it or into it."""
    make(tmp_path, "a.wav", "out/a.wav")
    (tmp_path / "linked").symlink_to(tmp_path / "out")
    (tmp_path / "result.wav").symlink_to(tmp_path / "out" / "a.wav")
    assert found(tmp_path, tmp_path / output) == (["a.wav"], {}, {})


@pytest.mark.parametrize("output", ["in", "."])
def test_an_output_that_holds_the_inputs(tmp_path, output):
    make(tmp_path, "in/a.wav", "in/sub/b.wav")
    assert found(tmp_path / "in", tmp_path / output)[0] == ["a.wav", "sub/b.wav"]


def test_a_folder_that_cannot_be_looked_into(tmp_path, monkeypatch):
    make(tmp_path, "a.wav", "locked/b.wav")
    scandir = os.scandir

    def refusing(path):
        if os.path.basename(path) == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)
    assert found(tmp_path) == (["a.wav"], {}, {"locked": "cannot be read (Permission denied)"})
    with pytest.raises(AudioError, match=r"locked: cannot be read \(Permission denied\)"):
        required_audio_files(tmp_path)


def test_a_folder_that_must_hold_some(tmp_path):
    with pytest.raises(AudioError, match="none: no such folder"):
        required_audio_files(tmp_path / "none")
    with pytest.raises(AudioError, match="no audio files in this folder$"):
        required_audio_files(tmp_path)
    make(tmp_path, "a.txt", "b.txt")
    with pytest.raises(AudioError, match=r"no audio files in this folder; left out: .*a.txt \(.*\) and 1 more$"):
        required_audio_files(tmp_path)
    make(tmp_path, "c.wav")
    assert required_audio_files(tmp_path) == [tmp_path / "c.wav"]
