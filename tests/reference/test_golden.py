# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The reference is the published network: names, shapes, activations, offline and windowed outputs, buffers."""

from dataclasses import asdict

import pytest
import torch
from support.golden import OPTIONS, PUBLISHED, SMALL, load_golden, load_params, relative_error

from reference.config import LLVCConfig

TOLERANCE = 1e-5  # of the largest published value


@pytest.fixture(scope="module", params=PUBLISHED + SMALL)
def golden(request):
    return load_golden(request.param)


def test_state_dict_has_the_published_names_and_shapes(golden):
    published = {
        str(key): tuple(json_shape)
        for key, json_shape in zip(golden.arrays["state_keys"], map(_shape, golden.arrays["state_shapes"]), strict=True)
    }
    assert {name: tuple(value.shape) for name, value in golden.model.state_dict().items()} == published


def _shape(text):
    return [int(size) for size in str(text).strip("()[]").replace(",", " ").split()]


@pytest.mark.parametrize("name, parameters", [("llvc", 3_258_720), ("llvc_nc", 3_258_624)])
def test_number_of_parameters(name, parameters):
    assert sum(p.numel() for p in load_golden(name).model.parameters()) == parameters


def test_offline_output_and_activations(golden):
    model, activations = golden.model, {}

    def keep(name, channels_last):
        def hook(_module, _inputs, output):
            output = output[0] if isinstance(output, tuple) else output
            activations[name] = output[0].T if channels_last else output[0]

        return hook

    hooks = [
        model.in_conv.register_forward_hook(keep("in_conv", False)),
        model.mask_gen.encoder.register_forward_hook(keep("encoder", True)),
        model.mask_gen.decoder.register_forward_hook(keep("decoder", True)),
        model.mask_gen.register_forward_hook(keep("mask", True)),
    ]
    if model.config.convnet_config.convnet_prenet:
        hooks.append(model.convnet_pre.register_forward_hook(keep("prenet", False)))
    with torch.no_grad():
        output = model(torch.from_numpy(golden.arrays["audio"])[None, None])
    for hook in hooks:
        hook.remove()

    assert relative_error(output[0, 0], golden.arrays["offline"]) < TOLERANCE
    stored = {name.removeprefix("act_") for name in golden.arrays if name.startswith("act_")}
    assert stored == activations.keys()
    for name, value in activations.items():
        expected = golden.arrays[f"act_{name}"]
        assert relative_error(value[:, : expected.shape[1]], expected) < TOLERANCE, name


@pytest.mark.parametrize("name", SMALL)
def test_windows_are_attended_to_in_parts(name, monkeypatch):
    """As those of long audio: the parts, the last one smaller, are all there and in order."""
    golden = load_golden(name)
    monkeypatch.setattr("reference.decoder.MAX_WINDOWS", 3)
    with torch.no_grad():
        output = golden.model(torch.from_numpy(golden.arrays["audio"])[None, None])
    assert relative_error(output[0, 0], golden.arrays["offline"]) < TOLERANCE


def test_windows_with_buffers(golden):
    model = golden.model
    buffers, prenet_ctx = model.init_buffers(1), None
    chunks = []
    with torch.no_grad():
        for window in torch.from_numpy(golden.arrays["windows"]):
            chunk, *buffers, prenet_ctx = model(window[None, None], *buffers, prenet_ctx, pad=False)
            chunks.append(chunk[0, 0])
    assert relative_error(torch.stack(chunks), golden.arrays["chunks"]) < TOLERANCE
    for name, buffer in zip(("enc_buf", "dec_buf", "out_buf"), buffers, strict=True):
        assert relative_error(buffer[0], golden.arrays[name]) < TOLERANCE, name
    if model.config.convnet_config.convnet_prenet:
        assert relative_error(prenet_ctx[0], golden.arrays["pre_buf"]) < TOLERANCE


@pytest.mark.parametrize("name", OPTIONS)
def test_every_other_option_offline(name):
    golden = load_golden(name)
    with torch.no_grad():
        output = golden.model(torch.from_numpy(golden.arrays["audio"])[None, None])
    assert relative_error(output[0, 0], golden.arrays["offline"]) < TOLERANCE


def test_there_are_golden_vectors_of_every_option():
    """Every one takes two values at least; the choices of the prenet's connections are all there."""
    values = {}
    for name in PUBLISHED + SMALL + OPTIONS:
        config = asdict(LLVCConfig.from_params(load_params(name)))
        prenet = config.pop("convnet_config")
        for option, value in (config | {f"prenet's {option}": value for option, value in prenet.items()}).items():
            values.setdefault(option, set()).add(value)
    del values["label_len"]  # can only be 1
    del values["prenet's dropout"]  # does nothing in eval mode
    assert [option for option, taken in values.items() if len(taken) < 2] == []
    for option in ("prenet's combine_residuals", "prenet's skip_connection"):
        assert values[option] >= {None, "add", "multiply"}
