# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""How this network calls ttnn: precision, memory and cores, decided in one place."""

import torch
import ttnn

from reference.config import NUM_HEADS

from .layout import TILE

TILE_BYTES = 2 * TILE * TILE  # bfloat16

# Up to this many rows (streams x tile rows of their chunk) work is spread over cores by columns.
FEW_ROWS = 256

# A constant of more bytes than this stays in DRAM: it is read once per chunk.
L1_CONSTANT_BYTES = 2**20

# Rows from which a selection is spread over enough cores without a copy per stream.
TALL_SELECTION = 512


def upload(device, tensor, dtype=ttnn.bfloat16, memory=ttnn.L1_MEMORY_CONFIG):
    """A host tensor as tiles on the device."""
    tensor = tensor.detach().float().contiguous()
    return ttnn.from_torch(tensor, dtype=dtype, layout=ttnn.TILE_LAYOUT, device=device, memory_config=memory)


def upload_row(device, vector):
    """A vector [C] as an operand that broadcasts over rows."""
    return upload(device, vector.reshape(1, 1, 1, -1))


def upload_linear(device, weight, bias=None):
    """The operands of Ops.linear for a PyTorch weight [out, in] and bias [out]."""
    return upload(device, weight.T), None if bias is None else upload_row(device, bias)


def upload_norm(device, norm):
    """The operands of Ops.layer_norm for a torch.nn.LayerNorm."""
    return upload_row(device, norm.weight), upload_row(device, norm.bias), norm.eps


class Ops:
    """The few operations of the network, for activations of `rows` rows that live in `memory`.

    Arithmetic is HiFi3 with float32 accumulation: HiFi4's fourth phase adds nothing to products of bfloat16, and with
    float32 accumulation ttnn advises against it on Wormhole. A selection (a product with a 0/1 matrix) is exact in
    HiFi2.
    """

    def __init__(self, device, rows, memory=ttnn.L1_MEMORY_CONFIG):
        self.device = device
        self.rows = rows
        self.memory = memory
        self.many_rows = rows > FEW_ROWS
        self.grid = device.compute_with_storage_grid_size()
        self.precise = self._compute_config(ttnn.MathFidelity.HiFi3)
        self.exact = self._compute_config(ttnn.MathFidelity.HiFi2)
        self.attention = ttnn.SDPAProgramConfig(
            compute_with_storage_grid_size=self.grid, q_chunk_size=TILE, k_chunk_size=TILE, exp_approx_mode=False
        )

    def _compute_config(self, fidelity):
        return ttnn.init_device_compute_kernel_config(
            self.device.arch(),
            math_fidelity=fidelity,
            math_approx_mode=False,
            fp32_dest_acc_en=True,
            packer_l1_acc=True,
        )

    def constant(self, tensor, dtype=ttnn.bfloat16, memory=None):
        """A host tensor on the device for as long as the streams live."""
        return upload(self.device, tensor, dtype=dtype, memory=memory or self.memory)

    def state(self, shape, dtype=ttnn.bfloat16):
        """A tensor of zeros that the chunks change in place."""
        return self.constant(torch.zeros(()).expand(shape), dtype=dtype)

    def selection(self, matrix, batch_size):
        """A 0/1 matrix [M, K] as the left operand of `select`, for every stream of a batch."""
        # A copy per stream spreads short matrices over cores. Tall ones spread by themselves, as long as a core can
        # hold its rows of the one copy.
        rows, columns = (size // TILE for size in matrix.shape)
        share = -(-rows // (self.grid.x * self.grid.y)) * columns * TILE_BYTES
        copies = 1 if matrix.shape[0] >= TALL_SELECTION and share <= L1_CONSTANT_BYTES else batch_size
        memory = ttnn.DRAM_MEMORY_CONFIG if matrix.numel() * 2 > L1_CONSTANT_BYTES else self.memory
        return self.constant(matrix.expand(copies, 1, *matrix.shape), memory=memory)

    def spread(self, channels):
        """The memory of activations on their way through a norm: a core per tile column, for few rows.

        A norm of interleaved rows runs on one core per 32 of them, which for few rows means one core in all.
        """
        grid = self._column_grid(channels)
        if grid is None:
            return self.memory
        return ttnn.create_sharded_memory_config(
            (1, 1, self.rows, channels),
            core_grid=ttnn.CoreGrid(x=grid[0], y=grid[1]),
            strategy=ttnn.ShardStrategy.WIDTH,
            orientation=ttnn.ShardOrientation.ROW_MAJOR,
        )

    def _column_grid(self, channels):
        columns = channels // TILE
        width = min(self.grid.x, columns)
        fits = columns % width == 0 and columns // width <= self.grid.y
        return (width, columns // width) if fits and not self.many_rows else None

    def _column_matmul(self, channels):
        """A matrix product with a core per tile column of the result."""
        return ttnn.MatmulMultiCoreReuseMultiCast1DProgramConfig(
            compute_with_storage_grid_size=self._column_grid(channels),
            in0_block_w=1,  # a core of a spread operand holds one tile column
            out_subblock_h=1,
            out_subblock_w=1,
            per_core_M=self.rows // TILE,
            per_core_N=1,
            fuse_batch=True,
            fused_activation=None,
            mcast_in0=True,
        )

    def linear(self, x, weight, bias=None, activation=None, dtype=ttnn.bfloat16):
        """activation(x @ weight + bias) for x [.., rows, in] and weight [in, out]: one program."""
        columns = weight.padded_shape[-1] // TILE
        width = min(self.grid.x, columns)
        height = self.grid.y if self.many_rows else min(self.grid.y, -(-columns // width))
        return ttnn.linear(
            x,
            weight,
            bias=bias,
            activation=activation,
            core_grid=ttnn.CoreGrid(y=height, x=width),
            memory_config=self.memory,
            dtype=dtype,
            compute_kernel_config=self.precise,
        )

    def linear_to_norm(self, x, weight, bias):
        """x @ weight + bias, spread for the norm that follows."""
        channels = weight.shape[-1]
        if self._column_grid(channels) is None:
            return self.linear(x, weight, bias)
        return ttnn.linear(
            x,
            weight,
            bias=bias,
            program_config=self._column_matmul(channels),
            memory_config=self.spread(channels),
            compute_kernel_config=self.precise,
        )

    def select(self, matrix, x, dtype=ttnn.bfloat16):
        """matrix @ x per stream, for a 0/1 matrix and x [B, 1, rows, C]."""
        return ttnn.matmul(matrix, x, compute_kernel_config=self.exact, memory_config=self.memory, dtype=dtype)

    def select_to_norm(self, matrix, x):
        """`select` for the norm that follows; spread for a single stream."""
        channels = x.shape[-1]
        if x.shape[0] > 1 or self._column_grid(channels) is None:
            return self.select(matrix, x)
        return ttnn.matmul(
            matrix,
            x,
            program_config=self._column_matmul(channels),
            memory_config=self.spread(channels),
            compute_kernel_config=self.exact,
        )

    def layer_norm(self, x, norm, residual=None):
        """LayerNorm(x + residual) for the operands that upload_norm gave; spread like x, as residual must be."""
        weight, bias, epsilon = norm
        program_config = None
        if x.is_sharded():
            program_config = ttnn.LayerNormShardedMultiCoreProgramConfig(
                compute_with_storage_grid_size=self._column_grid(x.shape[-1]),
                subblock_w=1,
                block_h=self.rows // TILE,
                block_w=1,
                inplace=False,
            )
        return ttnn.layer_norm(
            x,
            weight=weight,
            bias=bias,
            epsilon=epsilon,
            residual_input_tensor=residual,
            program_config=program_config,
            memory_config=x.memory_config() if x.is_sharded() else self.memory,
            compute_kernel_config=self.precise,
        )

    def first_element(self, x):
        """The first element of each stream's rows x [B, 1, rows, 1] as a mask [B, 1, 1, 1]."""
        batch_size, _, rows, columns = x.shape
        if rows > TILE:
            x = ttnn.slice(x, [0, 0, 0, 0], [batch_size, 1, TILE, columns], memory_config=self.memory)
        return ttnn.reshape(x, ttnn.Shape([batch_size, 1, 1, 1]), ttnn.Shape([batch_size, 1, TILE, TILE]))

    def restart(self, state, fresh):
        """Zeroes the state of streams that start."""
        ttnn.where(fresh, 0.0, state, output_tensor=state)  # a product would keep what is not finite

    def advance(self, state, matrix, x, moved):
        """The next state, matrix @ x for a 0/1 matrix, of streams that do not pause."""
        ttnn.where(moved, self.select(matrix, x), state, output_tensor=state)

    def concat(self, tensors):
        """Rows one below the other, per stream."""
        return ttnn.concat(tensors, dim=2, memory_config=self.memory)

    def heads(self, q, kv=None, heads=NUM_HEADS, kv_heads=NUM_HEADS):
        """Splits q, q|k|v in one, or q and k|v, each [W, 1, rows, C], into heads [W, heads, rows, head_dim]."""
        return ttnn.experimental.nlp_create_qkv_heads(
            q, kv, num_heads=heads, num_kv_heads=kv_heads, transpose_k_heads=False, memory_config=self.memory
        )


class Selection:
    """A 0/1 matrix in the making: row r of its product with x is the sum of the rows of x picked for r."""

    def __init__(self, rows, columns):
        self.matrix = torch.zeros(rows, columns)

    def pick(self, row, column):
        self.matrix[row, column] = 1
