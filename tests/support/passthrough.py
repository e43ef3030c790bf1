# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Weights that turn the network into a wire: audio passes unchanged but for the final tanh.

A network at its published sizes that needs no training, by which latency and alignment can be measured.
`python -m support.passthrough FILE.safetensors` writes its weights to a file.
"""

import sys

import safetensors.torch
import torch

from reference.config import LLVCConfig, load_config
from reference.llvc import LLVC


@torch.no_grad()
def make_passthrough(model):
    """Sets the weights of an LLVC so that model(x) == tanh(x).

    in_conv's channels are the L samples of a frame and their negatives (ReLU keeps one of each pair), out_conv puts
    them back, the mask is one everywhere. ValueError for a configuration that has no such weights.
    """
    config: LLVCConfig = model.config
    prenet = config.convnet_config
    if not config.proj or config.enc_dim < 2 * config.L:
        raise ValueError("the passthrough needs proj and enc_dim of at least 2 * L")
    if prenet.convnet_prenet and (
        not prenet.use_residual_blocks or prenet.combine_residuals or prenet.skip_connection == "multiply"
    ):
        raise ValueError("the passthrough needs plain residual blocks and no product in the prenet")

    for name, parameter in model.named_parameters():
        # Norm gains stay one: only what audio passes through is set, all else is zero.
        is_gain = parameter.dim() == 1 and name.endswith("weight")
        parameter.fill_(1.0 if is_gain else 0.0)
    model.label_embedding[4].weight.zero_()  # label * e = 0, and with it the mask's skip connection
    model.mask_gen.proj_d2e[0].bias.fill_(1.0)
    doubled = prenet.convnet_prenet and prenet.skip_connection == "add"
    sample = torch.arange(config.L)
    for sign, channel in ((1.0, sample), (-1.0, config.L + sample)):
        model.in_conv[0].weight[channel, 0, config.lookahead_len + sample] = sign
        model.out_conv[0].weight[channel, 0, sample] = sign * (0.5 if doubled else 1.0)
    return model


if __name__ == "__main__":
    config, _ = load_config("experiments/llvc/config.json")
    weights = make_passthrough(LLVC.from_config(config)).state_dict()
    safetensors.torch.save_file({name: value.half() for name, value in weights.items()}, sys.argv[1])
