# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The configuration of an LLVC network, as published in `config.json` under `model_params`."""

import json
from dataclasses import dataclass, field, fields
from numbers import Integral
from pathlib import Path

from .errors import LLVCError

# Fixed by the published network, not part of its configuration.
NUM_HEADS = 8
LABEL_HIDDEN_DIM = 512
ENCODER_KERNEL_SIZE = 3
POSITIONAL_ROWS = 200

# What becomes of a prenet block's output y for the input x: y, x + y, x * y. Configurations may write None as "none".
CONNECTIONS = (None, "add", "multiply")


MAX_SIZE = 8192  # of any field: far above every useful network, and small enough to compute with
MAX_SAMPLE_RATE = 768_000


class ConfigError(LLVCError):
    """A configuration that no LLVC network can have."""


def _require(condition, message):
    if not condition:
        raise ConfigError(message)


def _is_size(value):
    return type(value) is int and 1 <= value <= MAX_SIZE


def _require_size(owner, name):
    value = getattr(owner, name)
    _require(_is_size(value), f"{name} must be an integer from 1 to {MAX_SIZE}, not {value!r}")


def _require_bool(owner, name):
    _require(type(getattr(owner, name)) is bool, f"{name} must be true or false, not {getattr(owner, name)!r}")


def _require_probability(owner, name):
    value = getattr(owner, name)
    _require(
        isinstance(value, (int, float)) and type(value) is not bool and 0 <= value < 1,
        f"{name} must be a probability in [0, 1), not {value!r}",
    )


def _plain(value):
    """Integers of any type, such as numpy's, as int."""
    if isinstance(value, (list, tuple)):
        return type(value)(map(_plain, value))
    return int(value) if isinstance(value, Integral) and not isinstance(value, bool) else value


def _from_params(cls, params, where):
    """cls(**params), with unknown and missing names reported as ConfigError."""
    _require(isinstance(params, dict), f"{where} must be a table of names and values, not {params!r}")
    known = [f.name for f in fields(cls)]
    unknown = sorted(set(params) - set(known))
    _require(not unknown, f"{where} has no option {', '.join(map(repr, unknown))}; it has {', '.join(known)}")
    try:
        return cls(**{name: _plain(value) for name, value in params.items()})
    except TypeError as error:
        raise ConfigError(f"{where}: {str(error).split('__init__() ')[-1]}") from None


@dataclass(frozen=True)
class ConvNetConfig:
    """The cached convolutional prenet: one entry of each list per block.

    Every field is checked in __post_init__; ConfigError names the one at fault.
    """

    convnet_prenet: bool
    out_channels: tuple[int, ...] = ()
    kernel_sizes: tuple[int, ...] = ()
    dilations: tuple[int, ...] = ()
    dropout: float = 0.5
    combine_residuals: str | None = None  # around each block: one of CONNECTIONS
    skip_connection: str | None = "add"  # around the whole prenet, likewise
    use_residual_blocks: bool = True  # gated residual blocks, else convolution + batch norm + leaky ReLU

    def __post_init__(self):
        _require_bool(self, "convnet_prenet")
        _require_bool(self, "use_residual_blocks")
        _require_probability(self, "dropout")
        for name in ("out_channels", "kernel_sizes", "dilations"):
            values = getattr(self, name)
            _require(
                isinstance(values, (list, tuple)) and len(values) <= MAX_SIZE and all(map(_is_size, values)),
                f"{name} must be a list of integers from 1 to {MAX_SIZE}, not {values!r}",
            )
            object.__setattr__(self, name, tuple(values))
        for name in ("combine_residuals", "skip_connection"):
            value = getattr(self, name)
            value = None if value == "none" else value
            _require(value in CONNECTIONS, f"{name} must be null, 'none', 'add' or 'multiply', not {value!r}")
            object.__setattr__(self, name, value)
        if self.convnet_prenet:
            self._check_blocks()

    @property
    def contexts(self):
        """Samples that each block looks back; none without a prenet."""
        blocks = zip(self.kernel_sizes, self.dilations, strict=True) if self.convnet_prenet else ()
        return [(kernel_size - 1) * dilation for kernel_size, dilation in blocks]

    def _check_blocks(self):
        lengths = {len(self.out_channels), len(self.kernel_sizes), len(self.dilations)}
        _require(
            len(lengths) == 1 and lengths != {0},
            "out_channels, kernel_sizes and dilations must have one entry per prenet block, not "
            f"{len(self.out_channels)}, {len(self.kernel_sizes)} and {len(self.dilations)}",
        )
        _require(self.out_channels[-1] == 1, f"the last of out_channels must be 1 (audio), not {self.out_channels[-1]}")
        if self.combine_residuals:
            for i, (c_in, c_out) in enumerate(zip((1, *self.out_channels), self.out_channels, strict=False)):
                _require(
                    c_in in (1, c_out),
                    f"combine_residuals {self.combine_residuals!r} cannot join the {c_in} channels that enter "
                    f"prenet block {i} with the {c_out} that leave it",
                )


@dataclass(frozen=True)
class LLVCConfig:
    """Sizes and options of the network; the defaults are the published network's own.

    L is the hop of the learned filter bank in samples; every other length counts frames of L samples.
    Every field and combination is checked in __post_init__; ConfigError names the one at fault.
    """

    label_len: int = 1
    L: int = 8
    enc_dim: int = 512
    num_enc_layers: int = 10
    dec_dim: int = 256
    dec_buf_len: int = 100
    num_dec_layers: int = 2
    dec_chunk_size: int = 72
    out_buf_len: int = 2
    use_pos_enc: bool = True
    skip_connection: bool = True
    proj: bool = True
    lookahead: bool = True
    decoder_dropout: float = 0.0
    convnet_config: ConvNetConfig = field(kw_only=True)

    def __post_init__(self):
        if not isinstance(self.convnet_config, ConvNetConfig):
            prenet = _from_params(ConvNetConfig, self.convnet_config, "convnet_config")
            object.__setattr__(self, "convnet_config", prenet)
        for name in ("label_len", "L", "enc_dim", "num_enc_layers", "dec_dim", "num_dec_layers"):
            _require_size(self, name)
        for name in ("dec_buf_len", "dec_chunk_size", "out_buf_len"):
            _require_size(self, name)
        for name in ("use_pos_enc", "skip_connection", "proj", "lookahead"):
            _require_bool(self, name)
        _require_probability(self, "decoder_dropout")

        _require(self.label_len == 1, f"label_len must be 1 (LLVC has one target voice), not {self.label_len}")
        _require(
            self.num_enc_layers <= 16,
            f"num_enc_layers must be at most 16 (the dilation doubles with each), not {self.num_enc_layers}",
        )
        _require(
            self.dec_dim % NUM_HEADS == 0,
            f"dec_dim must be a multiple of the {NUM_HEADS} attention heads, not {self.dec_dim}",
        )
        _require(
            self.enc_dim % self.dec_dim == 0,
            f"enc_dim must be a multiple of dec_dim (grouped projections), not {self.enc_dim} and {self.dec_dim}",
        )
        _require(
            self.proj or self.enc_dim == self.dec_dim,
            f"without proj, enc_dim and dec_dim must be equal, not {self.enc_dim} and {self.dec_dim}",
        )
        window = self.dec_buf_len + self.dec_chunk_size
        _require(
            not self.use_pos_enc or window <= POSITIONAL_ROWS,
            f"dec_buf_len + dec_chunk_size must be at most {POSITIONAL_ROWS} with use_pos_enc, not {window}",
        )

    @classmethod
    def from_params(cls, model_params):
        """From the `model_params` of a published config.json; ConfigError for an unknown or missing option."""
        return _from_params(cls, model_params, "model_params")

    @property
    def chunk_len(self):
        """Samples of one decoder window, the least that a stream converts at a time."""
        return self.dec_chunk_size * self.L

    @property
    def lookahead_len(self):
        """Samples that a frame sees beyond its own L."""
        return self.L if self.lookahead else 0


def _number(text):
    """A number of a JSON file, whole ones as int: some programs write 16000.0."""
    value = float(text)
    return int(value) if value.is_integer() and abs(value) <= MAX_SAMPLE_RATE else value


def load_config(path):
    """Reads a published `config.json`.

    Returns (LLVCConfig, sample rate in Hz). Raises ConfigError naming the file and what is wrong with it.
    """
    path = Path(path)
    try:
        config = json.loads(path.read_text(encoding="utf-8-sig"), parse_float=_number)
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such configuration file; check its name") from None
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{path}: not a JSON file ({error})") from None
    try:
        _require(isinstance(config, dict) and "model_params" in config, "has no 'model_params'")
        sample_rate = config["data"]["sr"] if isinstance(config.get("data"), dict) and "sr" in config["data"] else None
        valid = type(sample_rate) is int and 0 < sample_rate <= MAX_SAMPLE_RATE
        _require(valid, "has no sample rate in Hz under 'data', 'sr'")
        return LLVCConfig.from_params(config["model_params"]), sample_rate
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
