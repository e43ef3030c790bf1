# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""python -m live: its buffers, and the whole of it between virtual devices."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.fake_engine import FakeEngine
from support.golden import load_golden, small_voice
from support.live_server import LiveServer, wait_until

from live.__main__ import main, parse_args
from live.client import ServerError
from live.converters import LocalConverter, RemoteConverter
from live.ring import PlaybackBuffer, Ring
from streaming.torch_engine import TorchEngine

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "test_wavs" / "example.wav"
GOLDEN = load_golden("small")
RNG = np.random.default_rng(0)


def noise(count):
    return RNG.uniform(-0.5, 0.5, count).astype(np.float32)


def test_ring_keeps_order_and_refuses_what_does_not_fit():
    ring, given, got = Ring(1000), noise(20000), []
    position = 0
    while position < len(given):
        position += ring.write(given[position : position + RNG.integers(0, 700)])
        out = np.empty(RNG.integers(0, 700), np.float32)
        got.append(out[: ring.read(out)])
        assert 0 <= len(ring) <= 1000
    out = np.empty(1000, np.float32)
    got.append(out[: ring.read(out)])
    assert np.array_equal(np.concatenate(got), given)
    assert ring.write(noise(1500)) == 1000 and ring.write(noise(1)) == 0


def test_ring_between_two_threads():
    ring, given, got = Ring(512), noise(50_000), []

    def write():
        position = 0
        while position < len(given):
            position += ring.write(given[position : position + 100])
            time.sleep(0)  # lets the other thread in

    writer = threading.Thread(target=write)
    writer.start()
    out, count = np.empty(160, np.float32), 0
    while count < len(given):
        got.append(out[: ring.read(out)].copy())
        count += len(got[-1])
        time.sleep(0)
    writer.join()
    assert np.array_equal(np.concatenate(got), given)


def test_a_playback_buffer_fills_plays_grows_and_shrinks():
    buffer, out = PlaybackBuffer(16000, 208), np.empty(160, np.float32)
    buffer.write(np.ones(200, np.float32))
    buffer.fill(out)
    assert not out.any()  # fills
    buffer.write(np.ones(100, np.float32))
    buffer.fill(out)
    assert out.all()
    buffer.fill(out)
    assert out[:140].all() and not out[140:].any() and buffer.underruns == 1 and buffer.target == 208 + 80
    buffer.write(np.ones(3000, np.float32))  # much too much
    for _ in range(1000):
        buffer.fill(out)
        buffer.write(out)
    assert buffer.underruns == 1 and len(buffer) < 300
    assert buffer.played + len(buffer) == 3300 + 1000 * 160


@pytest.mark.parametrize("remote", [False, True])
def test_converters(remote):
    """Both give what the offline conversion gives."""
    speech = GOLDEN.arrays["audio"][:6000]
    with torch.no_grad():
        expected = GOLDEN.model(torch.from_numpy(speech)[None, None])[0, 0].numpy()
    got = []
    with LiveServer(TorchEngine(GOLDEN.model)) as server:
        converter = RemoteConverter(server.url, 16000) if remote else LocalConverter(TorchEngine(GOLDEN.model), 16000)
        assert converter.chunk_len == 208
        for start in range(0, 6000, 160):
            got.append(converter.push(speech[start : start + 160])[1])
            if remote:
                time.sleep(0.01)
        wait_until(lambda: got.append(converter.push(speech[:0])[1]) or sum(map(len, got)) >= 28 * 208, "all is there")
        converter.close()
    audio = np.concatenate(got)
    assert np.abs(audio - expected[: len(audio)]).max() < 1e-5


def test_a_server_that_goes_ends_the_remote_converter():
    with LiveServer(FakeEngine(1)) as server:
        converter = RemoteConverter(server.url, 16000)
        converter.push(noise(500))
    with pytest.raises(ServerError, match="closed"):
        wait_until(lambda: converter.push(noise(160)) is None, "never")


@pytest.mark.parametrize(
    "options, message",
    [
        (["--record", "out.mp3"], "ends in .wav"),
        (["--server", "ws://127.0.0.1:9"], "no live server answers"),
        (["--input", "no such device", "--backend", "cpu"], "'no such device': cannot be used"),
        (["-p", "none.pth"], "no such checkpoint"),
    ],
)
def test_bad_input_gets_one_line(options, message, capsys, monkeypatch):
    pytest.importorskip("sounddevice", reason="run: make live", exc_type=OSError)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(options) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err


@pytest.mark.parametrize("options", [["--gain", "loud"], ["--gate_db", "nan"], ["-n", "0"], ["--loud"]])
def test_wrong_flags_get_one_line(options, capsys):
    with pytest.raises(SystemExit) as stop:
        parse_args(options)
    assert stop.value.code == 2 and capsys.readouterr().err.count("\n") == 1


def test_a_gate_silences_what_is_quiet_and_does_not_click():
    local = pytest.importorskip("live.local", reason="needs PortAudio: apt-get install libportaudio2", exc_type=OSError)
    gate = local.Gate(-30, 16000)
    quiet, loud = np.full(208, 0.01, np.float32), np.full(208, 0.1, np.float32)
    out = np.concatenate([gate(samples) for samples in [quiet, *[loud] * 5, *[quiet] * 40]])
    assert not out[:208].any() and out[400:1200].min() > 0.09 and not out[-2000:].any()
    assert np.abs(np.diff(out)).max() <= 0.1  # the step that went in; the fades are slower
    assert out[1248 : 1248 + 3000].all()  # the end of a word is held


# Virtual devices.


def missing():
    """What the tests with virtual devices lack, None if nothing."""
    if not (shutil.which("pulseaudio") and shutil.which("pactl") and shutil.which("paplay")):
        return "needs PulseAudio: apt-get install pulseaudio pulseaudio-utils"
    try:
        import sounddevice  # noqa: F401
    except OSError:
        return "needs PortAudio: apt-get install libportaudio2"
    except ModuleNotFoundError:
        return "run: make live"
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        return "needs ALSA's way to PulseAudio: apt-get install libasound2-plugins"
    return None


virtual_devices = pytest.mark.skipif(missing() is not None, reason=str(missing()))


@contextmanager
def finished(process):
    """Ends a process at the end."""
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.fixture
def sound(tmp_path):
    """The environment of programs for which a microphone hears test_wavs/example.wav, again and again."""
    socket = tmp_path / "pulse.socket"
    environment = os.environ | {
        "PULSE_SERVER": f"unix:{socket}",
        "PULSE_SOURCE": "microphone.monitor",
        "PULSE_SINK": "loudspeaker",
        "PULSE_RUNTIME_PATH": str(tmp_path / "runtime"),
        "HOME": str(tmp_path),
        "OMP_NUM_THREADS": "1",
    }
    modules = [f"module-native-protocol-unix socket={socket} auth-anonymous=1"]
    modules += [f"module-null-sink sink_name={name} rate=16000" for name in ("microphone", "loudspeaker")]
    command = ["pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "--disable-shm=yes"]
    with open(tmp_path / "pulse.log", "w") as log:
        daemon = subprocess.Popen(
            command + [f"--load={module}" for module in modules], env=environment, stdout=log, stderr=log
        )
    with finished(daemon):
        wait_until(
            lambda: subprocess.run(["pactl", "info"], env=environment, capture_output=True).returncode == 0, "pulse"
        )
        player = f"while paplay --device=microphone '{EXAMPLE}'; do :; done"
        with finished(subprocess.Popen(["sh", "-c", f"exec 2>/dev/null; {player}"], env=environment)):
            yield environment


@pytest.fixture
def small(tmp_path):
    return small_voice(tmp_path)


def speak(sound, options, folder, seconds=3):
    """Runs python -m live for a while -> (left and right of its recording, its live lines)."""
    recording = folder / "recording.wav"
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "live",
            "--input",
            "pulse",
            "--output",
            "pulse",
            "--record",
            str(recording),
            *options,
        ],
        cwd=ROOT,
        env=sound,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with finished(process):
        lines = []
        for line in process.stderr:
            lines.append(line)
            if sum("level" in line for line in lines) == seconds:
                break
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 0, "".join(lines) + err
    assert f"written: {recording}" in out
    samples, rate = soundfile.read(recording, dtype="float32")
    assert rate == 16000
    return samples.T, [line for line in lines if "level" in line]


@virtual_devices
@pytest.mark.parametrize("remote", [False, True])
def test_from_a_virtual_microphone_to_a_virtual_loudspeaker(sound, small, tmp_path, monkeypatch, remote):
    monkeypatch.setattr("live.clocked.MAX_WAIT_S", 30)
    heard_file = tmp_path / "heard.wav"
    listener = [
        "parec",
        "--device=loudspeaker.monitor",
        "--rate=16000",
        "--channels=1",
        "--file-format=wav",
        "--latency-msec=50",  # else what it holds back when it is ended may be all that was played
        heard_file,
    ]
    with finished(subprocess.Popen(listener, env=sound)) as parec:
        if remote:
            with LiveServer(TorchEngine(GOLDEN.model)) as server:
                (before, after), lines = speak(sound, ["--server", server.url, "--monitor", "pulse"], tmp_path)
        else:
            (before, after), lines = speak(sound, [*small, "--gain", "-3"], tmp_path)
        parec.terminate()
        parec.wait()
    assert len(before) > 4000 and np.abs(before).max() > 0.1  # it heard
    with torch.no_grad():
        expected = GOLDEN.model(torch.from_numpy(before.copy())[None, None])[0, 0].numpy()
    whole = len(before) // 208 * 208 - 208
    assert np.abs(after - expected)[:whole].max() < 1e-4
    heard = soundfile.read(heard_file, dtype="float32")[0]
    assert np.abs(heard).max() > 0.1 * np.abs(after).max()  # the loudspeaker played
    for word in ("compute", "RTF", "buffer", "delay", "underruns"):
        assert word in lines[-1]
