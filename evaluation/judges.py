# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Models that judge speech: whose voice it is, which words it says, how good it sounds. All take samples [N] at 16 kHz.

Their packages are imported where they are used, so that a missing one can be told in one line.
"""

import importlib.metadata
import re
import unicodedata
import warnings
from functools import partial

import numpy as np

from reference.errors import LLVCError

SAMPLE_RATE = 16000


class JudgeError(LLVCError):
    """A model that is not there, or audio that it cannot judge."""


class SpeakerEncoder:
    """Resemblyzer's built-in model (Wan et al., 2018): an embedding of a voice."""

    def __init__(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of packages it is written for
            from resemblyzer import VoiceEncoder, preprocess_wav

        self.name = f"Resemblyzer {importlib.metadata.version('resemblyzer')}"
        self._preprocess = preprocess_wav
        self._model = VoiceEncoder("cpu", verbose=False)

    def embed(self, samples):
        """The embedding [256], of length one. JudgeError where its voice detector finds no speech."""
        speech = self._preprocess(np.asarray(samples, dtype=np.float32), SAMPLE_RATE) if len(samples) else samples
        if len(speech) == 0:
            raise JudgeError("no speech found in it")
        return self._model.embed_utterance(speech)


def similarity(embedding, other):
    """Cosine of two embeddings: 1 for the same voice; of different speakers around 0.5 to 0.7."""
    return float(embedding @ other / np.linalg.norm(embedding) / np.linalg.norm(other))


def mean_voice(embeddings):
    """The voice of several utterances."""
    return np.mean(embeddings, axis=0)


class Pocketsphinx:
    """CMU's recogniser with the English model of its package: small, offline, and often wrong on good speech."""

    def __init__(self):
        from pocketsphinx import Decoder

        self.name = f"pocketsphinx {importlib.metadata.version('pocketsphinx')}"
        self._new_decoder = lambda: Decoder(samprate=SAMPLE_RATE, loglevel="FATAL")

    def __call__(self, samples):
        """The words, lower case."""
        samples = np.asarray(samples, dtype=np.float64)
        if not samples.any():
            return ""  # it would hear a word
        # Full scale, so that the level counts for nothing; a new decoder, since it adapts to what it heard before.
        scaled = samples * (32000 / np.abs(samples).max())
        decoder = self._new_decoder()
        decoder.start_utt()
        decoder.process_raw(scaled.astype("<i2").tobytes(), full_utt=True)
        decoder.end_utt()
        hypothesis = decoder.hyp()
        return normalised(hypothesis.hypstr) if hypothesis else ""


class Whisper:
    """OpenAI's Whisper, an optional extra: pip install openai-whisper, which fetches its model on first use."""

    def __init__(self, model="base.en"):
        try:
            import whisper
        except ImportError:
            raise JudgeError("--recogniser whisper needs a package of its own: pip install openai-whisper") from None
        try:
            self._model = whisper.load_model(model)
        except Exception as error:  # no network, a broken download, a full disk
            raise JudgeError(f"Whisper's model {model} cannot be loaded ({error})") from None
        self.name = f"Whisper {model}, openai-whisper {importlib.metadata.version('openai-whisper')}"

    def __call__(self, samples):
        """The words, lower case."""
        return normalised(self._model.transcribe(np.asarray(samples, dtype=np.float32), fp16=False)["text"])


RECOGNISERS = {"pocketsphinx": Pocketsphinx, "whisper": Whisper, "whisper-small.en": partial(Whisper, "small.en")}


class Dnsmos:
    """DNSMOS P.835 (Reddy et al., 2022), whose models are in the package: how good listeners would find speech."""

    def __init__(self):
        from speechmos import dnsmos

        self.name = f"DNSMOS P.835, speechmos {importlib.metadata.version('speechmos')}"
        self._run = dnsmos.run

    def __call__(self, samples):
        """The overall opinion, from 1 (bad) to 5 (excellent); None for silence, of which there is none."""
        samples = np.asarray(samples, dtype=np.float32)
        if not samples.any():
            return None
        return float(self._run(np.clip(samples, -1, 1), SAMPLE_RATE)["ovrl_mos"])


def normalised(text):
    """Lower-case words alone, each letter one character: no punctuation but apostrophes inside words."""
    text = unicodedata.normalize("NFC", text).lower().replace("’", "'")
    return " ".join(re.findall(r"[^\W_]+(?:'[^\W_]+)*", text))


def word_error_rate(references, hypotheses):
    """Wrong, missing and additional words of all texts together, in percent of the references' words.

    None if the references hold no words.
    """
    import jiwer

    pairs = [(normalised(r), normalised(h)) for r, h in zip(references, hypotheses, strict=True)]
    if not any(reference for reference, _ in pairs):
        return None
    # jiwer takes no empty reference; what was heard where nothing was said still counts.
    additional = sum(len(h.split()) for r, h in pairs if not r)
    measured = jiwer.process_words([r for r, _ in pairs if r], [h for r, h in pairs if r])
    words = measured.hits + measured.substitutions + measured.deletions
    return 100.0 * (measured.substitutions + measured.deletions + measured.insertions + additional) / words
