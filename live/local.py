# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""From a microphone to a loudspeaker, without a browser.

The audio callbacks only move samples through rings. A thread takes them from the microphone's ring, has them converted
and puts the result into the loudspeaker's. With a server, threads of their own serve the network.
"""

import threading
import time
from contextlib import ExitStack

import numpy as np
import sounddevice
import soundfile

from audio.resampling import Resampler, resampling_delay
from reference.errors import LLVCError, one_line

from .ring import PlaybackBuffer, Ring
from .sample_queue import SampleQueue

POLL_S = 0.002
RING_S = 2
SILENCE_DB = -120.0
GATE_HOLD_S = 0.2
GATE_FADE_S = 0.005


class DeviceError(LLVCError):
    """An audio device that cannot be used."""


def decibel(level):
    """A level (full scale is 1) in dB."""
    return max(SILENCE_DB, 20 * np.log10(max(level, 1e-9)))


class Gate:
    """Silences what stays below a threshold (dB of full scale, by RMS of the pieces that it is given)."""

    def __init__(self, threshold_db, rate):
        self._threshold = threshold_db
        self._hold = GATE_HOLD_S * rate
        self._step = 1 / (GATE_FADE_S * rate)
        self._quiet, self._gain = self._hold, 0.0

    def __call__(self, samples):
        if not len(samples):
            return samples
        is_loud = decibel(float(np.sqrt(np.mean(samples**2)))) >= self._threshold
        self._quiet = 0 if is_loud else self._quiet + len(samples)
        step = self._step if self._quiet < self._hold else -self._step
        gain = np.clip(self._gain + step * np.arange(1, len(samples) + 1), 0, 1).astype(np.float32)
        self._gain = float(gain[-1])
        return samples * gain


class LocalVoice:
    """Speaks through a converter (live/converters.py) from one device to others, while it is entered with `with`.

    Devices are sounddevice's: a number, a part of a name, or None for the default. `record` is a path for a WAV file:
    left what went in, right what came out, sample for sample. DeviceError if a device cannot be used.
    """

    def __init__(self, converter, source=None, targets=(None,), gain_db=0.0, gate_db=None, record=None):
        self.converter = converter
        self.network_rate = converter.sample_rate
        self._gain = np.float32(10 ** (gain_db / 20))
        self._gate = Gate(gate_db, self.network_rate) if gate_db is not None else None
        self._record_path = record
        self._stop = threading.Event()
        self.error = None  # that ended the voice
        self.level = 0.0  # the peak since it was last asked for
        self.lost = 0  # samples that the microphone's ring had no room for
        self.dropped = 0  # by the server
        self._dry = SampleQueue()
        self.rate, self._input = self._open(sounddevice.InputStream, source, self._hear)
        self._heard = Ring(RING_S * self.rate)
        self._down = Resampler(self.rate, self.network_rate)
        self.outputs = [Output(self, target) for target in targets]
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _open(self, kind, device, callback):
        """A stream of this device at the network's rate or, where it has not that, at its own: (rate, stream)."""
        direction = "input" if kind is sounddevice.InputStream else "output"
        try:
            check = getattr(sounddevice, f"check_{direction}_settings")
            rate = self.network_rate
            try:
                check(device, channels=1, dtype="float32", samplerate=rate)
            except sounddevice.PortAudioError:
                rate = int(sounddevice.query_devices(device, direction)["default_samplerate"])
            stream = kind(samplerate=rate, device=device, channels=1, dtype="float32", latency="low", callback=callback)
        except (sounddevice.PortAudioError, ValueError) as error:
            name = "the default" if device is None else repr(device)
            reason = one_line(error)
            raise DeviceError(f"{direction} device {name}: cannot be used ({reason}); see --list_devices") from None
        return rate, stream

    def _hear(self, samples, _frames, _time, _status):
        self.lost += len(samples) - self._heard.write(samples[:, 0])

    def __enter__(self):
        self._thread.start()
        self._input.start()
        for output in self.outputs:
            output.stream.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        for stream in (self._input, *(output.stream for output in self.outputs)):
            stream.close()

    @property
    def is_running(self):
        return self._thread.is_alive()

    def _work(self):
        try:
            with ExitStack() as stack:
                recording = None
                if self._record_path is not None:
                    options = {"samplerate": self.network_rate, "channels": 2, "subtype": "FLOAT", "format": "WAV"}
                    recording = stack.enter_context(soundfile.SoundFile(self._record_path, "w", **options))
                while not self._stop.is_set():
                    if not self._move(recording):
                        time.sleep(POLL_S)
        except (LLVCError, soundfile.SoundFileError, RuntimeError, OSError) as error:
            self.error = error

    def _move(self, recording):
        """Moves what was heard to the converter and what is ready to the outputs; returns whether there was any."""
        heard = np.empty(len(self._heard), np.float32)
        self._heard.read(heard)
        samples = self._gain * self._down.push(heard)
        if len(samples):
            self.level = max(self.level, float(np.abs(samples).max()))
        if self._gate:
            samples = self._gate(samples)
        if recording:
            self._dry.put(samples, None)
        dropped, audio = self.converter.push(samples)
        self.dropped += dropped
        for output in self.outputs:
            output.write(audio, dropped)
        if recording:
            self._dry.take(dropped)
            recording.write(np.stack([self._dry.take(len(audio))[0], audio], axis=1))
        return len(heard) or len(audio)

    def figures(self):
        """What the live line shows; asking for it starts the level's peak anew."""
        level, self.level = self.level, 0.0
        output = self.outputs[0]
        chunk_s = self.converter.chunk_len / self.network_rate
        return {
            "level_db": decibel(level),
            "compute_ms": 1e3 * self.converter.compute_s,
            "rtf": self.converter.compute_s / chunk_s,
            "buffer_ms": 1e3 * len(output.buffer) / output.rate,
            "delay_ms": 1e3 * self.delay(output),
            "underruns": output.buffer.underruns,
            "dropped": self.dropped + self.lost,
        }

    def delay(self, output):
        """Seconds from mouth to ear: what was heard and not played yet, and what the devices say of themselves."""
        under_way = self._heard.written / self.rate - output.played_s
        return under_way + self._input.latency + output.stream.latency


class Output:
    """One loudspeaker: a stream, its buffer and the resampling to its rate."""

    def __init__(self, voice, device):
        self.rate, self.stream = voice._open(sounddevice.OutputStream, device, self._speak)
        block = self.rate * voice.converter.chunk_len // voice.network_rate
        self.buffer = PlaybackBuffer(self.rate, block)
        self._network_rate = voice.network_rate
        self._up = Resampler(voice.network_rate, self.rate)
        self._resampling_s = resampling_delay(voice.network_rate, self.rate)
        self._skipped = 0  # samples at the network's rate that never come

    def write(self, audio, dropped):
        self._skipped += dropped
        samples = self._up.push(audio)
        fitted = self.buffer.write(samples)
        self._skipped += (len(samples) - fitted) * self._network_rate // self.rate

    @property
    def played_s(self):
        """Seconds of the voice that were played, or never will be."""
        return self.buffer.played / self.rate + self._skipped / self._network_rate

    def _speak(self, out, _frames, _time, _status):
        self.buffer.fill(out[:, 0])
