# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Pairs to train on: whose recordings are taken, how pairs are made, and which are left out."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.speech import SAMPLE_RATE, rms, vowel

pytest.importorskip("pyworld", reason="run: make training")

from audio.recording import write_audio  # noqa: E402
from reference.errors import LLVCError  # noqa: E402
from training.pairs import PairFolders, lag, make_noise, make_pairs, speaker_of  # noqa: E402
from training.recordings import ManifestError, audio_files, read, read_manifest  # noqa: E402
from training.synthesis import commands, synthesise  # noqa: E402
from training.target import Analysis, Speaker, TargetVoice, to_target  # noqa: E402

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[2]
VOICE = TargetVoice.load(ROOT / "training" / "voice.json")


def manifest(path, *rows):
    path.write_text("\n".join(json.dumps(row) for row in rows))
    return path


def row(path, speaker="someone", licence="CC0", **more):
    return {"audio_filepath": str(path), "speaker": speaker, "licence": licence, **more}


def syllables(f0, seconds=1.5, seed=0):
    """Speech in so far as its loudness and vowels change."""
    rng, parts = np.random.default_rng(seed), []
    while sum(map(len, parts)) < seconds * SAMPLE_RATE:
        formants = rng.uniform((300, 900, 2300), (800, 2200, 3000))
        length = rng.uniform(0.06, 0.2)
        parts.append(vowel(f0, length, formants) * np.hanning(round(length * SAMPLE_RATE)) * rng.uniform(0.3, 1))
    x = np.concatenate(parts)[: round(seconds * SAMPLE_RATE)]
    return x + 1e-3 * rng.standard_normal(len(x))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Pairs of two speakers at two speeds, one of them as two stretches of a file, and noise."""
    folder = tmp_path_factory.mktemp("pairs")
    soundfile.write(folder / "low.wav", syllables(100, 3.0), SAMPLE_RATE)
    soundfile.write(folder / "high.wav", syllables(220, 1.2), SAMPLE_RATE)
    soundfile.write(folder / "rain.wav", 0.1 * np.random.default_rng(0).standard_normal(20000), SAMPLE_RATE)
    rows = read_manifest(
        manifest(
            folder / "speech.jsonl",
            row("low.wav", "low", "CC BY 4.0", offset=0, duration=1.4),
            row("low.wav", "low", "CC BY 4.0", offset=1.6, duration=1.4),
            row("high.wav", "high"),
            row("missing.wav", "missing"),
        )
    )
    left_out = make_pairs(rows, [1.0, 0.8], VOICE, folder / "pairs")
    make_noise(read_manifest(manifest(folder / "noise.jsonl", row("rain.wav", "rain"))), folder / "pairs")
    return folder / "pairs", left_out, rows


def test_pairs(made):
    folder, left_out, rows = made
    assert sorted(path.name for path in (folder / "target").iterdir()) == ["high", "high@0.8", "low", "low@0.8"]
    assert all("missing" in line for line in left_out) and len(left_out) == 4  # no file and no speech, at each speed
    pairs, none = PairFolders(folder / "source", folder / "target").read_new()
    assert none == [] and sorted(pairs) == [
        "high/0000",
        "high@0.8/0000",
        *[f"low{s}/000{i}" for s in ("", "@0.8") for i in (0, 1)],
    ]
    assert {speaker_of(name) for name in pairs} == {"low", "high"}
    pair = pairs["low/0001"]
    assert pair.dtype == torch.int16 and pair.shape == (round(1.4 * SAMPLE_RATE), 2)
    assert rms(pair[:, 0].numpy() / 32768) == pytest.approx(rms(pair[:, 1].numpy() / 32768), rel=0.01)
    written = read_manifest(folder / "manifest.jsonl")
    assert [(r.speaker, r.licence) for r in written] == [("high", "CC0"), ("low", "CC BY 4.0"), ("low", "CC BY 4.0")]
    assert len(read(folder / "noise" / "0000.flac")) == 20000


def test_recordings_without_speech_give_no_pairs(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(SAMPLE_RATE), SAMPLE_RATE)
    rows = read_manifest(manifest(tmp_path / "m", row("a.wav")))
    with pytest.raises(LLVCError, match="no recording gives a pair; the first: someone: no voiced speech"):
        make_pairs(rows, [1.0], VOICE, tmp_path / "pairs")


def test_a_telephone_s_recording_is_read(tmp_path):
    write_audio(tmp_path / "a.m4a", torch.from_numpy(syllables(150)).float(), SAMPLE_RATE)
    (name,) = audio_files(tmp_path)
    assert name == "a" and lag(*(torch.from_numpy(x).float() for x in (syllables(150), read(tmp_path / "a.m4a")))) <= 1


def test_another_speed_is_another_speaker(made):
    pitches = [Analysis.of(read(made[0] / "source" / group / "0000.flac")).f0 for group in ("high", "high@0.8")]
    usual, slow = (np.median(pitch[pitch > 0]) for pitch in pitches)
    assert slow / usual == pytest.approx(0.8, rel=0.02)


def test_pairs_that_are_there_stay(made, tmp_path):
    """An interrupted run goes on: groups that are whole stay, what is left of others is made anew."""
    folder, _, rows = made
    shutil.copytree(folder, tmp_path / "pairs")
    kept = tmp_path / "pairs" / "target" / "low" / "0000.flac"
    soundfile.write(kept, np.zeros(100), SAMPLE_RATE)
    shutil.rmtree(tmp_path / "pairs" / "target" / "high")
    make_pairs(rows, [1.0], VOICE, tmp_path / "pairs", opus=True, workers=2)
    assert len(read(kept)) == 100
    again, before = read(tmp_path / "pairs/target/high/0000.ogg"), read(folder / "target/high/0000.flac")
    assert np.corrcoef(again, before)[0, 1] > 0.8 and lag(torch.from_numpy(again), torch.from_numpy(before)) == 0
    assert [path.name for path in (tmp_path / "pairs" / "source" / "high").iterdir()] == ["0000.ogg"]


def test_the_lag_of_another_voice():
    x = syllables(120)
    other = Analysis.of(x)
    y = to_target(other, Speaker.of([other], VOICE), VOICE)
    for shift in (-20, 0, 3, 8):
        moved = np.roll(y, 16 * shift)
        assert abs(lag(torch.from_numpy(x).float(), torch.from_numpy(moved).float()) - shift) <= 1


def test_pairs_that_do_not_match_are_named(tmp_path):
    """Files of any format and rate whose names are equal, with and without folders."""
    signals = {
        name: syllables(150, seed=i) for i, name in enumerate(("good", "late", "longer", "a/nested", "alone", "odd"))
    }
    for side in ("source", "target"):
        (tmp_path / side / "a").mkdir(parents=True)
        for name, x in signals.items():
            x = np.roll(x, 16 * 8) if side == "target" and name == "late" else x
            x = np.pad(x, (0, 16)) if side == "target" and name == "longer" else x
            if (side, name) != ("target", "alone"):
                soundfile.write(tmp_path / side / f"{name}.{'wav' if side == 'source' else 'flac'}", x, SAMPLE_RATE)
    (tmp_path / "target" / "odd.flac").write_bytes(b"no audio at all")
    (tmp_path / "target" / "notes.txt").write_text("not looked at")
    folders = PairFolders(tmp_path / "source", tmp_path / "target")
    pairs, left_out = folders.read_new()
    assert sorted(pairs) == ["a/nested", "good"]
    said = {line.split(":")[0]: line for line in left_out}
    assert sorted(said) == ["alone", "late", "longer", "odd"]
    assert said["late"].endswith("8 ms late") and "24016" in said["longer"] and "no such recording" in said["alone"]
    assert folders.read_new() == ({}, [])
    soundfile.write(tmp_path / "target" / "alone.flac", signals["alone"], SAMPLE_RATE)
    assert list(folders.read_new()[0]) == ["alone"]


def test_clean_licences(tmp_path):
    clean = ["CC BY 4.0", "CC BY", "cc-by-3.0", "CC BY 3.0 US", "CC0", "CC0 1.0", "Public domain", "own synthesis"]
    rows = [row(f"{i}.wav", f"speaker {i}", licence) for i, licence in enumerate(clean)]
    assert [r.licence for r in read_manifest(manifest(tmp_path / "m", *rows))] == clean
    refused = ["CC BY-SA 4.0", "CC BY-NC 4.0", "CC-BY-ND", "GPL", "all rights reserved", "", "not CC0"]
    rows += [row(f"refused {i}.wav", "x", licence) for i, licence in enumerate(refused)]
    with pytest.raises(ManifestError) as error:
        read_manifest(manifest(tmp_path / "m", *rows))
    assert all(f"refused {i}.wav" in str(error.value) for i in range(len(refused)))
    assert "7.wav (" not in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "text, match",
    [
        ("", "names no recordings"),
        ("no json", "line 1"),
        ("[1]", "line 1"),
        (json.dumps({"audio_filepath": "a.wav", "speaker": "a"}), "licence is missing"),
        (json.dumps(row("a.wav", "../a")), "another name"),
        (json.dumps(row("a.wav", duration=-1)), "seconds"),
        (json.dumps(row("a.wav", offset="nan")), "seconds"),
        (json.dumps(row("a.wav")) + "\n" + json.dumps(row("b.wav", licence="CC BY")), "two licences"),
    ],
)
def test_broken_manifests(tmp_path, text, match):
    (tmp_path / "m").write_text(text)
    with pytest.raises(ManifestError, match=match):
        read_manifest(tmp_path / "m")


def test_synthesisers_are_told_what_to_say(tmp_path, monkeypatch):
    jobs = commands(2, seed=0)
    assert len(jobs) == 30 and all(len(job) == 2 for job in jobs.values()) and jobs == commands(2, seed=0)
    if shutil.which("espeak-ng") and shutil.which("flite"):
        first = dict(list(jobs.items())[:1])
        monkeypatch.setattr("training.synthesis.commands", lambda count, seed: first)
        synthesise(tmp_path, 2, 0)
        rows = read_manifest(tmp_path / "manifest.jsonl")
        assert len(rows) == 2 and all(len(r.read()) > SAMPLE_RATE for r in rows)
