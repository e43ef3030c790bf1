# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What memory a very long recording takes: python tools/long_recording.py --hours 10

48 kHz stereo (RF64, a sparse file of silence) goes through decoder, mixer, resampler and writer as demo.py's files do,
with a network that halves its input. Prints the largest resident set above that of the idle process.
"""

import argparse
import resource
import struct
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import torch  # noqa: E402
from support.fake_engine import FakeEngine  # noqa: E402

from demo.backend import Backend  # noqa: E402
from demo.program import exit_code  # noqa: E402
from demo.tracks import ConversionOptions, Converter  # noqa: E402

RATE, FRAME_BYTES, NETWORK_RATE = 48000, 4, 16000


def halve(chunk_factor, batch_size, mode):
    """Opens an engine that takes no time."""
    return FakeEngine(batch_size, chunk_factor)


def make_recording(path, seconds):
    """Silence as an RF64 file that takes no room on the disk."""
    size = seconds * RATE * FRAME_BYTES
    sizes = struct.pack("<4sIQQQI", b"ds64", 28, size + 72, size, seconds * RATE, 0)
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 2, RATE, RATE * FRAME_BYTES, FRAME_BYTES, 16)
    unknown = b"\xff" * 4
    with path.open("wb") as file:
        file.write(b"RF64" + unknown + b"WAVE" + sizes + form + b"data" + unknown)
        file.truncate(file.tell() + size)


def resident():
    """The process's largest resident set so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--hours", type=float, default=10)
    parser.add_argument("--suffix", default=".wav", help="of the result")
    args = parser.parse_args()
    torch.set_num_threads(1)  # as demo.py does
    with tempfile.TemporaryDirectory(prefix="llvc_long_") as folder:
        source, short, target = Path(folder, "long.wav"), Path(folder, "short.wav"), Path(folder, f"out{args.suffix}")
        make_recording(source, round(args.hours * 3600))
        make_recording(short, 1)
        backend = Backend("halving", "none", halve, offline_chunk_factor=64, offline_mode="latency")
        with Converter(backend, NETWORK_RATE, ConversionOptions()) as converter:
            converter.convert(short, target)  # all libraries are loaded
            idle, begin = resident(), time.perf_counter()
            figures = converter.convert(source, target, progress=True)
        seconds, size = time.perf_counter() - begin, target.stat().st_size / 1e9
        print(f"{figures['seconds'] / 3600:.2f} h converted in {seconds:.0f} s, {size:.2f} GB written")
        print(f"{resident() - idle:.0f} MB above the {idle:.0f} MB of the idle process")


if __name__ == "__main__":
    sys.exit(exit_code(main))
