# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Training the network on pairs: where it starts, what it minimises, and the loop."""

import copy
import json
import time
from dataclasses import replace
from functools import cache
from pathlib import Path

import soundfile
import torch
import torchaudio
from loguru import logger
from matplotlib import pyplot
from torch.nn import functional as F

from audio.files import replacing
from demo.plot import save
from reference.llvc import LLVC

from .speech import Pairs
from .target import SAMPLE_RATE

FFT_SIZES = (256, 512, 1024, 2048)
WARM_UP = 200  # steps
DECAY = 0.3  # the last share of the steps, in which the learning rate goes to zero
BANK_RATE = 0.05  # of the filter bank, as a share of the learning rate
AVERAGE = 0.999  # of the weights, per step
VALID_EVERY = 250  # steps
VALID_UTTERANCES = 4  # per speaker
VALID_SECONDS = 4


def filter_bank(config):
    """Filters of in_conv and out_conv that give the waveform back where the mask is one.

    -> (analysis [enc_dim / 2, kernel], synthesis [enc_dim / 2, 2 * L]): windowed cosines and sines from 0 to half the
    sample rate, so that a mask is an equaliser, and what of least norm inverts them from the two newest frames alone.
    """
    filters, frame, ahead = config.enc_dim // 2, config.L, config.lookahead_len
    kernel = frame + 2 * ahead
    time = torch.arange(kernel, dtype=torch.float64) - (kernel - 1) / 2
    frequency = torch.pi * (torch.arange(filters // 2) + 0.5)[:, None] / (filters // 2)
    waves = torch.stack((torch.cos(frequency * time), torch.sin(frequency * time)), dim=1).flatten(0, 1)
    analysis = waves * torch.hann_window(kernel + 2, periodic=False, dtype=torch.float64)[1:-1]
    # Both frames' filters, the older one's first, as functions of the samples that the two see.
    frames = torch.cat((F.pad(analysis, (0, frame)), F.pad(analysis, (frame, 0))))
    wanted = F.pad(torch.eye(frame, dtype=torch.float64), (ahead + frame, ahead))
    older, newer = torch.linalg.lstsq(frames.T, wanted.T, driver="gelsd").solution.T.split(filters, dim=1)
    return analysis.float(), torch.cat((newer, older)).T.float()


def initial_network(config, seed):
    """An LLVC that passes audio through: a filter bank and a mask near one, and small random changes of the mask.

    Without dropout: a few hours of pairs are seen a few times at most.
    """
    torch.manual_seed(seed)
    prenet = replace(config.convnet_config, dropout=0.0)
    model = LLVC.from_config(replace(config, decoder_dropout=0.0, convnet_config=prenet))
    analysis, synthesis = filter_bank(config)
    doubled = prenet.convnet_prenet and prenet.skip_connection == "add"
    with torch.no_grad():
        model.out_conv[0].weight.zero_()
        for first, sign in ((0, 1.0), (1, -1.0)):  # neighbours: what is above zero in a band, and what is below
            model.in_conv[0].weight[first::2, 0] = sign * analysis
            model.out_conv[0].weight[first::2, 0, : 2 * config.L] = sign * synthesis * (0.5 if doubled else 1.0)
        # The encoder normalises its frames: beside biases, speech would vanish in them and the mask stand still.
        for layer in model.mask_gen.encoder.dcc_layers:
            layer.layers[0].bias.zero_()
        model.label_embedding[4].weight.fill_(0.02)
        model.label_embedding[4].bias.fill_(0.1)
        model.mask_gen.proj_e2d_l[0].weight.mul_(3.0)
        model.mask_gen.proj_d2e[0].weight.mul_(0.1)
        model.mask_gen.proj_d2e[0].bias.fill_(0.7)
        for block in getattr(model.convnet_pre, "down_convs", ()):
            block.filter.weight.zero_()
            block.filter.bias.zero_()
    return model


def spectrogram(x, size):
    """Magnitudes of x [B, N], a quarter of a window apart."""
    window = torch.hann_window(size, device=x.device)
    return torch.stft(x, size, size // 4, window=window, return_complex=True).abs().clamp_min(1e-5)


def stft_loss(y, target):
    """Multi-resolution STFT loss (Yamamoto et al., 2020): spectral convergence and log magnitude, one each."""
    loss = 0.0
    for size in FFT_SIZES:
        have, want = spectrogram(y, size), spectrogram(target, size)
        convergence = (have - want).square().sum((1, 2)).sqrt() / want.square().sum((1, 2)).sqrt()
        # Far below the speech the logarithm would be of rounding only.
        loss = loss + convergence.mean() + F.l1_loss((have + 1e-3).log(), (want + 1e-3).log())
    return loss / len(FFT_SIZES)


@cache
def mel_bands(device):
    """Mel filters [80, bins of a spectrogram of size 1024]."""
    return torchaudio.functional.melscale_fbanks(513, 0.0, SAMPLE_RATE / 2, 80, SAMPLE_RATE).T.to(device)


def mel_loss(y, target):
    """L1 distance of log mel spectra: of what is heard, where half of the STFT's bins lie above 4 kHz."""
    have, want = (mel_bands(y.device) @ spectrogram(x, 1024).square() for x in (y, target))
    return F.l1_loss((have + 1e-3).log(), (want + 1e-3).log())


def losses(y, target):
    """Both losses of y and target [B, N] -> [2]; training minimises the sum."""
    return torch.stack((stft_loss(y, target), mel_loss(y, target)))


def learning_rate(step, steps):
    """Share of the full rate: a rise, a plateau, and a fall that a longer run puts off."""
    return min(1.0, (step + 1) / WARM_UP, max(0.0, (steps - step) / (DECAY * steps)))


def validation_pairs(folder):
    """[(source, target)] of each speaker's first utterances, [samples] each."""
    pairs = []
    for speaker in sorted(folder.iterdir()):
        for path in sorted(speaker.glob("*.wav"))[:VALID_UTTERANCES]:
            pair = torch.from_numpy(soundfile.read(path, dtype="float32")[0][: VALID_SECONDS * SAMPLE_RATE])
            pairs.append(pair.unbind(1))
    return pairs


@torch.no_grad()
def validate(model, pairs):
    """The mean losses [2] over utterances of speakers that were not trained on."""
    model.eval()
    values = [losses(model(source[None, None])[:, 0], target[None]) for source, target in pairs]
    return torch.stack(values).mean(0)


class Training:
    """A run in a folder: last.pt to go on from, best.pt by the loss on the validation speakers, log.jsonl."""

    def __init__(self, config, pairs, run, *, steps, batch, samples, rate, seed, device, bf16):
        self.run, self.steps, self.rate, self.device = Path(run), steps, rate, device
        self.batch, self.samples, self.seed, self.pairs = batch, samples, seed, Path(pairs)
        self.model = initial_network(config, seed).to(device)
        self.average = copy.deepcopy(self.model)
        self.optimizer = torch.optim.AdamW(self._parameter_groups(), rate, betas=(0.9, 0.99), weight_decay=1e-3)
        self.step, self.best = 0, float("inf")
        if bf16:  # The mask is most of the work; the waveform's own filters keep all their bits.
            mask_gen = self.model.mask_gen
            mask_gen.forward = torch.autocast(torch.device(device).type, torch.bfloat16)(mask_gen.forward)

    def _parameter_groups(self):
        """The filter bank's weights are a hundredth of the others': they get smaller steps."""
        bank = [*self.model.in_conv.parameters(), *self.model.out_conv.parameters()]
        others = [p for p in self.model.parameters() if not any(p is b for b in bank)]
        return [{"params": bank, "share": BANK_RATE}, {"params": others, "share": 1.0}]

    def resume(self):
        """Goes on from last.pt, if there is one."""
        path = self.run / "last.pt"
        if path.exists():
            state = torch.load(path, map_location=self.device, weights_only=True)
            self.model.load_state_dict(state["model"])
            self.average.load_state_dict(state["average"])
            self.optimizer.load_state_dict(state["optimizer"])
            self.step, self.best = state["step"], state["best"]
            logger.info(f"going on from step {self.step}")

    def __call__(self):
        """Trains up to the number of steps."""
        self.run.mkdir(parents=True, exist_ok=True)
        valid = [(s.to(self.device), t.to(self.device)) for s, t in validation_pairs(self.pairs / "valid")]
        data = Pairs(self.pairs / "train", self.samples, self.seed + self.step)
        batches = iter(torch.utils.data.DataLoader(data, self.batch))
        self.model.train()
        total, since = torch.zeros(2, device=self.device), time.monotonic()
        while self.step < self.steps:
            for group in self.optimizer.param_groups:
                group["lr"] = group["share"] * self.rate * learning_rate(self.step, self.steps)
            source, target = (x.to(self.device) for x in next(batches))
            both = losses(self.model(source[:, None])[:, 0], target)
            self.optimizer.zero_grad()
            both.sum().backward()
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.step += 1
            with torch.no_grad():
                for mean, value in zip(self.average.parameters(), self.model.parameters(), strict=True):
                    mean.lerp_(value, 1 - min(AVERAGE, self.step / (self.step + 10)))
            total += both.detach()
            if self.step % VALID_EVERY == 0 or self.step == self.steps:
                self._checkpoint(total / ((self.step - 1) % VALID_EVERY + 1), valid, time.monotonic() - since)
                total, since = torch.zeros(2, device=self.device), time.monotonic()

    def _checkpoint(self, trained, valid, seconds):
        validated = validate(self.average, valid)
        entry = {"step": self.step, "seconds": seconds}
        for prefix, values in (("", trained), ("valid_", validated)):
            entry |= {f"{prefix}{name}": value for name, value in zip(("stft", "mel"), values.tolist(), strict=True)}
        with (self.run / "log.jsonl").open("a") as file:
            file.write(json.dumps(entry) + "\n")
        logger.info("  ".join(f"{name} {value:.4g}" for name, value in entry.items()))
        average = {name: value.cpu().clone() for name, value in self.average.state_dict().items()}
        if (loss := validated.sum().item()) < self.best:
            self.best = loss
            with replacing(self.run / "best.pt") as path:
                torch.save({"model": average, "step": self.step}, path)
        state = {
            "model": self.model.state_dict(),
            "average": average,
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "best": self.best,
        }
        with replacing(self.run / "last.pt") as path:
            torch.save(state, path)


def plot_log(run):
    """Draws run/log.jsonl to run/curve.png: the losses in training and on the validation speakers."""
    entries = [json.loads(line) for line in (Path(run) / "log.jsonl").read_text().splitlines()]
    figure, axes = pyplot.subplots(1, 2, figsize=(9, 3.2), layout="constrained")
    for axis, name in zip(axes, ("stft", "mel"), strict=True):
        for prefix, label in (("", "training"), ("valid_", "validation speakers")):
            points = [(entry["step"], entry[prefix + name]) for entry in entries]
            axis.plot(*zip(*points, strict=True), label=label)
        axis.set(xlabel="step", title=f"{name} loss")
        axis.grid(alpha=0.3)
        axis.legend()
    save(figure, Path(run) / "curve.png")
