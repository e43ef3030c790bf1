# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Where training starts: a network that passes audio through, or the weights of a checkpoint."""

from dataclasses import replace

import torch
from torch.nn import functional as F

from reference.checkpoint import check_state_dict, load_state_dict
from reference.llvc import LLVC


def filter_bank(config):
    """Filters of in_conv and out_conv that give the waveform back where the mask is one.

    -> (analysis [enc_dim / 2, kernel], synthesis [enc_dim / 2, 2 * L]): windowed cosines and sines from 0 to half the
    sample rate, so that a mask is an equaliser, and what of least norm inverts them from the two newest frames alone.
    """
    filters, frame, ahead = config.enc_dim // 2, config.L, config.lookahead_len
    kernel = frame + 2 * ahead
    time = torch.arange(kernel, dtype=torch.float64) - (kernel - 1) / 2
    frequency = torch.pi * (torch.arange(filters // 2) + 0.5)[:, None] / (filters // 2)
    waves = torch.stack((torch.cos(frequency * time), torch.sin(frequency * time)), dim=1).flatten(0, 1)
    analysis = waves * torch.hann_window(kernel + 2, periodic=False, dtype=torch.float64)[1:-1]
    # Both frames' filters, the older one's first, as functions of the samples that the two see.
    frames = torch.cat((F.pad(analysis, (0, frame)), F.pad(analysis, (frame, 0))))
    wanted = F.pad(torch.eye(frame, dtype=torch.float64), (ahead + frame, ahead))
    older, newer = torch.linalg.lstsq(frames.T, wanted.T, driver="gelsd").solution.T.split(filters, dim=1)
    return analysis.float(), torch.cat((newer, older)).T.float()


def initial_network(config, seed):
    """An LLVC that passes audio through: a filter bank and a mask near one, and small random changes of the mask.

    Without dropout: a few hours of pairs are seen a few times at most.
    """
    torch.manual_seed(seed)
    prenet = replace(config.convnet_config, dropout=0.0)
    model = LLVC.from_config(replace(config, decoder_dropout=0.0, convnet_config=prenet))
    analysis, synthesis = filter_bank(config)
    doubled = prenet.convnet_prenet and prenet.skip_connection == "add"
    with torch.no_grad():
        model.out_conv[0].weight.zero_()
        for first, sign in ((0, 1.0), (1, -1.0)):  # neighbours: what is above zero in a band, and what is below
            model.in_conv[0].weight[first::2, 0] = sign * analysis
            model.out_conv[0].weight[first::2, 0, : 2 * config.L] = sign * synthesis * (0.5 if doubled else 1.0)
        # The encoder normalises its frames: beside biases, speech would vanish in them and the mask stand still.
        for layer in model.mask_gen.encoder.dcc_layers:
            layer.layers[0].bias.zero_()
        model.label_embedding[4].weight.fill_(0.02)
        model.label_embedding[4].bias.fill_(0.1)
        model.mask_gen.proj_e2d_l[0].weight.mul_(3.0)
        model.mask_gen.proj_d2e[0].weight.mul_(0.1)
        model.mask_gen.proj_d2e[0].bias.fill_(0.7)
        for block in getattr(model.convnet_pre, "down_convs", ()):
            block.filter.weight.zero_()
            block.filter.bias.zero_()
    return model


def network_from(path, config):
    """The network of a checkpoint, without dropout as initial_network's. CheckpointError if it does not fit."""
    model, weights = initial_network(config, 0), load_state_dict(path)
    check_state_dict(weights, model.state_dict(), path)
    model.load_state_dict(weights)
    return model
