# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Single blocks of the fused network as programs of their own, window by window, each on the reference's own input."""

from types import SimpleNamespace

import torch
import torch.nn.functional as F
import ttnn
from support.blocks import chunk_of
from support.fused_golden import first_row

from tt.fused.layout import GRID_WIDTH, cores_of
from tt.fused.network import FusedNetwork, FusedStreams

GIVEN = {"frontend": (), "encoder": ("FEATURES",), "decoder": ("E",), "synthesis": ("DECODED", "E", "FEATURES")}
MADE = {"frontend": "FEATURES", "encoder": "E", "decoder": "DECODED"}  # the synthesis makes samples
ACTIVATIONS = {"FEATURES": "features", "E": "e", "DECODED": "decoded"}
GARBAGE = 3.0  # in rows without a frame


def run_block(device, a, block, chunks):
    """The output of a block for every chunk of some Activations: features, e, decoded [B, frames, C], audio [B, N].

    All of a batch share a group of cores, pairs of them tiles.
    """
    windows = a.layout.windows
    network = FusedNetwork(device, a.model)
    network._grid = SimpleNamespace(x=GRID_WIDTH, y=cores_of(a.model.config) // GRID_WIDTH)  # one group
    layout = network.layout(1, a.layout.batch_size, parts=(block,), state_in_dram=True)
    assert layout.batch_size == a.layout.batch_size
    streams = FusedStreams(network, layout, 1)
    window = SimpleNamespace(frames=a.layout.config.dec_chunk_size)
    made = [_run_window(device, streams, block, a, window, i) for i in range(chunks * windows)]
    return [torch.cat(made[i : i + windows], dim=1) for i in range(0, len(made), windows)]


def _run_window(device, streams, block, a, window, i):
    layout, shared = streams.layout, streams.shared
    lookahead, step = a.model.config.lookahead_len, window.frames * a.model.config.L
    audio = F.pad(a.audio, (0, lookahead))[:, i * step : (i + 1) * step + lookahead]
    frames = torch.full((layout.batch_size,), window.frames)
    pages = ttnn.from_torch(streams.pack(list(range(layout.batch_size)), audio, frames), layout=ttnn.ROW_MAJOR_LAYOUT)
    buffers = streams.buffers[0]
    ttnn.copy_host_to_device_tensor(pages, buffers.rows)
    for name in GIVEN[block]:
        tensor = shared.by_name["TAP" if name == "DECODED" else name]
        values = chunk_of(getattr(a, ACTIVATIONS[name]), window, i)
        tiles = torch.full((tensor.shape[-2], tensor.shape[-1]), GARBAGE)
        for stream, frames_ in enumerate(values.repeat(1, 1, tiles.shape[1] // values.shape[2])):
            first = first_row(layout.numbers, stream)
            tiles[first : first + window.frames] = frames_
        ttnn.copy_host_to_device_tensor(
            ttnn.from_torch(tiles[None, None], dtype=ttnn.bfloat16, layout=ttnn.TILE_LAYOUT), tensor
        )
    streams(buffers)
    if block == "synthesis":
        return ttnn.to_torch(buffers.samples)[:, 0, 0]
    name = MADE[block]
    tensor = shared.by_name["TAP" if name == "DECODED" else name]
    channels = a.model.config.dec_dim if name == "DECODED" else a.model.config.enc_dim
    rows = ttnn.to_torch(tensor).float()[0, 0, :, :channels]
    firsts = [first_row(layout.numbers, stream) for stream in range(layout.streams)]
    return torch.stack([rows[first : first + window.frames] for first in firsts])
