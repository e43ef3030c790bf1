# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""One resampler for files and live streams: exact lengths, no delay to speak of, and the same in whatever pieces."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from audio.resampling import Resampler, resampled, resampling_delay

RATES = [(48000, 16000), (44100, 16000), (16000, 48000), (16000, 44100), (8000, 16000)]


@settings(max_examples=25)
@given(
    st.sampled_from((8000, 11025, 11127, 22050, 44100, 48000)),
    st.lists(st.integers(0, 20) | st.integers(0, 9000), min_size=1, max_size=6),
)
def test_block_by_block_is_that_of_the_whole(rate, sizes):
    x = np.random.default_rng(0).uniform(-1, 1, (2, sum(sizes))).astype(np.float32)
    blocks = np.split(x, np.cumsum(sizes)[:-1], axis=1)
    y = np.concatenate(list(resampled([(block, rate) for block in blocks], 16000)), axis=1)
    whole = np.concatenate(list(resampled([(x, rate)], 16000)), axis=1)
    assert y.dtype == np.float32 and np.array_equal(y, whole)
    assert y.shape == (2, math.ceil(x.shape[1] * 16000 / rate))


def tone(frequency, rate, seconds=1):
    return np.sin(2 * np.pi * frequency * np.arange(rate * seconds) / rate).astype(np.float32)


def converted(samples, rate, new_rate):
    resampler = Resampler(rate, new_rate)
    return np.concatenate([*(resampler.push(piece) for piece in np.array_split(samples, 100)), resampler.flush()])


@pytest.mark.parametrize("rate, new_rate", RATES)
def test_tones_come_through_where_they_are(rate, new_rate):
    """To 80 dB up to 0.7, and to 40 dB up to 0.84 of the lower rate's edge; neither late nor early."""
    for part, error in ((0.05, 1e-4), (0.7, 1e-4), (0.84, 1e-2)):
        frequency = part * min(rate, new_rate) / 2
        y = converted(tone(frequency, rate), rate, new_rate)
        assert len(y) == new_rate
        assert np.abs(y - tone(frequency, new_rate))[500:-500].max() < error


@pytest.mark.parametrize("rate", [48000, 44100, 22050])
def test_what_the_lower_rate_cannot_hold_is_gone(rate):
    assert np.abs(converted(tone(1.15 * 8000, rate), rate, 16000))[500:-500].max() < 1e-4


@pytest.mark.parametrize("rate, new_rate", RATES)
def test_the_delay_is_half_a_filter(rate, new_rate):
    assert resampling_delay(rate, new_rate) == pytest.approx(16 / min(rate, new_rate), abs=1e-4)
    assert resampling_delay(rate, rate) == 0


@pytest.mark.parametrize("signals", [None, 1, 3])
@pytest.mark.parametrize("new_rate", [16000, 48000])
def test_a_new_stream_after_the_end_and_after_a_reset(signals, new_rate):
    shape = (160,) if signals is None else (signals, 160)
    x = np.random.default_rng(0).uniform(-1, 1, shape).astype(np.float32)
    resampler = Resampler(16000, new_rate, signals)

    def through():
        return np.concatenate((resampler.push(x), resampler.flush()), axis=-1)

    first = through()
    assert first.shape == (*shape[:-1], new_rate // 100)
    assert np.array_equal(through(), first)
    resampler.push(x)
    resampler.reset()
    assert np.array_equal(through(), first)
    assert resampler.flush().shape == (*shape[:-1], 0)


def test_rates_that_change_midway():
    low, high = tone(440, 8000)[None], tone(440, 48000)[None]
    y = np.concatenate(list(resampled([(low, 8000), (high, 48000), (high, 48000)], 16000)), axis=1)
    assert y.shape == (1, 48000)
    assert np.abs(y[0] - np.tile(tone(440, 16000), 3))[500:15500].max() < 1e-4


def test_a_rate_of_which_hardly_anything_would_be_left():
    with pytest.raises(ValueError, match="a rate of 1600001 Hz is too high"):
        Resampler(1_600_001, 16000)
    Resampler(1_600_000, 16000)
