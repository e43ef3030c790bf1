# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A web site that converts in its visitors' browsers: the live server's page, a voice and onnxruntime-web."""

import base64
import json
import os
import shutil
from contextlib import contextmanager
from pathlib import Path

from audio.files import FileError, sha256_of
from reference.errors import LLVCError

from .onnx_file import export
from .voice import ROOT

PAGE = ROOT / "live" / "page"
RUNTIME = ROOT / "live" / "node_modules" / "onnxruntime-web" / "dist"
RUNTIME_FILES = ("ort.wasm.min.mjs", "ort-wasm-simd-threaded.mjs", "ort-wasm-simd-threaded.wasm")
LISTING = "files.js"  # for the service worker: the site's files with their hashes
BEFORE, BEHIND = "const FILES = ", ";\n"  # the JSON in it


class SiteError(LLVCError):
    """A site that cannot be written."""


def has_runtime():
    """Whether onnxruntime-web is installed."""
    return all((RUNTIME / name).is_file() for name in RUNTIME_FILES)


def write_site(voice, folder, server=False):
    """Writes the page, the voice and onnxruntime-web as a folder; `server` says that a live server will serve it.

    Weights are stored as 16-bit floats. An earlier site is replaced as a whole. SiteError, with all as it was, where
    onnxruntime-web is not installed or the folder holds anything else; FileError if the file system refuses.
    """
    if not has_runtime():
        raise SiteError("onnxruntime-web is not installed; run: make page")
    _check(Path(folder))
    with _replacing(folder) as new:
        shutil.copytree(PAGE, new)
        for name in RUNTIME_FILES:
            new.joinpath("onnxruntime-web").mkdir(exist_ok=True)
            shutil.copyfile(RUNTIME / name, new / "onnxruntime-web" / name)
        new.joinpath("voice.onnx").write_bytes(export(voice, half_weights=True).SerializeToString())
        new.joinpath("site.json").write_text(json.dumps({"server": server, "voice": "voice.onnx"}))
        new.joinpath(LISTING).write_text(BEFORE + json.dumps(_hashes(new), indent=1) + BEHIND)


def _hashes(folder):
    """{name: hash} of the files below a folder, hashes as browsers take them; without the listing itself."""
    paths = sorted(path for path in folder.rglob("*") if not path.is_dir() and path != folder / LISTING)
    return {
        path.relative_to(folder).as_posix(): "sha256-" + base64.b64encode(bytes.fromhex(sha256_of(path))).decode()
        for path in paths
    }


def _check(folder):
    """SiteError if anything would be lost: the folder is more than a site as it was written."""
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        text = folder.joinpath(LISTING).read_text(encoding="utf-8")
        if _hashes(folder) == json.loads(text.removeprefix(BEFORE).removesuffix(BEHIND)):
            return
    except (OSError, ValueError):
        pass
    raise SiteError(f"{folder}: is there, and is not a site as it was written; name another folder")


@contextmanager
def _replacing(folder):
    """Gives the path of a folder to make, and renames it to `folder` when all went well."""
    target = Path(os.path.realpath(folder))
    name = f".llvc-{os.getpid()}-{os.urandom(4).hex()}"
    new, old = target.with_name(f"{name}.part"), target.with_name(f"{name}.old")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield new
        if target.exists():
            target.rename(old)
        new.rename(target)
    except OSError as error:
        raise FileError(f"{folder}: cannot be written ({error.strerror or error})") from None
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        for path in (new, old):
            shutil.rmtree(path, ignore_errors=True)
