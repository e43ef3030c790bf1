# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""From samples to features: framing on the host, prenet and in_conv on the device.

The device gets one row per frame that holds all samples the frame's features depend on: those in_conv sees and, in
front of them, the prenet's receptive field. Every block of the prenet is then a banded matrix applied to each row:
no state on the device, and a whole batch of chunks is one matrix product. The field's leftmost samples lose their
own past block by block and are never read. Where the prenet has several channels, they stand side by side in the row.

Samples before the start of a stream must stay zero in every block, as the published network's zero contexts do.
Rows that hold some are told by flag columns: their huge negative weight closes the gate there, and where a block has
none they make the mask that its output is multiplied with.

Two of the flags steer the rest of the network: one upload says all that a chunk has to know. So streams of a batch
may start, pause and end with any chunk, and the same programs run whatever they do.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
import ttnn

from reference.fold import banded_convolution, fold_prenet

from .layout import round_up
from .ops import upload, upload_row

CLOSED_GATE = -1e4
LEAKY_SLOPE = 0.01  # PyTorch's default


@dataclass(frozen=True)
class Row:
    """What the columns of a row hold: the prenet's field, the samples in_conv sees, one flag for each of a stream's
    first frames, and one that says that the row holds a frame; zeros up to whole tiles."""

    field: int
    kernel: int
    starts: int  # frames at the start of a stream whose field reaches back before it, the first one in any case

    @classmethod
    def of(cls, model):
        """The row of a reference LLVC."""
        config = model.config
        field = sum(config.convnet_config.contexts)
        return cls(field, config.L + 2 * config.lookahead_len, max(1, -(-field // config.L)))

    @property
    def samples(self):
        return self.field + self.kernel

    @property
    def valid(self):
        """The column of the flag of rows that hold a frame."""
        return self.samples + self.starts

    @property
    def width(self):
        return round_up(self.valid + 1)


class Framing:
    """Cuts a batch of streams into rows; keeps on the host the raw samples that later rows need."""

    def __init__(self, row, layout, batch_size):
        self.row = row
        self.layout = layout
        self.batch_size = batch_size
        # A frame starts `lookahead` samples before its own first sample, and the field before that.
        self._past = torch.zeros(batch_size, row.field + layout.config.lookahead_len)
        self._frames = torch.zeros(batch_size, dtype=torch.long)

    def restart(self, streams):
        """Puts these streams to their start."""
        self._past[streams] = 0
        self._frames[streams] = 0

    def __call__(self, streams, samples, frames):
        """samples [S, chunk + lookahead] of these streams, frames [S] of which count -> rows [B, 1, rows, width].

        Streams that are not named get rows without a frame, which leave them as they are.
        """
        layout, row = self.layout, self.row
        hop, chunk = layout.config.L, layout.config.dec_chunk_size
        samples = torch.cat((self._past[streams], samples), dim=1)
        self._past[streams] = samples[:, layout.frames * hop :][:, : self._past.shape[1]]

        framed = torch.zeros(len(samples), layout.frames, row.width)
        framed[..., : row.samples] = samples.unfold(1, row.samples, hop)
        number = torch.arange(layout.frames)
        first = self._frames[streams, None]
        for start in range(row.starts):
            framed[..., row.samples + start] = first + number == start
        framed[..., row.valid] = number < frames[:, None]
        self._frames[streams] += layout.frames

        rows = torch.zeros(self.batch_size, layout.windows, layout.window_rows, row.width)
        rows[streams, :, :chunk] = framed.reshape(len(samples), layout.windows, chunk, row.width)
        return rows.reshape(self.batch_size, 1, layout.rows, row.width)


@dataclass
class Control:
    """What a chunk's flags say, as masks on the device."""

    valid: ttnn.Tensor  # [B, 1, rows, 1]: 1 for rows that hold a frame
    moved: ttnn.Tensor  # [B, 1, 1, 1]: 0 for streams that pause
    fresh: ttnn.Tensor  # [B, 1, 1, 1]: 1 for streams that start with this chunk


class TtControl:
    """Reads the flags of rows as Framing makes them."""

    def __init__(self, device, row):
        def pick(column):
            return upload(device, F.one_hot(torch.tensor([column]), row.width).T)

        self.valid, self.fresh = pick(row.valid), pick(row.samples)

    def __call__(self, ops, rows):
        # A mask of one value is the first element of its tile: whatever else stands there does not count.
        valid = ops.linear(rows, self.valid)
        return Control(valid, moved=ops.first_element(valid), fresh=ops.first_element(ops.linear(rows, self.fresh)))


class TtFrontend:
    """Prenet, its skip connection and in_conv: rows as Framing makes them -> features [B, 1, rows, enc_dim]."""

    def __init__(self, device, model):
        config = model.config
        prenet = config.convnet_config
        self.skip_connection = prenet.skip_connection if prenet.convnet_prenet else None
        self.combine_residuals = prenet.combine_residuals
        self.row = row = Row.of(model)
        block_type = _GatedBlock if prenet.use_residual_blocks else _LeakyBlock
        self.blocks = [block_type(device, block, row, config.L) for block in fold_prenet(model)]
        in_conv = model.in_conv[0].weight[:, 0]  # [enc_dim, kernel]
        self.in_conv = upload(device, F.pad(in_conv.T, (0, 0, row.field, row.width - row.samples)))

    def __call__(self, ops, rows):
        # float32 throughout: this is the waveform itself, and the residual path would collect every rounding.
        x = rows
        for block in self.blocks:
            x = _connected(ops, self.combine_residuals, block(ops, x, rows), x)
        x = _connected(ops, self.skip_connection, x, rows)
        return ops.linear(x, self.in_conv, activation="relu")


class _GatedBlock:
    """x + tanh(filter(x)) * sigmoid(gate(x)): x [B, 1, rows, C_in * width] -> [B, 1, rows, C_out * width]."""

    def __init__(self, device, block, row, hop):
        filter_, gate = (_on_rows(*conv, block.dilation, row) for conv in zip(block.weights, block.biases, strict=True))
        gate[0][row.samples :][: row.starts] += CLOSED_GATE * _not_begun(row, hop, len(block.biases[0]))
        self.filter, self.gate = ((upload(device, w), upload_row(device, b)) for w, b in (filter_, gate))

    def __call__(self, ops, x, rows):
        filtered = ops.linear(x, *self.filter, activation="tanh", dtype=ttnn.float32)
        opened = ops.linear(x, *self.gate, activation="sigmoid", dtype=ttnn.float32)
        missing = filtered.shape[3] - x.shape[3]
        if missing > 0:  # channels that x has not are zeros
            x = ttnn.pad(x, [(0, 0), (0, 0), (0, 0), (0, missing)], 0.0, memory_config=ops.memory)
        elif missing < 0:
            x = ttnn.slice(x, [0, 0, 0, 0], list(filtered.shape), memory_config=ops.memory)
        return ttnn.addcmul(x, filtered, opened, memory_config=ops.memory)


class _LeakyBlock:
    """Leaky ReLU of a convolution and its batch norm: x [B, 1, rows, C_in * width] -> [B, 1, rows, C_out * width]."""

    def __init__(self, device, block, row, hop):
        weight, bias = _on_rows(block.weights[0], block.biases[0], block.dilation, row)
        self.conv = upload(device, weight), upload_row(device, bias)
        begun = torch.zeros(row.width, weight.shape[1])
        begun[row.samples :][: row.starts] = -_not_begun(row, hop, len(block.biases[0]))
        self.begun = upload(device, begun), upload_row(device, torch.ones(weight.shape[1]))

    def __call__(self, ops, x, rows):
        y = ttnn.leaky_relu(ops.linear(x, *self.conv, dtype=ttnn.float32), LEAKY_SLOPE, memory_config=ops.memory)
        return ttnn.multiply(y, ops.linear(rows, *self.begun, dtype=ttnn.float32), memory_config=ops.memory)


def _connected(ops, how, y, x):
    """y with x added or multiplied, both of one channel, or y alone: one of reference.config.CONNECTIONS."""
    return {"add": ttnn.add, "multiply": ttnn.multiply}[how](y, x, memory_config=ops.memory) if how else y


def _not_begun(row, hop, channels):
    """For each start flag 1 where a row that it marks holds samples before the stream: [starts, channels * width]."""
    column = torch.arange(row.width)
    first = row.field - hop * torch.arange(row.starts)[:, None]
    return (column < first).float().repeat(1, channels)


def _on_rows(weight, bias, dilation, row):
    """A causal convolution [C_out, C_in, taps] as (matrix [C_in * width, C_out * width], bias) for these rows."""
    flags = row.width - row.samples
    matrix = F.pad(banded_convolution(weight, dilation, row.samples), (0, flags, 0, 0, 0, flags))
    biases = torch.from_numpy(bias)[:, None].float().expand(-1, row.samples)
    return matrix.flatten(2).flatten(0, 1), F.pad(biases, (0, flags)).flatten()
