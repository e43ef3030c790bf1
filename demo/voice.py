# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Where a published voice is: in a folder of models, in the cache of huggingface_hub, on the hub, or nowhere."""

import subprocess
from pathlib import Path

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from reference.errors import one_line

from . import download_weights
from .cli import BUNDLED_CHECKPOINT, ROOT
from .download_weights import CHECKPOINT_PATH, LOCAL_DIR, REPO_ID, DownloadError, download, file_sha256


def _as_published(path, name):
    """Whether a file is the published checkpoint to the last bit; if it is another one, that is said."""
    if not Path(path).is_file():
        return False
    try:
        if file_sha256(Path(path)) == download_weights.CHECKPOINTS[name]:
            return True
    except OSError as error:
        print(f"weights: {path} cannot be read ({error.strerror})")
        return False
    print(f"weights: {path} is not the published checkpoint (its sha256 is another) and is left out")
    return False


def cached(name):
    """The checkpoint in huggingface_hub's cache (HF_HOME), if it is there and as published; else None."""
    try:
        path = try_to_load_from_cache(REPO_ID, CHECKPOINT_PATH.format(name=name))
    except (HFValidationError, OSError):
        return None
    return Path(path) if isinstance(path, str) and _as_published(path, name) else None


def located(name, model_location_generator):
    """The checkpoint where tt-metal's fixture of this name says that models are; else None."""
    try:
        folder = model_location_generator(REPO_ID, download_if_ci_v2=True)
    except (AssertionError, OSError, subprocess.SubprocessError) as error:  # CI's own cache does not have it
        print(f"weights: model_location_generator does not have {REPO_ID} ({one_line(error)})")
        return None
    path = Path(folder) / CHECKPOINT_PATH.format(name=name)
    return path if _as_published(path, name) else None


def find_checkpoint(name="llvc", model_location_generator=None, fetch=True):
    """The weights to use, and a line that says which: (path, line), which is printed too.

    In this order: where model_location_generator points, if there is one; huggingface_hub's cache; the project's own
    folder; with `fetch`, the hub; and the bundled demo voice, which speaks in place of any.
    """
    own = ROOT / LOCAL_DIR / CHECKPOINT_PATH.format(name=name)
    why = "it is in no cache"
    if model_location_generator and (path := located(name, model_location_generator)):
        line = f"published voice {name}, where model_location_generator points: {path}"
    elif path := cached(name):
        line = f"published voice {name}, in the cache of huggingface_hub: {path}"
    elif _as_published(own, name):
        path, line = own, f"published voice {name}, downloaded before: {own}"
    else:
        path = None
        if fetch:
            try:
                path = download(name, ROOT / LOCAL_DIR)
                line = f"published voice {name}, from the hub: {path}"
            except DownloadError as error:
                why = one_line(error)
    if path is None:
        path, line = BUNDLED_CHECKPOINT, f"the bundled demo voice, since {name} could not be had: {why}"
    print(f"weights: {line}")
    return path, line
