# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A run of training: its schedule, its step, and what it leaves in its folder."""

import copy
import json
import pickle
import time
import zlib
from contextlib import nullcontext
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import soundfile
import torch

from audio.files import replacing
from reference.errors import LLVCError

from .batches import Batches
from .discriminators import Discriminators
from .losses import adversarial_loss, discriminator_loss, feature_loss, losses
from .pairs import speaker_of
from .recordings import SAMPLE_RATE, audio_files, int16, read

NAMES = ("stft", "mel", "complex", "discriminator", "adversarial", "features")
WARM_UP = 200  # steps
BANK_RATE = 0.05  # of the filter bank, as a share of the learning rate
AVERAGE = 0.999  # of the weights, per step
RATE_OF_DISCRIMINATORS = 2e-4
HEARD_SAMPLES, HEARD_SEGMENTS = 16640, 16  # of a batch by the discriminators
ALONE = 100  # steps that they learn before the network listens to them
RISE = 1000  # steps over which it listens more and more
ADVERSARIAL, FEATURES = 0.3, 3.0  # weights; HiFi-GAN's are 1 and 2, where features are summed over five layers
HELD_BACK = 20  # one in so many speakers is validated on where none is named
VALID_UTTERANCES = 4  # per speaker
VALID_SECONDS = 4


@dataclass(frozen=True)
class Options:
    """steps or minutes: when the run ends, one of them None. adversarial: the last share of it, with discriminators.

    batch segments of `samples`; rate: the full learning rate; complex_weight: of complex_loss; interval: steps from one
    checkpoint to the next; bf16: the mask network and the discriminators in bfloat16; compiled: the encoder's layers by
    torch.compile.
    """

    steps: int | None
    minutes: float | None
    batch: int
    samples: int
    adversarial: float = 0.0
    rate: float = 1e-3
    complex_weight: float = 0.5
    interval: int = 250
    seed: int = 0
    bf16: bool = False
    compiled: bool = False


def learning_rate(step, progress, falls_from):
    """Share of the full rate: a rise, a plateau, and a fall to zero from some progress (0 to 1) on."""
    return min(1.0, (step + 1) / WARM_UP, max(0.0, (1 - progress) / (1 - falls_from)))


def held_back(speakers, patterns=()):
    """The speakers to validate on: those that match a pattern or, without any, about one in HELD_BACK, one at least.

    LLVCError if none or all would be.
    """
    if patterns:
        chosen = {speaker for speaker in speakers if any(fnmatch(speaker, pattern) for pattern in patterns)}
    else:  # the same ones when more speakers come
        order = {speaker: zlib.crc32(speaker.encode()) for speaker in speakers}
        chosen = {s for s in speakers if order[s] % HELD_BACK == 0} or set(sorted(speakers, key=order.get)[:1])
    if not chosen or chosen == set(speakers):
        raise LLVCError(
            f"none of {len(speakers)} speakers is left to {'train' if chosen else 'validate'} on: add pairs of others, "
            "or name with --valid whom to keep aside"
        )
    return chosen


@torch.no_grad()
def validate(model, pairs):
    """The mean losses [3] over pairs (source, target), [N] each, of speakers that were not trained on."""
    model.eval()
    return torch.stack([losses(model(s[None, None])[:, 0], t[None]) for s, t in pairs]).mean(0)


class Training:
    """A run in a folder: last.pt to go on from, best.pt, log.jsonl, curve.png, samples/.

    best.pt is that of the lowest loss on the validation speakers, anew when the discriminators join.
    """

    def __init__(self, model, folders, run, options, *, device="cpu", valid=(), noise=None, say=print):
        self.run, self.options, self.device, self.say = Path(run), options, torch.device(device), say
        self.model = model.to(self.device).train()
        self.average = copy.deepcopy(self.model)
        fused = {"fused": self.device.type == "cuda"}
        self.optimizer = torch.optim.AdamW(
            self._parameter_groups(), options.rate, betas=(0.9, 0.99), weight_decay=1e-3, **fused
        )
        torch.manual_seed(options.seed)
        self.discriminators = Discriminators().to(self.device)
        self.judging = torch.optim.AdamW(
            self.discriminators.parameters(), RATE_OF_DISCRIMINATORS, betas=(0.8, 0.99), **fused
        )
        self.step, self.judged, self.elapsed, self.best = 0, 0, 0.0, float("inf")
        self._folders, self._patterns, self._kept, self._valid = folders, valid, None, {}
        pieces = [int16(read(path)) for path in audio_files(noise).values()] if noise else []
        self.batches = Batches(options.samples, options.seed, self.device, pieces)
        self.autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=options.bf16)
        # The mask is most of the work; the waveform's own filters keep all their bits.
        self.model.mask_gen.forward = self.autocast(self.model.mask_gen.forward)
        if options.compiled:
            for layer in self.model.mask_gen.encoder.dcc_layers:
                layer.compile(dynamic=False)
        self.stage = lambda name: nullcontext()  # around each stage of a step; profile.py measures there

    def _parameter_groups(self):
        """The filter bank's weights are a hundredth of the others': they get smaller steps."""
        bank = [*self.model.in_conv.parameters(), *self.model.out_conv.parameters()]
        others = [p for p in self.model.parameters() if not any(p is b for b in bank)]
        return [{"params": bank, "share": BANK_RATE}, {"params": others, "share": 1.0}]

    @property
    def progress(self):
        """How much of the run is done, 0 to 1."""
        if self.options.minutes is None:
            return self.step / self.options.steps
        return min(1.0, self.elapsed / (60 * self.options.minutes))

    def read_pairs(self):
        """Takes the pairs that are new in the folders. LLVCError if there are none to train or to validate on."""
        pairs, left_out = self._folders.read_new()
        for line in left_out:
            self.say(f"left out: {line}")
        if not pairs and self.batches.hours:
            return
        if not pairs:
            raise LLVCError(f"{self._folders.target}: no pairs with {self._folders.source} (docs/TRAINING.md)")
        if self._kept is None:
            self._kept = held_back({speaker_of(name) for name in pairs}, self._patterns)
        for name, pair in pairs.items():  # those of a speaker at another speed come last
            speaker = speaker_of(name)
            if speaker in self._kept:
                mine = self._valid.setdefault(speaker, [])
                if len(mine) < VALID_UTTERANCES:
                    mine.append((pair[: VALID_SECONDS * SAMPLE_RATE] / 32768.0).to(self.device).unbind(1))
        trained = {name: pair for name, pair in pairs.items() if speaker_of(name) not in self._kept}
        self.batches.add(trained)
        speakers = len({speaker_of(name) for name in trained})
        self.say(
            f"{len(trained)} pairs of {speakers} speakers read, {self.batches.hours:.2f} h in all; "
            f"validated on: {', '.join(sorted(self._valid))}"
        )

    def resume(self):
        """Goes on from last.pt, if there is one. LLVCError if it is of another network."""
        path = self.run / "last.pt"
        if not path.exists():
            return
        try:
            state = torch.load(path, map_location=self.device, weights_only=True)
            for name in ("model", "average", "optimizer", "discriminators", "judging"):
                getattr(self, name).load_state_dict(state[name])
        except (RuntimeError, KeyError, ValueError, EOFError, pickle.UnpicklingError):
            raise LLVCError(f"{path}: does not belong to this network; name another folder with --run") from None
        for name in ("step", "judged", "elapsed", "best"):
            setattr(self, name, state[name])
        self._kept = set(state["valid"])
        self.say(f"going on from step {self.step}")

    def train_step(self):
        """One step; returns its losses [6], as NAMES has them."""
        options = self.options
        with self.stage("batch"):
            source, target = self.batches(self.step, options.batch)
        with self.stage("network"):
            y = self.model(source[:, None])[:, 0]
        with self.stage("losses"):
            spectral = losses(y, target)
            loss = spectral[0] + spectral[1] + options.complex_weight * spectral[2]
        heard = torch.zeros(3, device=self.device)
        if options.adversarial and self.progress >= 1 - options.adversarial:
            if not self.judged:
                self.best = float("inf")
            with self.stage("discriminators"):
                pull, heard = self._judge(y, target)
            loss = loss + pull
            self.judged += 1
        share = learning_rate(self.step, self.progress, 1 - max(options.adversarial, 0.3))
        for group in self.optimizer.param_groups:
            group["lr"] = group["share"] * options.rate * share
        with self.stage("backward"):
            self.optimizer.zero_grad()
            loss.backward()
        with self.stage("optimizer"):
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
        self.step += 1
        with torch.no_grad(), self.stage("average"):
            means, values = list(self.average.parameters()), list(self.model.parameters())
            torch._foreach_lerp_(means, values, 1 - min(AVERAGE, self.step / (self.step + 10)))
        return torch.cat((spectral.detach(), heard))

    def _judge(self, y, target):
        """A step of the discriminators on a part of the batch -> (what the network adds to its loss, losses [3])."""
        count = min(HEARD_SEGMENTS, len(y))
        start = self.step * 7919 % max(1, y.shape[1] - HEARD_SAMPLES + 1)
        part = slice(start, start + HEARD_SAMPLES)
        fake = y[:count, part].detach().requires_grad_()
        with self.autocast:
            real_scores, fake_scores, real_features, fake_features = self.discriminators(target[:count, part], fake)
            judges = discriminator_loss(real_scores, fake_scores)
            adversarial, features = adversarial_loss(fake_scores), feature_loss(real_features, fake_features)
        # Of one pass through the discriminators: their own gradients, and those of what they heard.
        parameters = list(self.discriminators.parameters())
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(judges, parameters, retain_graph=True), strict=True
        ):
            parameter.grad = gradient
        weight = min(1.0, max(0, self.judged - ALONE) / RISE)
        (gradient,) = torch.autograd.grad(weight * (ADVERSARIAL * adversarial + FEATURES * features), fake)
        torch.nn.utils.clip_grad_norm_(parameters, 10.0)
        self.judging.step()
        pull = (y[:count, part] * gradient).sum()  # whose gradient is this one
        return pull, torch.stack((judges, adversarial, features)).detach().float()

    def __call__(self):
        """Trains to the end of the run."""
        self.run.mkdir(parents=True, exist_ok=True)
        self._board = _board(self.run)
        self.read_pairs()
        total, count, began, clock = 0.0, 0, self.elapsed, time.monotonic()
        while self.progress < 1:
            total, count = total + self.train_step(), count + 1
            now = time.monotonic()
            self.elapsed, clock = self.elapsed + now - clock, now
            if self.step % self.options.interval == 0 or self.progress >= 1:
                self._checkpoint((total / count).tolist(), (self.elapsed - began) / count)
                total, count, began = 0.0, 0, self.elapsed
                self.read_pairs()
        plot_log(self.run)

    def _checkpoint(self, trained, seconds):
        """Validates, logs and saves; `seconds` is what a step took."""
        valid = [pair for pairs in self._valid.values() for pair in pairs]
        validated = validate(self.average, valid)
        entry = {"step": self.step, "minutes": self.elapsed / 60, "ms": 1e3 * seconds}
        entry |= dict(zip(NAMES, trained, strict=True))
        entry |= {f"valid_{name}": value for name, value in zip(NAMES, validated.tolist(), strict=False)}
        left = self.elapsed * (1 / self.progress - 1)
        self.say("  ".join(f"{name} {value:.4g}" for name, value in entry.items() if value))
        self.say(f"{100 * self.progress:.1f}% done, {left / 60:.1f} min left")
        if not torch.isfinite(validated).all():
            raise LLVCError(
                f"step {self.step}: the losses are not finite any more; go on with --resume at a lower --rate"
            )
        self._samples()
        for name, value in entry.items():
            self._board.add_scalar(name, value, self.step)
        if (loss := (validated[0] + validated[1]).item()) < self.best:
            self.best = loss
            self._save("best.pt", {"model": self.average.state_dict(), "step": self.step})
        state = {name: getattr(self, name) for name in ("step", "judged", "elapsed", "best")}
        state["valid"] = sorted(self._kept)
        for name in ("model", "average", "optimizer", "discriminators", "judging"):
            state[name] = getattr(self, name).state_dict()
        self._save("last.pt", state)
        with (self.run / "log.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def _save(self, name, state):
        with replacing(self.run / name) as path:
            torch.save(state, path)

    @torch.no_grad()
    def _samples(self):
        """The first utterance of each validation speaker, before and after, and its target."""
        for speaker, ((source, target), *_) in self._valid.items():
            signals = {"source": source, "target": target, "converted": self.average(source[None, None])[0, 0]}
            (self.run / "samples").mkdir(exist_ok=True)
            for name, samples in signals.items():
                soundfile.write(self.run / "samples" / f"{speaker}.{name}.wav", samples.cpu().numpy(), SAMPLE_RATE)
            self._board.add_audio(speaker, signals["converted"], self.step, SAMPLE_RATE)


class _NoBoard:
    def add_scalar(self, *_):
        pass

    add_audio = add_scalar


def _board(run):
    """TensorBoard's writer, if it is installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return _NoBoard()
    return SummaryWriter(str(run / "board"))


def plot_log(run):
    """Draws run/log.jsonl to run/curve.png: the losses in training and on the validation speakers."""
    from matplotlib import pyplot

    from demo.plot import save

    entries = [json.loads(line) for line in (Path(run) / "log.jsonl").read_text().splitlines()]
    figure, axes = pyplot.subplots(1, 3, figsize=(12, 3.2), layout="constrained")
    for axis, name in zip(axes, NAMES, strict=False):
        for prefix, label in (("", "training"), ("valid_", "validation speakers")):
            points = [(entry["step"], entry[prefix + name]) for entry in entries]
            axis.plot(*zip(*points, strict=True), label=label)
        axis.set(xlabel="step", title=f"{name} loss")
        axis.grid(alpha=0.3)
        axis.legend()
    save(figure, Path(run) / "curve.png")
