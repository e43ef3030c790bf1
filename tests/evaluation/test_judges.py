# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The models that judge speech, on pairs of known answer: the same voice, another, the same words, others."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import soundfile
import torch
import torchaudio
from support.golden import load_golden

pytest.importorskip("resemblyzer", reason="run: make evaluation", exc_type=ImportError)

from evaluation import judges

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("judges_on_one_thread")]

EXAMPLE = Path(__file__).resolve().parents[2] / "test_wavs" / "example.wav"
TEXT = "forgotten too the name of Gillian"  # of the golden vectors' speech


@pytest.fixture(scope="module")
def example():
    return torch.from_numpy(soundfile.read(EXAMPLE, dtype="float32")[0])


@pytest.fixture(scope="module")
def sentence():
    return torch.from_numpy(load_golden("llvc").arrays["audio"])


@pytest.fixture(scope="module")
def encoder():
    return judges.SpeakerEncoder()


def test_voices_are_told_apart(encoder, example, sentence):
    half = len(example) // 2
    machine = [encoder.embed(example[:half]), encoder.embed(example[half:])]
    lower = encoder.embed(torchaudio.functional.resample(example, 70, 100))  # pitch and formants down
    somebody = encoder.embed(sentence)
    same = judges.similarity(*machine)
    assert judges.similarity(machine[0], machine[0]) == pytest.approx(1, abs=1e-5)
    assert same > 0.75
    for other in (lower, somebody):
        assert judges.similarity(machine[0], other) < same - 0.1
    both = judges.mean_voice([machine[0], somebody])
    assert judges.similarity(both, somebody) > judges.similarity(machine[0], somebody)


def test_similarity_and_mean_of_vectors():
    a, b = np.array([3.0, 4.0]), np.array([8.0, 6.0])
    assert judges.similarity(a, b) == judges.similarity(b, a) == pytest.approx(24 / 25)
    assert judges.similarity(a, 7 * a) == pytest.approx(1)
    assert judges.similarity(a, np.array([-4.0, 3.0])) == pytest.approx(0)
    assert judges.mean_voice([np.array([1.0, 0.0]), np.array([0.0, 1.0])]).tolist() == [0.5, 0.5]


@pytest.mark.parametrize("samples", [torch.zeros(0), torch.zeros(16000)])
def test_no_voice_is_refused(encoder, samples):
    with pytest.raises(judges.JudgeError, match="no speech"):
        encoder.embed(samples)


@pytest.mark.parametrize(
    "reference, hypothesis, percent",
    [
        ("the cat sat down", "the cat sat down", 0),
        ("The cat, sat down!", "the CAT sat down", 0),
        ("it's late", "it’s late", 0),
        ("the cat sat down", "the cat sat up", 25),
        ("the cat sat down", "the cat sat", 25),
        ("the cat sat down", "the cat it sat down", 25),
        ("the cat sat down", "", 100),
        ("the cat sat down", "why should anyone believe such figures", 150),
    ],
)
def test_word_error_rate(reference, hypothesis, percent):
    assert judges.word_error_rate([reference], [hypothesis]) == pytest.approx(percent)


def test_word_error_rate_of_many():
    texts = ["one two three four", "five six", ""]
    assert judges.word_error_rate(texts, texts) == 0
    assert judges.word_error_rate(texts, [texts[1], texts[0], ""]) == pytest.approx(100 * 8 / 6)  # swapped
    assert judges.word_error_rate(texts, [*texts[:2], "so what"]) == pytest.approx(100 * 2 / 6)
    assert judges.word_error_rate(["", "?"], ["", "a"]) is None


def test_the_offline_recogniser_hears_words(sentence):
    recognise = judges.Pocketsphinx()
    words = recognise(sentence)
    error_rate = judges.word_error_rate([TEXT], [words])
    assert error_rate < 70, words
    assert recognise(sentence * 0.01) == words  # neither level nor the past count
    assert judges.word_error_rate([TEXT], [recognise(sentence.flip(0))]) > error_rate + 20
    assert recognise(torch.zeros(8000)) == ""
    assert recognise(torch.zeros(0)) == ""


def test_whisper_is_an_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "whisper", None)
    with pytest.raises(judges.JudgeError, match="pip install openai-whisper"):
        judges.Whisper()


def test_whisper_is_asked_for_words(monkeypatch):
    """With a stand-in for the package, which needs its model from the network."""

    class Model:
        def transcribe(self, samples, fp16):
            assert samples.dtype == np.float32 and not fp16
            return {"text": " Good morning,  it's me. "}

    package = ModuleType("whisper")
    package.load_model = lambda name: Model()
    monkeypatch.setitem(sys.modules, "whisper", package)
    monkeypatch.setattr(judges.importlib.metadata, "version", lambda name: "1")
    recognise = judges.Whisper()
    assert recognise(torch.zeros(100)) == "good morning it's me"
    assert "Whisper" in recognise.name

    def refuse(name):
        raise RuntimeError("no route\nto host")

    package.load_model = refuse
    with pytest.raises(judges.JudgeError, match="cannot be loaded"):
        judges.Whisper()


def test_listeners_prefer_clean_speech(person):
    """DNSMOS, offline: its models are in the package."""
    listener, person = judges.Dnsmos(), torch.from_numpy(person)
    noise = torch.randn(person.shape, generator=torch.Generator().manual_seed(0)) * person.std()
    clean, noisy = listener(person), listener(person + 0.3 * noise)
    assert 1 < noisy < clean - 0.3 and clean < 5
    assert listener(person) == clean
    assert listener(1.5 * person / person.abs().max()) is not None  # louder than full scale
    assert listener(person[:2260]) is not None
    for silence in (torch.zeros(0), torch.zeros(16000)):
        assert listener(silence) is None
