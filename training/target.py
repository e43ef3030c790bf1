# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The demo voice as signal processing: speech in, the same speech by a voice that nobody has, sample for sample.

WORLD (Morise et al., 2016) measures pitch and spectral envelope. The waveform itself is then changed rather than
synthesised: a low voice goes up an octave by adding to each pitch period its copy half a period later, and the ratio of
wanted to measured envelope, with steady noise suppressed, is a minimum-phase filter. What comes out is better
intelligible than WORLD's synthesis of the same pitch and envelope, and pitch periods begin where the source's do.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np
import pyworld

from audio.files import replacing
from reference.errors import LLVCError

from .recordings import SAMPLE_RATE

HOP = 80  # samples per analysis frame: WORLD's 5 ms
WINDOW = 512
FFT = 1024  # pyworld's own choice at this rate and pitch floor; leaves room for the filter's tail behind a window
F0_RANGE = (65.0, 450.0)  # Hz
COEFFICIENTS = 40  # of a cepstrum: formants, but not the harmonics or a room
MAX_GAIN = 3.0  # nepers of amplitude, either way
UNVOICED = 0.7  # share of a voiced frame's gains that others get: 1 lifts noise, 0 tears speech apart
FADE = 7  # frames of 5 ms
MAX_SUPPRESSION = 2.3  # nepers of amplitude: 20 dB
NOISE_PERCENTILE, NOISE_BIAS = 8, 1.6  # of a bin's power over time; the mean of noise is that much above it
POWER_FRAMES, GAIN_FRAMES = 9, 5  # over which power and suppression are smoothed
# The pitch of women is some 1.7 times that of men, their formants some 1.16 times as high (Peterson and Barney, 1952).
FORMANT_EXPONENT = 0.25


@dataclass(frozen=True)
class TargetVoice:
    """f0 (Hz): the usual pitch; octave_below (Hz): voices lower than that are raised by one, none if it is 0.

    Formants are scaled by formant_scale * (f0 / the speaker's median pitch) ** formant_exponent: higher voices have
    shorter vocal tracts. cepstrum [COEFFICIENTS]: that of the mean log power spectrum of loud voiced speech.
    """

    f0: float
    octave_below: float
    formant_scale: float
    formant_exponent: float
    cepstrum: tuple

    @classmethod
    def load(cls, path):
        """LLVCError if the file is none that save() writes."""
        try:
            voice = cls(**json.loads(path.read_text()))
            numbers = np.array(
                [voice.f0, voice.octave_below, voice.formant_scale, voice.formant_exponent, *voice.cepstrum]
            )
            impossible = voice.f0 <= 0 or voice.octave_below < 0 or voice.formant_scale <= 0
            if len(voice.cepstrum) != COEFFICIENTS or not np.isfinite(numbers).all() or impossible:
                raise ValueError
        except (ValueError, TypeError):
            raise LLVCError(f"{path}: not a voice as `python -m training voice` writes it") from None
        return voice

    def save(self, path):
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(asdict(self)) + "\n")

    @classmethod
    def of(cls, analyses):
        """The voice of a person's utterances. LLVCError if they hold no voiced speech.

        Voices half an octave lower and more are raised by one; formants differ less than pitches do.
        """
        plain = cls(1.0, 0.0, 1.0, 0.0, ())  # leaves formants where they are
        median_f0, cepstrum = _pitch_and_formants(analyses, plain)
        cepstrum = tuple(round(float(value), 4) for value in cepstrum)
        f0 = round(median_f0, 1)
        return cls(f0, round(f0 / 2**0.5, 1), 1.0, FORMANT_EXPONENT, cepstrum)

    def formant_ratio(self, median_f0):
        return self.formant_scale * (self.f0 / median_f0) ** self.formant_exponent


@dataclass(frozen=True)
class Analysis:
    """An utterance: samples [N]; per frame f0 [T] (Hz, 0 where unvoiced) and log power spectrum [T, FFT / 2 + 1]."""

    samples: np.ndarray
    f0: np.ndarray
    spectrum: np.ndarray

    @classmethod
    def of(cls, samples):
        """Analyses samples [N] at SAMPLE_RATE."""
        samples = np.ascontiguousarray(samples, dtype=np.float64)
        f0, times = pyworld.dio(samples, SAMPLE_RATE, f0_floor=F0_RANGE[0], f0_ceil=F0_RANGE[1])
        f0 = pyworld.stonemask(samples, f0, times, SAMPLE_RATE)
        spectrum = pyworld.cheaptrick(samples, f0, times, SAMPLE_RATE, fft_size=FFT)
        return cls(samples, f0, np.log(spectrum))

    @property
    def power(self):
        """Of the spectrum [T, FFT / 2 + 1], smoothed over POWER_FRAMES."""
        return _smoothed(np.exp(self.spectrum), POWER_FRAMES)


@dataclass(frozen=True)
class Speaker:
    """median_f0 (Hz), the cepstrum of the speaker's formants scaled as the target's ask, and the power [bins] of the
    steady noise in the recordings."""

    median_f0: float
    cepstrum: np.ndarray
    noise: np.ndarray

    @classmethod
    def of(cls, analyses, voice):
        """From one or more utterances. LLVCError if they hold no voiced speech."""
        power = np.concatenate([analysis.power for analysis in analyses])
        noise = NOISE_BIAS * np.percentile(power, NOISE_PERCENTILE, axis=0)
        return cls(*_pitch_and_formants(analyses, voice), noise)


def _pitch_and_formants(analyses, voice):
    """A Speaker's median_f0 and cepstrum. LLVCError if there is no voiced speech."""
    pitches = np.concatenate([a.f0[a.f0 > 0] for a in analyses])
    if len(pitches) == 0:
        raise LLVCError("no voiced speech")
    median_f0 = float(np.median(pitches))
    voiced = np.concatenate([a.spectrum[a.f0 > 0] for a in analyses])
    peaks = voiced.max(axis=1)
    mean = voiced[peaks >= np.percentile(peaks, 30)].mean(axis=0)
    scaled = scale_formants(mean[None], voice.formant_ratio(median_f0))[0]
    return median_f0, np.fft.irfft(scaled)[:COEFFICIENTS]


def scale_formants(spectrum, ratio):
    """Spectra [T, bins] with what was at a frequency moved to ratio times it."""
    bins = spectrum.shape[1]
    position = np.minimum(np.arange(bins) / ratio, bins - 1)
    low = np.floor(position).astype(int)
    high = np.minimum(low + 1, bins - 1)
    return spectrum[:, low] + (position - low) * (spectrum[:, high] - spectrum[:, low])


def to_target(analysis, speaker, voice):
    """The utterance [N] spoken by the target voice, as loud as it was."""
    difference = np.zeros(FFT)
    difference[1:COEFFICIENTS] = np.asarray(voice.cepstrum)[1:] - speaker.cepstrum[1:]
    difference[-COEFFICIENTS + 1 :] = difference[COEFFICIENTS - 1 : 0 : -1]
    wanted = scale_formants(analysis.spectrum, voice.formant_ratio(speaker.median_f0)) + np.fft.rfft(difference).real
    gain = np.clip((wanted - analysis.spectrum) / 2, -MAX_GAIN, MAX_GAIN)
    gain *= UNVOICED + (1 - UNVOICED) * _share_of_voice(analysis.f0)[:, None]
    gain += _suppression(analysis.power, speaker.noise)

    x = analysis.samples
    y = _octave_up(x, analysis.f0) if speaker.median_f0 < voice.octave_below else x
    y = _filter(y, _minimum_phase(gain))
    return y * np.sqrt(np.mean(x**2) / max(np.mean(y**2), 1e-12))


def _share_of_voice(f0):
    """How much of each frame [T] is voiced, 0 to 1, faded over FADE."""
    fade = np.hanning(FADE + 2)[1:-1]
    return np.convolve(f0 > 0, fade / fade.sum())[FADE // 2 : FADE // 2 + len(f0)]


def _suppression(power, noise):
    """The Wiener filter's log amplitude gain [T, bins] for power [T, bins] in noise of power [bins]."""
    share = np.maximum(1 - noise / power, 0)
    return np.log(np.maximum(_smoothed(share, GAIN_FRAMES), np.exp(-MAX_SUPPRESSION)))


def _smoothed(values, frames):
    """The mean of values [T, bins] over so many frames around each."""
    padded = np.pad(values, ((frames // 2, frames // 2), (0, 0)), "edge")
    return np.lib.stride_tricks.sliding_window_view(padded, frames, axis=0).mean(axis=-1)


def _octave_up(x, f0):
    """Adds to voiced speech x [N] itself half a pitch period later, which leaves the even harmonics alone."""
    voiced = f0 > 0
    if not voiced.any():
        return x
    frames, samples = np.arange(len(f0)), np.arange(len(x))
    share = np.convolve(voiced, np.ones(5) / 5, "same") * voiced  # fades in over 10 ms
    pitch = np.interp(frames, frames[voiced], f0[voiced])
    delay = SAMPLE_RATE / 2 / np.interp(samples, frames * HOP, pitch)
    # Cubic interpolation (Catmull-Rom) between samples.
    position = samples - delay
    index = np.clip(np.floor(position).astype(int), 1, len(x) - 3)
    t = np.clip(position - index, 0, 1)
    a, b, c, d = (x[index + offset] for offset in (-1, 0, 1, 2))
    delayed = b + t / 2 * (c - a + t * (2 * a - 5 * b + 4 * c - d + t * (3 * (b - c) + d - a)))
    return x + np.interp(samples, frames * HOP, share) * delayed


def _minimum_phase(gain):
    """The response [T, bins] of log amplitude gain [T, bins] that comes soonest: a causal network has to follow it."""
    cepstrum = np.fft.irfft(gain)
    cepstrum[:, 1 : FFT // 2] *= 2
    cepstrum[:, FFT // 2 + 1 :] = 0
    return np.exp(np.fft.rfft(cepstrum))


def _filter(x, response):
    """x [N] through a response [T, bins] per frame, by overlapping windows."""
    window = np.hanning(WINDOW + 1)[:-1]
    padded = np.pad(x, (WINDOW // 2, WINDOW + HOP))
    starts = np.arange(len(response)) * HOP
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[starts] * window
    filtered = np.fft.irfft(np.fft.rfft(frames, FFT) * response)
    y = np.zeros(len(padded) + FFT)
    for start, frame in zip(starts, filtered, strict=True):
        y[start : start + FFT] += frame
    return y[WINDOW // 2 : WINDOW // 2 + len(x)] * HOP / window.sum()
