# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Metrics on pairs of signals whose figures are known."""

import pytest
import torch

from evaluation import metrics

L = 16


@pytest.fixture
def noise():
    """One second of white noise, whose frames have nothing to do with each other."""
    return torch.randn(16000, generator=torch.Generator().manual_seed(0)) * 0.1


def another(like):
    return torch.randn(len(like), generator=torch.Generator().manual_seed(1)) * 0.1


def test_equal_signals(noise):
    assert metrics.token_accuracy(noise, noise, L) == 100
    assert metrics.pcc(noise, noise) == pytest.approx(1)
    assert metrics.si_sdr(noise, noise) == metrics.MAX_SI_SDR
    assert metrics.max_error(noise, noise) == 0


def test_scale_is_no_distortion_but_an_error(noise):
    y = 0.5 * noise
    assert metrics.token_accuracy(y, noise, L) == 100
    assert metrics.pcc(y, noise) == pytest.approx(1)
    assert metrics.si_sdr(y, noise) == metrics.MAX_SI_SDR
    assert metrics.max_error(y, noise) == pytest.approx(0.5 * noise.abs().max().item())


@pytest.mark.parametrize("shift", [1, 7, L, 100])
def test_a_shift_is_caught(noise, shift):
    y = noise.roll(shift)
    assert metrics.token_accuracy(y, noise, L) < 1
    assert abs(metrics.pcc(y, noise)) < 0.05
    assert metrics.si_sdr(y, noise) < -20


def test_an_unrelated_or_inverted_signal_is_caught(noise):
    assert metrics.token_accuracy(another(noise), noise, L) < 1
    assert abs(metrics.pcc(another(noise), noise)) < 0.05
    assert metrics.token_accuracy(-noise, noise, L) == 0
    assert metrics.pcc(-noise, noise) == pytest.approx(-1)
    assert metrics.si_sdr(torch.zeros_like(noise), noise) == -metrics.MAX_SI_SDR


@pytest.mark.parametrize("snr_db", [0, 10, 20, 40])
def test_noise_of_known_power(noise, snr_db):
    y = noise + another(noise) * 10 ** (-snr_db / 20)
    assert metrics.si_sdr(y, noise) == pytest.approx(snr_db, abs=0.3)
    assert metrics.pcc(y, noise) == pytest.approx((1 + 10 ** (-snr_db / 10)) ** -0.5, abs=0.01)


def test_token_accuracy_falls_with_the_noise(noise):
    accuracies = [metrics.token_accuracy(noise + another(noise) * s, noise, L) for s in (0.01, 0.3, 1, 10)]
    assert accuracies[0] == 100 and accuracies[0] > accuracies[1] > accuracies[2] > accuracies[3]
    assert accuracies[3] < 2


def test_token_accuracy_counts_frames(noise):
    y = noise.clone()
    y[4000:8000] = another(noise)[4000:8000]  # a quarter is somebody else's
    assert metrics.token_accuracy(y, noise, L) == pytest.approx(75, abs=1)


def test_token_accuracy_leaves_out_what_is_silent_in_the_reference(noise):
    reference = noise.clone()
    reference[8000:] *= 0.005  # 46 dB down
    y = reference.clone()
    y[8000:] = 1e-3 * another(noise)[8000:]
    assert metrics.token_accuracy(y, reference, L) == 100
    assert metrics.token_accuracy(noise, torch.zeros_like(noise), L) is None
    assert metrics.token_accuracy(noise[:5], noise[:5], L) is None


ALTERNATING = torch.tensor([1.0, -1.0]).repeat(L // 2)  # power 1, mean 0
IN_PAIRS = torch.tensor([1.0, 1.0, -1.0, -1.0]).repeat(L // 4)  # the same, orthogonal to it


@pytest.mark.parametrize("level_db, voiced", [(-39.9, True), (-40.1, False)])
def test_the_gate(level_db, voiced):
    reference = torch.cat((ALTERNATING, ALTERNATING * 10 ** (level_db / 20)))
    assert metrics.frame_pcc(reference, reference, L)[1].tolist() == [True, voiced]
    y = torch.cat((ALTERNATING, -ALTERNATING))
    assert metrics.token_accuracy(y, reference, L) == (50 if voiced else 100)


def test_an_incomplete_last_frame_is_left_out():
    reference = ALTERNATING.repeat(3)[: 2 * L + 5]
    y = reference.clone()
    y[2 * L :] = 9.0
    correlation, voiced = metrics.frame_pcc(y, reference, L)
    assert correlation.tolist() == pytest.approx([1, 1]) and voiced.tolist() == [True, True]


def test_the_largest_error_by_hand():
    assert metrics.max_error(torch.tensor([0.5, -0.25]), torch.tensor([0.75, 0.5])) == 0.75


@pytest.mark.parametrize("correlation, percent", [(0.91, 100), (0.89, 0)])
def test_what_counts_as_the_same_token(correlation, percent):
    y = correlation * ALTERNATING + (1 - correlation**2) ** 0.5 * IN_PAIRS
    assert metrics.pcc(y, ALTERNATING) == pytest.approx(correlation, abs=1e-6)
    assert metrics.token_accuracy(y, ALTERNATING, L) == percent


def test_a_constant_offset_counts_for_nothing(noise):
    y = noise.double() + 0.3
    assert metrics.pcc(y, noise) == pytest.approx(1)
    assert metrics.token_accuracy(y, noise, L) == 100
    assert metrics.si_sdr(y, noise) == metrics.MAX_SI_SDR
    assert metrics.si_sdr(noise, y) == metrics.MAX_SI_SDR
    assert metrics.max_error(y, noise) == pytest.approx(0.3)


def test_si_sdr_by_hand():
    """Twice the signal and 0.2 of one orthogonal to it: a ratio of 4 / 0.04."""
    assert metrics.si_sdr(2 * ALTERNATING + 0.2 * IN_PAIRS, ALTERNATING) == pytest.approx(20, abs=1e-5)
    assert metrics.si_sdr(IN_PAIRS, ALTERNATING) == -metrics.MAX_SI_SDR
    assert metrics.si_sdr(IN_PAIRS, torch.full((L,), 0.5)) == -metrics.MAX_SI_SDR


def test_constant_frames():
    silence, dc = torch.zeros(L), torch.full((L,), 0.5)
    assert metrics.frame_pcc(dc * IN_PAIRS, dc, L)[0].tolist() == [0]  # equal here and there
    assert metrics.frame_pcc(silence, silence, L)[0].tolist() == [1]
    assert metrics.frame_pcc(silence, dc, L)[0].tolist() == [0]
    assert metrics.frame_pcc(dc, dc, L)[0].tolist() == [1]


@pytest.mark.parametrize("at, near", [(0, True), (15, True), (16, False), (191, False), (192, True), (207, True)])
def test_what_is_near_a_border(at, near):
    """Three chunks of 208: 80 samples are within 16 of a border, behind the start and before the end, 544 are not."""
    error = torch.zeros(3 * 208)
    error[208 + at] = 0.01
    border, elsewhere = metrics.border_error(error, torch.zeros(3 * 208), 208, 16)
    assert border == pytest.approx(0.01 / 80**0.5 if near else 0)
    assert elsewhere == pytest.approx(0 if near else 0.01 / 544**0.5)


@pytest.mark.parametrize("at", [0, 3, 204])
def test_errors_at_chunk_borders_are_seen_there(noise, at):
    chunk = 208
    y = noise.clone()
    y[chunk + at :: chunk] += 0.01
    border, elsewhere = metrics.border_error(y, noise, chunk, L)
    assert elsewhere == 0 and border == pytest.approx(0.01 / (2 * L) ** 0.5, rel=0.05)
    y = noise.clone()
    y[100::chunk] += 0.01
    border, elsewhere = metrics.border_error(y, noise, chunk, L)
    assert border == 0 and elsewhere > 5e-4
    assert metrics.border_error(noise[:10], noise[:10], chunk, L)[0] is None  # no border in it
