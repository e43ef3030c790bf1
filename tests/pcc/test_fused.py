# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What could go wrong in the fused kernels and nowhere else: rings that wrap, shared memory, rows of garbage."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import soundfile
import torch
from support import one_chunk
from support.blocks import NETWORK_PCC, audible_before_the_start, demo_voice, golden, on_device, pcc, speech
from support.golden import fill_by_rule

from reference.llvc import LLVC
from tt.fused.numbers import TILE

ROOT = Path(__file__).resolve().parents[2]
CHUNK = 208
FUSED_PCC = 0.9999
WINDOW_PCC = 0.9997  # of single windows of three frames


def fused(device, model):
    from ttnn_llvc import TtLLVC

    return TtLLVC.from_reference(device, model, "fused")


def offline(model, audio):
    with torch.no_grad():
        return model(audio[:, None])[:, 0]


def run(tt_model, audio, chunk_factor=1):
    chunk = chunk_factor * tt_model.config.chunk_len
    with tt_model.stream(chunk_factor, audio.shape[0]) as stream:
        return torch.cat([stream.push(piece) for piece in audio.split(chunk, dim=1)] + [stream.flush()], dim=1)


@on_device
@pytest.mark.parametrize("chunk_factor, batch_size", [(1, 1), (2, 2), (4, 1)])
def test_every_ring_wraps(device, measure, one_group, chunk_factor, batch_size, rung):
    """45 windows: twice around the longest ring, of 21 windows, and 22 times around the shortest ones."""
    if rung == "simulator" and chunk_factor == 4:
        pytest.skip("the same windows take another three minutes there")
    model = golden("llvc").model
    audio = speech("llvc", batch_size, 45 * CHUNK)
    value, expected = run(fused(device, model), audio, chunk_factor), offline(model, audio)
    case = ("llvc", chunk_factor, batch_size)
    measure("network, 45 windows", case, value.split(CHUNK, dim=1), expected.split(CHUNK, dim=1), FUSED_PCC)


@on_device
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("name", ["llvc", "options_wide_groups"])
def test_gates_are_shut_before_the_start(device, name, gated):
    """Windows of three frames spread these samples over two cores, those of thirteen do not."""
    model = audible_before_the_start(name, gated)
    chunk = model.config.chunk_len
    audio = speech("llvc", 1, 3 * chunk)
    value, expected = run(fused(device, model), audio), offline(model, audio)
    for first in range(0, 3 * chunk, chunk):
        window = slice(first, first + chunk)
        assert pcc(value[:, window], expected[:, window]) >= WINDOW_PCC
    assert pcc(value, expected) >= WINDOW_PCC


PRENETS = {
    "of a row of three tiles": dict(kernel_sizes=(5, 9, 3), dilations=(4, 5, 1), combine_residuals="add"),
    "of one block, of leaky ReLU": dict(kernel_sizes=(34,), dilations=(1,), use_residual_blocks=False),
    "of many blocks, of leaky ReLU": dict(kernel_sizes=(3,) * 13, dilations=(1,) * 13, use_residual_blocks=False),
}


@on_device
@pytest.mark.parametrize("prenet", PRENETS)
def test_prenets_that_look_further_back(device, measure, prenet):
    """58, 33 and 26 samples; a block alone more than a tile is wide."""
    params = golden("small").params
    options = {**params["convnet_config"], "out_channels": (1,) * len(PRENETS[prenet]["kernel_sizes"])}
    model = fill_by_rule(LLVC(**{**params, "convnet_config": {**options, **PRENETS[prenet]}})).eval()
    audio = speech("llvc", 1, 3 * CHUNK)
    value, expected = run(fused(device, model), audio), offline(model, audio)
    measure("network", (f"prenet {len(options['out_channels'])}", 1, 1), [value], [expected], FUSED_PCC)
    assert pcc(value[:, :100], expected[:, :100]) >= WINDOW_PCC  # where its rows hold samples before the start


@on_device
@pytest.mark.parametrize("columns", range(1, 9))
def test_every_width_of_the_decoder(device, measure, one_group, columns, rung):
    """Those that do not divide the cores of a group are what the published networks have not."""
    if rung == "simulator" and columns in (1, 2, 4, 8):
        pytest.skip("other tests have these widths, and kernels take a while to compile there")
    dim = 32 * columns
    model = fill_by_rule(LLVC(**{**golden("small").params, "enc_dim": dim, "dec_dim": dim, "num_dec_layers": 2}))
    audio = speech("llvc", 2, 2 * CHUNK + 100)
    value, expected = run(fused(device, model), audio), offline(model, audio)
    measure("network", (f"decoder of {dim}", 1, 2), list(value), list(expected), FUSED_PCC)


@on_device
@pytest.mark.parametrize("chunk_factor, batch_size", [(1, 1), (2, 2)])
def test_frames_behind_the_end_of_a_stream(device, one_group, chunk_factor, batch_size):
    """They are zeros in the first decoder layer's windows only: the next one sees what it has made of them."""
    model = fill_by_rule(LLVC(**{**golden("small").params, "num_dec_layers": 3})).eval()
    audio = speech("llvc", batch_size, CHUNK + 50)
    value, expected = run(fused(device, model), audio, chunk_factor), offline(model, audio)
    assert pcc(value[:, CHUNK:], expected[:, CHUNK:]) >= WINDOW_PCC


@on_device
def test_a_thousand_chunks(device, measure, rung):
    """Thirteen seconds of speech in the bundled voice, as one stream."""
    if rung == "mock":
        pytest.skip("it is the kernels that a long stream could wear out")
    model = demo_voice()
    speech_ = torch.from_numpy(soundfile.read(ROOT / "test_wavs" / "example.wav", dtype="float32")[0])
    audio = speech_.repeat(2)[None, : 1000 * CHUNK]
    value, expected = run(fused(device, model), audio), offline(model, audio)
    parts = (signal.split(100 * CHUNK, dim=1) for signal in (value, expected))
    measure("network, 1,000 chunks", ("demo voice", 1, 1), *parts, FUSED_PCC)


@on_device
def test_near_silence(device):
    """Too small for a correlation to mean much: the error in full scale counts."""
    model = demo_voice()
    audio = speech("llvc", 1, 3 * CHUNK)
    audio *= 1e-4 / audio.abs().max()
    assert (run(fused(device, model), audio) - offline(model, audio)).abs().max() <= 1e-4


# How streams share a group of cores: (batch_size, lanes, streams in a tile, rounds).
SHARED = {"a tile": (2, 1, 2, 1), "lanes": (4, 2, 2, 1), "rounds": (5, 2, 2, 2)}


@on_device
@pytest.mark.parametrize("shared", SHARED)
def test_streams_that_share_cores_are_what_they_are_alone(device, one_group, shared):
    """Bit for bit: in one tile, in tiles side by side, and one after the other."""
    model = golden("llvc").model
    batch_size, lanes, sharing, rounds = SHARED[shared]
    audio = speech("llvc", batch_size, 2 * CHUNK + 100)
    tt_model = fused(device, model)
    layout = tt_model.network.layout(1, batch_size)
    assert (layout.groups, layout.lanes, layout.sharing, layout.rounds) == (1, lanes, sharing, rounds)
    together = run(tt_model, audio)
    for b in range(batch_size):
        assert torch.equal(together[b : b + 1], run(tt_model, audio[b : b + 1]))
        assert pcc(together[b : b + 1], offline(model, audio[b : b + 1])) >= NETWORK_PCC


@on_device
@pytest.mark.parametrize("place", [0, 1])
def test_no_bit_changes_with_what_the_other_stream_of_a_tile_does(device, one_group, place):
    stream = fused(device, golden("llvc").model).stream(1, 2)
    engine = stream.engine
    assert engine.streams.layout.sharing == 2
    audio, other = speech("llvc", 2, 3 * CHUNK + engine.lookahead_len)
    silence, noise = (
        torch.zeros_like(other),
        torch.rand(other.shape, generator=torch.Generator().manual_seed(1)) * 2 - 1,
    )

    def converted(samples, frames=(13, 13, 13), restarts_at=None):
        """What comes of `audio` beside these samples; a chunk of 0 frames is a pause, one of fewer than 13 an end."""
        engine.restart([0, 1])
        chunks = []
        for chunk, frames_ in enumerate(frames):
            if chunk == restarts_at:
                engine.restart([1 - place])
            window = slice(chunk * CHUNK, (chunk + 1) * CHUNK + engine.lookahead_len)
            both = {place: (audio[window], 13), 1 - place: (samples[window], frames_)}
            streams = [stream for stream in (0, 1) if both[stream][1]]
            batch = torch.stack([both[stream][0] for stream in streams])
            ((_, made),) = engine.convert(chunk, streams, batch, torch.tensor([both[stream][1] for stream in streams]))
            chunks.append(made[streams.index(place)].clone())
        return torch.cat(chunks)

    with stream:
        expected = converted(other)
        assert torch.equal(converted(silence), expected)
        assert torch.equal(converted(noise), expected)
        assert torch.equal(converted(noise, restarts_at=1), expected)
        assert torch.equal(converted(other, frames=(13, 0, 13)), expected)
        assert torch.equal(converted(other, frames=(13, 5, 0)), expected)


@on_device
@pytest.mark.parametrize(
    "sizes, arrangement",
    [
        (dict(num_enc_layers=11), (4, 1, 2, 2)),
        (dict(num_enc_layers=10, num_dec_layers=2), (4, 1, 1, 2)),
    ],
    ids=str,
)
def test_streams_take_turns_where_more_have_no_room(device, sizes, arrangement):
    """What a network takes beyond llvc leaves a pair on a group, or a stream."""
    model = fill_by_rule(LLVC(**{**golden("llvc").params, **sizes})).eval()
    plan = fused(device, model).network.plan(1, 4 * arrangement[2] * arrangement[3], "latency")
    layout = plan.layout
    assert not plan.lacking and (layout.groups, layout.lanes, layout.sharing, layout.rounds) == arrangement


@on_device
def test_what_is_not_finite_stays_in_its_stream(device, one_group, monkeypatch):
    """And ends with its restart."""
    monkeypatch.setattr("streaming.engine.MAX_SAMPLE", float("inf"))  # what the device would do without that check
    tt_model = fused(device, golden("llvc").model)
    audio = speech("llvc", 2, 2 * CHUNK + 16)
    with tt_model.stream(1, 2) as stream:
        expected = stream.push(audio)
    bad = audio.clone()
    bad[0, ::2], bad[0, 1::2] = 3e38, -3e38
    with tt_model.stream(1, 2) as stream:
        assert torch.equal(stream.push(bad)[1], expected[1])
        stream.reset()
        assert torch.equal(stream.push(audio), expected)


@on_device
def test_whatever_stood_in_memory(device, rung, ttnn):
    """L1 full of NaN where buffers and state will lie: not a bit of it comes out."""
    if rung == "mock":
        pytest.skip("golden functions do not see what stands in a buffer of the program")
    tt_model = fused(device, golden("llvc").model)
    audio = speech("llvc", 1, 2 * CHUNK)
    expected = run(tt_model, audio)
    view = ttnn.get_memory_view(device, ttnn.BufferType.L1)
    tiles = view.largest_contiguous_bytes_free_per_bank // (2 * TILE * TILE) * view.num_banks
    poison = torch.full((1, 1, tiles * TILE, TILE), float("nan"))
    ttnn.from_torch(poison, ttnn.bfloat16, layout=ttnn.TILE_LAYOUT, device=device, memory_config=ttnn.L1_MEMORY_CONFIG)
    assert torch.equal(run(tt_model, audio), expected)


@pytest.mark.fused
def test_fused_kernels_are_compiled_again_where_a_header_alone_has_changed(rung, tmp_path):
    """Compiled kernels are kept on disk: a process that finds those of the header as it was would be wrong."""
    if rung not in ("simulator", "card"):
        pytest.skip("nothing is compiled there")
    kernels = shutil.copytree(ROOT / "tt" / "fused" / "kernels", tmp_path / "kernels")

    def peak():
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        command = [sys.executable, one_chunk.__file__, str(kernels)]
        process = subprocess.run(command, env=environment, capture_output=True, text=True)
        assert process.returncode == 0, process.stderr
        return float(re.search(r"peak (\S+)", process.stdout)[1])

    first = peak()
    header = kernels / "synthesis.h"
    text = header.read_text()
    assert text.count("(x + y)") == 1
    header.write_text(text.replace("(x + y)", "(x * 0.0f)"))
    assert first > 0 and peak() == 0


@on_device
def test_what_the_cores_are_told(device, rung, ttnn):
    """Sixteen streams on four groups of sixteen cores, two rows of the grid each: two lanes of two in a tile."""
    from support import golden_ops
    from support.fused_golden import KERNELS, arguments_of

    if rung != "mock":
        pytest.skip("what is asked for is the same everywhere, and is seen on the mock device")
    tt_model = fused(device, golden("llvc").model)
    with tt_model.stream(2, 16) as stream:
        buffers = stream.engine.runner.buffers[0]
        (call,) = golden_ops.calls_of(buffers.trace)
        *_, scratch, state = stream.engine.streams._tensors.all
        scratch_address = scratch.buffer_address()
    program = call.args[1]
    wave = scratch_address + 4 * 1024
    counter = wave + 4 * 256 * 4
    for group in range(4):
        first, last = (
            device.worker_core_from_logical_core(ttnn.CoreCoord(*corner))
            for corner in ((0, 2 * group), (7, 2 * group + 1))
        )
        for core in range(16):
            corners = [first.x, first.y, last.x, last.y] if core < 8 else [last.x, last.y, first.x, first.y]
            of_core = arguments_of(program, 16 * group + core)
            compute, exchange, state_ = (of_core[name] for name in KERNELS)
            assert compute[0] == core % 8 and len(compute) == 1 + 12 * (2 + 2 + 2 * 3)
            assert exchange == [core, *corners, counter, wave, buffers.samples.buffer_address(), 4 * group]
            page = 4 * group * 16
            rows, states = buffers.rows.buffer_address(), state.buffer_address()
            assert state_ == [core, rows, 4 * group, states, page, scratch_address]
    assert [(semaphore.id, semaphore.initial_value) for semaphore in program.semaphores] == [(i, 0) for i in range(16)]
    formats = [(buffer, format_) for buffer in program.cbs for format_ in buffer.format_descriptors]
    assert sorted(format_.buffer_index for _, format_ in formats) == list(range(27))
    for buffer, format_ in formats:
        assert format_.page_size in (2048, 4096) and buffer.total_size % format_.page_size == 0
    for kernel in program.kernels:
        assert not kernel.defines and Path(kernel.kernel_source).is_file()
    # Each half of a group shares on the NoC that leads to the other half, and has the other NoC for its state.
    shares = [kernel for kernel in program.kernels if "exchange" in kernel.kernel_source]
    assert [(kernel.config.noc.value, kernel.core_ranges.num_cores()) for kernel in shares] == [(0, 32), (1, 32)]
    assert all(kernel.core_ranges.contains(ttnn.CoreCoord(7, 6 + kernel.config.noc.value)) for kernel in shares)
