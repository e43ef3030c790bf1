# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The published network's outputs, and the rule that its weights followed.

tests/golden/NAME.npz, or NAME.0.npz, NAME.1.npz, ... where one file would be large, hold inputs, activations and
outputs of the published network (float32, CPU, eval mode) for the configuration in `params`. `x:0`, `x:1`, ... are rows
of an array x. Weights are not stored: weight_by_rule makes them from names and shapes.
"""

import copy
import json
import zlib
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

import numpy as np
import torch

from reference.llvc import LLVC

FOLDER = Path(__file__).resolve().parent.parent / "golden"
PUBLISHED = ("llvc", "llvc_nc", "readme_defaults")
SMALL = ("small", "small_causal_blocks", "small_no_lookahead")
OPTIONS = tuple(sorted(path.stem for path in FOLDER.glob("options_*.npz")))  # offline output only


@dataclass
class Golden:
    params: dict  # model_params of the configuration
    arrays: dict  # what the published network gave

    @cached_property
    def model(self):
        """The network with weights by the rule, of which no other test has this copy."""
        return copy.deepcopy(_network(json.dumps(self.params)))


def weight_by_rule(name, shape):
    """The value of one parameter or buffer, by its name and shape."""
    value = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
    if name.endswith("running_var"):
        return 1 + 0.5 * np.abs(value)
    if name.endswith(("bias", "running_mean")):
        return 0.1 * value
    if len(shape) == 1:
        return 1 + 0.1 * value
    if name == "out_conv.0.weight":
        return 0.25 * value / np.sqrt(shape[0])
    return value / np.sqrt(np.prod(shape[1:]))


def fill_by_rule(model):
    """Gives a network the weights of the golden vectors."""
    state_dict = model.state_dict()
    for name, value in state_dict.items():
        if value.is_floating_point() and not name.endswith("pos_enc.pe"):
            state_dict[name] = torch.from_numpy(weight_by_rule(name, tuple(value.shape))).float()
    model.load_state_dict(state_dict)
    return model


@cache
def _arrays(name):
    stored = {}
    for path in sorted(FOLDER.glob(f"{name}.*npz"), key=lambda path: (len(path.name), path.name)):
        with np.load(path) as file:
            stored |= dict(file)
    rows = {}
    for key, value in stored.items():
        rows.setdefault(key.partition(":")[0], []).append(value)
    return {key: values[0] if key in stored else np.concatenate(values) for key, values in rows.items()}


def load_arrays(name):
    """All arrays of one configuration, of which no other test has these copies."""
    return {key: value.copy() for key, value in _arrays(name).items()}


def load_golden(name):
    """The golden vectors of one configuration, and the network they belong to."""
    arrays = load_arrays(name)
    params = json.loads(str(arrays.pop("params")))
    return Golden(params, arrays)


@cache
def _network(params):
    return fill_by_rule(LLVC(**json.loads(params)))


golden = cache(load_golden)  # for those who change nothing of it


def load_params(name):
    """The model_params of one configuration."""
    return json.loads(str(load_arrays(name)["params"]))


def small_voice(folder):
    """Options for the small network, whose files are put into a folder."""
    golden = load_golden("small")
    config, checkpoint = folder / "small.json", folder / "small.pth"
    config.write_text(json.dumps({"model_params": golden.params, "data": {"sr": 16000}}))
    torch.save({"model": golden.model.state_dict()}, checkpoint)
    return ["-c", str(config), "-p", str(checkpoint), "--backend", "cpu"]


def relative_error(value, expected):
    """The largest error relative to the largest expected value (0 where there is no error)."""
    value, expected = np.asarray(value), np.asarray(expected)
    assert value.shape == expected.shape, f"{value.shape} instead of {expected.shape}"
    error = np.abs(value - expected).max(initial=0)
    return float(error / np.abs(expected).max()) if error else 0.0
