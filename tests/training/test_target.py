# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The target voice: what signal processing makes of speech, and a voice measured from recordings."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from scipy.signal import welch
from support.speech import rms, vowel

pytest.importorskip("pyworld", reason="run: make training")

from reference.errors import LLVCError  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.target import HOP, SAMPLE_RATE, Analysis, Speaker, TargetVoice, scale_formants, to_target  # noqa: E402

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
VOICE = TargetVoice.load(ROOT / "training" / "voice.json")


RAISING = replace(VOICE, octave_below=150.0)


def converted(samples, voice=VOICE):
    analysis = Analysis.of(samples)
    speaker = Speaker.of([analysis], voice)
    return to_target(analysis, speaker, voice), speaker


@pytest.mark.parametrize("f0, octaves", [(90, 1), (120, 1), (180, 0), (240, 0)])
def test_a_low_voice_goes_up_an_octave(f0, octaves):
    x = vowel(f0)
    y, speaker = converted(x, RAISING)
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
    voices = [np.pad(voice, (SAMPLE_RATE // 2, 0)) for voice in voices]  # so that not all of it is steady noise

    def distance(a, b):
        a, b = (Analysis.of(x).spectrum[120:-20].mean(0) for x in (a, b))
        return np.std((a - b)[: len(a) // 2])

    wanted = replace(TargetVoice.of([Analysis.of(vowel(212))]), octave_below=0)
    assert distance(*(converted(x, wanted)[0] for x in voices)) < 0.5 * distance(*voices)


def in_noise(level, seconds=2.0):
    """A vowel after as long a pause, in noise."""
    x = np.random.default_rng(0).normal(0, level, round(seconds * SAMPLE_RATE))
    x[len(x) // 2 :] += vowel(110, seconds / 2)
    return x


def test_steady_noise_is_suppressed():
    """By up to 20 dB against speech, which this voice, its own, leaves as it is."""
    x = in_noise(0.002)
    y, _ = converted(x, TargetVoice.of([Analysis.of(x)]))
    pause, speech = slice(4000, 12000), slice(20000, 28000)
    assert 12 < 20 * np.log10(rms(x[pause]) / rms(y[pause])) < 20
    assert rms(y[speech]) == pytest.approx(rms(x[speech]), rel=0.1)


def test_what_has_no_pitch_is_filtered_less():
    """By 0.7 of the gains in nepers, as far as it rises above the noise."""
    x = np.concatenate([in_noise(0.0001), np.random.default_rng(1).normal(0, 0.05, SAMPLE_RATE // 2)])
    y, speaker = converted(x)
    hiss = slice(2 * SAMPLE_RATE + 800, 2 * SAMPLE_RATE + 7200)
    frequencies, before = welch(x[hiss], SAMPLE_RATE, nperseg=256)
    measured = np.log(welch(y[hiss], SAMPLE_RATE, nperseg=256)[1] / before) / 2
    order = np.arange(1, len(VOICE.cepstrum))
    difference = np.array(VOICE.cepstrum)[1:] - speaker.cepstrum[1:]
    gain = np.cos(2 * np.pi * frequencies[:, None] / SAMPLE_RATE * order) @ difference
    inside = np.abs(gain) < 2.9  # nepers: not limited
    assert inside.sum() > 80
    slope, _ = np.polyfit(gain[inside], measured[inside], 1)
    assert slope == pytest.approx(0.7, abs=0.1)


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


def test_target_command(tmp_path, capsys):
    (tmp_path / "in").mkdir()
    x = vowel(110)
    soundfile.write(tmp_path / "in" / "a.wav", x, SAMPLE_RATE)
    assert main(["target", "--input", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 0
    y = soundfile.read(tmp_path / "out" / "a.wav")[0]
    assert np.abs(y - converted(soundfile.read(tmp_path / "in" / "a.wav")[0])[0]).max() < 1e-3
    soundfile.write(tmp_path / "in" / "silence.wav", np.zeros(8000), SAMPLE_RATE)
    assert main(["target", "--input", str(tmp_path / "in"), "--out", str(tmp_path / "out")]) == 1
    assert "silence.wav: no voiced speech" in (said := capsys.readouterr().err) and said.count("\n") == 1


def test_voice_is_plausible():
    assert len(VOICE.cepstrum) == 40 and 200 < VOICE.f0 < 230 and VOICE.octave_below == 0
    assert VOICE.formant_ratio(100.0) == VOICE.formant_scale == 1


def test_a_voice_of_recordings(tmp_path):
    """What the voice's own speaker says is left as it is, but for what a mean over frames smooths."""
    x = vowel(220, 13.0)  # longer than an utterance
    soundfile.write(tmp_path / "a.wav", x, SAMPLE_RATE)
    assert main(["voice", "--input", str(tmp_path), "--out", str(tmp_path / "voice.json")]) == 0
    made = TargetVoice.load(tmp_path / "voice.json")
    assert made.f0 == pytest.approx(220, rel=0.01) and made.octave_below == pytest.approx(220 / 2**0.5, rel=0.01)
    assert made.formant_ratio(made.f0) == 1.0 and made.formant_ratio(110) == pytest.approx(2**0.25, rel=0.01)
    analysis = Analysis.of(x[: 2 * SAMPLE_RATE])
    y = to_target(analysis, Speaker.of([analysis], made), made)
    assert np.corrcoef(x[: len(y)], y)[0, 1] > 0.99
    assert np.corrcoef(x[: len(y)], converted(x[: len(y)])[0])[0, 1] < 0.9

    content = json.loads((tmp_path / "voice.json").read_text())
    for wrong in (
        {**content, "f0": 0},
        {**content, "octave_below": -1},
        {**content, "cepstrum": [1.0]},
        {"f0": 200},
        [],
    ):
        (tmp_path / "wrong.json").write_text(json.dumps(wrong))
        with pytest.raises(LLVCError, match="not a voice"):
            TargetVoice.load(tmp_path / "wrong.json")
