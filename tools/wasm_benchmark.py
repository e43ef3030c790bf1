# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Times the step in WebAssembly, as the page runs it but in node, beside the native one: python tools/wasm_benchmark.py

Blocks of chunks alternate between native, WebAssembly and WebAssembly with two threads. Times are medians of a chunk's
CPU time, with two threads of wall time too; RTF is CPU time over the chunk's. The bundled voice speaks, in WebAssembly
with weights stored as 16-bit floats. Needs Node.js, make page and make demo.
"""

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT)]

from audio.recording import read_audio  # noqa: E402
from demo.onnx_file import export  # noqa: E402
from demo.program import exit_code  # noqa: E402
from demo.site import SiteError, has_runtime  # noqa: E402
from demo.voice import BUNDLED_CHECKPOINT, DEFAULT_CONFIG, Voice  # noqa: E402
from streaming.onnx_engine import OnnxEngine  # noqa: E402
from streaming.stream import ChunkedStream  # noqa: E402

ROUNDS = 7
CHUNKS = 40  # of a block at n = 1
FACTORS = (1, 2, 4)


class Node:
    """A process that times blocks in WebAssembly."""

    def __init__(self, voice, samples, threads):
        command = ["node", ROOT / "tools" / "wasm_benchmark.mjs", voice, samples, str(threads)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def block(self, n):
        """{"cpu": ms, "wall": ms} of a chunk of n decoder windows."""
        print(n, file=self._process.stdin, flush=True)
        answer = self._process.stdout.readline()
        if not answer:
            raise SiteError("node ended; its words stand above")
        return json.loads(answer)

    def close(self):
        self._process.stdin.close()
        self._process.wait()


def native_block(stream, pieces, n):
    """As Node.block."""
    times = []
    for k in range(CHUNKS // n):
        begin, cpu = time.perf_counter(), time.thread_time()
        stream.push(pieces[k % len(pieces)])
        times.append((time.thread_time() - cpu, time.perf_counter() - begin))
    cpu, wall = (1e3 * statistics.median(column) for column in zip(*times, strict=True))
    return {"cpu": cpu, "wall": wall}


def main():
    if not has_runtime():
        raise SiteError("onnxruntime-web is not installed; run: make page")
    torch.set_num_threads(1)
    voice = Voice.load(BUNDLED_CHECKPOINT, DEFAULT_CONFIG)
    audio = read_audio(ROOT / "test_wavs" / "example.wav", voice.sample_rate)
    columns = (
        "n",
        "chunk, ms",
        "native, ms",
        "RTF",
        "WebAssembly, ms",
        "RTF",
        "times native",
        "2 threads, wall",
        "CPU, ms",
    )
    print(f"| {' | '.join(columns)} |\n|{'--:|' * len(columns)}")
    with tempfile.TemporaryDirectory() as folder:
        model, samples = Path(folder, "voice.onnx"), Path(folder, "samples.f32")
        model.write_bytes(export(voice, half_weights=True).SerializeToString())
        samples.write_bytes(audio.numpy().tobytes())
        nodes = [Node(model, samples, threads) for threads in (1, 2)]
        for n in FACTORS:
            chunk = n * voice.model.config.chunk_len
            pieces = audio[None].split(chunk, dim=1)[:-1]
            with ChunkedStream(OnnxEngine(voice.model, n)) as stream:
                stream.push(pieces[0][:, :16])
                rounds = [
                    [native_block(stream, pieces, n), *(node.block(n) for node in nodes)] for _ in range(ROUNDS + 1)
                ][1:]
            cpu = [statistics.median(r[k]["cpu"] for r in rounds) for k in range(3)]
            ratio = statistics.median(r[1]["cpu"] / r[0]["cpu"] for r in rounds)
            threads = statistics.median(r[2]["wall"] / r[1]["wall"] for r in rounds)
            ms = 1e3 * chunk / voice.sample_rate
            print(
                f"| {n} | {ms:.0f} | {cpu[0]:.2f} | {cpu[0] / ms:.2f} | {cpu[1]:.2f} | {cpu[1] / ms:.2f} "
                f"| {ratio:.1f} | {threads:.2f} | {cpu[2]:.2f} |",
                flush=True,
            )
        for node in nodes:
            node.close()


if __name__ == "__main__":
    sys.exit(exit_code(main))
