# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What the fused program computes, in PyTorch: from what was uploaded, not from the model.

The constant tiles, the state, the samples and words of a window, and the program's arguments are all it knows; the
numbers of tiles, words and places in the state are those that the kernels are told. So a weight in the wrong tile, a
word at the wrong place or a ring that is off by one fails on the mock device too. All cores of a group are computed at
once: a stream's frames are [cores, 16, 32], half of a tile, what all cores gathered is [16, columns * 32]. Products are
float32 and what is packed to bfloat16 is rounded; nothing of a Tensix core's arithmetic is imitated.

The state is memory: float32 copies of bfloat16 values, whose bits are the words.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
import ttnn
from torch.utils.weak import WeakIdKeyDictionary

from tt.fused.layout import GRID_WIDTH
from tt.fused.program import SHARED

TILE, FACE = 32, 16
HALVES = 2
KERNELS = ("compute", "exchange", "state")  # of a core
EPSILON = 1e-5


def bf16(x):
    return x.bfloat16().float()


def words_of(values):
    """float32 values -> their bits, as integers."""
    return values.contiguous().view(torch.int32)


@dataclass
class Group:
    """A group of cores: its constant tiles, [cores, tiles, 32, 32], and its program's numbers."""

    n: dict
    constants: torch.Tensor
    exact: torch.Tensor
    columns: list  # of what is dec_dim wide, core by core
    prenet: list  # words of the prenet's blocks

    def linear(self, tiles, at):
        """Gathered frames [16, inputs * 32] through the linear map at constant `at`: [cores, 16, 32]."""
        inputs = tiles.shape[1] // TILE
        weight = self.constants[:, at : at + inputs].flatten(1, 2)
        return tiles @ weight + self.constants[:, at + inputs, :FACE]

    def norm(self, values, mean, at):
        """LayerNorm of values [cores, 16, 32], by the sums that the cores exchange."""
        sums, squares = self.constants[:, mean], self.constants[:, mean + 1]
        cores = self.n["CORES"]
        stats = torch.stack((bf16(values).sum(2), bf16(values**2).sum(2)), dim=1).flatten(0, 1)
        stats = F.pad(stats, (0, 0, 0, 2 * TILE - 2 * cores))[:TILE]
        minus_mean = (sums[:, 0] @ stats)[..., None]
        variance = ((squares[:, 0] @ stats)[..., None] - minus_mean**2).clamp(min=0)
        scale = (variance + EPSILON).rsqrt()
        diagonal, rows, bias = (self.constants[:, at + i] for i in range(3))
        scaled = bf16(bf16(values) @ diagonal)
        return scaled * scale + minus_mean * scale * rows[:, :FACE] + bias[:, :1]


def gathered(tiles):
    """Frames of all cores [cores, 16, 32] side by side."""
    return tiles.transpose(0, 1).flatten(1)


class Stream:
    """The state of one stream on all cores of a group: values [cores, STATE_BYTES / 2], changed in place."""

    def __init__(self, n, values, words):
        self.n, self.values = n, values
        self.frames = int(words[n["WORD_FRAMES"]])
        self.starts = bool(words[n["WORD_STARTS"]])
        self.number = 0 if self.starts else self._number()

    def _number(self):
        low, high = self.values[0, :2].bfloat16().view(torch.int16).tolist()
        return (high & 0xFFFF) << 16 | low & 0xFFFF

    def close(self):
        if self.frames:
            low, high = struct.unpack("<2h", struct.pack("<I", self.number + 1))
            self.values[:, :2] = torch.tensor([low, high], dtype=torch.int16).view(torch.bfloat16).float()

    def frames_at(self, offset, count):
        """`count` frames at a place of the state, half by half: a view [cores, 2, count, 16]."""
        start = offset // 2
        return self.values[:, start : start + HALVES * count * FACE].unflatten(1, (HALVES, count, FACE))

    def past(self, offset, count):
        """The frames there [cores, count, 32], zeros at a stream's start."""
        frames = self.frames_at(offset, count).transpose(1, 2).flatten(2)
        return torch.zeros_like(frames) if self.starts else frames.clone()

    def keep(self, offset, frames):
        """Writes frames [cores, count, 32], unless the stream pauses."""
        if self.frames:
            self.frames_at(offset, frames.shape[1]).copy_(frames.unflatten(2, (HALVES, FACE)).transpose(1, 2))

    def taps(self, layer, x):
        """The input x [cores, 16, 32] of an encoder layer some frames earlier, for every tap; keeps it."""
        n = self.n
        frames, past = n["FRAMES"], n["TAPS"] << layer
        slots = -(-past // frames) + 1
        offset = n["STATE_RINGS"] + sum(-(-(n["TAPS"] << i) // frames) + 1 for i in range(layer)) * frames * 64
        ring = self.frames_at(offset, slots * frames).transpose(1, 2).flatten(2)
        slot = self.number % slots
        age = min(self.number, slots) * frames
        result = []
        for tap in range(n["TAPS"]):
            delay = (n["TAPS"] - tap) << layer
            shifted = torch.zeros_like(x)
            source = torch.arange(frames) - delay
            own, kept = source >= 0, (source < 0) & (-source <= age)
            shifted[:, :frames][:, own] = x[:, source[own]]
            shifted[:, :frames][:, kept] = ring[:, (slot * frames + source[kept]) % (slots * frames)]
            result.append(shifted)
        if self.frames:
            ring[:, slot * frames : (slot + 1) * frames] = x[:, :frames]
            self.keep(offset, ring)
        return result


def frontend(group, page, stream):
    """Samples of a window -> features [cores, 16, 32] that are relevant in their first FRAMES rows."""
    n = group.n
    length = n["PRENET_WIDTH"] * FACE
    rows = page[: n["FIELD"] + n["SAMPLES"]].unfold(0, length, n["NEW"])  # those of all cores, one below the other
    shut = torch.zeros_like(rows)
    if stream.starts:
        position = torch.arange(len(rows))[:, None] * n["NEW"] + torch.arange(length)
        shut[position < n["FIELD"]] = -1e4
    x, words = rows, iter(group.prenet)
    for _ in range(n["PRENET_BLOCKS"]):
        taps, dilation = next(words), next(words)
        sums = torch.stack([torch.full_like(x, _float(next(words))) for _ in range(2)])  # of filter and gate
        for delay in range(0, taps * dilation, dilation):
            delayed = F.pad(x, (delay, 0))[:, :length]
            sums += torch.stack([delayed * _float(next(words)) for _ in range(2)])
        filtered, gate = sums
        if n["PRENET_GATED"]:
            y = torch.tanh(filtered) * (torch.tanh(gate + shut) + 1) / 2 + x
        else:
            y = F.leaky_relu(filtered).where(shut == 0, 0)
        x = _combined(n, n["PRENET_COMBINE"], y, x)
    if next(words, None) is not None:
        raise ValueError("the prenet has more words than its blocks take")
    if n["PRENET_BLOCKS"]:
        x = _combined(n, n["PRENET_SKIP"], x, rows)
    samples = x[:, -n["NEW"] :].flatten()
    framed = samples.unfold(0, 3 * n["HOP"], n["HOP"])[: n["FRAMES"]]
    framed = F.pad(framed, (0, 2 * TILE - framed.shape[1], 0, FACE - len(framed)))
    return F.relu(framed @ group.exact[:, n["IN_CONV"] : n["IN_CONV"] + 2].flatten(1, 2))


def _float(bits):
    """The float32 of these bits."""
    return struct.unpack("<f", struct.pack("<I", bits))[0]


def _combined(n, how, y, x):
    return {n["SKIP_NONE"]: y, n["SKIP_ADD"]: y + x, n["SKIP_MULTIPLY"]: y * x}[how]


def encode(group, features, stream):
    """Features -> encoder output, both [cores, 16, 32]."""
    n, constants = group.n, group.constants
    residual = features
    for i in range(n["LAYERS"]):
        at = n["ENC_LAYER"] + i * n["ENC_LAYER_TILES"]
        x = bf16(residual)
        y = constants[:, at + n["TAP_BIAS"], :1] + x @ constants[:, at + n["TAP_WEIGHTS"] + n["TAPS"]]
        for tap, shifted in enumerate(stream.taps(i, x)):
            y = y + shifted @ constants[:, at + n["TAP_WEIGHTS"] + tap]
        y = bf16(F.relu(group.norm(y, n["ENC_MEAN"], at + n["NORM1"])))
        y = group.linear(gathered(y)[:, : n["ENC_COLUMNS"] * TILE], at + n["POINTWISE"])
        residual = residual + F.relu(group.norm(y, n["ENC_MEAN"], at + n["NORM2"]))
    return bf16(residual)


def decode(group, e, stream):
    """Encoder output -> decoder output, both [cores, 16, 32]."""
    n, constants = group.n, group.constants
    frames, past, columns = n["FRAMES"], n["PAST"], n["DEC_COLUMNS"]
    width, key_tiles = columns * TILE, 1 + n["PAST_TILES"]
    x = bf16(F.relu(group.linear(gathered(e)[:, : n["ENC_COLUMNS"] * TILE], n["PROJECTION"])))
    x[:, stream.frames : frames] = 0
    memory = gathered(x[n["CORES"] // 2 :])[:, :width]
    kept = n["STATE_KEYS"]
    hidden_keys = constants[:, n["KEY_MASK"] : n["KEY_MASK"] + key_tiles, :FACE, 0].flatten(1)

    def of_window(x, at):
        """This head's keys or values of a window, as they lie in the upper faces; keeps them without their shares."""
        nonlocal kept
        own = bf16(x @ constants[:, at : at + columns].flatten(1, 2))
        before = stream.past(kept, past)
        stream.keep(kept, torch.cat((before, own[:, :frames]), dim=1)[:, -past:])
        kept += past * 2 * TILE
        before = F.pad(before, (0, 0, 0, n["PAST_TILES"] * FACE - past))
        shares = constants[:, at + columns : at + columns + key_tiles, :FACE].flatten(1, 2)
        return torch.cat((own, before), dim=1) + shares

    for i in range(n["DECODER_LAYERS"]):
        at = n["DEC_LAYER"] + i * n["DEC_LAYER_TILES"]

        def attend(queried, x, kind, at=at):
            q = bf16(group.linear(queried, at + n[f"{kind}_QUERY"]))
            k, v = (of_window(x, at + n[f"{kind}_{name}"]) for name in ("KEY", "VALUE"))
            weights = (q @ k.transpose(1, 2) + hidden_keys[:, None]).softmax(dim=2)
            return gathered(bf16(weights @ v))[:, : n["HEADS"] * TILE]

        def add_and_norm(residual, x, kind, name, at=at):
            return group.norm(residual + group.linear(x, at + n[name]), n["DEC_MEAN"], at + n[f"{kind}_NORM"])

        residual = x[group.columns]
        target = gathered(x)[:, :width]
        residual = add_and_norm(residual, attend(target, target, "SELF"), "SELF", "SELF_OUT")
        target = gathered(bf16(residual))[:, :width]
        residual = add_and_norm(residual, attend(target, memory, "CROSS"), "CROSS", "CROSS_OUT")
        hidden = bf16(F.relu(group.linear(gathered(bf16(residual))[:, :width], at + n["LINEAR1"])))
        x = bf16(add_and_norm(residual, gathered(hidden)[:, : 2 * width], "LINEAR", "LINEAR2"))
    return x


def synthesize(group, decoded, e, features, stream):
    """Decoder output, encoder output and features -> samples [FRAMES * HOP]."""
    n, constants = group.n, group.constants
    mask = F.relu(group.linear(gathered(decoded)[:, : n["DEC_COLUMNS"] * TILE], n["UNPROJECTION"]))
    masked = bf16((mask + e @ constants[:, n["LABEL"]]) * bf16(features))[:, : n["FRAMES"]]
    frames = torch.cat((stream.past(n["STATE_MASKED"], n["OVERLAP"]), masked), dim=1)
    stream.keep(n["STATE_MASKED"], frames[:, -n["OVERLAP"] :])
    shares = 0
    for piece in range(n["PIECES"]):
        first = n["OVERLAP"] - piece
        shares = shares + frames[:, first : first + n["FRAMES"]] @ constants[:, n["OUT_CONV"] + piece]
    return torch.tanh(shares.sum(0))[:, : n["HOP"]].flatten()


def fused_program(tensors, program):
    """The rule of ttnn.generic_op: what it leaves in each of its tensors, None for those that it does not change."""
    n = dict(program.kernels[0].named_compile_time_args)
    pages, constants, exact, *shared, scratch, state, samples = tensors
    is_whole = n["PARTS"] == sum(n[part] for part in ("FRONTEND", "ENCODER", "DECODER", "SYNTHESIS"))
    shared = {} if is_whole else {name: value.clone() for name, value in zip(SHARED, shared, strict=True)}
    state, samples = state.clone(), samples.clone()
    cores = n["CORES"]
    per_group = n["ROUNDS"] * n["STREAMS"]
    width = samples.shape[-1]
    pages, out = pages.reshape(-1, n["PAGE"]), samples.view(-1, width)
    for index in range(len(pages) // (per_group * n["WINDOWS"])):
        arguments = [arguments_of(program, index * cores + i) for i in range(cores)]
        compute, exchange, state_kernel = (zip(*(of[name] for of in arguments), strict=True) for name in KERNELS)
        decoder_columns, *prenet = compute
        exchange_cores, *_, exchange_stream = exchange
        state_cores, _, state_stream, _, state_page, _ = state_kernel
        if exchange_cores != state_cores or state_cores != tuple(range(cores)):
            raise ValueError("the cores of a group do not know their numbers")
        first_stream, state_page = _same(exchange_stream + state_stream), _same(state_page)
        columns = slice(index * cores * TILE, (index + 1) * cores * TILE)
        group = Group(
            n,
            _tiles_of(constants, columns, cores),
            _tiles_of(exact, columns, cores),
            list(decoder_columns),
            [_same(words) for words in prenet],
        )
        for place in range(per_group):
            values = _state_of(n, state, columns, state_page, place)
            for window in range(n["WINDOWS"]):
                row = (first_stream + place) * n["WINDOWS"] + window
                stream = Stream(n, values, words_of(pages[row, -n["WORDS"] :]))
                if is_whole:
                    features = frontend(group, pages[row], stream)
                    e = encode(group, features, stream)
                    out[row] = synthesize(group, decode(group, e, stream), e, features, stream)
                else:
                    _run_part(group, pages[row], stream, _Shared(n, shared, columns, place % n["STREAMS"]), out[row])
                stream.close()
            _state_of(n, state, columns, state_page, place, values)
    return [None, None, None, *(shared.get(name) for name in SHARED), None, state, samples]


def arguments_of(program, i):
    """The runtime arguments of the i-th core's kernels, by name. ValueError if two want the same RISC-V or NoC."""
    x, y = i % GRID_WIDTH, i // GRID_WIDTH
    kernels = [kernel for kernel in program.kernels if kernel.core_ranges.contains(ttnn.CoreCoord(x, y))]
    names = [Path(kernel.kernel_source).stem for kernel in kernels]
    movers = [kernel.config for kernel in kernels if isinstance(kernel.config, ttnn.DataMovementConfigDescriptor)]
    takes = [{mover.processor.value for mover in movers}, {mover.noc.value for mover in movers}]
    if sorted(names) != sorted(KERNELS):
        raise ValueError(f"core {i} runs {', '.join(names)}")
    if takes != [{0, 1}, {0, 1}]:
        raise ValueError(f"the two kernels that move data on core {i} do not have a RISC-V and a NoC each")
    return {name: list(kernel.runtime_args[x][y]) for name, kernel in zip(names, kernels, strict=True)}


def _same(values):
    """What all cores of a group were told."""
    if len(set(values)) != 1:
        raise ValueError(f"the cores of a group do not agree: {values}")
    return values[0]


def _run_part(group, page, stream, shared, out):
    """One block in a program of its own: its input and output lie where it meets the others in the whole network."""
    if shared.has("FRONTEND"):
        shared["FEATURES"] = frontend(group, page, stream)
    elif shared.has("ENCODER"):
        shared["E"] = encode(group, shared["FEATURES"], stream)
    elif shared.has("DECODER"):
        shared["DECODED"] = decode(group, shared["E"], stream)
    else:
        out.copy_(synthesize(group, shared["DECODED"], shared["E"], shared["FEATURES"], stream))


def first_row(n, stream):
    """Where frames of a stream of a round begin in the tiles of a buffer, one below the other."""
    return stream // n["SHARING"] * TILE + stream % n["SHARING"] * FACE


class _Shared:
    """What blocks hand over to each other, [cores, 16, 32] of a stream, by name."""

    def __init__(self, n, shared, columns, stream):
        self.n, self.shared, self.columns, self.stream = n, shared, columns, stream

    def has(self, part):
        return bool(self.n["PARTS"] & self.n[part])

    def _rows(self, name):
        first = first_row(self.n, self.stream)
        rows = self.shared["TAP" if name == "DECODED" else name][0, 0][first : first + FACE, self.columns]
        return rows.unflatten(1, (self.n["CORES"], TILE)).transpose(0, 1)

    def __getitem__(self, name):
        return self._rows(name)

    def __setitem__(self, name, tiles):
        self._rows(name).copy_(tiles)


def _tiles_of(tensor, columns, cores):
    """The tiles of a group's cores: [cores, tiles, 32, 32]; sorted once for what was uploaded once."""
    known = _tiles.setdefault(tensor if tensor._base is None else tensor._base, {})
    if columns.start not in known:
        tiles = tensor[0, 0][:, columns].unflatten(0, (-1, TILE)).unflatten(2, (cores, TILE)).permute(2, 0, 1, 3)
        known[columns.start] = tiles.contiguous()
    return known[columns.start]


_tiles = WeakIdKeyDictionary()  # by what lies on the device


def _state_of(n, state, columns, first_page, place, values=None):
    """The state of a stream of a group [cores, STATE_BYTES / 2]; puts `values` there if they are given."""
    cores, size = n["CORES"], n["STATE_BYTES"] // 2
    rows = state.reshape(-1, state.shape[-1])
    if n["STATE_IN_DRAM"]:
        mine = rows[first_page + place * cores : first_page + (place + 1) * cores]
    else:
        mine = rows[place * size // TILE : (place + 1) * size // TILE, columns].unflatten(1, (cores, TILE))
    if values is not None:
        mine.copy_(values if n["STATE_IN_DRAM"] else values.unflatten(1, (-1, TILE)).transpose(0, 1))
    return mine.clone() if n["STATE_IN_DRAM"] else mine.transpose(0, 1).flatten(1)
