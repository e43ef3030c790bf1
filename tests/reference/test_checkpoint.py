# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Checkpoints load strictly and safely, or fail with one line that names the file and the tensor."""

import argparse
import collections
import datetime
import decimal
import io
import os
import pathlib
import pickle
import re
import sys
import types
import uuid
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import safetensors.torch
import torch
from support.golden import load_golden

from reference.checkpoint import CheckpointError, load_model
from reference.config import ConfigError
from reference.llvc import LLVC

TENSOR = "in_conv.0.weight"
LOAD_FILE = "safetensors.torch.load_file"


@pytest.fixture(scope="module")
def small():
    return load_golden("small").model


@pytest.fixture
def weights(small):
    return dict(small.state_dict())


def fails(path, config, message):
    with pytest.raises(CheckpointError, match=message) as error:
        load_model(path, config)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_good_checkpoint(tmp_path, small, weights, suffix):
    path = tmp_path / f"G{suffix}"
    if suffix == ".pth":  # what the published training script saves
        torch.save({"model": weights, "epoch": 3, "step": 500000, "optimizer": {}, "learning_rate": 5e-4}, path)
    else:
        safetensors.torch.save_file(weights, path)
    model = load_model(path, small.config)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())
    assert not model.training


def test_half_precision_weights_become_float32(tmp_path, small, weights):
    path = tmp_path / "G.safetensors"
    safetensors.torch.save_file({name: value.half() for name, value in weights.items()}, path)
    model = load_model(path, small.config)
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())


class CallsNumpy:
    def __reduce__(self):
        return np.load, ("/etc/passwd",)


class RunsCode:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_that_wants_to_run_code(tmp_path, small, weights, zipped):
    path, trace = tmp_path / "G.pth", tmp_path / "was_run"
    torch.save({"model": weights, "step": RunsCode(trace)}, path, _use_new_zipfile_serialization=zipped)
    fails(path, small.config, "refused, it wants to run code .*mkdir")
    path.write_bytes(pickle.dumps(RunsCode(trace)))
    fails(path, small.config, "not a checkpoint, or a damaged one")
    assert not trace.exists()


@pytest.mark.parametrize("share", [0, 0.001, 0.5, 0.999])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_truncated_file(tmp_path, small, weights, suffix, share):
    path = tmp_path / f"G{suffix}"
    if suffix == ".pth":
        torch.save({"model": weights}, path)
    else:
        safetensors.torch.save_file(weights, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    fails(path, small.config, "damaged one; download it again")


def zipped(name):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(name, b"weights")
    return buffer.getvalue()


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
@pytest.mark.parametrize(
    "content, message",
    [
        (b"<html>404</html>", "a web page, not a checkpoint; download the file itself"),
        (b"\n <!DOCTYPE html>\n<html>Sign in</html>", "a web page, not a checkpoint; download the file itself"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n", "a git-lfs pointer, .* git lfs pull"),
        (zipped("G_500000.pth"), "an archive, not a checkpoint; unpack it first"),
        (b"weights", "not a checkpoint, or a damaged one"),
        (b"", "not a checkpoint, or a damaged one"),
    ],
)
def test_files_that_are_no_checkpoint(tmp_path, small, content, message, suffix):
    path = tmp_path / f"G{suffix}"
    fails(path, small.config, "no such checkpoint")
    fails(tmp_path, small.config, "is a folder")
    path.write_bytes(content)
    fails(path, small.config, message)


@pytest.mark.parametrize(
    "save, name",
    [
        (torch.save, "G.safetensors"),
        (torch.save, "G.PTH"),
        (torch.save, "G"),
        (torch.save, "G.pth.1"),
        (safetensors.torch.save_file, "G.pth"),
        (safetensors.torch.save_file, "G.SafeTensors"),
    ],
)
def test_a_wrong_suffix_is_looked_through(tmp_path, small, weights, save, name):
    save(weights, tmp_path / name)
    model = load_model(tmp_path / name, small.config)
    assert torch.equal(model.state_dict()[TENSOR], weights[TENSOR])


PREFIXES = ["", "module.", "_orig_mod.", "model.", "module._orig_mod.", "_orig_mod.module.", "model._orig_mod."]


@pytest.mark.parametrize("prefix", PREFIXES)
@pytest.mark.parametrize("key", [None, "model", "state_dict", "weight", "model_state_dict"])
def test_where_other_programs_keep_the_weights(tmp_path, small, weights, key, prefix):
    weights = {prefix + name: value for name, value in weights.items()}
    torch.save(weights if key is None else {"epoch": 3, key: OrderedDict(weights)}, tmp_path / "G.pth")
    model = load_model(tmp_path / "G.pth", small.config)
    assert torch.equal(model.state_dict()[TENSOR], weights[prefix + TENSOR])


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_in_safetensors(tmp_path, small, weights, prefix):
    safetensors.torch.save_file({prefix + name: value for name, value in weights.items()}, tmp_path / "G.safetensors")
    assert torch.equal(load_model(tmp_path / "G.safetensors", small.config).state_dict()[TENSOR], weights[TENSOR])


def test_a_prefix_of_some_names_is_a_part_of_them(tmp_path, small, weights):
    weights["module." + TENSOR] = weights.pop(TENSOR)
    torch.save({"model": weights}, tmp_path / "G.pth")
    with pytest.raises(CheckpointError, match=re.escape("module." + TENSOR)):
        load_model(tmp_path / "G.pth", small.config)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize(
    "number", [np.float64(0.5), np.float32(0.5), np.int64(3), np.bool_(True), np.arange(3), np.zeros((2, 2), ">f8")]
)
def test_numbers_of_numpy_beside_the_weights(tmp_path, small, weights, number, zipped):
    content = {"model": weights, "learning_rate": number}
    torch.save(content, tmp_path / "G.pth", _use_new_zipfile_serialization=zipped)
    assert torch.equal(load_model(tmp_path / "G.pth", small.config).state_dict()[TENSOR], weights[TENSOR])


NOON = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.timezone(datetime.timedelta(hours=1)))
BESIDE = [
    *(pathlib.PosixPath("/data"), pathlib.PurePosixPath("a"), pathlib.PureWindowsPath("C:/data")),
    *(NOON, NOON.date(), NOON.time(), NOON - NOON),
    *(argparse.Namespace(rate=1e-3, out=pathlib.PosixPath("/data")), types.SimpleNamespace(rate=1e-3)),
    *(
        collections.defaultdict(list, {"loss": [1.0]}),
        collections.defaultdict(int, {"a": 1}),
        collections.defaultdict(),
    ),
    *(decimal.Decimal("0.001"), uuid.UUID(int=3)),
    *(collections.deque([1, 2], maxlen=5), collections.deque([1, 2]), collections.Counter("aab")),
    *({1, 2}, frozenset({1, 2}), torch.Size([1]), torch.device("cpu"), torch.float16, 1 + 2j, b"bytes"),
]


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("beside", BESIDE, ids=lambda value: type(value).__name__)
def test_harmless_objects_beside_the_weights(tmp_path, small, weights, beside, zipped):
    """They are no code, whatever else may be in them."""
    content = {"model": weights, "hyper_parameters": {"nested": [beside]}}
    torch.save(content, tmp_path / "G.pth", _use_new_zipfile_serialization=zipped)
    assert torch.equal(load_model(tmp_path / "G.pth", small.config).state_dict()[TENSOR], weights[TENSOR])


def test_a_path_of_another_system_and_version(tmp_path, small, weights):
    """Python 3.13 calls the module pathlib._local, and nobody but Windows makes a WindowsPath."""
    for module, name in (("pathlib", "WindowsPath"), ("pathlib._local", "PosixPath")):
        elsewhere = type(name, (), {"__module__": module, "__reduce__": lambda self: (type(self), ("data", "in.wav"))})
        with pytest.MonkeyPatch.context() as patch:
            patch.setitem(sys.modules, module, types.SimpleNamespace(**{name: elsewhere}))
            torch.save({"model": weights, "out": elsewhere()}, tmp_path / "G.pth")
        assert torch.equal(load_model(tmp_path / "G.pth", small.config).state_dict()[TENSOR], weights[TENSOR])


@pytest.mark.parametrize("wrapped", [argparse.Namespace, collections.defaultdict])
def test_code_in_harmless_objects_is_refused(tmp_path, small, weights, wrapped):
    path, trace = tmp_path / "G.pth", tmp_path / "was_run"
    beside = wrapped(None, {"x": RunsCode(trace)}) if wrapped is collections.defaultdict else wrapped(x=RunsCode(trace))
    torch.save({"model": weights, "args": beside}, path)
    fails(path, small.config, "refused, it wants to run code .*mkdir")
    assert not trace.exists()


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory")])
@pytest.mark.parametrize("save, load", [(torch.save, "torch.load"), (safetensors.torch.save_file, LOAD_FILE)])
def test_too_little_memory_is_no_damage(tmp_path, small, weights, monkeypatch, error, save, load):
    def refuse(*_, **__):
        raise error

    save(weights, tmp_path / "G.pth")
    monkeypatch.setattr(load, refuse)
    fails(tmp_path / "G.pth", small.config, "not enough memory to read it")


def test_numpy_may_not_call_what_it_likes(tmp_path, small, weights):
    """Only what makes numbers is let through."""
    torch.save({"model": weights, "x": CallsNumpy()}, tmp_path / "G.pth")
    fails(tmp_path / "G.pth", small.config, "refused, it wants to run code .*numpy")


@pytest.mark.parametrize(
    "content, message",
    [
        ([1, 2], "no weights under 'model'"),
        ({"epoch": 3}, "no weights under 'model'"),
        ({"state_dict": {}}, "missing"),
        ({"model": [1]}, "no table of weights"),
        ({"model": {}}, "missing"),
    ],
)
def test_checkpoints_of_something_else(tmp_path, small, content, message):
    path = tmp_path / "G.pth"
    torch.save(content, path)
    fails(path, small.config, message)


@pytest.mark.parametrize(
    "change, message",
    [
        (lambda w: w.pop(TENSOR), f"1 missing \\({TENSOR}\\)"),
        (lambda w: w.update(extra=torch.ones(1)), "1 unexpected \\(extra\\)"),
        (lambda w: w.update({"two\nlines": torch.ones(1)}), "1 unexpected \\('two.*nlines'\\)"),
        (lambda w: w.update({TENSOR: torch.nested.nested_tensor([torch.ones(1)])}), f"{TENSOR} is no ordinary tensor"),
        (lambda w: w.update({TENSOR: w[TENSOR][:, :, :-1].clone()}), f"{TENSOR} has the shape .*47.* wants .*48"),
        (lambda w: w.update({TENSOR: w[TENSOR] * float("nan")}), f"{TENSOR} holds values that are not finite"),
        (lambda w: w.update({TENSOR: w[TENSOR].double() * 1e300}), f"{TENSOR} holds values that are not finite"),
        (lambda w: w.update({TENSOR: w[TENSOR].int()}), f"{TENSOR} holds torch.int32"),
        (lambda w: w.update({TENSOR: "text"}), f"{TENSOR} is no ordinary tensor"),
        (lambda w: w.update({TENSOR: w[TENSOR].to_sparse()}), f"{TENSOR} is no ordinary tensor"),
        (lambda w: w.update({TENSOR: w[TENSOR].to("meta")}), f"{TENSOR} is no ordinary tensor"),
        (lambda w: w.update({TENSOR: w[TENSOR].to(torch.complex64)}), f"{TENSOR} holds torch.complex64"),
        (lambda w: w.update({"x" * 80: torch.ones(1)}), f"1 unexpected \\({'x' * 80}\\)"),
        (lambda w: w.update({"x" * 81: torch.ones(1)}), f"1 unexpected \\('{'x' * 80}'\\)"),
    ],
)
def test_weights_that_do_not_fit(tmp_path, small, weights, change, message):
    change(weights)
    path = tmp_path / "G.pth"
    torch.save({"model": weights}, path)
    fails(path, small.config, message)


def test_complex_numbers_where_integers_belong(tmp_path):
    network = load_golden("small_causal_blocks").model
    weights = network.state_dict()
    (name, *_) = (name for name in weights if name.endswith("num_batches_tracked"))
    weights[name] = weights[name].to(torch.complex64)
    torch.save({"model": weights}, tmp_path / "G.pth")
    fails(tmp_path / "G.pth", network.config, f"{name} holds torch.complex64 where the network wants torch.int64")


@pytest.mark.parametrize("error", [RuntimeError("[enforce fail] can't allocate"), MemoryError()])
def test_a_network_that_does_not_fit_into_memory(tmp_path, small, weights, monkeypatch, error):
    def refuse(config):
        raise error

    torch.save({"model": weights}, tmp_path / "G.pth")
    monkeypatch.setattr(LLVC, "from_config", refuse)
    with pytest.raises(ConfigError, match="does not fit into memory"):
        load_model(tmp_path / "G.pth", small.config)


def test_a_file_that_the_system_does_not_give(small):
    fails(Path("x" * 5000), small.config, "cannot be read \\(File name too long\\)")


def test_weights_of_another_configuration(tmp_path, small):
    path = tmp_path / "G.pth"
    torch.save({"model": load_golden("small_no_lookahead").model.state_dict()}, path)
    fails(path, small.config, "do not fit the configuration: 48 missing \\(convnet_pre")
