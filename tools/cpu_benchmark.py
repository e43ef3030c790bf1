# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Times the engines on the CPU against each other, and the published script's step if a checkout of it is named.

    python tools/cpu_benchmark.py [--published DIR] [--accuracy]

Blocks of chunks alternate between the engines in one process; times are medians of a chunk's CPU time of one thread
(with two threads and offline: of wall time), ratios the medians of those of each round. `paced` sleeps 11 ms between
chunks, so that caches are cold. Weights are the bundled voice's; --accuracy compares 2,000 chunks with the offline
output instead.
"""

import argparse
import importlib
import json
import math
import os
import statistics
import sys
import time
import types
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from torch import nn

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

from support.golden import fill_by_rule, relative_error  # noqa: E402

from audio.recording import read_audio  # noqa: E402
from demo.program import exit_code  # noqa: E402
from demo.voice import BUNDLED_CHECKPOINT, DEFAULT_CONFIG, Voice  # noqa: E402
from reference.llvc import LLVC  # noqa: E402
from streaming.onnx_engine import OnnxEngine  # noqa: E402
from streaming.stream import ChunkedStream  # noqa: E402
from streaming.torch_engine import TorchEngine  # noqa: E402

ROUNDS = 5
CHUNKS = 40  # of a block
PAUSE_S = 0.011


class PositionalEncoding(nn.Module):
    """What the published network takes from speechbrain, without speechbrain."""

    def __init__(self, input_size, max_len=2500):
        super().__init__()
        position = torch.arange(max_len)[:, None].float()
        frequency = torch.exp(torch.arange(0, input_size, 2).float() * -(math.log(10000.0) / input_size))
        pe = torch.stack((torch.sin(position * frequency), torch.cos(position * frequency)), dim=-1)
        self.register_buffer("pe", pe.reshape(1, max_len, input_size))

    def forward(self, x):
        return self.pe[:, : x.size(1)].clone().detach()


class PublishedStream:
    """The step of the published infer_stream, in eval mode."""

    def __init__(self, folder, state_dict, batch_size):
        name = "speechbrain.lobes.models.transformer.Transformer"
        parts = name.split(".")
        for i in range(1, len(parts) + 1):
            sys.modules.setdefault(".".join(parts[:i]), types.ModuleType(".".join(parts[:i])))
        sys.modules[name].PositionalEncoding = PositionalEncoding
        sys.path.append(str(folder))
        params = json.loads((folder / "experiments" / "llvc" / "config.json").read_text())["model_params"]
        self.net = importlib.import_module("model").Net(**params)
        self.net.load_state_dict(state_dict)
        self.net.eval()
        device = torch.device("cpu")
        self.state = [*self.net.init_buffers(batch_size, device), self.net.convnet_pre.init_ctx_buf(batch_size, device)]
        self.overlap = torch.zeros(batch_size, 2 * self.net.L)

    @torch.inference_mode()
    def push(self, samples):
        window = torch.cat((self.overlap, samples), dim=1)
        self.overlap = window[:, -self.overlap.shape[1] :]
        audio, *self.state = self.net(window[:, None], *self.state, pad=False)
        return audio[:, 0]


def block(stream, pieces, clock, pause=0.0, chunks=CHUNKS):
    """Median ms that a push of one of these pieces takes."""
    times = []
    for k in range(chunks):
        if pause:
            time.sleep(pause)
        start = clock()
        stream.push(pieces[k % len(pieces)])
        times.append(clock() - start)
    return 1e3 * statistics.median(times)


def row(name, streams, pieces, clock, pause=0.0, chunks=CHUNKS):
    """Alternating blocks -> a line of the table: median ms of each, and how many times less the last one takes."""
    for stream in streams.values():
        stream.push(pieces[0][:, :16])
        block(stream, pieces, clock, chunks=min(chunks, 8))
    rounds = [{key: block(s, pieces, clock, pause, chunks) for key, s in streams.items()} for _ in range(ROUNDS)]
    cells = [f"{statistics.median(r[key] for r in rounds):.2f}" if key in streams else "" for key in COLUMNS]
    ratios = [
        f"{statistics.median(r[key] / r['onnx'] for r in rounds):.1f}" if key in streams else "" for key in COLUMNS[:2]
    ]
    print("| " + " | ".join([name, *cells, *ratios]) + " |", flush=True)


COLUMNS = ("published", "torch", "onnx")


def speech(batch_size, seconds, sample_rate):
    audio = read_audio(ROOT / "test_wavs" / "example.wav", sample_rate)
    audio = audio.repeat(-(-round(seconds * sample_rate) // len(audio)) + 1)
    return torch.stack([audio[1777 * b :][: round(seconds * sample_rate)] for b in range(batch_size)])


def table(model, published, sample_rate):
    def streams(chunk_factor, batch_size, threads=1):
        engines = {"torch": TorchEngine(model, chunk_factor, batch_size)}
        engines["onnx"] = OnnxEngine(model, chunk_factor, batch_size, threads)
        opened = {name: ChunkedStream(engine) for name, engine in engines.items()}
        return ({"published": PublishedStream(published, model.state_dict(), batch_size)} if published else {}) | opened

    print("| | published, ms | PyTorch, ms | ONNX Runtime, ms | published / ONNX | PyTorch / ONNX |")
    print("|---|--:|--:|--:|--:|--:|")
    for n in (1, 2, 4, 8):
        pieces = speech(1, 8, sample_rate).split(208 * n, dim=1)[:-1]
        row(f"n = {n}", streams(n, 1), pieces, time.thread_time)
    pieces = speech(1, 8, sample_rate).split(208, dim=1)[:-1]
    row("n = 1, paced", streams(1, 1), pieces, time.thread_time, PAUSE_S)
    pieces = speech(8, 8, sample_rate).split(208, dim=1)[:-1]
    row("n = 1, B = 8", streams(1, 8), pieces, time.thread_time)
    for batch_size in (1, 8):
        torch.set_num_threads(2)
        pieces = speech(batch_size, 8, sample_rate).split(208, dim=1)[:-1]
        row(f"n = 1, B = {batch_size}, 2 threads (wall)", streams(1, batch_size, 2), pieces, time.perf_counter)
    for threads in (1, 2):
        torch.set_num_threads(threads)
        whole = streams(64, 1, threads)
        whole.pop("published", None)
        minute = [speech(1, 60, sample_rate)]
        row(f"a minute offline, {threads} threads (wall)", whole, minute, time.perf_counter, chunks=1)


def accuracy(models, sample_rate):
    """Largest difference over the peak to the offline output, of 2,000 chunks."""
    audio = speech(1, 2000 * 208 / sample_rate, sample_rate)
    for name, model in models.items():
        with torch.inference_mode():
            expected = model(audio[:, None])[:, 0]
        with ChunkedStream(OnnxEngine(model)) as stream:
            streamed = torch.cat([stream.push(piece) for piece in audio.split(208, dim=1)] + [stream.flush()], dim=1)
        print(f"{name}: {relative_error(streamed, expected):.1e} of the peak over {audio.shape[1] // 208} chunks")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--published", type=Path, metavar="DIR", help="a checkout of the published code")
    parser.add_argument("--accuracy", action="store_true", help="compare outputs instead of times")
    args = parser.parse_args()
    voice = Voice.load(BUNDLED_CHECKPOINT, DEFAULT_CONFIG)
    torch.set_num_threads(1)
    if args.accuracy:
        rule = fill_by_rule(LLVC.from_config(voice.model.config)).eval()
        accuracy({"the demo voice": voice.model, "weights by the rule": rule}, voice.sample_rate)
    else:
        table(voice.model, args.published, voice.sample_rate)


if __name__ == "__main__":
    sys.exit(exit_code(main))
