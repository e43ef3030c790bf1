# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Writing files so that nobody ever sees half of one."""

import os
from contextlib import contextmanager
from pathlib import Path

from reference.errors import LLVCError


class FileError(LLVCError):
    """A file that cannot be written."""


@contextmanager
def replacing(path):
    """Gives a temporary path beside `path` to write to, and renames it to `path` when all went well.

    Makes missing folders. After an exception, an interrupt among them, `path` is as it was and nothing is left
    over. FileError if the file system refuses.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise FileError(f"{path}: cannot be written ({error.strerror or error})") from None
