# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""From a microphone to a loudspeaker, without a browser.

The audio callbacks only move samples through rings. A thread takes them from the microphone's ring, has them converted
and puts the result into the loudspeaker's. With a server, threads of their own serve the network. A device that goes
away is missed by its callbacks; then all are closed, and opened again as soon as they can be.
"""

import threading
import time

import numpy as np

from audio.resampling import Resampler

from .devices import DeviceError, close_streams, look_again, open_stream
from .recording import Recording
from .ring import PlaybackBuffer, Ring
from .sample_queue import SampleQueue

POLL_S = 0.002
RING_S = 2
GONE_S = 2.0  # without a callback of a device
RETRY_S = 1.0
SILENCE_DB = -120.0
GATE_HOLD_S = 0.2
GATE_FADE_S = 0.005


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


class Microphone:
    """An input: a stream, the ring that it fills, and the resampling from its rate."""

    def __init__(self, device, channel, network_rate):
        self._channel = channel - 1
        self.rate, self.stream = open_stream("input", device, network_rate, self._hear, channel)
        self.ring = Ring(RING_S * self.rate)
        self._down = Resampler(self.rate, network_rate)
        self.lost = 0  # samples that the ring had no room for
        self.called = time.monotonic()

    def read(self):
        """What was heard, at the network's rate."""
        heard = np.empty(len(self.ring), np.float32)
        self.ring.read(heard)
        return self._down.push(heard)

    def _hear(self, samples, _frames, _time, _status):
        self.called = time.monotonic()
        self.lost += len(samples) - self.ring.write(samples[:, self._channel])


class LocalVoice:
    """Speaks through a converter (live/converters.py) from one device to others, while it is entered with `with`.

    Devices are a number, a part of a name, or None for the default; channel is the input's, from 1. `record` is a path
    for a WAV file: left what went in, right what came out, sample for sample; live/recording.py says when it is there.
    `tell` gets a line for whatever goes away or is back. DeviceError if a device cannot be used at the start.
    """

    def __init__(
        self, converter, source=None, targets=(None,), gain_db=0.0, gate_db=None, record=None, channel=1, tell=print
    ):
        self.converter = converter
        self.network_rate = converter.sample_rate
        self._source, self._targets, self._channel, self._tell = source, targets, channel, tell
        self._gain = np.float32(10 ** (gain_db / 20))
        self._gate = Gate(gate_db, self.network_rate) if gate_db is not None else None
        self._record_path = record
        self._stop = threading.Event()
        self.error = None  # that ended the voice
        self.recorded = False  # whether there is a recording, when it ended
        self.level = 0.0  # the peak since it was last asked for
        self.lost = 0  # samples of microphones that are gone
        self.dropped = 0  # on the way to a server and there
        self._dry = SampleQueue()
        self._open()
        self._thread = threading.Thread(target=self._work, daemon=True)

    def _open(self):
        microphone, outputs = Microphone(self._source, self._channel, self.network_rate), []
        try:
            for target in self._targets:
                outputs.append(Output(self.converter.chunk_len, self.network_rate, target))
        except DeviceError:
            close_streams([device.stream for device in (microphone, *outputs)])
            raise
        self._microphone, self.outputs = microphone, outputs

    def _start(self):
        for device in (self._microphone, *self.outputs):
            device.called = time.monotonic()
            device.stream.start()

    def _streams(self):
        return [self._microphone.stream, *(output.stream for output in self.outputs)]

    def __enter__(self):
        self._start()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        close_streams(self._streams())

    @property
    def is_running(self):
        return self._thread.is_alive()

    def _work(self):
        recording = Recording(self._record_path, self.network_rate, 2) if self._record_path is not None else None
        try:
            while not self._stop.is_set():
                if gone := self._gone():
                    self._open_again(gone)
                if not self._move(recording):
                    time.sleep(POLL_S)
        except Exception as error:  # whatever it is, it is said and the recording kept
            self.error = error
        try:
            self.recorded = recording is not None and recording.close()
        except OSError as error:
            self.error = self.error or error

    def _gone(self):
        """Which devices called nobody for a while: "the microphone", "the loudspeaker", both, or nothing."""
        limit = time.monotonic() - GONE_S
        gone = ["the microphone"] * (self._microphone.called < limit)
        return " and ".join(gone + ["the loudspeaker"] * any(output.called < limit for output in self.outputs))

    def _open_again(self, gone):
        """Closes all devices and waits until they can be opened: the same, or what is the default by then."""
        self._tell(f"{gone} is gone; it is taken again as soon as it is back")
        if not close_streams(self._streams()):
            raise DeviceError(f"{gone} is gone, and the sound system does not answer any more; start again")
        self.lost += self._microphone.lost
        while not self._stop.wait(RETRY_S):
            try:
                look_again()
                self._open()
                self._start()
            except DeviceError:
                continue
            except Exception as error:  # PortAudio's, of a device that went away again
                close_streams(self._streams())
                self._tell(f"{gone} does not start ({error})")
                continue
            self._tell(f"{gone} is back")
            return

    def _move(self, recording):
        """Moves what was heard to the converter and what is ready to the outputs; returns whether there was any."""
        samples = self._gain * self._microphone.read()
        if len(samples):
            self.level = max(self.level, float(np.abs(samples).max()))
        if self._gate:
            samples = self._gate(samples)
        if recording:
            self._dry.put(samples)
        dropped, audio = self.converter.push(samples)
        self.dropped += dropped
        for output in self.outputs:
            output.write(audio, dropped)
        if recording:
            self._dry.take(dropped)
            recording.write(np.stack([self._dry.take(len(audio)), audio], axis=1))
        return len(samples) or len(audio)

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
            "dropped": self.dropped + self.lost + self._microphone.lost,
        }

    def delay(self, output):
        """Seconds from mouth to ear: what was heard and not played yet, and what the devices say of themselves."""
        under_way = self._microphone.ring.written / self._microphone.rate - output.played_s
        return under_way + self._microphone.stream.latency + output.stream.latency


class Output:
    """One loudspeaker: a stream, its buffer and the resampling to its rate."""

    def __init__(self, chunk_len, network_rate, device):
        self.rate, self.stream = open_stream("output", device, network_rate, self._speak)
        self.buffer = PlaybackBuffer(self.rate, self.rate * chunk_len // network_rate)
        self._network_rate = network_rate
        self._up = Resampler(network_rate, self.rate)
        self._skipped = 0  # samples at the network's rate that never come
        self.called = time.monotonic()

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
        self.called = time.monotonic()
        self.buffer.fill(out[:, 0])
