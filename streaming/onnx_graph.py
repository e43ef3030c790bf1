# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""One streaming step of the network as an ONNX graph, of standard operators.

Inputs: `window`, [1, 1, past samples, chunk and lookahead]; with a prenet `begun` of the same shape, 0 for what lies
before the start of the stream, one lookahead before its first sample, 1 behind it; `valid`, [frames, 1], 1 for each
frame of the chunk that is there, 0 for those behind the end of the signal. Output: `audio`, the chunk. All state is
history, the last rows of something, and zero at the start of a stream. It comes as inputs NAME, [rows, width]:

    encoder_I   input of encoder layer I, its context of 2 * 2**I frames
    self_I      keys and values of decoder layer I's own frames, dec_buf_len of them; without positions and biases
    cross_I     the same of the memory's frames
    synthesis   what frames add to the samples of those behind them, out_buf_len of them

and what has to be added behind them goes out as NAME_new, [frames, width]. So histories can be held in place.
"""

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from reference.config import ENCODER_KERNEL_SIZE, NUM_HEADS

OPSET = 18
IR_VERSION = 9
EPSILON = 1e-5  # of all norms
LEAKY_SLOPE = 0.01
WEIGHT = 4096  # an array of so many numbers is a weight, and large
END = np.iinfo(np.int64).max  # where a slice ends that takes all
CONNECTIONS = {"add": "Add", "multiply": "Mul"}  # ops for those of reference.config


@dataclass(frozen=True)
class History:
    """State that is the last `rows` rows, each `width` wide, of what a step adds `frames` rows to."""

    name: str
    rows: int
    width: int


def past_samples(config):
    """Samples before a chunk that its frames depend on: the prenet's receptive field, and one lookahead."""
    return sum(config.convnet_config.contexts) + config.lookahead_len


def histories(config):
    """All histories of frames, in the order of the graph's inputs."""
    context = ENCODER_KERNEL_SIZE - 1
    encoder = [History(f"encoder_{i}", context * 2**i, config.enc_dim) for i in range(config.num_enc_layers)]
    decoder = [
        History(f"{which}_{i}", config.dec_buf_len, 2 * config.dec_dim)
        for i in range(config.num_dec_layers)
        for which in ("self", "cross")
    ]
    return [*encoder, *decoder, History("synthesis", config.out_buf_len, (config.out_buf_len + 1) * config.L)]


def build(network, config, chunk_factor=None, half_weights=False):
    """The ModelProto of a step of chunk_factor decoder windows, for a FoldedNetwork and its LLVCConfig.

    None is any number of them: the dimensions `samples` and `frames` are free, and become constants where the session
    is told what they are (free dimension overrides). Half weights are stored as 16-bit floats, rounded, and become
    32-bit ones when the session is made.
    """
    return _Step(network, config, chunk_factor, half_weights).model


class _Step:
    def __init__(self, network, config, chunk_factor, half_weights):
        self.config, self.windows, self.half_weights = config, chunk_factor, half_weights
        self.frames = chunk_factor and chunk_factor * config.dec_chunk_size
        self.histories = {history.name: history for history in histories(config)}
        self._nodes, self._inputs, self._outputs, self._constants = [], [], [], {}
        self._names = {}  # of what goes out

        samples = self.frames and past_samples(config) + self.frames * config.L + config.lookahead_len
        window = self._input("window", [1, 1, samples or "samples"])
        begun = self._input("begun", [1, 1, samples or "samples"]) if network.prenet else None
        self.valid = self._input("valid", [self.frames or "frames", 1])
        features = self._features(self._prenet(network.prenet, window, begun), network.in_conv)
        e = features
        for i, layer in enumerate(network.encoder):
            e = self._encoder_layer(layer, i, e)
        labelled = self._op("Mul", e, network.label) if not config.proj or config.skip_connection else None
        x, memory = self._projections(network.projection, e, labelled)
        for i, layer in enumerate(network.decoder):
            x = self._decoder_layer(layer, i, x, memory)
        mask = self._mask(network.mask, x)
        if config.skip_connection:
            mask = self._op("Add", labelled, mask)
        self._synthesis(network.out_conv, self._op("Mul", features, mask))
        self.model = self._finished()

    # The graph's parts.

    def _prenet(self, blocks, window, begun):
        """All samples that frames see, [1, 1, N]; the receptive field at the left is of no use any more."""
        config, x, channels = self.config.convnet_config, window, 1
        for block in blocks:
            out_channels, _, kernel = block.weights[0].shape
            convolved = [
                self._op(
                    "Conv",
                    x,
                    weight,
                    bias,
                    dilations=[block.dilation],
                    pads=[(kernel - 1) * block.dilation, 0],
                    kernel_shape=[kernel],
                )
                for weight, bias in zip(block.weights, block.biases, strict=True)
            ]
            if config.use_residual_blocks:
                residual = self._op("Mul", self._op("Tanh", convolved[0]), self._op("Sigmoid", convolved[1]))
                y = self._op("Add", self._with_channels(x, channels, out_channels), residual)
            else:
                y = self._op("LeakyRelu", convolved[0], alpha=LEAKY_SLOPE)
            if config.combine_residuals:
                y = self._op(CONNECTIONS[config.combine_residuals], x, y)
            # Before the start of the stream every block's context is zero.
            x, channels = self._op("Mul", y, begun), out_channels
        if blocks and config.skip_connection:
            x = self._op(CONNECTIONS[config.skip_connection], window, x)
        return x

    def _with_channels(self, x, channels, wanted):
        """x with channels of zeros added, or its last ones dropped."""
        if channels > wanted:
            return self._slice(x, 0, wanted, axis=1)
        if channels < wanted:
            return self._op("Pad", x, self._ints(0, 0, 0, 0, wanted - channels, 0))
        return x

    def _features(self, x, weight):
        """ReLU of in_conv, [frames, enc_dim]."""
        L, lookahead = self.config.L, self.config.lookahead_len
        start = past_samples(self.config) - lookahead
        x = self._slice(x, start, END, axis=2) if start else x
        x = self._op("Reshape", x, self._ints(-1, L))
        more = 2 * lookahead // L  # hops of a frame
        if more:
            x = self._op("Concat", *(self._slice(x, k, k - more or END) for k in range(more + 1)), axis=1)
        return self._op("Relu", self._op("MatMul", x, weight))

    def _encoder_layer(self, layer, i, x):
        dilation, past = 2**i, self._past(f"encoder_{i}")
        self._advance(f"encoder_{i}", x)
        if self.frames and dilation >= self.frames:  # no tap lies in the chunk
            taps = [self._slice(past, k * dilation, k * dilation + self.frames) for k in (0, 1)]
        else:
            joined = self._op("Concat", past, x, axis=0)
            taps = [self._slice(joined, k * dilation, (k - 2) * dilation) for k in (0, 1)]
        taps = [self._op("Mul", tap, weight) for tap, weight in zip((*taps, x), layer.taps, strict=True)]
        y = self._op("Add", self._op("Add", taps[0], taps[1]), self._op("Add", taps[2], layer.bias))
        y = self._op("Relu", self._norm(y, layer.norm1))
        y = self._norm(self._op("Gemm", y, layer.pointwise, layer.pointwise_bias), layer.norm2)
        return self._op("Add", x, self._op("Relu", y))

    def _projections(self, projection, e, labelled):
        """(target, memory), [frames, dec_dim] each; frames behind the end count as zeros."""
        if projection is None:
            return [self._op("Mul", x, self.valid) for x in (labelled, e)]
        weights, biases = projection
        parts = self._op("Mul", e, weights.reshape(2, 1, -1))
        k = weights.shape[1]
        if k > 1:
            parts = self._op("Sum", *self._op("Split", parts, outputs=k, axis=2, num_outputs=k))
        x = self._op("Mul", self._op("Relu", self._op("Add", parts, biases[:, None])), self.valid)
        memory, target = self._op("Split", x, outputs=2, axis=0, num_outputs=2)
        return [self._op("Squeeze", x, self._ints(0)) for x in (target, memory)]

    def _decoder_layer(self, layer, i, x, memory):
        """x and memory [frames, dec_dim] -> [frames, dec_dim]."""
        dim = self.config.dec_dim
        attention = layer.self_attention
        # Queries, keys and values of the same frames: one product.
        weight = np.concatenate((attention.query, attention.key_value), axis=1)
        bias = self._each_window(np.pad(attention.query_bias, ((0, 0), (0, 2 * dim))))
        query, key_value = self._op(
            "Split", self._op("Gemm", x, weight, bias), self._ints(dim, 2 * dim), outputs=2, axis=1
        )
        y = self._attend(attention, f"self_{i}", query, key_value)
        x = self._norm(self._op("Add", x, y), layer.norms[0])
        attention = layer.cross_attention
        query = self._op("Gemm", x, attention.query, self._each_window(attention.query_bias))
        y = self._attend(attention, f"cross_{i}", query, self._op("MatMul", memory, attention.key_value))
        x = self._norm(self._op("Add", x, y), layer.norms[1])
        weight1, bias1, weight2, bias2 = layer.feed_forward
        y = self._op("Gemm", self._op("Relu", self._op("Gemm", x, weight1, bias1)), weight2, bias2)
        return self._norm(self._op("Add", x, y), layer.norms[2])

    def _attend(self, attention, name, query, key_value):
        """The attention's output and its positions, [frames, dec_dim]."""
        chunk, dim = self.config.dec_chunk_size, self.config.dec_dim
        keys = self.config.dec_buf_len + chunk
        joined = self._op("Concat", self._past(name), key_value, axis=0)
        self._advance(name, key_value)
        if self.windows != 1:
            joined = self._op("Gather", joined, self._window_rows(), axis=0)
        if attention.key_value_positions is not None:
            joined = self._op("Add", joined, attention.key_value_positions)
        key, value = self._op("Split", joined, outputs=2, axis=-1, num_outputs=2)
        query, key, value = (
            self._op("Transpose", self._op("Reshape", x, self._ints(-1, rows, NUM_HEADS, dim // NUM_HEADS)), perm=perm)
            for x, rows, perm in ((query, chunk, (0, 2, 1, 3)), (key, keys, (0, 2, 3, 1)), (value, keys, (0, 2, 1, 3)))
        )
        scores = self._op("Softmax", self._op("MatMul", query, key), axis=-1)
        y = self._op("Transpose", self._op("MatMul", scores, value), perm=(0, 2, 1, 3))
        y = self._op("Reshape", y, self._ints(-1, dim))
        return self._op("Gemm", y, attention.out, self._each_window(attention.out_bias))

    def _mask(self, projection, x):
        """The decoder's part of the mask, [frames, enc_dim]."""
        if projection is None:
            return x
        weight, bias = projection
        x = self._op("Reshape", x, self._ints(-1, 1, self.config.dec_dim))
        x = self._op("Relu", self._op("Add", self._op("Mul", x, weight), bias))
        return self._op("Reshape", x, self._ints(-1, self.config.enc_dim))

    def _synthesis(self, out_conv, x):
        """out_conv of masked features x, as pieces of L samples that overlap those of the frames before."""
        L, past_len = self.config.L, self.config.out_buf_len
        new = self._op("MatMul", x, out_conv)
        joined = self._op("Concat", self._past("synthesis"), new, axis=0)
        self._advance("synthesis", new)
        pieces = [
            self._op("Slice", joined, self._ints(past_len - k, k * L), self._ints(-k or END, (k + 1) * L))
            for k in range(past_len + 1)
        ]
        samples = self._op("Tanh", self._op("Sum", *pieces))
        self._output("audio", samples, [self.frames or "frames", L])

    # What depends on the number of windows. Where it is free, ONNX Runtime makes constants of it.

    def _count(self):
        """The number of windows, [1]."""
        return self._op("Div", self._op("Shape", self.valid, end=1), self._ints(self.config.dec_chunk_size))

    def _each_window(self, rows):
        """`rows` [frames of a window, width] for every window."""
        if self.windows:
            return np.tile(rows, (self.windows, 1))
        return self._op("Tile", rows, self._op("Concat", self._count(), self._ints(1), axis=0))

    def _window_rows(self):
        """Which of the past and new rows the windows see, [windows, rows]."""
        chunk = self.config.dec_chunk_size
        rows = np.arange(self.config.dec_buf_len + chunk)
        if self.windows:
            return rows + chunk * np.arange(self.windows)[:, None]
        starts = self._op(
            "Range", np.int64(0), self._op("Squeeze", self._op("Shape", self.valid, end=1)), np.int64(chunk)
        )
        return self._op("Add", self._op("Unsqueeze", starts, self._ints(1)), rows)

    # Histories.

    def _past(self, name):
        history = self.histories[name]
        return self._input(name, [history.rows, history.width])

    def _advance(self, name, new):
        """Puts out the rows that come behind history `name`."""
        self._output(f"{name}_new", new, [self.frames or "frames", self.histories[name].width])

    # Nodes.

    def _op(self, kind, *inputs, outputs=1, **attributes):
        """A node; arrays among its inputs become constants. Its output's name, or their names."""
        names = [f"{kind.lower()}_{len(self._nodes)}_{k}" for k in range(outputs)]
        inputs = [x if isinstance(x, str) else self._constant(x) for x in inputs]
        self._nodes.append(helper.make_node(kind, inputs, names, name=names[0], **attributes))
        return names[0] if outputs == 1 else names

    def _norm(self, x, norm):
        if self.windows:
            return self._op("LayerNormalization", x, *norm, epsilon=EPSILON)
        # In WebAssembly this takes ONNX Runtime half as long, with its affine part; natively a quarter longer.
        x = self._op("Unsqueeze", x, self._ints(1))
        x = self._op("InstanceNormalization", x, np.ones(1, np.float32), np.zeros(1, np.float32), epsilon=EPSILON)
        gain, bias = norm
        return self._op("Add", self._op("Mul", self._op("Squeeze", x, self._ints(1)), gain), bias)

    def _slice(self, x, start, stop, axis=0):
        return self._op("Slice", x, self._ints(start), self._ints(stop), self._ints(axis))

    def _ints(self, *values):
        return np.array(values, np.int64)

    def _constant(self, array):
        """The name of a constant; equal ones are one."""
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            name = f"constant_{len(self._constants)}"
            half = self.half_weights and array.dtype == np.float32 and array.size >= WEIGHT
            stored = numpy_helper.from_array(np.asarray(array, np.float16 if half else None, order="C"), name)
            if half:
                self._nodes.append(
                    helper.make_node("Cast", [name], [f"{name}_32"], name=f"{name}_32", to=TensorProto.FLOAT)
                )
            self._constants[key] = stored, f"{name}_32" if half else name
        return self._constants[key][1]

    def _input(self, name, shape):
        self._inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return name

    def _output(self, name, x, shape):
        self._names[x] = name
        self._outputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))

    def _finished(self):
        for node in self._nodes:
            for names in (node.input, node.output):
                names[:] = [self._names.get(name, name) for name in names]
        graph = helper.make_graph(
            self._nodes, "llvc", self._inputs, self._outputs, [stored for stored, _ in self._constants.values()]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(model, full_check=True)
        return model
