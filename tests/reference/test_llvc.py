# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What the published numbers do not show: modes, the label, wrong calls, the passthrough."""

import pytest
import torch
from support.golden import load_golden
from support.passthrough import make_passthrough

from reference.llvc import LLVC


@pytest.fixture
def small():
    return load_golden("small").model


def only(dropout):
    """Lets one dropout drop everything and no other anything."""

    def apply(model):
        for name, module in model.train().named_modules():
            if "Dropout" in type(module).__name__:
                module.p = float(name == dropout)

    return apply


def test_a_new_network_is_in_eval_mode(small):
    assert not any(module.training for module in LLVC(**load_golden("small").params).modules())
    audio = torch.randn(1, 1, 800)
    with torch.no_grad():
        assert torch.equal(small(audio), small(audio))
        small.train()
        assert not torch.equal(small(audio), small(audio))  # dropout


def test_dropout_lies_where_the_published_network_has_it(small):
    """Behind the sum of a prenet block and its residual; behind each part of a decoder layer, and inside the last."""
    seen = {}

    def keep(name):
        def hook(_module, inputs, output):
            seen[name] = inputs[0], output[0] if isinstance(output, tuple) else output

        return hook

    layer, path = small.mask_gen.decoder.tf_dec_layers[0], "mask_gen.decoder.tf_dec_layers.0"
    hooked = {"block": small.convnet_pre.down_convs[0], "linear2": layer.linear2}
    for name, module in (hooked | {f"norm{k}": getattr(layer, f"norm{k}") for k in (1, 2, 3)}).items():
        module.register_forward_hook(keep(name))
    audio = torch.randn(1, 1, 800)
    with torch.no_grad():
        only("convnet_pre.down_convs.0.dropout")(small)
        small(audio)
        assert not seen["block"][1].any()
        only(f"{path}.dropout")(small)
        small(audio)
        assert not seen["linear2"][0].any()
        for k, before in ((2, "norm1"), (3, "norm2")):
            only(f"{path}.dropout{k}")(small)
            small(audio)
            assert torch.equal(seen[f"norm{k}"][0], seen[before][1])
        only(f"{path}.dropout1")(small)
        small(audio)
        query = seen["norm1"][0]
        only(None)(small)
        small(audio)
        assert not torch.equal(seen["norm1"][0], query)


def test_the_label_follows_the_weights(small):
    audio = torch.randn(1, 1, 800)
    with torch.no_grad():
        before = small(audio)
        state_dict = {name: value.clone() for name, value in small.state_dict().items()}
        state_dict["label_embedding.4.bias"] += 1
        small.load_state_dict(state_dict)
        after = small(audio)
        fresh = LLVC.from_config(small.config)
        fresh.load_state_dict(state_dict)
        assert not torch.allclose(before, after)
        assert torch.equal(fresh(audio), after)


def test_the_label_follows_the_precision(small):
    audio = torch.randn(1, 1, 800, dtype=torch.float64)
    with torch.no_grad():
        small(audio.float())
        fresh = LLVC.from_config(small.config)
        fresh.load_state_dict(small.state_dict())
        assert torch.equal(small.double()(audio), fresh.double()(audio))
        assert small.label_embedding().dtype == torch.float64


def test_gradients_reach_the_label_in_training(small):
    small.train()
    small(torch.randn(1, 1, 800)).sum().backward()
    assert small.label_embedding[3].weight.grad.abs().max() > 0


def test_a_call_changes_none_of_its_buffers(small):
    buffers = [torch.randn_like(buffer) for buffer in small.init_buffers(2)]
    context = torch.randn_like(small.init_prenet_ctx(2))
    before = [tensor.clone() for tensor in (*buffers, context)]
    with torch.no_grad():
        small(torch.randn(2, 1, 240), *buffers, context, pad=False)
    assert all(torch.equal(a, b) for a, b in zip(before, (*buffers, context), strict=True))


@pytest.mark.parametrize("samples", [0, 1, 15, 16, 17, 208])
def test_offline_output_is_as_long_as_the_input(small, samples):
    with torch.no_grad():
        assert small(torch.randn(2, 1, samples)).shape == (2, 1, samples)


def test_wrong_calls(small):
    audio, buffers = torch.randn(1, 1, 240), small.init_buffers(1)
    with pytest.raises(ValueError, match=r"\[batch, 1, samples\]"):
        small(audio[0])
    with pytest.raises(ValueError, match=r"\[batch, 1, samples\]"):
        small(audio.expand(1, 2, 240))
    with pytest.raises(ValueError, match="all three or none"):
        small(audio, buffers[0])
    with pytest.raises(ValueError, match="at least one frame"):
        small(audio[..., :40], *buffers, pad=False)
    with pytest.raises(ValueError, match="at least one frame"):
        small(audio[..., :47], pad=False)
    with pytest.raises(ValueError, match="at least one frame"):
        small(audio[..., :0], *buffers)
    with torch.no_grad():
        assert small(audio[..., :48], *buffers, pad=False)[0].shape == (1, 1, 16)
        assert small(audio[..., :1], *buffers)[0].shape == (1, 1, 1)


@pytest.mark.parametrize("name", ["llvc", "llvc_nc", "readme_defaults", "small_no_lookahead"])
def test_passthrough_is_the_identity_but_for_the_tanh(name):
    model = make_passthrough(load_golden(name).model)
    audio = torch.rand(2, 1, 3001) * 2 - 1
    with torch.no_grad():
        assert (model(audio) - audio.tanh()).abs().max() < 1e-6


@pytest.mark.parametrize("name", ["small_causal_blocks", "options_no_proj", "options_prenet_channels"])
def test_passthrough_refuses_what_it_cannot_do(name):
    with pytest.raises(ValueError, match="the passthrough needs"):
        make_passthrough(load_golden(name).model)
