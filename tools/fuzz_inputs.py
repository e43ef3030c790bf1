# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Mutated audio files, checkpoints and configurations through the readers: python tools/fuzz_inputs.py --count 10000.

Each either reads or ends in an LLVCError of one line. Batches run in processes of their own, with a limit of time and
of memory: a crash, a hang, another exception or too much memory is reported with the seed that makes the input again
(--seed SEED --count 1), and the exit code is 1.
"""

import argparse
import io
import json
import multiprocessing
import random
import resource
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

BATCH = 300  # a process takes some seconds to start
SECONDS = 300  # for a batch
MEMORY = 1 << 30  # bytes above those at the start of a batch
PREFIX = 4096  # headers are where it hurts: half of the mutations fall here


def seeds():
    """{name: bytes} of small valid inputs."""
    import numpy as np
    import soundfile
    import torch

    from reference.llvc import LLVC

    files = {}
    samples = np.random.default_rng(0).uniform(-0.3, 0.3, (4000, 2))
    for suffix, subtype in (
        ("wav", "PCM_16"),
        ("wav", "FLOAT"),
        ("wav", "GSM610"),
        ("flac", "PCM_16"),
        ("ogg", "VORBIS"),
    ):
        buffer = io.BytesIO()
        channels = 1 if subtype == "GSM610" else 2
        soundfile.write(buffer, samples[:, :channels], 16000, format=suffix.upper(), subtype=subtype)
        files[f"{subtype.lower()}.{suffix}"] = buffer.getvalue()
    for suffix in ("mp3", "aiff", "caf", "au", "w64"):
        buffer = io.BytesIO()
        soundfile.write(buffer, samples, 16000, format=suffix.upper())
        files[f"a.{suffix}"] = buffer.getvalue()
    for suffix, container, codec in (("m4a", "ipod", "aac"), ("webm", "webm", "libopus"), ("mka", "matroska", "flac")):
        files[f"a.{suffix}"] = _encoded(samples, container, codec)
    params = small_params()
    files["config.json"] = json.dumps({"model_params": params, "data": {"sr": 16000}}).encode()
    weights = LLVC(**params).state_dict()
    for zipped in (True, False):
        buffer = io.BytesIO()
        torch.save({"model": weights, "step": 1}, buffer, _use_new_zipfile_serialization=zipped)
        files["zipped.pth" if zipped else "pickled.pth"] = buffer.getvalue()
    import safetensors.torch

    files["weights.safetensors"] = safetensors.torch.save({name: value.clone() for name, value in weights.items()})
    return files


def small_params():
    """model_params of a network of a few thousand weights."""
    return {
        "label_len": 1,
        "L": 4,
        "enc_dim": 16,
        "num_enc_layers": 2,
        "dec_dim": 8,
        "dec_buf_len": 5,
        "num_dec_layers": 1,
        "dec_chunk_size": 5,
        "convnet_config": {"convnet_prenet": False},
    }


def _encoded(samples, container, codec):
    import av
    import numpy as np

    buffer = io.BytesIO()
    with av.open(buffer, "w", format=container) as output:
        stream = output.add_stream(codec, rate=16000, layout="stereo")
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples.T, np.float32), format="fltp", layout="stereo")
        frame.sample_rate = 16000
        for packet in (*stream.encode(frame), *stream.encode(None)):
            if packet.size:  # FLAC's last one only carries a header
                output.mux(packet)
    return buffer.getvalue()


def mutated(content, random):
    """A copy of bytes with a few faults as disks, networks and programs make them."""
    content = bytearray(content)
    for _ in range(random.choice((1, 1, 2, 4, 16))):
        if not content:
            break
        end = len(content) if random.random() < 0.5 else min(len(content), PREFIX)
        at = random.randrange(end)
        kind = random.randrange(7)
        if kind == 0:
            content[at] ^= 1 << random.randrange(8)
        elif kind == 1:
            content[at : at + 4] = random.choice((b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\0\0\0\x80"))
        elif kind == 2:
            content[at : at + random.randrange(1, 64)] = random.randbytes(random.randrange(1, 64))
        elif kind == 3:
            del content[at:]
        elif kind == 4:
            del content[at : at + random.randrange(1, 512)]
        elif kind == 5:
            content[at:at] = content[at : at + random.randrange(1, 512)]
        else:
            content[at : at + random.randrange(1, 512)] = bytes(random.randrange(1, 512))
    return bytes(content)


def try_one(seed, files, folder):
    """Makes the input of a seed and reads it. Returns None, or what is wrong."""
    from audio.recording import Recording
    from audio.writing import open_output
    from reference.checkpoint import load_model
    from reference.config import LLVCConfig, load_config
    from reference.errors import LLVCError

    dice = random.Random(seed)
    name = dice.choice(sorted(files))
    path = folder / name
    path.write_bytes(mutated(files[name], dice))
    result = folder / "result.wav"
    try:
        if name.endswith(".json"):
            load_config(path)
        elif name.endswith((".pth", ".safetensors")):
            load_model(path, LLVCConfig.from_params(small_params()))
        else:
            with Recording(path, 16000) as recording, open_output(result, 16000) as writer:
                for samples in recording:
                    writer.write(samples)
    except LLVCError as error:
        if "\n" in str(error) or str(folder) not in str(error):
            return f"{name}: the message is no line that names the file: {error!r}"
        if result.exists():
            return f"{name}: left a result behind: {error}"
    except Exception as error:
        return f"{name}: {type(error).__name__}: {error}"
    finally:
        path.unlink(missing_ok=True)
        result.unlink(missing_ok=True)
    left = [path.name for path in folder.iterdir()]
    return f"{name}: left {left} behind" if left else None


def run_batch(first, count, files, log):
    """Tries some seeds and writes to the file `log`, a line each: seed, and what is wrong where something is."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory(prefix="llvc_fuzz_") as folder, open(log, "w", encoding="utf-8") as lines:
        begin = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for seed in range(first, first + count):
            print(seed, file=lines, flush=True)
            fault = try_one(seed, files, Path(folder))
            grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - begin) * 1024
            if grown > MEMORY:
                fault, begin = f"took {grown >> 20} MiB", begin + (grown >> 10)
            if fault:
                print(seed, ascii(fault), file=lines, flush=True)


def fuzz(first, count):
    """Tries the seeds first .. first + count - 1; returns [(seed, what is wrong)]."""
    files, context, found = seeds(), multiprocessing.get_context("spawn"), []
    position = first
    with tempfile.TemporaryDirectory(prefix="llvc_fuzz_") as folder:
        log = Path(folder, "log")
        while position < first + count:
            size = min(BATCH, first + count - position)
            log.write_text("")
            process = context.Process(target=run_batch, args=(position, size, files, log))
            process.start()
            process.join(SECONDS)
            ended = process.exitcode
            if ended is None:
                process.kill()
                process.join()
            last = position
            for line in log.read_text(encoding="utf-8").splitlines():
                seed, _, fault = line.partition(" ")
                last = int(seed)
                if fault:
                    found.append((last, fault))
            if ended == 0:
                position += size
            else:
                found.append((last, "hangs" if ended is None else f"ends the process with code {ended}"))
                position = last + 1
    return found


def main(argv=None):
    """Fuzzes as the options say; returns the exit code."""
    parser = argparse.ArgumentParser(prog="tools/fuzz_inputs.py", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="the first seed")
    parser.add_argument("--count", type=int, default=1000, help="how many")
    args = parser.parse_args(argv)
    found = fuzz(args.seed, args.count)
    for seed, fault in found:
        print(f"seed {seed}: {fault}")
    print(f"{args.count} mutations, {len(found)} faults")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
