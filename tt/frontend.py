# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""From samples to features: framing on the host, prenet and in_conv on the device.

The device gets one row per frame that holds all samples the frame's features depend on: those in_conv sees and, in
front of them, the prenet's receptive field. Every block of the prenet is then a banded matrix applied to each row:
no state on the device, and a whole batch of chunks is one matrix product. The field's leftmost samples lose their
own past block by block and are never read.

Samples before the start of a stream must stay zero in every block, as the published network's zero contexts do.
Rows that hold some are told by flag columns whose huge negative weight closes the gate there.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
import ttnn

from .ops import upload, upload_row

CLOSED_GATE = -1e4


@dataclass(frozen=True)
class Row:
    """What the columns of a row hold: the prenet's field, the samples in_conv sees, the flags of a stream's start."""

    field: int
    kernel: int
    flags: int  # frames at the start of a stream whose field reaches back before it

    @classmethod
    def of(cls, model):
        """The row of a reference LLVC."""
        config = model.config
        blocks = model.convnet_pre.down_convs if config.convnet_config.convnet_prenet else ()
        field = sum(block.context for block in blocks)
        return cls(field, config.L + 2 * config.lookahead_len, -(-field // config.L))

    @property
    def samples(self):
        return self.field + self.kernel

    @property
    def width(self):
        return self.samples + self.flags


class Framing:
    """Cuts a batch of streams into rows; keeps on the host the raw samples that later rows need."""

    def __init__(self, row, layout):
        self.row = row
        self.layout = layout
        # A frame starts `lookahead` samples before its own first sample, and the field before that.
        self._past = torch.zeros(layout.batch_size, row.field + layout.config.lookahead_len)
        self._frames = torch.zeros(layout.batch_size, dtype=torch.long)

    def restart(self, streams):
        """Puts these streams to their start."""
        self._past[streams] = 0
        self._frames[streams] = 0

    def __call__(self, streams, samples):
        """samples [S, T + lookahead] of these streams -> rows [B, 1, layout.rows, width], zero elsewhere."""
        layout, row = self.layout, self.row
        hop, chunk = layout.config.L, layout.config.dec_chunk_size
        samples = torch.cat((self._past[streams], samples), dim=1)
        frames = samples.unfold(1, row.samples, hop)  # [S, frames, row.samples]
        count = frames.shape[1]
        self._past[streams] = samples[:, count * hop :][:, : self._past.shape[1]]

        framed = torch.zeros(len(samples), layout.frames, row.width)
        framed[:, :count, : row.samples] = frames
        first = self._frames[streams]
        if (first < row.flags).any():
            frame = first[:, None, None] + torch.arange(layout.frames)[:, None]
            framed[..., row.samples :] = (frame == torch.arange(row.flags)).float()
        self._frames[streams] += count

        rows = torch.zeros(layout.batch_size, layout.windows, layout.window_rows, row.width)
        rows[streams, :, :chunk] = framed.reshape(len(samples), layout.windows, chunk, row.width)
        return rows.reshape(layout.batch_size, 1, layout.rows, row.width)


class TtFrontend:
    """Prenet, its skip connection and in_conv: rows as Framing makes them -> features [B, 1, rows, enc_dim]."""

    def __init__(self, device, model):
        config = model.config
        prenet = config.convnet_config
        self.skip_connection = prenet.skip_connection if prenet.convnet_prenet else None
        self.row = row = Row.of(model)
        self.blocks = []
        for block in model.convnet_pre.down_convs if prenet.convnet_prenet else ():
            filter_, gate = (_banded(conv, row) for conv in (block.filter, block.gate))
            for k in range(row.flags):
                gate[0][row.samples + k, : row.field - k * config.L] = CLOSED_GATE
            self.blocks.append([(upload(device, weight), upload_row(device, bias)) for weight, bias in (filter_, gate)])
        in_conv = model.in_conv[0].weight[:, 0]  # [enc_dim, kernel]
        self.in_conv = upload(device, F.pad(in_conv.T, (0, 0, row.field, row.flags)))

    def __call__(self, ops, rows):
        # float32 throughout: this is the waveform itself, and the residual path would collect every rounding.
        x = rows
        for filter_, gate in self.blocks:
            filtered = ops.linear(x, *filter_, activation="tanh", dtype=ttnn.float32)
            opened = ops.linear(x, *gate, activation="sigmoid", dtype=ttnn.float32)
            x = ttnn.addcmul(x, filtered, opened, memory_config=ops.memory)
        if self.skip_connection == "add":
            x = ttnn.add(x, rows, memory_config=ops.memory)
        elif self.skip_connection == "multiply":
            x = ttnn.multiply(x, rows, memory_config=ops.memory)
        return ops.linear(x, self.in_conv, activation="relu")


def _banded(conv, row):
    """A causal convolution of one channel as (matrix [width, width], bias [width]) for these rows."""
    matrix, bias = torch.zeros(row.width, row.width), torch.zeros(row.width)
    taps, dilation = conv.kernel_size[0], conv.dilation[0]
    for tap in range(taps):
        delay = (taps - 1 - tap) * dilation
        column = torch.arange(delay, row.samples)
        matrix[column - delay, column] = conv.weight[0, 0, tap].detach()
    bias[: row.samples] = conv.bias.detach()
    return matrix, bias
