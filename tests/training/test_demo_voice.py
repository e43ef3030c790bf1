# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""How the demo voice is trained: its target, its data, its start, and a run that stops and goes on."""

import json
import random
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.golden import load_golden

pytest.importorskip("pyworld", reason="run: make training")

from reference.config import LLVCConfig  # noqa: E402
from tools.demo_voice.speech import Pairs, SpeakerJob, make_pairs, recording_jobs, synthesiser_jobs  # noqa: E402
from tools.demo_voice.target import HOP, SAMPLE_RATE, Analysis, Speaker, TargetVoice, scale_formants, to_target  # noqa: E402
from tools.demo_voice.training import (  # noqa: E402
    Training,
    initial_network,
    learning_rate,
    losses,
    plot_log,
    validate,
)

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
VOICE = TargetVoice.load(ROOT / "tools" / "demo_voice" / "voice.json")


def vowel(f0, seconds=1.0, formants=(500, 1500, 2500)):
    """Pulses of a pitch (Hz) through resonances: samples [N]."""
    phase = np.cumsum(np.full(round(seconds * SAMPLE_RATE), f0 / SAMPLE_RATE))
    x = np.diff(np.floor(phase), prepend=0.0)
    for formant in formants:
        radius = np.exp(-np.pi * 80 / SAMPLE_RATE)
        a1, a2 = -2 * radius * np.cos(2 * np.pi * formant / SAMPLE_RATE), radius**2
        y = np.zeros(len(x) + 2)
        for n in range(len(x)):
            y[n + 2] = x[n] - a1 * y[n + 1] - a2 * y[n]
        x = y[2:]
    return 0.3 * x / np.abs(x).max()


def rms(x):
    return np.sqrt(np.mean(np.square(x)))


def converted(samples):
    analysis = Analysis.of(samples)
    speaker = Speaker.of([analysis], VOICE)
    return to_target(analysis, speaker, VOICE), speaker


@pytest.mark.parametrize("f0, octaves", [(90, 1), (120, 1), (180, 0), (240, 0)])
def test_a_low_voice_goes_up_an_octave(f0, octaves):
    x = vowel(f0)
    y, speaker = converted(x)
    assert speaker.median_f0 == pytest.approx(f0, rel=0.01)
    assert y.shape == x.shape and rms(y) == pytest.approx(rms(x), rel=0.001)
    pitch = Analysis.of(y).f0
    assert np.median(pitch[pitch > 0]) == pytest.approx(f0 * 2**octaves, rel=0.01)
    # Odd harmonics of the source are what an octave takes away.
    spectrum = np.abs(np.fft.rfft(y[4000:12000] * np.hanning(8000)))
    harmonic = [spectrum[round(k * f0 / 2) - 2 : round(k * f0 / 2) + 3].max() for k in range(1, 9)]
    odd, even = np.mean(harmonic[0::2]), np.mean(harmonic[1::2])
    assert (odd < 0.1 * even) == bool(octaves)


def test_speakers_become_alike():
    """A long and a short vocal tract say the same vowel: their spectra are nearer afterwards."""
    voices = [vowel(110, formants=(450, 1350, 2250)), vowel(200, formants=(560, 1680, 2800))]

    def distance(a, b):
        a, b = (Analysis.of(x).spectrum[20:-20].mean(0) for x in (a, b))
        return np.std((a - b)[: len(a) // 2])

    assert distance(*(converted(x)[0] for x in voices)) < 0.5 * distance(*voices)


def test_formants_move_by_the_ratio():
    spectrum = np.zeros((1, 513))
    spectrum[0, 100] = 1
    assert scale_formants(spectrum, 1.2)[0].argmax() == 120
    assert scale_formants(spectrum, 0.5)[0].argmax() == 50
    assert np.array_equal(scale_formants(spectrum, 1.0), spectrum)


def test_the_target_comes_no_sooner_than_its_source():
    x = np.zeros(SAMPLE_RATE)
    x[4800:11200] = vowel(200, 0.4)
    y, _ = converted(x)
    energy = np.cumsum(y**2) / np.sum(y**2)
    assert energy[4800 - HOP] < 1e-3 and energy[11200] > 0.95


def test_speech_without_pitch_is_refused():
    with pytest.raises(ValueError, match="no voiced speech"):
        Speaker.of([Analysis.of(np.zeros(8000))], VOICE)


def pairs_folder(folder):
    """Pairs of two speakers for training and one for validation."""
    rng = np.random.default_rng(0)
    recordings = folder / "recordings"
    for name, f0 in (("low", 100), ("high", 220), ("held out", 150)):
        (recordings / name).mkdir(parents=True)
        for number in range(2):
            speech = vowel(f0 * (1 + 0.05 * number), 1.2) + 1e-4 * rng.standard_normal(19200)
            soundfile.write(recordings / name / f"{number}.wav", speech, SAMPLE_RATE)
    jobs = recording_jobs(recordings, 1, {"held out"}, random.Random(0))
    return sum(make_pairs(job, VOICE, folder / "pairs") for job in jobs), folder / "pairs"


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    return pairs_folder(tmp_path_factory.mktemp("pairs"))


def test_pairs(pairs):
    seconds, folder = pairs
    assert seconds == pytest.approx(6 * 1.2)
    assert sorted(p.name for p in (folder / "train").iterdir()) == ["high-1.0", "low-1.0"]
    assert [p.name for p in (folder / "valid").iterdir()] == ["held out-1.0"]
    pair, rate = soundfile.read(folder / "train" / "low-1.0" / "0000.wav")
    assert rate == SAMPLE_RATE and pair.shape == (19200, 2) and np.abs(pair).max() < 0.99
    assert rms(pair[:, 0]) == pytest.approx(rms(pair[:, 1]), rel=0.01)

    segments = iter(Pairs(folder / "train", 8000, seed=3))
    again = iter(Pairs(folder / "train", 8000, seed=3))
    for _ in range(3):
        source, target = next(segments)
        assert source.shape == target.shape == (8000,) and max(source.abs().max(), target.abs().max()) <= 0.951
        assert all(torch.equal(a, b) for a, b in zip((source, target), next(again), strict=True))


def test_other_speeds_are_other_speakers(tmp_path):
    (tmp_path / "someone").mkdir()
    soundfile.write(tmp_path / "someone" / "a.wav", vowel(200), SAMPLE_RATE)
    jobs = recording_jobs(tmp_path, 4, set(), random.Random(1))
    assert len(jobs) > 1 and len({job.name for job in jobs}) == len(jobs)
    slow = SpeakerJob("slow", "train", [tmp_path / "someone" / "a.wav"], speed=0.5)
    assert make_pairs(slow, VOICE, tmp_path / "pairs") == pytest.approx(2.0)
    source = soundfile.read(tmp_path / "pairs" / "train" / "slow" / "0000.wav")[0][:, 0]
    pitch = Analysis.of(source).f0
    assert np.median(pitch[pitch > 0]) == pytest.approx(100, rel=0.01)


def test_synthesisers_are_told_what_to_say(tmp_path):
    jobs = synthesiser_jobs(2, random.Random(0))
    assert {job.split for job in jobs} == {"train", "valid"}
    assert all(len(job.commands) == 2 for job in jobs)
    if shutil.which("espeak-ng"):
        assert make_pairs(jobs[0], VOICE, tmp_path) > 2


def small_config():
    """The network's structure at a fraction of its size."""
    return LLVCConfig.from_params({**load_golden("llvc").params, "enc_dim": 64, "dec_dim": 32, "num_enc_layers": 3})


def test_it_starts_as_a_wire():
    model = initial_network(LLVCConfig.from_params(load_golden("llvc").params), seed=0)
    x = torch.from_numpy(load_golden("llvc").arrays["audio"])
    with torch.no_grad():
        y = model(x[None, None])[0, 0]
    assert torch.corrcoef(torch.stack((x, y)))[0, 1] > 0.95
    losses(model.train()(x[None, None, :8000])[:, 0], x[None, :8000]).sum().backward()
    # All learn from the first step: but the prenet's gates, closed by filters of zero, and the constant label's input.
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert all(".gate." in name or name == "label_embedding.0.weight" for name in idle), idle


def test_loss():
    x = torch.randn(2, 8000, generator=torch.Generator().manual_seed(0)) * 0.1
    assert not losses(x, x).any()
    assert losses(-x, x).max() < 1e-6  # phase counts for nothing
    assert losses(torch.zeros_like(x), x).min() > 1
    assert (losses(0.5 * x, x) > losses(0.9 * x, x)).all() and losses(0.9 * x, x).min() > 0


def test_learning_rate():
    rates = [learning_rate(step, 1000) for step in range(1000)]
    assert rates[0] < 0.01 and max(rates) == 1 and rates[500] == 1 and 0 < rates[-1] < 0.01
    assert learning_rate(900, 10000) == 1  # a longer run puts off the fall


def training(pairs, run, steps):
    return Training(
        small_config(),
        pairs[1],
        run,
        steps=steps,
        batch=2,
        samples=8000,
        rate=2e-3,
        seed=0,
        device="cpu",
        bf16=False,
    )


def test_training_learns_stops_and_goes_on(pairs, tmp_path, monkeypatch):
    monkeypatch.setattr("tools.demo_voice.training.VALID_EVERY", 10)
    monkeypatch.setattr("tools.demo_voice.training.WARM_UP", 5)
    training(pairs, tmp_path, 20)()
    resumed = training(pairs, tmp_path, 40)
    resumed.resume()
    assert resumed.step == 20
    resumed()
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [10, 20, 30, 40]
    assert log[-1]["stft"] < log[0]["stft"] and log[-1]["mel"] < log[0]["mel"]
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    totals = {entry["step"]: entry["valid_stft"] + entry["valid_mel"] for entry in log}
    lowest = min(totals, key=totals.get)
    assert best["step"] == lowest and resumed.best == pytest.approx(totals[lowest])
    model = initial_network(small_config(), 0)
    model.load_state_dict(best["model"])
    valid = [(torch.from_numpy(p[:, 0].copy()), torch.from_numpy(p[:, 1].copy())) for p in valid_pairs(pairs[1])]
    assert validate(model, valid).sum().item() == pytest.approx(totals[lowest], rel=1e-3)
    plot_log(tmp_path)
    assert (tmp_path / "curve.png").stat().st_size > 1000


def valid_pairs(folder):
    return [soundfile.read(p, dtype="float32")[0] for p in sorted((folder / "valid").rglob("*.wav"))]


def test_target_command(tmp_path):
    (tmp_path / "in").mkdir()
    x = vowel(110)
    soundfile.write(tmp_path / "in" / "a.wav", x, SAMPLE_RATE)
    tool = [sys.executable, str(ROOT / "tools" / "train_demo_voice.py")]
    command = [*tool, "target", "--input", str(tmp_path / "in"), "--out", str(tmp_path / "out")]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    y = soundfile.read(tmp_path / "out" / "a.wav")[0]
    assert np.abs(y - converted(soundfile.read(tmp_path / "in" / "a.wav")[0])[0]).max() < 1e-3
    refused = subprocess.run([*tool, "export", "--run", str(tmp_path)], capture_output=True, text=True, timeout=120)
    assert refused.returncode == 1 and "best.pt" in refused.stderr and "Traceback" not in refused.stderr


def test_voice_is_plausible():
    assert len(VOICE.cepstrum) == 40 and VOICE.octave_below < VOICE.f0 < 2 * VOICE.octave_below
    assert replace(VOICE, formant_exponent=0.0).formant_ratio(100.0) == VOICE.formant_scale
