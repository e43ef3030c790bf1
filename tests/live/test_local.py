# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""python -m live: its buffers, and the whole of it between virtual devices."""

import http.server
import json
import os
import queue
import shutil
import signal
import socket
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
import websockets.sync.server
from support.fake_engine import FakeEngine
from support.golden import load_golden, small_voice
from support.live_server import LiveServer, wait_until

from live.__main__ import main, parse_args
from live.client import Connection, ServerError, stream_url
from live.converters import LocalConverter, RemoteConverter
from live.protocol import ProtocolError
from live.recording import Recording
from live.ring import PlaybackBuffer, Ring
from reference.errors import LLVCError
from streaming.torch_engine import TorchEngine

pytestmark = [pytest.mark.slow, pytest.mark.realtime]

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


def test_a_server_that_restarts_is_connected_again(monkeypatch):
    """What was on its way is counted as dropped, then the voice goes on."""
    monkeypatch.setattr("live.converters.FIRST_RETRY_S", 0.05)
    told, given, dropped, got = [], 0, 0, []

    def push(count):
        nonlocal given, dropped
        lost, audio = converter.push(noise(count))
        given, dropped = given + count, dropped + lost
        got.append(len(audio))

    with LiveServer(FakeEngine(1)) as server:
        port = server.port
        converter = RemoteConverter(server.page, 16000, tell=told.append)
        wait_until(lambda: push(160) or sum(got) > 1000, "audio")
    wait_until(lambda: push(160) or told, "told")
    assert "closed the connection" in told[0] and told[0].endswith("; connecting again")
    before = sum(got)
    with LiveServer(FakeEngine(1), port=port):
        wait_until(lambda: push(160) or (dropped > 0 and sum(got) > before + 2000), "audio behind what was dropped")
        assert told[1] == "connected again"
        wait_until(lambda: push(0) or given - dropped - sum(got) < 300, "what was sent comes back")
        converter.close()
    assert dropped + sum(got) <= given


class Scripted:
    """A connection whose server sends what it is told, and takes nothing once it is `full`."""

    welcome = {"chunk_ms": 13.0}

    def __init__(self, *_, **__):
        self.to_come, self.taken, self.full = queue.Queue(), [], threading.Event()
        Scripted.latest = self

    def send(self, samples):
        while self.full.is_set():
            time.sleep(0.001)
        self.taken.append(samples)

    def receive(self, timeout=None):
        item = self.to_come.get()
        if isinstance(item, Exception):
            raise item
        return item

    def close(self):
        self.full.clear()


def test_a_slow_uplink_drops_what_is_late_in_its_place(monkeypatch):
    """The delay does not grow: at most a quarter of a second waits, and each sample's fate is told in order."""
    monkeypatch.setattr("live.converters.Connection", Scripted)
    converter = RemoteConverter("ws://x", 16000)
    connection, number, events = Scripted.latest, 0, []

    def push(count):
        nonlocal number
        events.append(converter.push(np.arange(number, number + count, dtype=np.float32)))
        number += count

    push(160)
    wait_until(lambda: len(connection.taken) == 1, "sent")
    connection.full.set()
    for _ in range(100):  # a second
        push(160)
    assert converter._waiting <= 0.25 * 16000
    connection.full.clear()
    wait_until(lambda: converter._waiting == 0 and not converter._to_send, "all is sent")
    time.sleep(0.05)
    sent = np.concatenate(connection.taken)
    for start in range(0, len(sent), 208):
        connection.to_come.put(sent[start : start + 208])
    wait_until(lambda: push(0) or sum(d + len(a) for d, a in events) == number, "all is accounted for")
    position = 0
    for dropped, audio in events:
        assert dropped == 0 or len(audio) == 0
        assert np.array_equal(audio, np.arange(position + dropped, position + dropped + len(audio)))
        position += dropped + len(audio)
    assert sum(dropped for dropped, _ in events) == number - len(sent) > 8000
    converter.close()


@pytest.mark.parametrize(
    "sent",
    [
        ProtocolError("odd_bytes", "3 bytes"),
        KeyError("type"),
        {"type": "statistics", "compute_ms": None},
        {"type": "dropped", "samples": 10**12},
        {"type": "dropped", "samples": -5},
        np.zeros(10**6, np.float32),
    ],
    ids=lambda sent: repr(sent)[:60],
)
def test_whatever_a_server_sends_is_told(monkeypatch, sent):
    monkeypatch.setattr("live.converters.Connection", Scripted)
    converter = RemoteConverter("ws://x", 16000)
    Scripted.latest.to_come.put(sent)
    accounted = 0
    with pytest.raises(LLVCError) as error:
        for _ in range(10_000):
            dropped, audio = converter.push(noise(160))
            accounted += dropped + len(audio)
            time.sleep(0.001)
    assert "\n" not in str(error.value) and accounted == 0
    converter.close()


@pytest.mark.parametrize("chunk_ms", [None, "13", 0, -13.0, float("nan"), float("inf")])
def test_a_welcome_without_a_chunk_is_none(chunk_ms):
    def speak(socket):
        socket.recv()
        socket.send(json.dumps({"type": "welcome", "chunk_ms": chunk_ms}))

    with websockets.sync.server.serve(speak, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        with pytest.raises(ServerError, match="no live server of this protocol"):
            Connection(f"ws://127.0.0.1:{server.socket.getsockname()[1]}")
        server.shutdown()


def test_a_converter_that_is_closed_while_it_connects_again_keeps_no_connection(monkeypatch):
    monkeypatch.setattr("live.converters.FIRST_RETRY_S", 0)
    connecting, go_on, made = threading.Event(), threading.Event(), []

    class Slow(Scripted):
        def __init__(self, *_, **__):
            super().__init__()
            made.append(self)
            self.is_closed = False
            if len(made) == 2:
                connecting.set()
                go_on.wait()

        def close(self):
            self.is_closed = True

    monkeypatch.setattr("live.converters.Connection", Slow)
    converter = RemoteConverter("ws://x", 16000, tell=lambda _: None)
    made[0].to_come.put(ServerError("gone", passing=True))
    assert connecting.wait(30)
    converter.close()
    go_on.set()
    wait_until(lambda: made[1].is_closed, "closed")


class FakeStream:
    """A device's stream that is heard of by nobody but the test."""

    latency = 0.0
    made = []

    def __init__(self):
        self.is_open = True
        self.made.append(self)

    def start(self): ...

    def abort(self): ...

    def close(self):
        self.is_open = False


@pytest.fixture
def local(monkeypatch):
    """live.local with devices that are FakeStreams."""
    module = pytest.importorskip(
        "live.local", reason="needs PortAudio: apt-get install libportaudio2", exc_type=OSError
    )
    monkeypatch.setattr(FakeStream, "made", [])
    monkeypatch.setattr(module, "open_stream", lambda *_: (16000, FakeStream()))
    return module


def test_whatever_ends_the_voice_the_recording_is_kept(local, tmp_path):
    class Breaks:
        sample_rate, chunk_len, heard = 16000, 208, 0

        def push(self, samples):
            if self.heard:
                raise IndexError("nobody thought of this")
            self.heard = len(samples)
            return 0, samples

    with local.LocalVoice(Breaks(), record=tmp_path / "out.wav") as voice:
        voice._microphone.ring.write(given := noise(100))
        wait_until(lambda: not voice.is_running, "ended")
    assert isinstance(voice.error, IndexError) and voice.recorded
    assert np.array_equal(soundfile.read(tmp_path / "out.wav", dtype="float32")[0], np.stack([given, given], axis=1))
    assert not any(stream.is_open for stream in FakeStream.made)


def test_the_channel_of_the_input_is_what_is_heard(local):
    microphone, samples = local.Microphone(None, 2, 16000), noise(300).reshape(-1, 3)
    microphone._hear(samples, len(samples), None, None)
    assert np.array_equal(microphone.read(), samples[:, 1])


def test_a_loudspeaker_that_cannot_be_opened_leaves_no_microphone_open(local, monkeypatch):
    def open_stream(direction, *_):
        if direction == "output":
            raise local.DeviceError("none")
        return 16000, FakeStream()

    class Converter:
        sample_rate, chunk_len = 16000, 208

    monkeypatch.setattr(local, "open_stream", open_stream)
    with pytest.raises(local.DeviceError):
        local.LocalVoice(Converter())
    assert len(FakeStream.made) == 1 and not FakeStream.made[0].is_open


@pytest.mark.parametrize("data", ["no JSON", "[]", '{"type": 1}', '{"type": "dropped"}', b"abc", "\u0000"])
def test_a_server_that_speaks_something_else(data):
    def speak(socket):
        socket.recv()
        socket.send(json.dumps({"type": "welcome", "chunk_ms": 13.0}))
        socket.send(data)
        for _ in socket:
            pass

    with websockets.sync.server.serve(speak, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        connection = Connection(f"ws://127.0.0.1:{server.socket.getsockname()[1]}")
        with pytest.raises(ServerError, match="what the protocol does not have"):
            connection.receive(10)
        connection.close()
        server.shutdown()


def test_what_is_wrong_with_a_server_is_said(tmp_path):
    class Page(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.send_error(404)

        def log_message(self, *_): ...

    with http.server.HTTPServer(("127.0.0.1", 0), Page) as page, socket.create_server(("127.0.0.1", 0)) as free:
        threading.Thread(target=page.serve_forever, daemon=True).start()
        port, closed = page.server_port, free.getsockname()[1]
        free.close()
        (tmp_path / "no.pem").write_text("no certificate")
        for url, options, message in (
            (f"http://127.0.0.1:{port}/", {}, "no live server at this path (HTTP 404)"),
            (f"https://127.0.0.1:{port}/", {}, "no TLS is spoken there"),
            (f"ws://127.0.0.1:{closed}", {}, "start one (python -m live.serve)"),
            ("ws://no-such-host.invalid", {}, "no host of that name"),
            ("localhost:8000", {}, "no address of a server"),
            ("wss://127.0.0.1:9", {"cafile": str(tmp_path / "no.pem")}, "holds no certificates"),
            ("wss://127.0.0.1:9", {"cafile": str(tmp_path / "none.pem")}, "none.pem"),
        ):
            with pytest.raises(ServerError) as error:
                Connection(url, **options)
            assert message in str(error.value) and "\n" not in str(error.value)
        page.shutdown()


@pytest.mark.parametrize(
    "url, stream",
    [
        ("http://127.0.0.1:8000/", "ws://127.0.0.1:8000/stream"),
        ("https://host/llvc/#token=x", "wss://host/llvc/stream"),
        ("ws://host:1/stream", "ws://host:1/stream"),
        ("WSS://host", "wss://host/stream"),
    ],
)
def test_the_stream_of_an_address(url, stream):
    assert stream_url(url) == stream


def test_a_recording_can_be_played_whenever_it_ends(tmp_path, monkeypatch):
    monkeypatch.setattr("live.recording.HEADER_S", 0)
    path = tmp_path / "folder" / "out.wav"
    recording, samples = Recording(path, 16000, 2), noise(2000).reshape(-1, 2)
    assert not recording.close() and not path.parent.exists()
    for start in range(0, 1000, 100):
        recording.write(samples[start : start + 100])
        part, rate = soundfile.read(path.with_name("out.part.wav"), dtype="float32")  # as if it were killed now
        assert rate == 16000 and np.array_equal(part, samples[: start + 100])
    assert recording.close() and [file.name for file in path.parent.iterdir()] == ["out.wav"]
    assert np.array_equal(soundfile.read(path, dtype="float32")[0], samples)


def test_a_recording_leaves_others_alone(tmp_path):
    path, part = tmp_path / "out.wav", tmp_path / "out.part.wav"
    path.write_text("an older one")
    part.write_text("one that was killed")
    recording = Recording(path, 16000, 2)
    recording.write(noise(20).reshape(-1, 2))
    assert path.read_text() == "an older one"
    recording.close()
    assert soundfile.info(path).frames == 10 and part.read_text() == "one that was killed"


WINDOWS = ["MME", "Windows DirectSound", "Windows WASAPI", "Windows WDM-KS"]
CABLES = [
    ("CABLE Input (VB-Audio Virtual C", 0),
    ("CABLE Input (VB-Audio Virtual Cable)", 1),
    ("CABLE Input (VB-Audio Virtual Cable)", 2),
    ("CABLE Input (VB-Audio Point)", 3),
    ("Speakers (One)", 2),
    ("Speakers (Two)", 2),
]


@pytest.mark.parametrize(
    "name, number, message",
    [
        ("CABLE Input", 2, "by Windows WASAPI, one of 4"),
        ("cable input (vb-audio virtual cable), MME", None, "none of that name"),
        ("CABLE Input, MME", None, "none of that name"),
        ("Virtual C, MME", 0, None),
        ("Speakers", None, "is several (4 Speakers (One), Windows WASAPI; 5 Speakers (Two), Windows WASAPI)"),
        ("Speakers (Two)", 5, None),
        ("CABLE Output", None, "none of that name"),
        (3, 3, None),
        (None, None, None),
    ],
)
def test_devices_by_name(monkeypatch, capsys, name, number, message):
    devices = pytest.importorskip(
        "live.devices", reason="needs PortAudio: apt-get install libportaudio2", exc_type=OSError
    )
    listed = [{"name": n, "hostapi": api, "max_output_channels": 2, "max_input_channels": 0} for n, api in CABLES]
    monkeypatch.setattr(devices.sounddevice, "query_devices", lambda: listed)
    monkeypatch.setattr(devices.sounddevice, "query_hostapis", lambda: [{"name": api} for api in WINDOWS])
    if message and ("none" in message or "several" in message):
        with pytest.raises(devices.DeviceError) as error:
            devices.find_device(name, "output")
        assert message in str(error.value)
    else:
        assert devices.find_device(name, "output") == number
        assert (message or "") in capsys.readouterr().err


@pytest.mark.parametrize(
    "options, message",
    [
        (["--record", "out.mp3"], "ends in .wav"),
        (["--server", "ws://127.0.0.1:9"], "no live server answers"),
        (["--server", "127.0.0.1:9"], "no address of a server"),
        (["--input", "no such device", "--backend", "cpu"], "'no such device': there is none of that name"),
        (["-p", "none.pth"], "no such checkpoint"),
    ],
)
def test_bad_input_gets_one_line(options, message, capsys, monkeypatch):
    pytest.importorskip("sounddevice", reason="run: make live", exc_type=OSError)
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    assert main(options) == 1
    err = capsys.readouterr().err
    assert err.startswith("error: ") and err.count("\n") == 1 and message in err


@pytest.mark.parametrize(
    "options",
    [["--gain", "loud"], ["--gate_db", "nan"], ["-n", "0"], ["--loud"], ["--token", ""], ["--input_channel", "0"]],
)
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
        out, err = process.communicate(timeout=600)
    assert process.returncode == 0, "".join(lines) + err
    assert f"written: {recording}" in out
    samples, rate = soundfile.read(recording, dtype="float32")
    assert rate == 16000
    return samples.T, [line for line in lines if "level" in line]


@virtual_devices
@pytest.mark.parametrize("remote", [False, True])
def test_from_a_virtual_microphone_to_a_virtual_loudspeaker(sound, small, tmp_path, monkeypatch, remote):
    monkeypatch.setattr("live.channel.MAX_WAIT_S", 30)
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


@virtual_devices
@pytest.mark.parametrize("gone", ["SIGHUP", "SIGTERM", "server", "sound"])
def test_a_recording_is_kept_whatever_goes(sound, small, tmp_path, gone):
    """All that was spoken, and a line that says what is gone."""
    recording = tmp_path / "recording.wav"
    with LiveServer(TorchEngine(GOLDEN.model)) as server:
        options = ["--server", server.page] if gone == "server" else small
        command = [sys.executable, "-m", "live", "--input", "pulse", "--output", "pulse", "--record", str(recording)]
        process = subprocess.Popen(
            [*command, *options], cwd=ROOT, env=sound, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        with finished(process):
            lines, levels = [], 0
            for line in process.stderr:
                lines.append(line)
                levels += "level" in line and "-120.0 dB" not in line  # a busy sound system may be silent at first
                if levels == 3 and gone == "server":
                    server.__exit__(None, None, None)
                if levels == 3 and gone == "sound":
                    subprocess.run(["pactl", "exit"], env=sound, capture_output=True)
                if levels == 3 and gone.startswith("SIG"):
                    process.send_signal(getattr(signal, gone))
                    break
                is_expected = gone in ("server", "sound") and levels >= 3
                if is_expected and ("connecting again" in line or " is gone" in line):
                    process.send_signal(signal.SIGINT)
                    break
            out, err = process.communicate(timeout=600)
    assert f"written: {recording}" in out, "".join(lines) + err
    assert soundfile.info(recording).frames > 4000 and not list(tmp_path.glob("*.part*"))
    if gone in ("server", "sound"):
        assert any("connecting again" in line or " is gone" in line for line in lines), "".join(lines) + err
