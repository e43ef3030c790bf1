# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Converts the same speech over and over on a device, and compares every sample with the first time, bit for bit.

python tools/soak.py --chunks 10000 --streams 4

Four streams keep all 64 cores of a chip busy. Races between cores, which no simulator shows, would show here as a
sample that differs or as a hang; TT_METAL_WATCHER=10 in the environment lets tt-metal's watcher look on. Exit code 1
with the first difference.
"""

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

PERIOD = 50  # chunks until the streams start anew


def soak(stream, audio, chunks):
    """Converts audio [B, PERIOD chunks] until there were `chunks`; None, or (chunk, stream) of the first difference."""
    import torch

    pieces = audio.split(stream.chunk_len, dim=1)
    first = None
    done = 0
    while done < chunks:
        stream.reset()
        output = [stream.push(piece) for piece in pieces]
        if first is None:
            first = output
        for i, (value, expected) in enumerate(zip(output, first, strict=True)):
            differs = (value != expected).any(dim=1)
            if differs.any() or not torch.isfinite(value).all():
                return done + i, int(differs.nonzero()[0]) if differs.any() else -1
        done += len(pieces)
        print(f"{done} chunks", flush=True)
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--chunks", type=int, default=10000)
    parser.add_argument("--streams", type=int, default=4)
    args = parser.parse_args()

    import ttnn
    from support.blocks import golden, speech

    from ttnn_llvc import DEVICE_PARAMS, TtLLVC

    device = ttnn.open_device(device_id=0, **DEVICE_PARAMS)
    try:
        network = TtLLVC.from_reference(device, golden("llvc").model, "fused")
        with network.stream(1, args.streams) as stream:
            audio = speech("llvc", args.streams, min(PERIOD, args.chunks) * stream.chunk_len)
            difference = soak(stream, audio, args.chunks)
    finally:
        ttnn.close_device(device)
    if difference:
        sys.exit(f"error: chunk {difference[0]}, stream {difference[1]} differs from the first time")


if __name__ == "__main__":
    main()
