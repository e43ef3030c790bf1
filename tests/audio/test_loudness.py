# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Loudness is that of ITU-R BS.1770, and --match_loudness gives the output that of the input."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from audio.loudness import MAX_GAIN, LoudnessMatcher, LoudnessMeter, k_weighting

RATE = 16000
EXAMPLE = Path(__file__).resolve().parents[2] / "test_wavs" / "example.wav"


def sine(decibels, seconds, rate=RATE, frequency=997.0):
    """A tone whose peak is so many dB below full scale, [1, N]."""
    return 10 ** (decibels / 20) * np.sin(2 * np.pi * frequency * np.arange(round(seconds * rate)) / rate)[None]


def lufs(samples, rate=RATE):
    meter = LoudnessMeter(len(samples), rate)
    meter.push(samples)
    return meter.lufs


def test_the_filter_is_that_of_the_standard():
    shelf, high_pass = k_weighting(48000)
    assert shelf == pytest.approx(
        [1.53512485958697, -2.69169618940638, 1.19839281085285, 1, -1.69065929318241, 0.73248077421585], abs=1e-8
    )
    assert high_pass == pytest.approx([1, -2, 1, 1, -1.99004745483398, 0.99007225036621], abs=1e-8)


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
@pytest.mark.parametrize("decibels", [0.0, -23.0, -40.0])
def test_a_tone(rate, decibels):
    """In one channel, -3.01 LUFS at full scale."""
    assert lufs(sine(decibels, 3, rate), rate) == pytest.approx([decibels - 3.01], abs=0.1)


@pytest.mark.parametrize(
    "parts, expected",
    [
        (((-36, 10), (-23, 60), (-36, 10)), -26.01),  # EBU Tech 3341, cases 3 and 4, in one channel
        (((-72, 10), (-36, 10), (-23, 60), (-36, 10), (-72, 10)), -26.01),
        (((-20, 5), (-120, 60)), -23.01),  # a pause counts for nothing
        (((-80, 5),), -np.inf),
    ],
)
def test_gates(parts, expected):
    assert lufs(np.concatenate([sine(*part) for part in parts], axis=1)) == pytest.approx([expected], abs=0.1)


def test_less_than_a_block():
    assert lufs(sine(-20, 0.2)) == pytest.approx([-23.01], abs=0.5)
    assert lufs(np.zeros((1, 0))) == [-np.inf]


@pytest.mark.parametrize("size", [1, 208, 5000])
def test_block_by_block_is_the_whole(size):
    samples = np.random.default_rng(0).uniform(-0.1, 0.1, (2, 20000)) * np.array([[1.0], [0.3]])
    meter = LoudnessMeter(2, RATE)
    for start in range(0, 20000 if size > 1 else 300, size):
        meter.push(samples[:, start : start + size])
    assert meter.lufs == pytest.approx(lufs(samples if size > 1 else samples[:, :300]), abs=1e-6)


def matched(samples, network, size=208):
    """Signals [S, N] through a network that answers at once."""
    matcher = LoudnessMatcher(len(samples), RATE)
    blocks = [matcher.match(network(matcher.hear(block))) for block in torch.from_numpy(samples).float().split(size, 1)]
    return torch.cat(blocks, dim=1).numpy()


def speech():
    return soundfile.read(EXAMPLE)[0][None]


@pytest.mark.parametrize("gain, size", [(0.3, 208), (3.0, 208), (0.3, 208 * 64), (1.0, 208 * 64), (3.0, 208 * 64)])
def test_as_loud_as_the_input(gain, size):
    whole, part = speech(), speech()[:, :32000]
    for samples in (sine(-26, 3), whole, np.concatenate((part, 0.2 * part), axis=1)):
        out = matched(samples, lambda block: gain * block, size)
        assert out.shape == samples.shape
        assert lufs(out) == pytest.approx(lufs(samples), abs=0.5)


def test_a_known_loudness_comes_out():
    """Another sound altogether: noise, 9 dB quieter than the tone that went in."""
    tone = sine(-20, 5)
    noise = np.random.default_rng(0).standard_normal(tone.shape)
    noise *= 10 ** ((lufs(tone) - 9 - lufs(noise)) / 20)
    blocks = iter(torch.from_numpy(noise).float().split(208, 1))
    assert lufs(matched(tone, lambda block: next(blocks))) == pytest.approx([-23.01], abs=0.5)


def test_bounds():
    out = matched(sine(-20, 2), lambda block: block / 100)
    assert np.abs(out).max() == pytest.approx(0.1 * MAX_GAIN / 100, rel=0.01)
    out = matched(sine(-40, 2), lambda block: block * 50)
    assert np.abs(out).max() == pytest.approx(0.01 * 50 / MAX_GAIN, rel=0.01)
    assert not matched(np.zeros((1, 20000)), lambda block: block).any()
    assert np.array_equal(matched(sine(-20, 1), lambda block: 0 * block), np.zeros((1, 16000), np.float32))


def test_every_signal_by_itself():
    samples = np.concatenate((sine(-20, 3), sine(-30, 3)))
    out = matched(samples, lambda block: block * torch.tensor([[0.5], [2.0]]))
    assert lufs(out) == pytest.approx(lufs(samples), abs=0.5)
