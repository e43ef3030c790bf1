# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The losses against values worked out by hand, and batches: what is changed in them, and what is not."""

import math

import pytest
import torch

pytest.importorskip("torchaudio", reason="run: make training")

from training.batches import PEAK, Batches  # noqa: E402
from training.discriminators import Discriminators  # noqa: E402
from training.losses import (  # noqa: E402
    adversarial_loss,
    complex_loss,
    compressed,
    discriminator_loss,
    feature_loss,
    losses,
)


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_loss():
    x = noise(2, 8000) * 0.1
    assert not losses(x, x).any()
    assert losses(-x, x)[:2].max() < 1e-6 < losses(-x, x)[2]  # phase counts for the last alone
    assert losses(torch.zeros_like(x), x)[:2].min() > 1
    assert (losses(0.5 * x, x) > losses(0.9 * x, x)).all() and losses(0.9 * x, x).min() > 0


def test_losses_of_half_the_amplitude():
    """Loud noise, beside which the floor of the logarithms is nothing."""
    x = noise(1, 8000)
    stft, mel, complex_ = losses(0.5 * x, x)
    assert stft == pytest.approx(0.5 + math.log(2), rel=0.01)
    assert mel == pytest.approx(math.log(4), rel=0.01)
    assert complex_ / complex_loss(0 * x, x) == pytest.approx((1 - 0.5**0.3) ** 2, rel=0.01)


def test_compression():
    z = compressed(torch.tensor([3 + 4j, -100, 0]))
    assert torch.allclose(z, torch.tensor([(0.6 + 0.8j) * 5**0.3, -(100**0.3), 0]), rtol=1e-5)


def test_adversarial_losses():
    real, fake = [torch.tensor([1.0, 0.5]), torch.tensor([0.0])], [torch.tensor([0.0, 0.5]), torch.tensor([2.0])]
    assert discriminator_loss(real, fake) == pytest.approx((0.125 + 0.125 + 1 + 4) / 2)
    assert adversarial_loss(fake) == pytest.approx((0.625 + 1) / 2)
    features = [[torch.tensor([1.0, 2.0])], [torch.tensor([0.0])]], [[torch.tensor([2.0, 4.0])], [torch.tensor([-3.0])]]
    assert feature_loss(*features) == pytest.approx((1.5 + 3) / 2)


def test_discriminators_hear_no_loudness():
    torch.manual_seed(0)
    hear, x, y = Discriminators(), noise(2, 4000) * 0.1, noise(2, 4000, seed=1) * 0.1
    scores, _, features, made = hear(x, y)
    louder, _, louder_features, _ = hear(3 * x, 3 * y)
    assert len(scores) == len(features) == len(made) == 8 and all(len(f) == 5 for f in features)
    assert all(torch.allclose(a, b, atol=1e-4) for a, b in zip(scores, louder, strict=True))
    assert feature_loss(features, louder_features) < 1e-4 < feature_loss(features, made)


def batches(**options):
    """Of a pair that is shorter than a segment and two longer ones of another speaker."""
    made = Batches(2000, 3, "cpu", **options)
    made.add({"a/0": (noise(1500, 2) * 3000).short()})
    made.add({"b/0": (noise(9000, 2, seed=1) * 3000).short(), "b/1": (noise(2500, 2, seed=2) * 3000).short()})
    return made


def test_batches():
    made = batches(noise=[(noise(700) * 1000).short(), (noise(800) * 1000).short()])
    source, target = made(5, 64)
    assert source.shape == target.shape == (64, 2000) and made.hours == pytest.approx(13000 / 16000 / 3600)
    assert max(source.abs().max(), target.abs().max()) <= PEAK + 1e-5
    assert all(torch.equal(a, b) for a, b in zip((source, target), made(5, 64), strict=True))
    assert not torch.equal(target, made(6, 64)[1])
    # The target is a stretch of a pair as it is, but for its level; the source is not.
    pairs = torch.cat([pair.short() for pair in (noise(1500, 2) * 3000, noise(9000, 2, seed=1) * 3000)]).float()
    windows = torch.nn.functional.normalize(pairs.unfold(0, 1000, 1), dim=2)
    found = {}
    for side, signals in enumerate((source, target)):
        best = (windows[:, side] @ torch.nn.functional.normalize(signals[:, :1000]).T).amax(0)
        found[side] = (best > 0.9999).float().mean()  # of the last pair, which is not among them, none
    assert found[1] > 0.6 and found[0] < 0.1
    silent = (target == 0).sum(1)
    assert 10 < (silent == 500).sum() < 40  # the short pair, filled up: by the square root of its length
    assert len({round(float(t.square().mean()), 6) for t in target}) > 50


def test_noise_is_in_the_source_only(monkeypatch):
    """At 0 dB, without tilt, the source is twice as strong as the pair's, and the target as it was."""
    monkeypatch.setattr("training.batches.TILT", 0.0)
    monkeypatch.setattr("training.batches.NOISY", 0.0)
    quiet = batches()(1, 32)
    monkeypatch.setattr("training.batches.NOISY", 1.0)
    monkeypatch.setattr("training.batches.SNR", (0.0, 0.0))
    loud = batches()(1, 32)
    ratio = [(s.square().mean(1) / t.square().mean(1)) for s, t in (quiet, loud)]
    assert torch.allclose(ratio[0], torch.ones(32), rtol=0.3) and (ratio[1] / ratio[0]).mean() == pytest.approx(
        2, rel=0.1
    )
