# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Where the time of a training step goes."""

import time
from collections import defaultdict
from contextlib import contextmanager, nullcontext
from dataclasses import replace

import torch
from torch.profiler import ProfilerActivity, profile

WARM, STEPS, TRACED = 5, 10, 2


def profile_steps(training):
    """Lines: milliseconds of a step by its stages, without and with discriminators where the run has them; of the
    network's blocks alone; and the operators that take most.
    """
    training.read_pairs()
    lines, options = [], training.options
    for share in (0.0, 1.0) if options.adversarial else (0.0,):
        training.options = replace(options, adversarial=share)
        lines += _stages(training, _Clock(training.device))
    stepped, training.options = training.options, replace(options, adversarial=0.0)
    lines += ["the network's blocks alone, forward and backward"]
    lines += [f"  {name:16} {ms:9.1f} ms" for name, ms in _blocks(training, _Clock(training.device))]
    training.options = stepped
    kind = "cuda" if training.device.type == "cuda" else "cpu"
    activities = [ProfilerActivity.CPU, *([ProfilerActivity.CUDA] if kind == "cuda" else [])]
    with profile(activities=activities) as trace:
        for _ in range(TRACED):
            training.train_step()
    return [*lines, trace.key_averages().table(sort_by=f"self_{kind}_time_total", row_limit=25)]


def _stages(training, clock):
    first = clock.measure(training.train_step)
    for _ in range(WARM):
        training.train_step()
    whole = sum(clock.measure(training.train_step) for _ in range(STEPS)) / STEPS
    before, training.stage = training.stage, clock.stage
    for _ in range(STEPS):
        training.train_step()
    training.stage = before
    what = "with discriminators" if "discriminators" in clock.stages else "without discriminators"
    yield f"first step {first:.0f} ms, then {whole:.1f} ms, {what}; one stage after another:"
    yield from (f"  {name:16} {ms / STEPS:9.1f} ms" for name, ms in clock.stages.items())


class _Clock:
    def __init__(self, device):
        self.stages, self._device = defaultdict(float), device

    def measure(self, call):
        """Milliseconds that call() takes, with all that it starts on the device."""
        start = self._now()
        call()
        return self._now() - start

    @contextmanager
    def stage(self, name):
        start = self._now()
        yield
        self.stages[name] += self._now() - start

    def _now(self):
        if self._device.type == "cuda":
            torch.cuda.synchronize()
        return 1e3 * time.monotonic()


def _blocks(training, clock):
    """(name, milliseconds) of each block with the inputs that a step gives it."""
    model = training.model
    names = ["in_conv", "mask_gen.encoder", "mask_gen.decoder", "out_conv"]
    names += ["convnet_pre"] if hasattr(model, "convnet_pre") else []
    for name in names:
        block, inputs = model.get_submodule(name), []
        hook = block.register_forward_pre_hook(lambda _, args, inputs=inputs: inputs.append(args))
        training.train_step()
        hook.remove()
        (args,) = inputs
        args = [x.detach().requires_grad_() if torch.is_tensor(x) else x for x in args]

        precision = training.autocast if name.startswith("mask_gen") else nullcontext()

        def run(block=block, args=args, precision=precision):
            with precision:
                y = block(*args)
            y = y if torch.is_tensor(y) else y[0]
            y.float().square().mean().backward()

        run()
        yield name, sum(clock.measure(run) for _ in range(STEPS)) / STEPS
