# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Which weights speak, and what they are called."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

from audio.files import sha256_of
from reference.checkpoint import CheckpointError, load_model
from reference.config import load_config
from reference.errors import one_line
from reference.llvc import LLVC

from . import download_weights
from .download_weights import CHECKPOINT_PATH, LOCAL_DIR, REPO_ID, DownloadError, download
from .program import file_path

ROOT = Path(__file__).resolve().parent.parent
BUNDLED_CHECKPOINT = ROOT / "checkpoints" / "demo_voice.safetensors"
DEFAULT_CHECKPOINT = f"{LOCAL_DIR}/{CHECKPOINT_PATH.format(name='llvc')}"
DEFAULT_CONFIG = "experiments/llvc/config.json"


@dataclass(frozen=True)
class Voice:
    """A network and the file that its weights are from; sample_rate (Hz) is that of what goes in and comes out."""

    model: LLVC
    sample_rate: int
    path: Path

    @classmethod
    def load(cls, checkpoint, config):
        """Of these files. LLVCError if they cannot be read or do not fit each other."""
        network, sample_rate = load_config(locate(config))
        return cls(load_model(locate(checkpoint), network), sample_rate, Path(locate(checkpoint)))

    @property
    def name(self):
        """What figures, exported files and clients of a server call it."""
        return self.path.name

    def sha256(self):
        """That of the file of weights, in hexadecimal digits."""
        return sha256_of(self.path)


def add_voice(add):
    """Adds the options that name a voice; `add` is a parser's add_argument."""
    option = {"type": file_path, "metavar": "FILE"}
    add("-p", "--checkpoint_path", default=DEFAULT_CHECKPOINT, help="weights of the voice", **option)
    add("-c", "--config_path", default=DEFAULT_CONFIG, help="configuration that the weights belong to", **option)


def locate(path):
    """A path as given or, where nothing stands there, the one of that name in the project."""
    return path if Path(path).exists() or not (ROOT / path).exists() else str(ROOT / path)


def load_voice(checkpoint=DEFAULT_CHECKPOINT, config=DEFAULT_CONFIG):
    """The Voice of these files. LLVCError if they cannot be read or do not fit each other.

    In place of the default checkpoint, where it is not there, the published voice speaks that another program left in
    huggingface_hub's cache, or the bundled demo voice. It is said which.
    """
    if checkpoint != DEFAULT_CHECKPOINT or Path(locate(checkpoint)).exists():
        return Voice.load(checkpoint, config)
    if locate(config) == locate(DEFAULT_CONFIG) and (path := cached("llvc")):
        voice = Voice.load(path, config)
        print(f"speaking with the published voice from the cache of huggingface_hub: {path}")
        return voice
    get_voice = "for the published one run: python -m demo.download_weights"
    try:
        voice = Voice.load(BUNDLED_CHECKPOINT, config)
    except CheckpointError:
        raise CheckpointError(
            f"{checkpoint}: no such checkpoint, and the bundled one fits only {DEFAULT_CONFIG}; name one with -p, "
            f"{get_voice}"
        ) from None
    print(f"no checkpoint at {checkpoint}: speaking with the bundled demo voice; {get_voice}")
    return voice


def find_published(name="llvc", model_location_generator=None, fetch=True):
    """A published checkpoint, or the bundled one in its place: (path, a line that says which and why), said too.

    In this order: where model_location_generator points, if there is one; huggingface_hub's cache; the project's own
    folder; with `fetch`, the hub; and the bundled demo voice, which speaks in place of any.
    """
    path, line = _search(name, model_location_generator, fetch)
    print(f"weights: {line}")
    return path, line


def _search(name, model_location_generator, fetch):
    if model_location_generator and (path := located(name, model_location_generator)):
        return path, f"published voice {name}, where model_location_generator points: {path}"
    if path := cached(name):
        return path, f"published voice {name}, in the cache of huggingface_hub: {path}"
    own = ROOT / LOCAL_DIR / CHECKPOINT_PATH.format(name=name)
    if is_published(own, name):
        return own, f"published voice {name}, downloaded before: {own}"
    why = "it is in no cache"
    if fetch:
        try:
            path = download(name, ROOT / LOCAL_DIR)
            return path, f"published voice {name}, from the hub: {path}"
        except DownloadError as error:
            why = one_line(error)
    return BUNDLED_CHECKPOINT, f"the bundled demo voice, since {name} could not be had: {why}"


def located(name, model_location_generator):
    """The checkpoint where tt-metal's fixture of this name says that models are; else None."""
    try:
        folder = model_location_generator(REPO_ID, download_if_ci_v2=True)
    except (AssertionError, OSError, subprocess.SubprocessError) as error:  # CI's own cache does not have it
        print(f"weights: model_location_generator does not have {REPO_ID} ({one_line(error)})")
        return None
    path = Path(folder) / CHECKPOINT_PATH.format(name=name)
    return path if is_published(path, name) else None


def cached(name):
    """The checkpoint in huggingface_hub's cache (HF_HOME), if it is there and as published; else None."""
    from huggingface_hub import try_to_load_from_cache  # takes a while to import
    from huggingface_hub.errors import HFValidationError

    try:
        path = try_to_load_from_cache(REPO_ID, CHECKPOINT_PATH.format(name=name))
    except (HFValidationError, OSError):
        return None
    return Path(path) if isinstance(path, str) and is_published(path, name) else None


def is_published(path, name):
    """Whether a file is the published checkpoint to the last bit; if it is another one, that is said."""
    if not Path(path).is_file():
        return False
    try:
        if sha256_of(path) == download_weights.CHECKPOINTS[name]:
            return True
    except OSError as error:
        print(f"weights: {path} cannot be read ({error.strerror})")
        return False
    print(f"weights: {path} is not the published checkpoint (its sha256 is another) and is left out")
    return False
