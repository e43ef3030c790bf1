# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Recordings of every kind are read whole: containers, pipes, channels, rates; damage is told with its time."""

import io
import os
import re
import struct
import subprocess
import sys
import threading
import tracemalloc
from pathlib import Path

import av
import numpy as np
import pytest
import scipy
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.golden import small_voice

from audio.reading import AudioReader, Block
from audio.recording import AudioError, Recording, read_audio
from audio.writing import open_output
from demo.cli import main
from demo.convert import convert_blocks

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = ROOT / "test_wavs" / "example.wav"
DATA = ROOT / "tests" / "data" / "recordings"


def speech(seconds=1.0):
    """The example's beginning, float32 [N] at 16 kHz."""
    return soundfile.read(EXAMPLE, dtype="float32")[0][8000 : 8000 + int(16000 * seconds)]


def correlation(a, b):
    """The best correlation of two signals that an encoder's delay may have shifted against each other."""
    a, b = (np.asarray(x, dtype=np.float64) for x in (a, b))
    return np.abs(scipy.signal.correlate(a, b, method="fft")).max() / np.linalg.norm(a) / np.linalg.norm(b)


def wav(samples, riff_size=None, data_size=None, channels=1, rate=16000):
    """The bytes of a 16-bit WAV file whose header may claim other sizes than it has."""
    data = np.rint(np.asarray(samples) * 32767).astype("<i2").tobytes()
    form = struct.pack("<HHIIHH", 1, channels, rate, 2 * channels * rate, 2 * channels, 16)
    data_size = len(data) if data_size is None else data_size
    riff_size = 36 + len(data) if riff_size is None else riff_size
    return b"RIFF%sWAVEfmt \x10\0\0\0%sdata%s%s" % (
        riff_size.to_bytes(4, "little"),
        form,
        data_size.to_bytes(4, "little"),
        data,
    )


def encoded(samples, container, codec, rate=16000, layout="mono", **options):
    """The bytes of samples [N] at `rate` as PyAV encodes them, the same in every channel."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container, options=options) as output:
        stream = output.add_stream(codec, rate=rate, layout=layout)
        channels = stream.codec_context.channels
        planes = np.ascontiguousarray(np.repeat(samples[None].astype(np.float32), channels, axis=0))
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate = rate
        for packet in (*stream.encode(frame), *stream.encode(None)):
            if packet.size:  # FLAC's last one only carries a header
                output.mux(packet)
    return buffer.getvalue()


CODECS = [  # container, codec, rates, what the correlation is at least
    ("wav", "pcm_s16le", (8000, 11025, 16000, 44100, 48000), 0.999),
    ("wav", "pcm_f32le", (16000, 22050), 0.999),
    ("wav", "pcm_mulaw", (8000, 16000), 0.99),
    ("flac", "flac", (8000, 16000, 48000), 0.999),
    ("aiff", "pcm_s16be", (16000, 44100), 0.999),
    ("au", "pcm_s16be", (8000, 16000), 0.999),
    ("caf", "pcm_s16le", (16000, 48000), 0.999),
    ("w64", "pcm_s16le", (16000,), 0.999),
    ("ipod", "aac", (16000, 44100, 48000), 0.95),
    ("ipod", "alac", (16000, 44100), 0.999),
    ("adts", "aac", (16000, 44100), 0.95),
    ("mp3", "libmp3lame", (16000, 44100, 48000), 0.95),
    ("ogg", "libopus", (16000, 48000), 0.95),
    ("webm", "libopus", (16000, 48000), 0.95),
    ("matroska", "flac", (16000,), 0.999),
]


@settings(max_examples=25)
@given(st.data())
def test_containers_codecs_rates_and_channels(tmp_path_factory, data):
    """The right length and the right sound, whatever it is packed into; from a file and from a pipe alike."""
    container, codec, rates, wanted = data.draw(st.sampled_from(CODECS))
    rate, layout = data.draw(st.sampled_from(rates)), data.draw(st.sampled_from(("mono", "stereo")))
    seconds = data.draw(st.sampled_from((0.6, 1.0, 1.7)))
    samples = scipy.signal.resample_poly(speech(seconds), rate, 16000)
    content = encoded(samples, container, codec, rate, layout)
    path = tmp_path_factory.mktemp("audio") / "recording"  # its name says nothing
    path.write_bytes(content)
    with Recording(path, 16000) as recording:
        audio = torch.cat(list(recording), dim=1)[0].numpy()
    assert recording.damage is None
    # Lossy codecs without a length in the container pad to frames at both ends.
    assert -0.002 < len(audio) / 16000 - seconds < (0.002 if wanted == 0.999 else 0.15)
    assert correlation(audio, scipy.signal.resample_poly(samples, 16000, rate)) > wanted - 0.02


MIDDLES = [0x80000000 + offset for offset in (-0x10000, -0x1000, -37, -36, -2, -1, 0, 36, 44, 0x1000)]


@pytest.mark.parametrize("size", [0, *MIDDLES, 0xFFFFF000, 0xFFFFFFDB, 0xFFFFFFFE, 0xFFFFFFFF])
@pytest.mark.parametrize("piped", [False, True])
def test_wav_of_unknown_length(tmp_path, size, piped):
    """SoX writes 0x7FFFF000, arecord 0x80000000, FFmpeg 0xFFFFFFFF; others these less a header, or 0."""
    path = tmp_path / "a.wav"
    content = wav(speech(), riff_size=size, data_size=size)
    assert len(read_whole(path, content, piped)) == 16000


@pytest.mark.parametrize("size", [None, 0, 0x80000000, (1 << 63) - 1, 1 << 63, (1 << 64) - 1, (1 << 64) - 45])
@pytest.mark.parametrize("piped", [False, True])
def test_rf64_of_unknown_length(tmp_path, size, piped):
    """None: without the chunk that holds the size."""
    content = wav(speech(), data_size=0xFFFFFFFF)
    large = b"" if size is None else b"ds64\x1c\0\0\0" + struct.pack("<QQQI", size, size, 0, 0)
    content = b"RF64" + b"\xff" * 4 + b"WAVE" + large + content[12:]
    assert len(read_whole(tmp_path / "a.wav", content, piped)) == 16000


@pytest.mark.parametrize("kind", ["rf64", "w64"])
@pytest.mark.parametrize("piped", [False, True])
def test_sizes_of_64_bits(tmp_path, kind, piped):
    """All that is promised is there, or it is told; what stands behind it is no sound."""
    path = tmp_path / f"whole.{kind}"
    soundfile.write(path, speech(), 16000, subtype="PCM_16")
    content = path.read_bytes()
    assert len(read_whole(tmp_path / "behind", content + bytes(3000), piped)) == 16000
    with pytest.raises(AudioError, match="damaged, ends after 0.50 of 1.00 s"):
        read_whole(tmp_path / "cut", content[:-16000], piped)


def read_whole(path, content, piped):
    """read_audio of these bytes, in a file or through a named pipe."""
    if not piped:
        path.write_bytes(content)
        return read_audio(path, 16000)
    os.mkfifo(path)
    thread = threading.Thread(target=path.write_bytes, args=(content,))
    thread.start()
    try:
        return read_audio(path, 16000)
    finally:
        thread.join(10)


def test_a_riff_size_that_is_off_is_no_damage(tmp_path):
    samples = speech()
    assert len(read_whole(tmp_path / "a.wav", wav(samples, riff_size=2 * len(samples) + 44), False)) == 16000


def test_a_rate_of_bytes_that_is_off_is_no_damage(tmp_path):
    """Of a data chunk that is all there: what it says of its seconds does not count."""
    content = bytearray(wav(speech()))
    content[28:32] = struct.pack("<I", 16000)  # half of what it is
    assert len(read_whole(tmp_path / "a.wav", bytes(content), False)) == 16000


@pytest.mark.parametrize("piped", [False, True])
def test_a_data_chunk_that_promises_more_is_damage(tmp_path, piped):
    samples = speech(0.5)
    with pytest.raises(AudioError, match="damaged, ends after 0.50 of 1.00 s"):
        read_whole(tmp_path / "a.wav", wav(samples, data_size=4 * len(samples)), piped)


@pytest.mark.parametrize("piped", [False, True])
@pytest.mark.parametrize(
    "name, seconds, least",
    [
        ("aac.m4a", 1, 0.99),
        ("chained.ogg", 2, 0.99),
        ("pipe_ffmpeg.flac", 1, 0.9999),
        ("sub_GSM610.wav", 1, 0.92),
        ("vbr_noxing_loud_then_quiet.mp3", 5.04, 0.95),
    ],
)
def test_files_of_other_programs(tmp_path, name, seconds, least, piped):
    """As long as FFmpeg says they are, and every second of the speech that is in them is heard."""
    if piped and name.endswith("m4a"):
        pytest.skip("its table stands behind the audio: a pipe cannot go back")
    audio = read_whole(tmp_path / name, (DATA / name).read_bytes(), piped)
    exact = not piped and name != "vbr_noxing_loud_then_quiet.mp3"
    assert abs(len(audio) - 16000 * seconds) <= (0 if exact else 800)
    for start in range(0, 16000 * min(2, int(seconds)), 16000):
        # Of a pipe nobody knows where a link of an Ogg file ends: a frame too much comes out of each.
        assert correlation(audio[start : start + 16000], speech()) > least - 0.03 * piped


def test_wav_as_sox_writes_it_into_a_pipe(tmp_path):
    """real_sox_effect_pipe.wav, size_zero.wav and size_riff_is_filesize.wav: the sizes off, all samples there."""
    samples = speech()
    for riff, data in ((0x7FFFF024, 0x7FFFF000), (0, 0), (44 + 2 * len(samples), None)):
        audio = read_whole(tmp_path / "a.wav", wav(samples, riff, data), False)
        assert np.abs(audio.numpy() - samples).max() < 1e-4


def test_compressed_audio_from_a_pipe(tmp_path):
    content = encoded(speech(), "matroska", "flac")
    assert len(read_whole(tmp_path / "a", content, True)) == 16000


def test_mp3_without_its_length(tmp_path):
    """Loud, then quiet, at a variable rate: an estimate by the beginning falls short."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000)
    samples = np.concatenate((noise, np.zeros(5 * 16000)))
    content = encoded(samples, "mp3", "libmp3lame", write_xing="0")
    assert abs(len(read_whole(tmp_path / "a.mp3", content, False)) / 16000 - 6) < 0.15


def test_chained_ogg(tmp_path):
    link = encoded(speech(), "ogg", "libopus")
    assert abs(len(read_whole(tmp_path / "a.ogg", link + link, False)) / 16000 - 2) < 0.05


def test_damage_in_the_middle_is_converted_up_to_there(tmp_path):
    content = bytearray(encoded(np.random.default_rng(0).uniform(-0.5, 0.5, 64000), "flac", "flac"))
    middle = len(content) // 2
    content[middle : middle + 20000] = bytes(20000)
    (tmp_path / "a.flac").write_bytes(content)
    with Recording(tmp_path / "a.flac", 16000) as recording:
        length = sum(samples.shape[1] for samples in recording)
    assert recording.damage.startswith("damaged at ") and 1.0 < length / 16000 < 3.0


def packed(kind, samples):
    """The bytes of samples [N] at 16 kHz in a container and codec of REPORTED or HEALTHY."""
    if kind == "vorbis":
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, 16000, format="OGG", subtype="VORBIS")
        return buffer.getvalue()
    if kind == "amr":
        return encoded(samples[::2], "amr", "libopencore_amrnb", 8000)
    if kind == "mp3 without length":
        return encoded(samples, "mp3", "libmp3lame", write_xing="0")
    codecs = {"mp3": "libmp3lame", "mp2": "mp2", "adts": "aac", "ogg": "libopus", "flac": "flac", "webm": "libopus"}
    codecs |= {"caf": "pcm_s16le", "w64": "pcm_s16le", "aiff": "pcm_s16be"}
    return encoded(samples, kind, codecs[kind])


def read_with_damage(path, content):
    """(seconds, damage) of these bytes."""
    path.write_bytes(content)
    with Recording(path, 16000) as recording:
        return sum(samples.shape[1] for samples in recording) / 16000, recording.damage


COMPRESSED = ["mp3", "mp3 without length", "adts", "amr", "ogg", "vorbis"]


@pytest.mark.parametrize("kind", [*COMPRESSED, "mp2", "flac", "webm", "caf", "w64", "aiff"])
def test_a_file_that_is_cut_off_is_damaged_at_its_end(tmp_path, kind):
    content = packed(kind, speech(3.5))
    seconds, damage = read_with_damage(tmp_path / "a", content[: len(content) * 2 // 3 - 5])
    assert damage.startswith("damaged") and 0.4 < seconds < 2.6
    told = float(re.search(r"([\d.]+) ", damage.split("at ")[-1].split("after ")[-1] + " ")[1])
    assert abs(told - seconds) < 0.05


@pytest.mark.parametrize("kind", COMPRESSED)
def test_the_last_bytes_are_missing(tmp_path, kind):
    content = packed(kind, speech(3.5))
    whole, damage = read_with_damage(tmp_path / "a", content)
    assert damage is None
    seconds, damage = read_with_damage(tmp_path / "a", content[:-7])
    assert damage.startswith("damaged") and whole - 1.2 < seconds < whole


@pytest.mark.parametrize("kind", [*(kind for kind in COMPRESSED if kind != "amr"), "mp2"])
@pytest.mark.parametrize("fault", ["zeros", "noise", "missing", "more"])
def test_damage_in_the_middle(tmp_path, kind, fault):
    content = packed(kind, speech(3.5))
    middle, noise = len(content) // 2, np.random.default_rng(0).bytes(901)
    broken = {
        "zeros": bytes(901) + content[middle + 901 :],
        "noise": noise + content[middle + 901 :],
        "missing": content[middle + 901 :],
        "more": noise + content[middle:],
    }
    seconds, damage = read_with_damage(tmp_path / "a", content[:middle] + broken[fault])
    assert damage.startswith("damaged at ") and 0.4 < seconds < 2.6


def test_an_mp3_that_promises_more_frames(tmp_path):
    """Cut on the border of two frames, where only the number in its head tells."""
    content = packed("mp3", speech(3.5))
    frames = []
    with av.open(io.BytesIO(content)) as container:
        for packet in container.demux(container.streams.audio[0]):
            if packet.size:
                frames.append(packet.pos + packet.size)
    seconds, damage = read_with_damage(tmp_path / "a.mp3", content[: frames[len(frames) // 2]])
    assert damage.startswith("damaged, ends at ") and 1.6 < seconds < 1.9
    assert read_with_damage(tmp_path / "a.mp3", content[: frames[-1]])[1] is None


ID3V1 = b"TAG" + b"A title".ljust(125, b"\0")
ID3V2 = b"ID3\4\0\0\0\0\2\0" + bytes(256)
APE = b"APETAGEX" + struct.pack("<IIII8x", 2000, 32, 0, 0)


@pytest.mark.parametrize(
    "front, back",
    [
        (b"", b""),
        (ID3V2, ID3V1),
        (b"", APE),
        (b"", APE + ID3V1),
        (b"", b"LYRICSBEGININD0000210LYR00005hello000023LYRICS200" + ID3V1),
        (b"", ID3V2),
        (b"", bytes(3000)),
        (b"", b"\n"),
    ],
)
@pytest.mark.parametrize("kind", ["mp3", "mp3 without length", "mp2", "adts"])
def test_tags_and_padding_are_no_damage(tmp_path, kind, front, back):
    seconds, damage = read_with_damage(tmp_path / "a", front + packed(kind, speech(1.7)) + back)
    assert damage is None and abs(seconds - 1.7) < 0.15


@pytest.mark.parametrize("between", [b"", ID3V1 + ID3V2])
@pytest.mark.parametrize("kind", ["mp3", "mp3 without length", "mp2", "adts"])
def test_files_one_behind_the_other(tmp_path, kind, between):
    content = packed(kind, speech(1.7))
    seconds, damage = read_with_damage(tmp_path / "a", content + between + content)
    assert damage is None and abs(seconds - 3.4) < 0.3


@pytest.mark.parametrize("lengths", [(1.0, 1.7), (1.7, 1.0), (1.7, 0.1, 1.0)])
@pytest.mark.parametrize("kind", ["ogg", "vorbis"])
def test_links_of_an_ogg_file(tmp_path, kind, lengths):
    """Each as long as it is, whatever follows."""
    content = b"".join(packed(kind, speech(seconds)) for seconds in lengths)
    seconds, damage = read_with_damage(tmp_path / "a", content)
    # PyAV's Opus counts its delay of 6.5 ms as sound.
    assert damage is None and abs(seconds - sum(lengths)) < (0.007 * len(lengths) if kind == "ogg" else 1e-4)
    assert read_with_damage(tmp_path / "a", content + b"junk")[1] is None


def test_damage_from_a_pipe(tmp_path):
    for number, kind in enumerate(("vorbis", "mp3", "mp3 without length", "adts")):
        content = packed(kind, speech(3.5))
        with pytest.raises(AudioError, match="damaged"):
            read_whole(tmp_path / f"{number}", content[: len(content) // 2 - 5], True)


def test_playlists_open_nothing(tmp_path):
    path = tmp_path / "a.wav"
    path.write_text(f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{EXAMPLE}\n#EXT-X-ENDLIST\n")
    with pytest.raises(AudioError):
        read_audio(path, 16000)


@pytest.mark.parametrize("rate", [1, 100, 999])
def test_rates_too_low_for_speech(tmp_path, rate):
    path = tmp_path / "a.wav"
    path.write_bytes(wav(speech(), rate=rate))
    with pytest.raises(AudioError, match=f"a rate of {rate} Hz is too low"):
        read_audio(path, 16000)


def test_a_rate_of_which_nothing_would_be_left(tmp_path):
    """Beyond 100 samples for one at the network's rate."""
    path = tmp_path / "a.wav"
    path.write_bytes(wav(speech(), rate=100_000_000))
    with pytest.raises(AudioError, match="a.wav: a rate of 100000000 Hz is too high"):
        read_audio(path, 16000)


def test_speech_in_the_centre_keeps_its_level(tmp_path):
    samples = np.zeros((16000, 6), dtype=np.float32)
    samples[:, 2] = speech()
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    assert np.abs(read_audio(tmp_path / "a.wav", 16000).numpy() - speech()).max() < 1e-6


@pytest.mark.parametrize("choice, channels", [("left", [0]), ("right", [1]), (3, [2]), ("each", [0, 1, 2])])
def test_channels_by_name(tmp_path, choice, channels):
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (3000, 3)).astype(np.float32)
    soundfile.write(tmp_path / "a.wav", samples, 16000, subtype="FLOAT")
    with Recording(tmp_path / "a.wav", 16000, choice) as recording:
        assert np.array_equal(torch.cat(list(recording), dim=1).numpy(), samples.T[channels])
    with pytest.raises(AudioError, match="has 3 channels, so there is no channel 4"):
        Recording(tmp_path / "a.wav", 16000, 4)


def test_antiphase_is_said(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.stack((speech(), -speech()), 1), 16000)
    with Recording(tmp_path / "a.wav", 16000) as recording:
        list(recording)
    assert "cancel each other" in recording.notes()[0]


class Endless(AudioReader):
    """Hours of stereo, made as they are read."""

    rate, hours = 48000, 1

    def __init__(self, *_):
        self.name, self.live, self.tags, self.damage = "synthetic", False, {}, None
        self.channels, self.seconds = 2, self.hours * 3600

    def __iter__(self):
        block = Block(np.zeros((2, self.rate * 10), dtype=np.float32), self.rate, ("FL", "FR"))
        for _ in range(round(self.hours * 360)):
            yield block

    def close(self):
        pass


class StubStream:
    """A network that answers with its input."""

    chunk_len = 208 * 64

    def reset(self):
        pass

    def push(self, samples):
        return samples

    def flush(self):
        return torch.zeros(1, 0)


def counted_peak(monkeypatch, rate, hours):
    """Bytes: torch's largest block and all that numpy and Python hold at a time, through the pipeline."""
    monkeypatch.setattr("audio.recording.AudioReader", Endless)
    monkeypatch.setattr(Endless, "rate", rate)
    monkeypatch.setattr(Endless, "hours", hours)
    tracemalloc.start()
    peak, length = 0, 0
    with Recording("synthetic", 16000) as recording, open_output("/dev/null", 16000) as writer:
        for samples in convert_blocks(StubStream(), recording, []):
            writer.write(samples)
            length += samples.shape[1]
            peak = max(peak, samples.untyped_storage().nbytes())
    traced = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert length == hours * 3600 * 16000
    return peak + traced


@pytest.mark.slow
def test_hours_in_bounded_memory(monkeypatch):
    """Two hours, and at 48 kHz, whose resampling takes its time, no more for ten minutes than for two.

    (tools/long_recording.py converts a real file of ten hours: docs/VALIDATION.md.)
    """
    assert counted_peak(monkeypatch, 16000, 2) < 100e6  # as samples they are 460 MB
    two, ten = (counted_peak(monkeypatch, 48000, hours) for hours in (1 / 30, 1 / 6))
    assert ten < 100e6 and ten - two < 1e6


def piped(content, *options):
    """demo.py from stdin to stdout."""
    command = [sys.executable, str(ROOT / "demo.py"), "-i", "-", "-o", "-", *options]
    return subprocess.run(command, input=content, capture_output=True, timeout=600)


@pytest.mark.slow
def test_a_pipe_in_and_a_pipe_out(tmp_path):
    (tmp_path / "in.wav").write_bytes(wav(speech()))
    voice = small_voice(tmp_path)
    assert main([*voice, "-i", str(tmp_path / "in.wav"), "-o", str(tmp_path / "out.wav")]) == 0
    expected = soundfile.read(tmp_path / "out.wav", dtype="int16")[0]
    process = piped(wav(speech(), 0xFFFFFFFF, 0xFFFFFFFF), *voice, "-s")
    assert process.returncode == 0 and process.stdout[:4] == b"RIFF" and b"Traceback" not in process.stderr
    samples = np.frombuffer(process.stdout[44:], "<i2")
    assert len(samples) == 16000 and np.abs(samples.astype(int) - expected).max() <= 2
    raw = np.rint(speech() * 32767).astype("<i2").tobytes()
    process = piped(raw, *voice, "--raw", "s16", "--rate", "16000")
    assert np.abs(np.frombuffer(process.stdout, "<i2").astype(int) - expected).max() <= 2


def test_a_live_filter_answers_before_the_end(tmp_path):
    process = subprocess.Popen(
        [sys.executable, str(ROOT / "demo.py"), *small_voice(tmp_path), "-s", "-i", "-", "-o", "-"]
        + ["--raw", "s16", "--rate", "16000"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    process.stdin.write(bytes(2 * (208 + 16)))
    process.stdin.flush()
    assert len(process.stdout.read(2 * 208)) == 2 * 208  # the first chunk, with the input still open
    process.stdout.close()
    process.stdin.write(bytes(2 * 16000))
    process.stdin.close()
    assert process.wait(600) == 0  # the reader went away


def test_what_cannot_be_written_is_told(tmp_path, capsys):
    (tmp_path / "in.wav").write_bytes(wav(speech(0.2)))
    assert main([*small_voice(tmp_path), "-i", str(tmp_path / "in.wav"), "-o", "/dev/full"]) == 1
    assert "No space left" in capsys.readouterr().err


def test_links_modes_and_tags_of_results(tmp_path):
    target, link = tmp_path / "real.flac", tmp_path / "link.flac"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    with open_output(link, 44100, tags={"title": "A title", "artist": "Somebody"}) as writer:
        writer.write(np.zeros((1, 44100), dtype=np.float32))
    with soundfile.SoundFile(target) as file:
        assert (file.title, file.artist, file.samplerate, file.frames) == ("A title", "Somebody", 44100, 44100)
    assert link.is_symlink() and target.stat().st_mode & 0o777 == 0o640
    name = tmp_path / ("x" * 251 + ".wav")
    with open_output(name, 16000) as writer:
        writer.write(np.zeros((1, 10), dtype=np.float32))
    assert name.exists() and len(list(tmp_path.iterdir())) == 3
