# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A run: where it starts, that it learns, stops and goes on as if it had not, and what it exports."""

import json
import math
from dataclasses import asdict

import pytest
import soundfile
import torch
from support.golden import load_golden

pytest.importorskip("torchaudio", reason="run: make training")

from support.speech import SAMPLE_RATE, vowel  # noqa: E402

from reference.checkpoint import CheckpointError, load_model, load_state_dict  # noqa: E402
from reference.config import LLVCConfig  # noqa: E402
from reference.errors import LLVCError  # noqa: E402
from reference.llvc import LLVC  # noqa: E402
from training.__main__ import main  # noqa: E402
from training.initial import initial_network, network_from  # noqa: E402
from training.losses import losses  # noqa: E402
from training.pairs import PairFolders  # noqa: E402
from training.trainer import Options, Training, held_back, learning_rate, validate  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def few_discriminators(monkeypatch):
    monkeypatch.setattr("training.discriminators.PERIODS", (2, 3))
    monkeypatch.setattr("training.discriminators.RESOLUTIONS", (512,))
    monkeypatch.setattr("training.discriminators.PERIOD_CHANNELS", (4, 8, 8, 8, 8))


def small_params():
    """The network's structure at a fraction of its size."""
    return {**load_golden("llvc").params, "enc_dim": 64, "dec_dim": 32, "num_enc_layers": 3}


def small_network(seed=0):
    return initial_network(LLVCConfig.from_params(small_params()), seed)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Tones: three speakers, whose target is higher in its formants."""
    folder = tmp_path_factory.mktemp("tones")
    for speaker, f0 in (("low", 100), ("high", 220), ("held out", 150)):
        for side, ratio in (("source", 1.0), ("target", 1.1)):
            (folder / side / speaker).mkdir(parents=True)
            for number in range(2):
                x = vowel(f0 * (1 + 0.05 * number), 0.7, [ratio * f for f in (500, 1500, 2500)])
                soundfile.write(folder / side / speaker / f"{number}.wav", x, SAMPLE_RATE)
    (folder / "config.json").write_text(json.dumps({"model_params": small_params(), "data": {"sr": SAMPLE_RATE}}))
    return folder


def training(folder, run, steps=6, model=None, **options):
    options = {"batch": 2, "samples": 4000, "rate": 2e-3, "interval": 3, "minutes": None, **options}
    folders = PairFolders(folder / "source", folder / "target")
    said = []
    made = Training(
        model or small_network(), folders, run, Options(steps=steps, **options), valid=["held*"], say=said.append
    )
    made.said = said
    return made


def test_it_starts_as_a_wire():
    model = initial_network(LLVCConfig.from_params(load_golden("llvc").params), seed=0)
    x = torch.from_numpy(load_golden("llvc").arrays["audio"])
    with torch.no_grad():
        y = model(x[None, None])[0, 0]
    assert torch.corrcoef(torch.stack((x, y)))[0, 1] > 0.95
    losses(model.train()(x[None, None, :8000])[:, 0], x[None, :8000]).sum().backward()
    # All learn from the first step: but the prenet's gates, closed by filters of zero, and the constant label's input.
    idle = [name for name, p in model.named_parameters() if p.grad is None or not p.grad.any()]
    assert all(".gate." in name or name == "label_embedding.0.weight" for name in idle), idle


def test_learning_rate():
    rates = [learning_rate(step, step / 1000, 0.7) for step in range(1000)]
    assert rates[0] < 0.01 and max(rates) == 1 and rates[500] == 1 and 0 < rates[-1] < 0.01
    assert learning_rate(900, 0.09, 0.7) == 1  # a longer run puts off the fall


def test_speakers_to_validate_on():
    speakers = {f"speaker {i}" for i in range(100)}
    chosen = held_back(speakers)
    assert 1 <= len(chosen) < 15 and chosen <= held_back(speakers | {"another"})
    assert held_back(speakers, ["speaker ?", "speaker 70"]) == {*(f"speaker {i}" for i in range(10)), "speaker 70"}
    assert len(held_back({"a", "b"})) == 1
    for patterns in (["nobody"], ["*"]):
        with pytest.raises(LLVCError, match="none of 100 speakers is left"):
            held_back(speakers, patterns)


def test_training_learns(folder, tmp_path, monkeypatch):
    monkeypatch.setattr("training.trainer.WARM_UP", 5)
    run = training(folder, tmp_path, steps=12, interval=3)
    run()
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert [entry["step"] for entry in log] == [3, 6, 9, 12]
    assert log[-1]["stft"] < log[0]["stft"] and log[-1]["mel"] < log[0]["mel"]
    best = torch.load(tmp_path / "best.pt", weights_only=True)
    totals = {entry["step"]: entry["valid_stft"] + entry["valid_mel"] for entry in log}
    lowest = min(totals, key=totals.get)
    assert best["step"] == lowest and run.best == pytest.approx(totals[lowest])
    model = small_network()
    model.load_state_dict(best["model"])
    read = [
        [soundfile.read(folder / side / "held out" / f"{i}.wav")[0] for i in (0, 1)] for side in ("source", "target")
    ]
    valid = [tuple(torch.from_numpy(x).float() for x in pair) for pair in zip(*read, strict=True)]
    assert validate(model, valid)[:2].sum().item() == pytest.approx(totals[lowest], rel=1e-3)
    assert (tmp_path / "curve.png").stat().st_size > 1000
    samples = sorted(path.name for path in (tmp_path / "samples").iterdir())
    assert samples == [f"held out.{name}.wav" for name in ("converted", "source", "target")]
    assert any("2 speakers read" in line for line in run.said) and any("min left" in line for line in run.said)


class Killed(BaseException):
    pass


def test_a_run_that_was_killed_ends_as_one_that_was_not(folder, tmp_path, monkeypatch):
    """Bit for bit, discriminators and all; what is lost is the interval that it was in."""
    monkeypatch.setattr("training.trainer.ALONE", 1)
    options = {"adversarial": 0.7, "steps": 6, "interval": 2}
    training(folder, tmp_path / "whole", **options)()
    killed = training(folder, tmp_path / "parts", **options)
    batches = killed.batches

    def until_the_fifth(step, count):
        if step == 4 + 1:
            raise Killed
        return batches(step, count)

    until_the_fifth.add, until_the_fifth.hours = batches.add, 1.0
    killed.batches = until_the_fifth
    with pytest.raises(Killed):
        killed()
    resumed = training(folder, tmp_path / "parts", **options)
    resumed.resume()
    assert resumed.step == 4 and resumed.judged == 2
    resumed()
    whole, parts = (torch.load(tmp_path / name / "last.pt", weights_only=True) for name in ("whole", "parts"))
    assert whole.pop("elapsed") > 0 and parts.pop("elapsed") > 0
    assert whole["step"] == 6 and whole["judged"] == 4
    assert_equal(whole, parts)
    lines = [(tmp_path / name / "log.jsonl").read_text().splitlines() for name in ("whole", "parts")]
    logs = [[json.loads(line) for line in log] for log in lines]
    assert [e["valid_mel"] for e in logs[0]] == [e["valid_mel"] for e in logs[1]]
    assert logs[0][0]["discriminator"] == 0 < logs[0][-1]["discriminator"]
    smaller = LLVCConfig.from_params({**small_params(), "enc_dim": 32})
    other = training(folder, tmp_path / "parts", model=initial_network(smaller, 0))
    with pytest.raises(LLVCError, match="does not belong to this network"):
        other.resume()


def assert_equal(a, b):
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        a, b = a.values(), b.values()
    if isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    elif isinstance(a, (int, float, str, bool, type(None))):
        assert a == b
    else:
        for one, other in zip(a, b, strict=True):
            assert_equal(one, other)


def test_discriminators_pull(folder, tmp_path, monkeypatch):
    """What the network adds to its loss has the gradient of the two losses that the discriminators gave."""
    from training import trainer

    monkeypatch.setattr(trainer, "ALONE", 0)
    monkeypatch.setattr(trainer, "RISE", 1)
    run = training(folder, tmp_path)
    run.judged = 1
    target = 0.1 * torch.randn(2, 4000, generator=torch.Generator().manual_seed(0))
    y = (0.5 * target).requires_grad_()
    real, fake, real_features, fake_features = run.discriminators(target, y)
    wanted = trainer.ADVERSARIAL * trainer.adversarial_loss(fake)
    wanted = wanted + trainer.FEATURES * trainer.feature_loss(real_features, fake_features)
    (gradient,) = torch.autograd.grad(wanted, y)
    before = [p.detach().clone() for p in run.discriminators.parameters()]
    pull, heard = run._judge(y, target)
    (pulled,) = torch.autograd.grad(pull, y)
    assert torch.allclose(pulled, gradient, rtol=1e-4, atol=1e-8) and gradient.any()
    assert heard[0] == pytest.approx(trainer.discriminator_loss(real, fake).item(), rel=1e-4)
    assert all(not torch.equal(a, b) for a, b in zip(before, run.discriminators.parameters(), strict=True))


def test_a_run_by_the_clock(folder, tmp_path, monkeypatch):
    """It ends behind the step in which its time is up, and goes on with what was left of it."""
    now = iter(range(10**6))
    monkeypatch.setattr("training.trainer.time.monotonic", lambda: float(next(now)))  # a second each time
    run = training(folder, tmp_path, steps=None, minutes=3 / 60)
    run()
    assert run.step == 3 and run.progress == 1.0
    longer = training(folder, tmp_path, steps=None, minutes=4 / 60)
    longer.resume()
    longer()
    assert longer.step == 4


def test_losses_that_are_not_finite_end_the_run(folder, tmp_path):
    run = training(folder, tmp_path)
    run()
    saved = (tmp_path / "last.pt").read_bytes()
    again = training(folder, tmp_path, steps=9)
    again.resume()
    with torch.no_grad():
        again.average.out_conv[0].weight.fill_(math.nan)
    with pytest.raises(LLVCError, match="not finite"):
        again()
    assert (tmp_path / "last.pt").read_bytes() == saved


def command(folder, run, *more):
    arguments = ["train", "--data", folder, "--run", run, "--config", folder / "config.json", "--device", "cpu"]
    arguments += ["--batch", 2, "--seconds", 0.3, "--steps", 2, "--interval", 2]
    return main([*map(str, arguments), *more])


def test_commands(folder, tmp_path, capsys):
    """Training, export in both layouts, and training that goes on from either."""
    assert command(folder, tmp_path / "run", "--valid", "low") == 0
    assert command(folder, tmp_path / "run") == 1 and "--resume" in capsys.readouterr().err
    config = LLVCConfig.from_params(small_params())
    wanted = torch.load(tmp_path / "run" / "best.pt", weights_only=True)["model"]
    for name, tolerance in (("voice.safetensors", 1e-3), ("voice.pth", 0)):
        options = ["export", "--config", str(folder / "config.json"), "--run", str(tmp_path / "run"), "--out"]
        assert main([*options, str(tmp_path / name)]) == 0
        weights = load_model(tmp_path / name, config).state_dict()
        assert all(torch.allclose(weights[key], value, tolerance, tolerance) for key, value in wanted.items())
        model = network_from(tmp_path / name, config)
        assert model.state_dict().keys() == wanted.keys() and model.config.decoder_dropout == 0
    assert main([*options, str(tmp_path / "voice.onnx")]) == 1 and ".pth" in capsys.readouterr().err
    assert command(folder, tmp_path / "more", "--from", str(tmp_path / "voice.pth"), "--valid", "low") == 0
    with pytest.raises(CheckpointError, match="do not fit"):
        network_from(tmp_path / "voice.pth", LLVCConfig.from_params(load_golden("llvc").params))

    # The published layout: what published scripts take out of a checkpoint, for a network that has its dropout.
    published = torch.load(tmp_path / "voice.pth", weights_only=True)
    assert published.keys() == {"model", "optimizer", "epoch", "step", "learning_rate"} and published["step"] == 2
    network = LLVC(**asdict(config))
    network.load_state_dict(published["model"])
    torch.optim.AdamW(network.parameters()).load_state_dict(published["optimizer"])
    assert all(value.dtype == torch.float32 for value in load_state_dict(tmp_path / "voice.pth").values())


def test_wrong_options(folder, tmp_path, capsys):
    for more in (["--source", "x"], ["--valid", "*"]):
        assert command(folder, tmp_path / "run", *more) == 1
        assert (said := capsys.readouterr().err).startswith("error: ") and said.count("\n") == 1
    assert main(["train", "--source", str(tmp_path), "--target", str(tmp_path), "--run", str(tmp_path / "run")]) == 1
    assert "no pairs" in capsys.readouterr().err
    assert not (tmp_path / "run" / "last.pt").exists()


def test_profile(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("training.profile.STEPS", 1)
    monkeypatch.setattr("training.profile.WARM", 1)
    monkeypatch.setattr("training.profile.TRACED", 1)
    assert command(folder, tmp_path / "run", "--profile", "--adversarial", "0.5", "--valid", "low") == 0
    said = capsys.readouterr().out
    stages = ("batch", "network", "losses", "discriminators", "backward", "optimizer", "mask_gen.encoder", "out_conv")
    assert all(f"  {name} " in said for name in stages) and "aten::" in said
    assert "ms, without discriminators" in said and "ms, with discriminators" in said
    assert not (tmp_path / "run" / "last.pt").exists()
