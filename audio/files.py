# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Files: their checksums, and writing them so that nobody ever sees half of one."""

import hashlib
import os
import shutil
import stat
import tempfile
from contextlib import contextmanager
from pathlib import Path

from reference.errors import LLVCError


class FileError(LLVCError):
    """A file that cannot be written."""


def sha256_of(path):
    """The sha256 of a file's bytes in hexadecimal digits. OSError if it cannot be read."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def is_special(path):
    """Whether a path is a pipe or a device, which takes what is written to it and is not replaced."""
    path = Path(path)
    return path.exists() and not path.is_file() and not path.is_dir()


@contextmanager
def replacing(path):
    """Gives a temporary path beside `path` to write to, and renames it to `path` when all went well.

    Makes missing folders, writes through links and keeps the mode of a file that was there; a pipe or device gets a
    copy. After an exception, an interrupt among them, `path` is as it was and nothing is left over. FileError if the
    file system refuses.
    """
    path = Path(path)
    try:
        if is_special(path):
            with tempfile.TemporaryDirectory() as folder:
                yield (temporary := Path(folder, "copy"))
                with temporary.open("rb") as file, path.open("wb") as special:
                    shutil.copyfileobj(file, special)
            return
        target = Path(os.path.realpath(path))
        target.parent.mkdir(parents=True, exist_ok=True)
        _check_name(target)
        # Not the target's own name with something added: that may be as long as names can be.
        temporary = target.with_name(f".llvc-{os.getpid()}-{os.urandom(4).hex()}.part")
        try:
            yield temporary
            if target.exists():
                os.chmod(temporary, stat.S_IMODE(target.stat().st_mode))
            os.replace(temporary, target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror or error})") from None


def _check_name(path):
    """OSError before any work for a name that the file system does not take."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return
