# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Loading weights: safely, and only those that fit the network to the last tensor."""

import datetime
import pickle
import re
import warnings
import zipfile
from argparse import Namespace
from collections import defaultdict
from decimal import Decimal
from pathlib import Path, PurePosixPath, PureWindowsPath
from types import SimpleNamespace
from uuid import UUID

import numpy as np
import safetensors.torch
import torch

from .config import ConfigError
from .errors import LLVCError
from .llvc import LLVC


class CheckpointError(LLVCError):
    """A checkpoint that cannot be used; the message names the file and, where there is one, the tensor."""


def _deque(items=(), maxlen=None):
    """A collections.deque, to which torch's unpickler appends nothing, as a list."""
    return list(items)


# What training scripts save beside the weights: numbers of numpy, dates, options, paths, containers. Named one by one;
# all else that a pickle wants to call is refused.
HARMLESS = [np.dtype, np.ndarray]
# What makes numbers and arrays of numpy again; numpy 2 calls their module otherwise.
_scalar, _reconstruct = np.float64().__reduce__()[0], np.empty(0).__reduce__()[0]
HARMLESS += [(_scalar, f"numpy.{core}.multiarray.scalar") for core in ("core", "_core")]
HARMLESS += [(_reconstruct, f"numpy.{core}.multiarray._reconstruct") for core in ("core", "_core")]
HARMLESS += [type(np.dtype(kind)) for kind in "?bhilqBHILQefdUS"]
HARMLESS += [datetime.date, datetime.datetime, datetime.time, datetime.timedelta, datetime.timezone]
HARMLESS += [Decimal, UUID, Namespace, SimpleNamespace, defaultdict, frozenset, (_deque, "collections.deque")]
HARMLESS += [bool, dict, float, int, list, str, tuple]  # what a defaultdict makes
# Paths of any system, under the names that versions of Python give them.
HARMLESS += [
    (kind, f"{module}.{name}")
    for module in ("pathlib", "pathlib._local")
    for name, kind in (
        ("PosixPath", PurePosixPath),
        ("PurePosixPath", PurePosixPath),
        ("WindowsPath", PureWindowsPath),
        ("PureWindowsPath", PureWindowsPath),
    )
]
TABLES = ("model", "state_dict", "weight", "model_state_dict")  # where checkpoints keep the weights
PREFIXES = ("module.", "_orig_mod.", "model.")  # of DataParallel, torch.compile and modules that hold the network
OTHER_FILES = {
    b"version https://git-lfs": "a git-lfs pointer, not the checkpoint itself; fetch it with: git lfs pull",
    b"<!doctype html": "a web page, not a checkpoint; download the file itself",
    b"<html": "a web page, not a checkpoint; download the file itself",
}


def load_state_dict(path):
    """Reads the weights of a checkpoint: names to CPU tensors, as stored.

    A safetensors file, or one of torch.save that holds the weights themselves or keeps them under one of TABLES; which
    of them it is, the content says. A prefix of all names is left out. Nothing in the file is executed.
    CheckpointError if it is missing, damaged, refused, too large for the memory or holds no weights.
    """
    path = Path(path)
    try:
        if not path.is_file():
            what = "is a folder, not a checkpoint" if path.is_dir() else "no such checkpoint"
            raise CheckpointError(f"{path}: {what}; check its name")
        with path.open("rb") as file:
            head = file.read(64)
        for start, what in OTHER_FILES.items():
            if head.lstrip(b"\xef\xbb\xbf \r\n\t").lower().startswith(start):
                raise CheckpointError(f"{path}: {what}")
        if head[8:9] == b"{":  # behind the header's length
            return _without_prefix(safetensors.torch.load_file(path))
        if zipfile.is_zipfile(path):
            with zipfile.ZipFile(path) as archive:
                if not any(name.split("/")[-1] == "data.pkl" for name in archive.namelist()):
                    raise CheckpointError(f"{path}: an archive, not a checkpoint; unpack it first")
        with warnings.catch_warnings(), torch.serialization.safe_globals(HARMLESS):
            warnings.simplefilter("ignore")  # what they say of a damaged file, the error says better
            checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror or error})") from None
    except pickle.UnpicklingError as error:
        code = re.search(r"GLOBAL (\S+)", str(error))
        if code:
            raise CheckpointError(
                f"{path}: refused, it wants to run code ({code.group(1)}); take the checkpoint from a source you trust"
            ) from None
        raise CheckpointError(f"{path}: not a checkpoint, or a damaged one; download it again") from None
    except MemoryError:
        raise CheckpointError(f"{path}: not enough memory to read it") from None
    except Exception as error:  # a damaged file makes the parsers raise nearly anything
        if isinstance(error, RuntimeError) and "allocate" in str(error):  # torch's MemoryError
            raise CheckpointError(f"{path}: not enough memory to read it") from None
        raise CheckpointError(f"{path}: not a checkpoint, or a damaged one; download it again") from None
    if isinstance(checkpoint, dict):
        for name in TABLES:
            if name in checkpoint and not isinstance(checkpoint[name], torch.Tensor):
                if not isinstance(checkpoint[name], dict):
                    raise CheckpointError(f"{path}: what it holds under {name!r} is no table of weights")
                return _without_prefix(checkpoint[name])
        if checkpoint and all(isinstance(value, torch.Tensor) for value in checkpoint.values()):
            return _without_prefix(checkpoint)
    raise CheckpointError(f"{path}: holds no weights under 'model'; it is not a checkpoint of LLVC")


def _without_prefix(weights):
    """The weights by the names that they have in the network, whatever it was wrapped in, one in another."""
    for prefix in PREFIXES:
        if weights and all(isinstance(name, str) and name.startswith(prefix) for name in weights):
            return _without_prefix({name.removeprefix(prefix): value for name, value in weights.items()})
    return weights


def check_state_dict(state_dict, expected, path):
    """Raises CheckpointError unless state_dict has exactly the names, shapes and kinds of expected, all finite."""
    missing, extra = (
        sorted(expected.keys() - state_dict.keys()),
        sorted(map(_shown, state_dict.keys() - expected.keys())),
    )
    if missing or extra:
        faults = [
            f"{len(names)} {what} ({names[0]}{', ...' if len(names) > 1 else ''})"
            for names, what in ((missing, "missing"), (extra, "unexpected"))
            if names
        ]
        raise CheckpointError(f"{path}: its weights do not fit the configuration: {' and '.join(faults)}")
    for name, tensor in expected.items():
        value = state_dict[name]
        ordinary = isinstance(value, torch.Tensor) and value.layout == torch.strided and value.device.type == "cpu"
        if not ordinary or value.is_nested:
            raise CheckpointError(f"{path}: {name} is no ordinary tensor")
        if value.shape != tensor.shape:
            raise CheckpointError(
                f"{path}: {name} has the shape {list(value.shape)} where the configuration wants {list(tensor.shape)}"
            )
        if value.is_floating_point() != tensor.is_floating_point() or value.is_complex():
            raise CheckpointError(f"{path}: {name} holds {value.dtype} where the network wants {tensor.dtype}")
        if not torch.isfinite(value.float()).all():
            raise CheckpointError(f"{path}: {name} holds values that are not finite; download it again")


def _shown(name):
    """A name from a file as it may be printed: on one line, not too long."""
    name = str(name)
    return name if name.isprintable() and len(name) <= 80 else repr(name[:80])


def load_model(path, config):
    """The network of this LLVCConfig with the weights of this checkpoint, in eval mode and float32.

    CheckpointError if the checkpoint cannot be read (see load_state_dict) or does not fit exactly.
    """
    state_dict = load_state_dict(path)
    try:
        model = LLVC.from_config(config)
    except (RuntimeError, MemoryError):
        raise ConfigError("the network of this configuration does not fit into memory") from None
    check_state_dict(state_dict, model.state_dict(), path)
    model.load_state_dict(state_dict)
    return model
