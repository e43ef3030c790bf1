# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The rows that the stock network gets: their samples and flags, worked out by hand."""

import pytest
import torch
from support.golden import load_golden, load_params

from reference.llvc import LLVC
from tt.stock.layout import Layout

FIELD, L, CHUNK = 24, 16, 13
SAMPLES = FIELD + 3 * L
STARTS = 2  # of frames that begin less than FIELD samples after the stream's start
VALID = SAMPLES + STARTS


@pytest.fixture
def frontend(ttnn):
    """The module tt.stock.frontend."""
    from tt.stock import frontend

    return frontend


@pytest.fixture
def framing(frontend):
    """Of two streams of llvc, a window a chunk."""
    model = load_golden("llvc").model
    return frontend.Framing(frontend.Row.of(model), Layout(model.config, 1, 2), 2)


def frames_of(rows):
    """The rows of frames [B, 13, width] of a chunk."""
    assert rows.shape == (2, 1, 32, 96)
    assert (rows[:, 0, CHUNK:] == 0).all()
    return rows[:, 0, :CHUNK]


def test_the_columns_of_a_row(frontend):
    row = frontend.Row.of(load_golden("llvc").model)
    assert (row.field, row.kernel, row.starts) == (FIELD, 3 * L, STARTS)
    assert (row.samples, row.valid, row.width) == (72, 74, 96)
    without_lookahead = frontend.Row.of(load_golden("small_no_lookahead").model)
    assert (without_lookahead.field, without_lookahead.kernel, without_lookahead.starts) == (0, L, 1)


def test_samples_and_flags_of_three_chunks(framing):
    """Frame t holds the samples from 16 t - 16 - 24 on; zeros before the stream."""
    audio = torch.arange(1.0, 3 * CHUNK * L + L + 1).expand(2, -1)
    before = torch.cat((torch.zeros(2, FIELD + L), audio), dim=1)
    for chunk in range(3):
        samples = audio[:, chunk * CHUNK * L : (chunk + 1) * CHUNK * L + L]
        frames = frames_of(framing([0, 1], samples, torch.tensor([CHUNK, CHUNK])))
        for t in range(CHUNK):
            at = (chunk * CHUNK + t) * L
            assert torch.equal(frames[:, t, :SAMPLES], before[:, at : at + SAMPLES])
            for start in range(STARTS):
                assert (frames[:, t, SAMPLES + start] == (chunk == 0 and t == start)).all()
        assert (frames[..., VALID] == 1).all() and (frames[..., VALID + 1 :] == 0).all()


def test_frames_that_are_not_there(framing):
    frames = frames_of(framing([0, 1], torch.ones(2, CHUNK * L + L), torch.tensor([5, 0])))
    assert frames[0, :, VALID].tolist() == [1] * 5 + [0] * 8
    assert frames[1, :, VALID].tolist() == [0] * 13


def test_a_stream_that_pauses_and_one_that_starts_anew(framing):
    chunk, all_there = torch.ones(1, CHUNK * L + L), torch.tensor([CHUNK])
    framing([0, 1], chunk.repeat(2, 1), all_there.repeat(2))
    frames = frames_of(framing([1], 2 * chunk, all_there))
    assert (frames[0] == 0).all()
    assert frames[1, 0, : FIELD + L].eq(1).all() and frames[1, 0, FIELD + L : SAMPLES].eq(2).all()
    framing.restart([1])
    frames = frames_of(framing([0, 1], 3 * chunk.repeat(2, 1), all_there.repeat(2)))
    assert frames[:, 0, SAMPLES].tolist() == [0, 1] and frames[:, 1, SAMPLES + 1].tolist() == [0, 1]
    assert (frames[1, 0, : FIELD + L] == 0).all()  # nothing of before
    assert (frames[0, 0, : FIELD + L] == 1).all()  # its own last chunk


def test_starts_of_many_short_windows(frontend):
    """A prenet that looks back 64 samples, so that four frames are marked, in windows of three."""
    params = load_params("small")
    prenet = {**params["convnet_config"], "out_channels": [1], "kernel_sizes": [65], "dilations": [1]}
    model = LLVC(**{**params, "dec_chunk_size": 3, "convnet_config": prenet})
    row = frontend.Row.of(model)
    assert (row.field, row.starts) == (64, 4)
    framing = frontend.Framing(row, Layout(model.config, 1, 1), 1)
    for chunk in range(3):
        rows = framing([0], torch.ones(1, 3 * L + L), torch.tensor([3]))
        marked = rows[0, 0, :3, row.samples : row.samples + 4]
        assert torch.equal(marked, torch.eye(9, 4)[3 * chunk : 3 * chunk + 3])
