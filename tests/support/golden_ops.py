# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Values for the mock device: every ttnn op runs on it for validation, and in PyTorch for its result.

Results are rounded to the op's output dtype and kept by buffer address and chip, so that ops in place, views and
memory used again behave as on a device. An op without a rule here raises; nothing is computed silently in another
way. This checks the network's algebra and every op's arguments. It runs no kernel: no Tensix arithmetic, no timing.

The mock device records no traces. Here a trace is the list of ops between begin and end of its capture, with the
addresses they had; a replay computes them again on what stands there then. As on a device, nothing runs while it is
captured, and it is an error to transfer or to use a new program in a capture, or to replay after more memory was
allocated. Command queues are watched for missing events (tests/support/queues.py).
"""

import math
import os
from dataclasses import dataclass

import torch
import torch.nn.functional as F
import ttnn
import ttnn.decorators
from support.blocks import allocated
from support.fused_golden import fused_program
from support.queues import Queues

_run = ttnn.decorators.FastOperation.__call__
_to_torch = ttnn.to_torch  # a test may put a counter in its place
_inside = False


class _Memory:
    """The values on a device, and what is being recorded."""

    def __init__(self, device, queue_count):
        self.device = device
        self.queue_count = queue_count
        self.chips = device.get_num_devices()
        self.values = {}  # (buffer type, address) -> float32 tensors, one per chip; None: all are zero
        self.queues = Queues()
        self.traces = {}  # number -> (calls, bytes allocated when it was captured)
        self.replays = {}  # number -> (queue, position) of the last replay
        self.capturing = None  # calls of the trace that is being captured
        self.programs = 0  # in the program cache when that began


_memory = None


def install(device, queue_count):
    """Replaces ttnn's op calls by ones that keep values, and its traces and events by ones that keep calls."""
    global _memory
    _memory = _Memory(device, queue_count)
    ttnn.decorators.FastOperation.__call__ = _call
    for name, replacement in REPLACED.items():
        replacement.original = getattr(ttnn, name)
        setattr(ttnn, name, replacement)


def keep_no_values():
    """Computes nothing from here on: all values are zero."""
    _memory.values = None


def calls_of(trace):
    """The ops of a captured trace, in order."""
    return _memory.traces[trace][0]


def uninstall():
    """RuntimeError if a trace was not released."""
    global _memory
    left, _memory = len(_memory.traces), None
    ttnn.decorators.FastOperation.__call__ = _run
    for name, replacement in REPLACED.items():
        setattr(ttnn, name, replacement.original)
    if left:
        raise RuntimeError(f"{left} traces were not released")


def _queue(cq_id):
    """The number of a command queue. RuntimeError if the device has it not."""
    queue, there = cq_id or 0, 1 if "TT_METAL_SLOW_DISPATCH_MODE" in os.environ else _memory.queue_count
    if queue >= there:
        raise RuntimeError(f"command queue {queue} of a device that has {there}")
    return queue


# Values as a tensor of the device holds them, in memory of their own.
ROUNDED = {
    ttnn.bfloat16: lambda value: value.bfloat16().float(),
    ttnn.float32: lambda value: value.to(torch.float32, copy=True),
}


@dataclass(frozen=True)
class _Place:
    """Where a tensor stands: all that is left of it when its Python object is gone."""

    key: tuple
    shape: tuple
    dtype: object = None

    @classmethod
    def of(cls, tensor):
        return cls((tensor.memory_config().buffer_type, tensor.buffer_address()), tuple(tensor.shape), tensor.dtype)

    @property
    def tiles(self):
        *outer, rows, columns = self.shape
        return math.prod(outer) * -(-rows // ttnn.TILE_SIZE) * -(-columns // ttnn.TILE_SIZE)

    def read(self, chip):
        if _memory.values is None:
            return torch.zeros(self.shape)
        value = _memory.values[self.key][chip]
        if value.numel() == math.prod(self.shape):
            return value.reshape(self.shape)
        return value[tuple(map(slice, self.shape))]  # a view of the first rows and columns

    def write(self, chip, value):
        if self.dtype not in ROUNDED:
            raise NotImplementedError(f"no rounding to {self.dtype}")
        value = ROUNDED[self.dtype](value.reshape(self.shape))
        _memory.values.setdefault(self.key, [None] * _memory.chips)[chip] = value


@dataclass(frozen=True)
class _Shards:
    """A host tensor's values, one per chip."""

    values: list

    def read(self, chip):
        return self.values[chip]


@dataclass(frozen=True)
class _OpCall:
    name: str
    args: list
    kwargs: dict
    targets: list  # a _Place or None for each result

    @property
    def operands(self):
        """The places that it reads."""
        return _places([self.args, list(self.kwargs.values())])

    @property
    def is_view(self):
        """Whether it only gives the same memory another shape."""
        return self.name == "reshape" and self.targets[0].key == self.args[0].key

    def run(self, queue=0):
        written = [target.key for target in self.targets if target]
        _memory.queues.access(queue, [place.key for place in self.operands], written)
        if _memory.values is None:
            return
        rule = RULES[self.name]
        if self.is_view:
            rule(self.args[0].read(0), *self.args[1:])  # a view: nothing to write, but it must be a known one
            return
        for chip in range(_memory.chips):
            kwargs = {key: _at(item, chip) for key, item in self.kwargs.items()}
            results = _flat(rule(*_at(self.args, chip), **kwargs))
            for target, value in zip(self.targets, results, strict=False):
                if target is not None and value is not None:
                    target.write(chip, value)


def _on_device(tensor):
    return isinstance(tensor, ttnn.Tensor) and ttnn.is_tensor_storage_on_device(tensor)


def _placed(argument):
    """An op's argument with places, or values of the host, instead of tensors."""
    if isinstance(argument, (list, tuple)) and not isinstance(argument, ttnn.Shape):
        return [_placed(item) for item in argument]
    if not isinstance(argument, ttnn.Tensor):
        return argument
    if _on_device(argument):
        return _Place.of(argument)
    shards = [_run(_to_torch, shard).float() for shard in ttnn.get_device_tensors(argument)]
    return _Shards(shards if len(shards) > 1 else shards * _memory.chips)


def _at(argument, chip):
    """The same with one chip's values."""
    if isinstance(argument, list):
        return [_at(item, chip) for item in argument]
    return argument.read(chip) if isinstance(argument, (_Place, _Shards)) else argument


def _places(argument):
    if isinstance(argument, list):
        return [place for item in argument for place in _places(item)]
    return [argument] if isinstance(argument, _Place) else []


def _call(operation, *args, **kwargs):
    global _inside
    if _inside or _memory is None:  # ttnn's own Python calls further ops
        return _run(operation, *args, **kwargs)
    _inside = True
    try:
        name = operation.python_fully_qualified_name.removeprefix("ttnn.")
        if name == "to_torch":
            return _download(*args, **kwargs)
        if name == "deallocate":
            return _run(operation, *args, **kwargs)
        if name not in RULES:
            raise NotImplementedError(f"no golden function for ttnn.{name}; add one to {__file__}")
        placed_args, placed_kwargs = _placed(args), {key: _placed(item) for key, item in kwargs.items()}
        queue = _queue(kwargs.pop("cq_id", None))  # the mock device may have fewer than it was asked for
        result = _run(operation, *args, **kwargs)
        is_upload = name == "copy_host_to_device_tensor"
        if is_upload:
            targets = [args[1]]
        elif name == "generic_op":
            targets = [None, *args[0][1:]]  # whatever it works on but the samples that came in
        else:
            targets = _flat(result)
        targets = [_Place.of(target) if _on_device(target) else None for target in targets]
        call = _OpCall(name, placed_args, placed_kwargs, targets)
        if _memory.capturing is None:
            call.run(queue)
        elif is_upload or name == "from_torch" and any(targets):
            raise RuntimeError(f"ttnn.{name} while a trace is captured: writes are not supported")
        else:
            _memory.capturing.append(call)
        return result
    finally:
        _inside = False


def _download(tensor, *, mesh_composer=None, cq_id=None, **_):
    if not _on_device(tensor):
        return _run(_to_torch, tensor)
    if _memory.capturing is not None:
        raise RuntimeError("ttnn.to_torch while a trace is captured: reads are not supported")
    if (mesh_composer is None) != (_memory.chips == 1):
        raise RuntimeError("a tensor on several chips needs a mesh composer, and only that")
    place = _Place.of(tensor)
    _memory.queues.access(_queue(cq_id), reads=[place.key])
    _memory.queues.finish(_queue(cq_id))
    return torch.cat([place.read(chip) for chip in range(_memory.chips)])


def _begin_trace_capture(device, *, cq_id=None):
    if _memory.capturing is not None:
        raise RuntimeError("a trace is being captured already")
    _memory.capturing, _memory.programs = [], device.num_program_cache_entries()
    return max(_memory.traces, default=-1) + 1


def _end_trace_capture(device, trace, *, cq_id=None):
    _memory.traces[trace] = _memory.capturing, allocated(device)
    _memory.capturing = None
    if device.num_program_cache_entries() > _memory.programs:
        raise RuntimeError("a program was captured that never ran before: binaries cannot be loaded in a capture")


def _execute_trace(device, trace, *, cq_id=None, blocking=True):
    calls, before = _memory.traces[trace]
    if any(now > then for now, then in zip(allocated(device), before, strict=True)):
        raise RuntimeError("memory was allocated while a trace lives: the trace may overwrite it")
    for call in calls:
        call.run(_queue(cq_id))
    _memory.replays[trace] = _queue(cq_id), _memory.queues.position(_queue(cq_id))
    if blocking:
        _memory.queues.finish(_queue(cq_id))


def _release_trace(device, trace):
    if not _memory.queues.is_over(*_memory.replays.pop(trace, (0, 0))):
        raise RuntimeError("a trace was released that may still run")
    del _memory.traces[trace]


def _record_event(device, cq_id=None):
    return _memory.queues.record(_queue(cq_id))


def _wait_for_event(cq_id, mesh_event):
    _memory.queues.wait(_queue(cq_id), mesh_event)


def _synchronize_device(device, cq_id=None):
    for queue in (0, 1) if cq_id is None else (cq_id,):
        _memory.queues.finish(queue)


REPLACED = {
    "begin_trace_capture": _begin_trace_capture,
    "end_trace_capture": _end_trace_capture,
    "execute_trace": _execute_trace,
    "release_trace": _release_trace,
    "record_event": _record_event,
    "wait_for_event": _wait_for_event,
    "synchronize_device": _synchronize_device,
}


def _flat(result):
    return list(result) if isinstance(result, (list, tuple)) else [result]


ACTIVATIONS = {None: lambda x: x, "relu": F.relu, "tanh": torch.tanh, "sigmoid": torch.sigmoid}
UNARY = {ttnn.UnaryOpType.RELU: F.relu, ttnn.UnaryOpType.TANH: torch.tanh, ttnn.UnaryOpType.SIGMOID: torch.sigmoid}


def _linear(x, weight, bias=None, activation=None, **_):
    y = x @ weight
    return ACTIVATIONS[activation](y if bias is None else y + bias)


def _binary(operator):
    def rule(a, b, input_tensor_a_activations=(), input_tensor_b_activations=(), **_):
        for activation in input_tensor_a_activations:
            a = UNARY[activation](a)
        for activation in input_tensor_b_activations:
            b = UNARY[activation](b)
        return operator(a, b)

    return rule


def _layer_norm(x, weight, bias, epsilon, residual_input_tensor=None, **_):
    x = x if residual_input_tensor is None else x + residual_input_tensor
    return F.layer_norm(x, x.shape[-1:], weight.flatten(), bias.flatten(), epsilon)


def _reshape(x, shape, padded_shape=None):
    if padded_shape is None:
        return x.reshape(list(shape))
    tiles = [*x.shape[:2], *(-(-size // ttnn.TILE_SIZE) * ttnn.TILE_SIZE for size in x.shape[2:])]
    if tiles != list(padded_shape) or any(new > old for new, old in zip(shape, x.shape, strict=True)):
        raise NotImplementedError("a reshape with padding that is not the first rows and columns of the same tiles")
    return x[tuple(map(slice, shape))]


def _create_heads(q, kv=None, *, num_heads, num_kv_heads, **_):
    if kv is not None:
        q = torch.cat((q, kv), dim=-1)
    parts = [num_heads, num_kv_heads, num_kv_heads]
    head_dim = q.shape[-1] // sum(parts)
    heads = q.reshape(q.shape[0], q.shape[2], sum(parts), head_dim).transpose(1, 2)
    return heads.split(parts, dim=1)


def _attention(q, k, v, scale, **_):
    return F.scaled_dot_product_attention(q, k, v, scale=scale)


def _slice(x, start, end, **_):
    return x[tuple(slice(a, b) for a, b in zip(start, end, strict=True))]


RULES = {
    "generic_op": fused_program,
    "from_torch": lambda x, *_, **__: x,
    "allocate_tensor_on_device": lambda *_, **__: None,  # holds nothing that could be read
    "copy_host_to_device_tensor": lambda x, *_, **__: x,
    "linear": _linear,
    "matmul": lambda a, b, **_: a @ b,
    "addcmul": lambda x, a, b, **_: x + a * b,
    "add": _binary(torch.add),
    "multiply": _binary(torch.mul),
    "where": lambda mask, a, b, **_: torch.where(mask != 0, a, b),
    "relu": lambda x, **_: F.relu(x),
    "leaky_relu": lambda x, slope, **_: F.leaky_relu(x, slope),
    "tanh": lambda x, **_: torch.tanh(x),
    "layer_norm": _layer_norm,
    "concat": lambda tensors, dim, **_: torch.cat(tensors, dim=dim),
    "pad": lambda x, padding, value, **_: F.pad(
        x, [size for sides in reversed(padding) for size in sides], value=value
    ),
    "slice": _slice,
    "reshape": _reshape,
    "experimental.nlp_create_qkv_heads": _create_heads,
    "experimental.nlp_concat_heads": lambda x, **_: x.transpose(1, 2).flatten(2).unsqueeze(1),
    "transformer.scaled_dot_product_attention": _attention,
}
