# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Values for the mock device: every ttnn op runs on it for validation, and in PyTorch for its result.

Results are rounded to the op's output dtype and kept by buffer address, so that ops in place, views and memory used
again behave as on a device. An op without a rule here raises; nothing is computed silently in another way. This
checks the network's algebra and every op's arguments. It runs no kernel: no Tensix arithmetic, no timing.
"""

import torch
import torch.nn.functional as F
import ttnn
import ttnn.decorators

_run = ttnn.decorators.FastOperation.__call__
_to_torch = ttnn.to_torch  # a test may put a counter in its place
_values = {}  # (buffer type, address) -> float32 tensor
_inside = False


def install():
    """Replaces ttnn's op calls by ones that keep values."""
    ttnn.decorators.FastOperation.__call__ = _call


def uninstall():
    ttnn.decorators.FastOperation.__call__ = _run
    _values.clear()


def _key(tensor):
    return tensor.memory_config().buffer_type, tensor.buffer_address()


def _on_device(tensor):
    return isinstance(tensor, ttnn.Tensor) and ttnn.is_tensor_storage_on_device(tensor)


def _value(argument):
    """An op's argument with PyTorch values in place of tensors."""
    if isinstance(argument, (list, tuple)) and not isinstance(argument, ttnn.Shape):
        return [_value(item) for item in argument]
    if not isinstance(argument, ttnn.Tensor):
        return argument
    if not _on_device(argument):
        return _run(_to_torch, argument).float()
    return _values[_key(argument)].reshape(list(argument.shape))


def _store(tensor, value):
    value = value.reshape(list(tensor.shape)).float()
    if tensor.dtype == ttnn.bfloat16:
        value = value.bfloat16().float()
    elif tensor.dtype != ttnn.float32:
        raise NotImplementedError(f"no rounding to {tensor.dtype}")
    _values[_key(tensor)] = value.clone()


def _call(operation, *args, **kwargs):
    global _inside
    if _inside:  # ttnn's own Python calls further ops
        return _run(operation, *args, **kwargs)
    _inside = True
    try:
        name = operation.python_fully_qualified_name.removeprefix("ttnn.")
        if name == "to_torch":
            return _value(args[0])
        if name == "deallocate":
            return _run(operation, *args, **kwargs)
        if name not in RULES:
            raise NotImplementedError(f"no golden function for ttnn.{name}; add one to {__file__}")
        value = RULES[name](*map(_value, args), **{key: _value(item) for key, item in kwargs.items()})
        result = _run(operation, *args, **kwargs)
        targets = [args[1]] if name == "copy_host_to_device_tensor" else _flat(result)
        for target, target_value in zip(targets, _flat(value), strict=False):
            if target_value is not None and _on_device(target):
                _store(target, target_value)
        return result
    finally:
        _inside = False


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
    shape = list(shape)  # fewer rows of the same tiles
    if list(x.shape) != list(padded_shape) or shape[:2] + shape[3:] != list(x.shape[:2]) + list(x.shape[3:]):
        raise NotImplementedError("a reshape with padding that is not just fewer rows")
    return x[:, :, : shape[2]]


def _create_heads(q, kv=None, *, num_heads, num_kv_heads, **_):
    if kv is not None:
        q = torch.cat((q, kv), dim=-1)
    parts = [num_heads, num_kv_heads, num_kv_heads]
    head_dim = q.shape[-1] // sum(parts)
    heads = q.reshape(q.shape[0], q.shape[2], sum(parts), head_dim).transpose(1, 2)
    return heads.split(parts, dim=1)


def _slice(x, start, end, **_):
    return x[tuple(slice(a, b) for a, b in zip(start, end, strict=True))]


RULES = {
    "from_torch": lambda x, *_, **__: x,
    "allocate_tensor_on_device": lambda *_, **__: None,  # holds nothing that could be read
    "copy_host_to_device_tensor": lambda x, *_, **__: x,
    "clone": lambda x, **_: x,
    "linear": _linear,
    "matmul": lambda a, b, **_: a @ b,
    "addcmul": lambda x, a, b, **_: x + a * b,
    "add": _binary(torch.add),
    "multiply": _binary(torch.mul),
    "where": lambda mask, a, b, **_: torch.where(mask != 0, a, b),
    "relu": lambda x, **_: F.relu(x),
    "tanh": lambda x, **_: torch.tanh(x),
    "layer_norm": _layer_norm,
    "concat": lambda tensors, dim, **_: torch.cat(tensors, dim=dim),
    "slice": _slice,
    "reshape": _reshape,
    "experimental.nlp_create_qkv_heads": _create_heads,
    "experimental.nlp_concat_heads": lambda x, **_: x.transpose(1, 2).flatten(2).unsqueeze(1),
    "transformer.scaled_dot_product_attention": lambda q, k, v, **_: F.scaled_dot_product_attention(q, k, v),
}
