# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""How near one signal is to another. All signals are samples [N]; percentages are of 100."""

import torch

GATE_DB = -40.0  # frames below this, from the loudest one, hold no speech to compare
TOKEN_PCC = 0.9
MAX_SI_SDR = 120.0  # dB: what float32 audio can tell apart


def pcc(y, reference):
    """Pearson correlation of two signals; of constant ones 1 if they are equal, else 0."""
    return _pcc(y.double()[None], reference.double()[None]).item()


def frame_pcc(y, reference, frame_len):
    """Correlation frame by frame -> (pcc [T], voiced [T]); a frame is voiced if the reference passes the gate there.

    An incomplete last frame is left out.
    """
    frames = [x[: len(x) // frame_len * frame_len].double().unflatten(0, (-1, frame_len)) for x in (y, reference)]
    power = frames[1].square().mean(1)
    loudest = power.sort().values[-1:]  # without frames there is none
    return _pcc(*frames), power > loudest * 10 ** (GATE_DB / 10)


def token_accuracy(y, reference, frame_len):
    """Share of voiced frames whose correlation is above TOKEN_PCC, in percent; None where nothing is voiced."""
    correlation, voiced = frame_pcc(y, reference, frame_len)
    if not voiced.any():
        return None
    return 100.0 * (correlation[voiced] > TOKEN_PCC).double().mean().item()


def si_sdr(y, reference):
    """Scale-invariant signal-to-distortion ratio in dB (Le Roux et al., 2019), at most MAX_SI_SDR either way."""
    y, reference = (x.double() - x.double().mean() for x in (y, reference))
    energy = reference.square().sum()
    if energy == 0 or not y.any():
        return -MAX_SI_SDR
    wanted = (y @ reference) / energy * reference
    ratio = wanted.square().sum() / (y - wanted).square().sum()
    return min(MAX_SI_SDR, max(-MAX_SI_SDR, 10 * torch.log10(ratio).item()))


def max_error(y, reference):
    """The largest difference of two samples."""
    return (y.double() - reference.double()).abs().max().item()


def border_error(streamed, offline, chunk_len, width):
    """Differences within `width` samples of a chunk's border, and elsewhere -> (rms, rms); None for no such samples."""
    error = (streamed.double() - offline.double()).square()
    phase = torch.arange(len(error)) % chunk_len
    near = (phase < width) | (phase >= chunk_len - width)
    near[:width] = False  # the start is no border
    return tuple(part.mean().sqrt().item() if len(part) else None for part in (error[near], error[~near]))


def _pcc(y, reference):
    """Correlation of the rows of [T, N]."""
    y_ac, reference_ac = (x - x.mean(1, keepdim=True) for x in (y, reference))
    scale = (y_ac.square().sum(1) * reference_ac.square().sum(1)).sqrt()
    equal = (y == reference).all(1).double()
    return torch.where(scale > 0, (y_ac * reference_ac).sum(1) / scale.clamp_min(1e-300), equal)
