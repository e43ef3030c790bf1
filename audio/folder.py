# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The audio files of a folder, each once, through links too; what is left out, with the reason."""

import os
from pathlib import Path
from typing import NamedTuple

from .reading import AudioError
from .writing import FORMATS

# What a folder's files are taken for by their suffix: sound, also that of a video. All else is no audio.
_READ_ONLY = """
    .3g2 .3gp .8svx .aac .ac3 .adts .alac .amb .amr .ape .asf .avi .avr .awb .bwf .dts .eac3 .flv .gsm .iff .ircam
    .m4b .m4r .m4v .mka .mkv .mov .mp2 .mp4 .mpc .mpeg .mpg .mpga .mxf .nist .ogv .ogx .paf .pvf .qt .ra .rm .sf .sph
    .spx .svx .tak .tta .voc .wave .wavex .weba .webm .wma .wmv .wv
"""
SUFFIXES = {*FORMATS, *_READ_ONLY.split()}


class AudioFiles(NamedTuple):
    """What find_audio_files finds, all sorted by path.

    files: audio by its suffix. left_out: (path, why) of all else but folders. unreadable: (path, why) of folders that
    cannot be looked into, so that nobody knows what they hold.
    """

    files: list[Path]
    left_out: list[tuple[Path, str]]
    unreadable: list[tuple[Path, str]]


def find_audio_files(folder, output=None):
    """The AudioFiles under a folder, without what is under `output`, where its results go.

    Hidden files and folders are left out. Linked files and folders count where their target is found by no other name;
    links to nothing, and links to a folder that they are in, are left out.
    """
    return _Search(folder, output).found


def required_audio_files(folder):
    """The audio files [Path] under a folder, which must hold some and be readable. AudioError if it is not so."""
    if not Path(folder).is_dir():
        raise AudioError(f"{folder}: no such folder; name a folder of audio files")
    found = find_audio_files(folder)
    for path, reason in found.unreadable:
        raise AudioError(f"{path}: {reason}")
    if not found.files:
        raise AudioError(no_audio_files(folder, found.left_out))
    return found.files


def no_audio_files(folder, left_out):
    """The message for a folder of which everything is left out."""
    message = f"{folder}: no audio files in this folder"
    if left_out:
        path, reason = left_out[0]
        message += f"; left out: {path} ({reason})" + (f" and {len(left_out) - 1} more" if left_out[1:] else "")
    return message


class _Search:
    """Looks through a folder, first by the names that are no links, so that these are the ones that count."""

    def __init__(self, folder, output):
        self.found = AudioFiles([], [], [])
        self._folders, self._linked = {}, {}  # {real path: name} of folders, and of linked files that count
        self._links = []
        self._top, self._output = os.path.realpath(folder), output and os.path.realpath(output)
        self._walk(os.fspath(folder), self._top)
        for link in self._links:  # which grows by those of linked folders
            if os.path.isdir(link):
                self._follow_folder(link)
        for link in self._links:
            if not os.path.isdir(link):
                self._follow_file(link)
        for paths in self.found:
            paths.sort()

    def _walk(self, folder, real):
        pending = [(folder, real)]
        while pending:
            folder, real = pending.pop()
            if real == self._output != self._top:
                continue
            if real in self._folders:  # met in a linked folder
                self._leave_out(folder, f"the same as {self._folders[real]}, whose files count by that name")
                continue
            self._folders[real] = folder
            try:
                entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
            except OSError as error:
                self.found.unreadable.append((Path(folder), f"cannot be read ({error.strerror})"))
                continue
            for entry in entries:
                if entry.name.startswith("."):
                    self._leave_out(entry.path, "hidden")
                elif entry.is_symlink():
                    self._links.append(entry.path)
                elif entry.is_dir():
                    pending.append((entry.path, os.path.join(real, entry.name)))
                else:
                    self._take(entry.path)

    def _follow_folder(self, link):
        real = os.path.realpath(link)
        if real in self._folders:
            self._leave_out(link, f"a link to {self._folders[real]}, whose files count by that name")
        elif _is_inside(os.path.realpath(os.path.dirname(link)), real):
            self._leave_out(link, f"a link to {real}, which it is in itself")
        elif not self._is_output(real):
            self._walk(link, real)

    def _follow_file(self, link):
        real = os.path.realpath(link)
        if not os.path.exists(link):
            self._leave_out(link, f"a link to {os.readlink(link)}, which is not there")
        elif _is_audio(link) and (name := self._linked.get(real) or self._name(real)):
            self._leave_out(link, f"a link to {name}, which counts by that name")
        elif not self._is_output(real) and self._take(link):
            self._linked[real] = link

    def _take(self, path):
        """Whether a path is an audio file, which counts then."""
        if not os.path.isfile(path):
            self._leave_out(path, "neither a file nor a folder")
        elif not _is_audio(path):
            suffix = os.path.splitext(path)[1]
            self._leave_out(path, f"{suffix or 'a name without suffix'} is no audio format")
        else:
            self.found.files.append(Path(path))
            return True
        return False

    def _leave_out(self, path, reason):
        self.found.left_out.append((Path(path), reason))

    def _name(self, real):
        """The name by which the file of a real path counts; None if it does not."""
        folder, name = os.path.split(real)
        counts = folder in self._folders and not name.startswith(".") and _is_audio(name)
        return os.path.join(self._folders[folder], name) if counts else None

    def _is_output(self, real):
        """Whether a link's target is under the output, where that is not above the folder itself."""
        output = self._output
        return output is not None and _is_inside(real, output) and not _is_inside(self._top, output)


def _is_audio(path):
    return os.path.splitext(path)[1].lower() in SUFFIXES


def _is_inside(path, folder):
    return path == folder or path.startswith(folder.rstrip(os.sep) + os.sep)
