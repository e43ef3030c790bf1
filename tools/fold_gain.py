# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Makes a voice as loud as what goes in: python tools/fold_gain.py --input recordings --out voice.safetensors

The gain goes into the weights of the last layer, in front of its tanh, so that no sample passes full scale. It is the
one with which the converted files are, on average, as loud as they were (integrated loudness by ITU-R BS.1770).
"""

import math
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

import safetensors.torch  # noqa: E402
import torch  # noqa: E402

from audio.files import replacing  # noqa: E402
from audio.folder import required_audio_files  # noqa: E402
from audio.loudness import LoudnessMeter  # noqa: E402
from audio.recording import read_audio  # noqa: E402
from demo.program import Parser, exit_code, file_path  # noqa: E402
from demo.voice import BUNDLED_CHECKPOINT, DEFAULT_CONFIG, Voice  # noqa: E402
from reference.checkpoint import load_state_dict  # noqa: E402
from reference.errors import LLVCError  # noqa: E402

WEIGHT = "out_conv.0.weight"  # linear, without a bias, and the tanh behind it
LARGEST = 16.0  # 24 dB, up and down


def loudness(samples, sample_rate):
    """Integrated loudness (LUFS) of samples [N]."""
    meter = LoudnessMeter(1, sample_rate)
    meter.push(samples[None].numpy())
    return float(meter.lufs[0])


def scaled(converted, gain):
    """What the network gives instead of samples [N] when its last weights are scaled."""
    # float64: near full scale the tanh leaves float32 few digits of what went in
    return torch.tanh(gain * torch.atanh(converted.double().clamp(-1 + 1e-7, 1 - 1e-7))).float()


def fitting_gain(pairs, sample_rate):
    """The gain with which pairs of samples [N] in and out are equally loud on average."""
    wanted = sum(loudness(source, sample_rate) for source, _ in pairs)

    def lacking(gain):
        return wanted - sum(loudness(scaled(converted, gain), sample_rate) for _, converted in pairs)

    low, high = -math.log(LARGEST), math.log(LARGEST)
    if lacking(math.exp(low)) * lacking(math.exp(high)) > 0:
        raise LLVCError(f"no gain within a factor of {LARGEST:g} makes the files as loud as they were")
    while high - low > 1e-4:
        middle = (low + high) / 2
        low, high = (middle, high) if lacking(math.exp(middle)) > 0 else (low, middle)
    return math.exp((low + high) / 2)


@torch.inference_mode()
def converted_files(model, sources):
    return [model(samples[None, None])[0, 0] for samples in sources]


def rows(names, sources, before, after, sample_rate):
    """Lines of a table: loudness (LUFS) and peak of every file, in and out, before and after."""
    lines = ["| file | in, LUFS | peak | out, LUFS | peak | with the gain, LUFS | peak |", "|---|" + "--:|" * 6]
    for name, *signals in zip(names, sources, before, after, strict=True):
        values = " | ".join(f"{loudness(s, sample_rate):.1f} | {float(s.abs().max()):.2f}" for s in signals)
        lines.append(f"| {name} | {values} |")
    means = [sum(loudness(s, sample_rate) for s in kind) / len(kind) for kind in (sources, before, after)]
    lines.append("| mean | " + " | | ".join(f"{mean:.1f}" for mean in means) + " | |")
    return lines


def run(args):
    voice, weights = Voice.load(args.checkpoint, args.config), load_state_dict(args.checkpoint)
    sample_rate = voice.sample_rate
    paths = [path for folder in args.input for path in required_audio_files(folder)]
    sources = [read_audio(path, sample_rate) for path in paths]
    if silent := [path for path, s in zip(paths, sources, strict=True) if loudness(s, sample_rate) == -math.inf]:
        raise LLVCError(f"{silent[0]}: is silent; leave it out")
    before = converted_files(voice.model, sources)
    gain = fitting_gain(list(zip(sources, before, strict=True)), sample_rate)
    folded = {**weights, WEIGHT: (gain * weights[WEIGHT].float()).to(weights[WEIGHT].dtype)}
    with replacing(args.out) as temporary:
        temporary.write_bytes(safetensors.torch.save(folded))
    after = converted_files(Voice.load(args.out, args.config).model, sources)
    print("\n".join(rows([path.name for path in paths], sources, before, after, sample_rate)))
    print(f"gain {gain:.4f} ({20 * math.log10(gain):.2f} dB), written: {args.out}")


def main(argv=None):
    parser = Parser(prog="tools/fold_gain.py", description=__doc__.partition("\n")[0])
    parser.add_argument("--checkpoint", type=file_path, default=str(BUNDLED_CHECKPOINT), help="weights of the voice")
    parser.add_argument("--config", type=file_path, default=DEFAULT_CONFIG, help="configuration that they belong to")
    parser.add_argument("--input", type=Path, nargs="+", required=True, metavar="FOLDER", help="speech to measure with")
    parser.add_argument("--out", type=file_path, required=True, metavar="FILE", help="the checkpoint to write")
    args = parser.parse_args(argv)
    return exit_code(lambda: run(args))


if __name__ == "__main__":
    sys.exit(main())
