# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Draws the life of a window on a core from the kernels' time stamps, as an SVG.

python tools/kernel_timeline.py FILE, after python tools/kernel_cycles.py stamps.

A RISC-V runs ahead of the unit that it gives instructions to, so a block of the arithmetic is drawn up to the last of
three stamps: those of unpack, math and pack. Where the cores differ, the mean is drawn.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from demo.program import exit_code  # noqa: E402
from reference.config import load_config  # noqa: E402
from tools.kernel_cycles import CONFIG, RESULTS, Results  # noqa: E402

STATE, EXCHANGE, COMPUTE = 0, 1, (2, 3, 4)  # RISC-Vs in a core's log

# What is between a RISC-V's stamps.
COMPUTE_BLOCKS = ("prenet", "in_conv", "encoder", "decoder", "synthesis")
STATE_BLOCKS = ("rows", "encoder's rings", "past keys", "masked frames", "")
COMPUTE_FILLS = ("#cfe9d8", "#a9d6b8", "#cfe0f2", "#fbe0c3", "#e2d6ef")
STATE_FILLS = ("#cfe9d8", "#cfe0f2", "#fbe0c3", "#e2d6ef", "#eceff2")
COLOURS = {"sums": "#7a4fa3", "frames": "#2f6fb0", "samples": "#3a8f5a"}

WIDTH, LEFT, RIGHT = 900, 84, 20
AXIS_STEP = 10_000


def exchange_kinds(config):
    """What the cores share in each exchange of a window, in the order of kernels/exchanges.h."""
    decoder_layer = ["frames", "frames", "sums", "frames", "frames", "sums", "frames", "frames", "sums"]
    encoder = config.num_enc_layers * ["sums", "frames", "sums"]
    return ["samples", *encoder, "frames", *config.num_dec_layers * decoder_layer, "frames", "samples"]


def mean_times(cores, riscv, count):
    """The first `count` stamps of a RISC-V, mean over the cores, in cycles after the first stamp of all."""
    zero = min(stamp for core in cores for log in core for stamp in log if stamp)
    stamps = [core[riscv][:count] for core in cores]
    if any(core[riscv][count - 1] == 0 or any(core[riscv][count:]) for core in cores):
        raise SystemExit(f"RISC-V {riscv}: not the {count} stamps that this tool knows; kernels and tool differ")
    return [sum(column) / len(column) - zero for column in zip(*stamps, strict=True)]


class Drawing:
    """An SVG with a time axis."""

    def __init__(self, height, end):
        self.height = height
        self.scale = (WIDTH - LEFT - RIGHT) / end
        self.shapes = []

    def x(self, time):
        return round(LEFT + time * self.scale, 1)

    def text(self, x, y, text, kind=""):
        self.shapes.append(f'<text x="{x}" y="{y}" class="{kind}">{text}</text>')

    def tick(self, time, top, bottom, colour):
        self.shapes.append(f'<path d="M{self.x(time)} {top}V{bottom}" stroke="{colour}"/>')

    def blocks(self, times, names, fills, top, height):
        """A bar from each time to the next, its name in it or, where it is too short for that, below."""
        for start, end, name, fill in zip(times[:-1], times[1:], names, fills, strict=True):
            x, width = self.x(start), round((end - start) * self.scale, 1)
            self.shapes.append(
                f'<rect x="{x}" y="{top}" width="{width}" height="{height}" fill="{fill}" stroke="#9aa5b1"/>'
            )
            fits = width > 7 * len(name)
            self.text(round(x + width / 2, 1), top + (height // 2 + 4 if fits else height + 12), name, "mid")

    def save(self, path, title):
        path.write_text(
            "\n".join(
                [
                    f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" '
                    f'height="{self.height}" role="img" aria-labelledby="title">',
                    "<!-- SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors -->",
                    "<!-- SPDX-License-Identifier: Apache-2.0 -->",
                    f'<title id="title">{title}</title>',
                    "<style>text { font: 13px sans-serif; fill: #1f2933 } .small { font-size: 11px; fill: #52606d } "
                    ".mid { font-size: 11px; text-anchor: middle } .head { font-weight: bold }</style>",
                    f'<rect width="{WIDTH}" height="{self.height}" rx="8" fill="#ffffff" stroke="#cbd2d9"/>',
                    *self.shapes,
                    "</svg>\n",
                ]
            )
        )


def draw(compute, state, kinds, exchanges, path):
    """Writes the SVG: what a core computes, when the exchanges are complete, what the state kernel is at."""
    end = max(compute[-1], state[-1], exchanges[-1])
    drawing = Drawing(256, end)
    drawing.text(20, 28, "The life of a window", "head")
    drawing.text(185, 28, "cycles since the first kernel's start; one stream, mean over the 16 cores", "small")
    drawing.text(20, 70, "compute")
    drawing.blocks(compute, COMPUTE_BLOCKS, COMPUTE_FILLS, 50, 34)
    drawing.text(20, 128, "exchange")
    for kind, time in zip(kinds, exchanges[1:], strict=False):
        drawing.tick(time, 108, 142, COLOURS[kind])
    drawing.text(20, 178, "state")
    drawing.blocks(state, STATE_BLOCKS, STATE_FILLS, 158, 34)
    for time in range(0, int(end) + 1, AXIS_STEP):
        drawing.tick(time, 210, 216, "#6b7785")
        drawing.text(drawing.x(time), 228, f"{time:,}", "mid")
    for i, (kind, colour) in enumerate(COLOURS.items()):
        x = LEFT + 120 * i
        drawing.shapes.append(f'<path d="M{x} 236V248" stroke="{colour}" stroke-width="3"/>')
        drawing.text(x + 8, 246, f"{kind} shared", "small")
    drawing.save(path, "What a core does for a window, in cycles")


def encoder_steps(layers, exchanges):
    """Cycles between the exchanges of an encoder layer, mean over the layers but the first."""
    times = [
        exchanges[1 + 3 * layer : 5 + 3 * layer] for layer in range(layers)
    ]  # from an exchange before the layer on
    names = ("its first sums", "the frames", "its second sums")
    return {name: sum(t[i + 1] - t[i] for t in times[1:]) / (layers - 1) for i, name in enumerate(names)}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, help="the SVG to write")
    parser.add_argument("--results", type=Path, default=RESULTS, help=f"default {RESULTS.relative_to(ROOT)}")
    args = parser.parse_args()
    measured = Results(args.results).cases.get("stamps")
    if measured is None:
        raise SystemExit(f"{args.results}: no stamps of these kernels; run tools/kernel_cycles.py stamps")
    config = load_config(CONFIG)[0]
    kinds = exchange_kinds(config)
    by_unit = [mean_times(measured["stamps"], riscv, len(COMPUTE_BLOCKS) + 1) for riscv in COMPUTE]
    compute = [max(times) for times in zip(*by_unit, strict=True)]
    state = mean_times(measured["stamps"], STATE, len(STATE_BLOCKS) + 1)
    exchanges = mean_times(measured["stamps"], EXCHANGE, len(kinds) + 2)
    draw(compute, state, kinds, exchanges, args.file)
    for name, start, end in zip(COMPUTE_BLOCKS, compute, compute[1:], strict=False):
        print(f"{name}: {end - start:,.0f} cycles")
    for name, cycles in encoder_steps(config.num_enc_layers, exchanges).items():
        print(f"encoder layer, until {name} are there: {cycles:,.0f} cycles")


if __name__ == "__main__":
    sys.exit(exit_code(main))
