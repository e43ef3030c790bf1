# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The encoder on the device: dilated causal depthwise-separable convolutions with all past frames in one history.

A tap of a depthwise convolution is its input some frames earlier, scaled per channel. The part of all taps of all
layers that lies before the chunk is made first: one selection from the history, one scaling. Within the chunk a layer
adds what its own frames contribute, if its dilation is short enough for that. Frames never leave tile layout.
"""

from dataclasses import dataclass

import torch
import ttnn

from reference.config import ENCODER_KERNEL_SIZE

from .layout import round_up
from .ops import Selection, upload, upload_linear, upload_norm

PAST_TAPS = ENCODER_KERNEL_SIZE - 1  # the last tap is the frame itself


@dataclass
class EncoderState:
    history: ttnn.Tensor  # [B, 1, frames of all layers' contexts, C], rounded up to tiles
    next_history: ttnn.Tensor  # selection from [history; input of every layer]
    past_taps: ttnn.Tensor  # selection from the history: all taps that lie before the chunk, tap by tap
    pick_past: list  # per layer: the selection that adds up its taps among them
    pick_present: list  # per layer: the same for taps within the chunk, None if there is only the frame itself

    @property
    def tensors(self):
        return [self.history]


class TtEncoder:
    """y = x + ReLU(LN(pointwise(ReLU(LN(depthwise(x)))))), layer by layer; x and y [B, 1, rows, C]."""

    def __init__(self, device, encoder):
        self.dilations = [layer.dilation for layer in encoder.dcc_layers]
        self.channels = encoder.channels
        self.layers = []
        scales, biases = [], []
        for layer in encoder.dcc_layers:
            depthwise, norm1, _, pointwise, norm2, _ = layer.layers
            taps = depthwise.weight[:, 0].T.detach()  # [3, C], oldest first
            scales.append(taps[:PAST_TAPS])
            biases.append(torch.stack([depthwise.bias.detach()] + [torch.zeros(self.channels)] * (PAST_TAPS - 1)))
            self.layers.append(
                {
                    "taps": upload(device, taps[None, :, None]),
                    "last_tap": upload(device, taps[None, -1:, None]),
                    "norm1": upload_norm(device, norm1),
                    "pointwise": upload_linear(device, pointwise.weight[:, :, 0], pointwise.bias),
                    "norm2": upload_norm(device, norm2),
                }
            )
        # Of all layers, [1, layers * PAST_TAPS, 1, C]; a layer's bias goes with its oldest tap.
        self.past_scale = upload(device, torch.cat(scales)[None, :, None])
        self.past_bias = upload(device, torch.cat(biases)[None, :, None])

    def init_state(self, ops, layout):
        """The zero state at the start of all streams, and the selections for this layout."""
        contexts = [PAST_TAPS * dilation for dilation in self.dilations]
        starts = [sum(contexts[:i]) for i in range(len(contexts))]
        history_rows = round_up(sum(contexts))
        frames, rows, layers = layout.frames, layout.rows, len(self.dilations)

        def source(i, frame):
            """Where [history; inputs] holds a frame of layer i, counted from the start of the chunk."""
            if frame < 0:
                return starts[i] + contexts[i] + frame
            return history_rows + i * rows + layout.row(frame)

        next_history = Selection(history_rows, history_rows + layers * rows)
        past_taps = Selection(layers * PAST_TAPS * rows, history_rows)
        pick_past, pick_present = [], []
        for i, dilation in enumerate(self.dilations):
            for j in range(contexts[i]):
                next_history.pick(starts[i] + j, source(i, frames - contexts[i] + j))
            past = Selection(rows, layers * PAST_TAPS * rows)
            present = Selection(rows, ENCODER_KERNEL_SIZE * rows)
            for tap in range(ENCODER_KERNEL_SIZE):
                delay = (PAST_TAPS - tap) * dilation
                for frame in range(frames):
                    row = layout.row(frame)
                    if frame >= delay:
                        present.pick(row, tap * rows + layout.row(frame - delay))
                    else:
                        past_taps.pick((i * PAST_TAPS + tap) * rows + row, source(i, frame - delay))
            for tap in range(PAST_TAPS):
                for row in range(rows):
                    past.pick(row, (i * PAST_TAPS + tap) * rows + row)
            pick_past.append(ops.selection(past.matrix, layout.batch_size))
            has_present = dilation < frames
            pick_present.append(ops.selection(present.matrix, layout.batch_size) if has_present else None)
        return EncoderState(
            history=ops.state((layout.batch_size, 1, history_rows, self.channels)),
            next_history=ops.selection(next_history.matrix, layout.batch_size),
            past_taps=ops.selection(past_taps.matrix, layout.batch_size),
            pick_past=pick_past,
            pick_present=pick_present,
        )

    def __call__(self, ops, x, state, control):
        batch_size, _, rows, channels = x.shape
        past = ops.select(state.past_taps, state.history)
        past = ttnn.reshape(past, (batch_size, -1, rows, channels))
        past = ttnn.addcmul(self.past_bias, past, self.past_scale, memory_config=ops.memory)
        past = ttnn.reshape(past, (batch_size, 1, -1, channels))
        inputs = []
        for layer, pick_past, pick_present in zip(self.layers, state.pick_past, state.pick_present, strict=True):
            inputs.append(x)
            y = self._depthwise(ops, layer, x, ops.select_to_norm(pick_past, past), pick_present)
            y = ttnn.relu(y, memory_config=y.memory_config())
            y = ops.layer_norm(ops.linear_to_norm(y, *layer["pointwise"]), layer["norm2"])
            x = ttnn.add(x, y, input_tensor_b_activations=[ttnn.UnaryOpType.RELU], memory_config=ops.memory)
        frames = ops.concat([state.history, *inputs])
        ops.advance(state.history, state.next_history, frames, control.moved)
        return x

    def _depthwise(self, ops, layer, x, past, pick_present):
        """LN(depthwise(x)), the taps before the chunk given."""
        if pick_present is None:
            y = ttnn.addcmul(past, x, layer["last_tap"], memory_config=ops.spread(self.channels))
            return ops.layer_norm(y, layer["norm1"])
        scaled = ttnn.multiply(x, layer["taps"], memory_config=ops.memory)  # [B, 3, rows, C]
        scaled = ttnn.reshape(scaled, (x.shape[0], 1, -1, self.channels))
        return ops.layer_norm(ops.select_to_norm(pick_present, scaled), layer["norm1"], residual=past)
