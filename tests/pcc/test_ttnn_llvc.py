# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The whole network on the device: streamed and offline, alone and in batches, from the first sample to the last."""

import re
from pathlib import Path

import pytest
import torch
from support.blocks import (
    NETWORK_PCC,
    allocated,
    audible_before_the_start,
    for_all_cases,
    golden,
    on_device,
    pcc,
    speech,
)
from support.golden import OPTIONS, SMALL, fill_by_rule
from support.streams import offline, restarted

from reference.checkpoint import CheckpointError
from reference.llvc import LLVC
from streaming.server import StreamServer
from streaming.torch_engine import TorchEngine
from tt.errors import DeviceMemoryError, UnsupportedOption

ROOT = Path(__file__).resolve().parents[2]

# Stock: rows spread by columns and not, in L1 and in DRAM. Fused: two streams in a tile, and two such tiles side by
# side, with places left and without.
BATCHES = [("llvc", 1, 5), ("llvc", 1, 10), ("llvc", 1, 12)]


def streamed(model, audio, chunk_factor, slices):
    with model.stream(chunk_factor, audio.shape[0]) as stream:
        return torch.cat([stream.push(piece) for piece in audio.split(slices, dim=1)] + [stream.flush()], dim=1)


def check_stream(device, case, measure, make_network):
    name, chunk_factor, batch_size = case
    model = golden(name).model
    chunk = chunk_factor * model.config.chunk_len
    audio = speech("llvc", batch_size, 3 * chunk + model.config.chunk_len // 2 + 5)  # the last chunk is incomplete
    value = streamed(make_network(device, model), audio, chunk_factor, slices=chunk)
    expected = offline(model, audio)
    assert value.shape == expected.shape
    for b in range(batch_size):
        assert pcc(value[b], expected[b]) >= NETWORK_PCC, f"stream {b}"
    parts = (0, chunk, 2 * chunk, 3 * chunk, audio.shape[1])
    spans = [slice(a, b) for a, b in zip(parts, parts[1:], strict=False)]
    measure("stream", case, [value[:, s] for s in spans], [expected[:, s] for s in spans], NETWORK_PCC)


@for_all_cases
def test_stream(device, case, measure, make_network):
    check_stream(device, case, measure, make_network)


@on_device
@pytest.mark.parametrize("case", BATCHES, ids=str)
def test_stream_of_any_batch(device, case, measure, rung, make_network):
    if rung == "simulator" and case != ("llvc", 1, 5):
        pytest.skip("takes hours there")
    check_stream(device, case, measure, make_network)


@on_device
@pytest.mark.parametrize("name", ["llvc", "llvc_nc", "readme_defaults"])
def test_offline(device, name, measure, rung, make_network):
    model = golden(name).model
    audio = speech(name, 1, {"simulator": 1900, "mock": 4500}.get(rung, 8000))
    tt_model = make_network(device, model)
    value = tt_model.convert(audio)
    measure("offline", (name, tt_model.offline_chunk_factor, 1), [value], [offline(model, audio)], NETWORK_PCC)


@on_device
def test_a_batch_is_its_single_streams(device, make_network):
    model = golden("llvc").model
    audio = speech("llvc", 2, 700)
    tt_model = make_network(device, model)
    batch = streamed(tt_model, audio, 1, slices=208)
    for b in range(2):
        alone = streamed(tt_model, audio[b : b + 1], 1, slices=208)[0]
        if tt_model.kernels == "fused":
            assert torch.equal(batch[b], alone)
        assert pcc(batch[b], alone) >= 0.9999


@on_device
def test_a_silent_stream_beside_a_loud_one(device, make_network):
    """Stays, bit for bit, what it is beside another silent one."""
    tt_model = make_network(device, golden("llvc").model)
    silent = torch.zeros(1, 700)
    beside_loud = streamed(tt_model, torch.cat((speech("llvc", 1, 700) * 3, silent)), 1, slices=208)[1]
    beside_silent = streamed(tt_model, torch.cat((silent, silent)), 1, slices=208)[1]
    assert torch.equal(beside_loud, beside_silent)


@on_device
@pytest.mark.parametrize("reset_at", [208 * 3, 500])
def test_restarting_one_stream_of_a_batch(device, reset_at, make_network):
    """At a border of chunks and elsewhere, where the streams fall out of step: as the reference's stream."""
    model = golden("llvc").model
    audio = speech("llvc", 2, 1100)
    value = restarted(make_network(device, model).serve(2), audio, reset_at)
    expected = restarted(StreamServer(TorchEngine(model, 1, 2)), audio, reset_at)
    for b in range(2):
        assert value[b].shape == expected[b].shape
        assert pcc(value[b], expected[b]) >= NETWORK_PCC, f"stream {b}"


@on_device
def test_flush_begins_anew(device, make_network):
    model = golden("llvc").model
    audio = speech("llvc", 1, 300)
    with make_network(device, model).stream() as stream:
        first = torch.cat((stream.push(audio), stream.flush()), dim=1)
        assert torch.equal(first, torch.cat((stream.push(audio), stream.flush()), dim=1))


@on_device
@pytest.mark.parametrize("gated", [True, False])
@pytest.mark.parametrize("name", ["llvc", "options_wide_groups"])
def test_nothing_is_heard_before_the_start(device, name, gated, TtLLVC):
    """Of the stock network; tests/pcc/test_fused.py has the fused one."""
    model = audible_before_the_start(name, gated)
    audio = speech("llvc", 1, 3 * model.config.chunk_len)
    value, expected = streamed(TtLLVC.from_reference(device, model, "stock"), audio, 1, 208), offline(model, audio)
    window = slice(model.config.chunk_len)
    assert pcc(value[:, window], expected[:, window]) >= 0.9997
    assert (value - expected)[:, window].abs().max() <= 0.03 * expected.abs().max()


@on_device
def test_a_second_network_does_not_lie_in_the_first_ones_trace(device, TtLLVC):
    audio = speech("llvc", 1, 208 * 3)
    model = golden("llvc").model
    with TtLLVC.from_reference(device, model, "stock").stream() as stream:
        parts = [stream.push(audio[:, :500])]
        second = TtLLVC.from_reference(device, golden("llvc_nc").model, "stock")
        parts += [stream.push(audio[:, 500:]), stream.flush()]
        assert second.kernels == "stock"
    assert pcc(torch.cat(parts, dim=1), offline(model, audio)) >= NETWORK_PCC


@on_device
def test_a_reset_clears_what_is_not_finite(device, make_network, monkeypatch):
    monkeypatch.setattr("streaming.engine.MAX_SAMPLE", float("inf"))  # what the device would do without that check
    audio = torch.cat((torch.full((1, 500), 3e38), torch.full((1, 500), -3e38)), dim=1)
    speech_ = speech("llvc", 1, 300)
    with make_network(device, golden("llvc").model).stream() as stream:
        stream.push(audio)
        stream.reset()
        after = torch.cat((stream.push(speech_), stream.flush()), dim=1)
        assert torch.equal(after, torch.cat((stream.push(speech_), stream.flush()), dim=1))
        assert torch.isfinite(after).all()


@on_device
def test_state_stays_where_it_is_and_nothing_grows(device, make_network):
    with make_network(device, golden("llvc").model).stream() as stream:
        addresses = [tensor.buffer_address() for tensor in stream.engine.streams.tensors]
        audio = speech("llvc", 1, 208 * 4 + 16)
        stream.push(audio[:, : 208 + 16])  # the first chunk loads the programs, which stay
        before = allocated(device)
        for chunk in audio[:, 208 + 16 :].split(208, dim=1):
            stream.push(chunk)
            assert [tensor.buffer_address() for tensor in stream.engine.streams.tensors] == addresses
            assert allocated(device) == before
    assert len(set(addresses)) == len(addresses) > 0


FUSED_REFUSE = {
    "small_causal_blocks": "a prenet of several channels",
    "options_no_proj": "L 8 ",
    "options_prenet_channels": "a prenet of several channels",
    "readme_defaults": "L 8 ",
}


def test_unsupported_options_name_themselves(TtLLVC):
    for name, enc_dim, dec_dim in (("enc_dim", 48, 16), ("dec_dim", 96, 48)):
        model = LLVC(**{**golden("small").params, "enc_dim": enc_dim, "dec_dim": dec_dim})
        with pytest.raises(UnsupportedOption, match=f"takes {name} in multiples of 32, a tile's side, not 48"):
            TtLLVC(None, model, kernels="stock")
    for name, option in FUSED_REFUSE.items():
        with pytest.raises(UnsupportedOption, match=f"the fused kernels do not take {option}"):
            TtLLVC(None, LLVC(**golden(name).params).eval(), kernels="fused")
    with pytest.raises(ValueError, match="training mode"):
        TtLLVC(None, LLVC(**golden("llvc").params).train())
    with pytest.raises(ValueError, match="kernels must be one of auto, fused, stock, not 'fast'"):
        TtLLVC(None, golden("llvc").model, kernels="fast")


@on_device
def test_fused_kernels_where_they_fit(device, TtLLVC):
    assert TtLLVC.from_reference(device, golden("llvc").model).kernels == "fused"
    stock = TtLLVC.from_reference(device, golden("readme_defaults").model)
    assert stock.kernels == "stock" and "L 8" in stock.why


@on_device
def test_weights_that_a_core_has_no_room_for(device, rung, TtLLVC):
    """Three decoder layers beside eight of the encoder are too much for one core."""
    if rung == "simulator":
        pytest.skip("what is asked of the device's memory is the same on the mock")
    model = fill_by_rule(LLVC(**{**golden("llvc").params, "num_dec_layers": 3})).eval()
    tt_model = TtLLVC.from_reference(device, model)
    assert tt_model.kernels == "stock"
    needed, there = (int(number.replace(",", "")) for number in re.findall(r"[\d,]{5,}", tt_model.why))
    # 592 tiles of weights in bfloat16 and 5 in float32, what streams share, buffers and scratch (docs/KERNELS.md)
    assert needed == 592 * 2048 + 5 * 4096 + 151_552 + 55_296 + 33 * 64 and there < needed
    with pytest.raises(UnsupportedOption, match="bytes of weights"):
        TtLLVC.from_reference(device, model, "fused")


@on_device
@pytest.mark.parametrize("case", [(name, 2, 2) for name in (*SMALL, *OPTIONS)], ids=str)
def test_every_option(device, case, measure, make_network):
    """Other widths, hops, prenets and numbers of layers, with and without what can be left out."""
    check_stream(device, case, measure, make_network)


SIZES = {
    "hops of 40 samples, heads of 12": dict(L=40, enc_dim=192, dec_dim=96),
    "hops of a sample": dict(L=1, out_buf_len=7),
    "windows of a frame": dict(dec_chunk_size=1, dec_buf_len=1, out_buf_len=1, num_dec_layers=2),
    "windows of 330 frames": dict(dec_chunk_size=330, dec_buf_len=40, use_pos_enc=False, num_enc_layers=2),
}


@on_device
@pytest.mark.parametrize("sizes", SIZES)
def test_other_sizes(device, sizes, rung, TtLLVC):
    if rung == "simulator" and "330" in sizes:
        pytest.skip("takes hours there")
    model = fill_by_rule(LLVC(**{**golden("small").params, **SIZES[sizes]}))
    audio = speech("llvc", 2, 5 * model.config.chunk_len // 2 + 41)
    value = streamed(TtLLVC.from_reference(device, model, "stock"), audio, 2, slices=1000)
    assert pcc(value, offline(model, audio)) >= NETWORK_PCC


@on_device
def test_long_chunks(device, make_network, rung):
    """25 windows do not fit the stock programs, and are converted in five parts."""
    if rung == "simulator":
        pytest.skip("takes hours there")
    model = golden("small").model
    audio = speech("llvc", 2, 30 * model.config.chunk_len + 50)
    value = streamed(make_network(device, model), audio, 25, slices=2000)
    assert pcc(value, offline(model, audio)) >= NETWORK_PCC


@on_device
def test_wrong_sizes_of_chunks_and_batches(device, make_network):
    tt_model = make_network(device, golden("small").model)
    for arguments in ((0, 1), (1, 0), (1.5, 1)):
        with pytest.raises(ValueError, match="must be a positive integer"):
            tt_model.stream(*arguments)


@on_device
def test_too_little_memory_gets_one_line(device, make_network, ttnn):
    tt_model = make_network(device, golden("llvc").model)
    hog = []
    shape = [1, 1, 2**15, 2**14]  # 1 GB
    with pytest.raises(RuntimeError, match="Out of Memory"):
        while True:
            hog.append(ttnn.allocate_tensor_on_device(ttnn.TensorSpec(shape, ttnn.bfloat16, ttnn.TILE_LAYOUT), device))
    # The fused kernels' samples are in L1.
    streams, lacking = {"stock": (512, "DRAM"), "fused": (4096, "L1 and DRAM")}[tt_model.kernels]
    with pytest.raises(DeviceMemoryError, match=f"too little {lacking} for {streams} streams") as error:
        tt_model.stream(4, streams)
    assert "\n" not in str(error.value)
    hog.clear()
    with tt_model.stream() as stream:  # the device is fit for use
        assert stream.push(torch.zeros(1, 300)).shape == (1, 208)


def test_a_checkpoint_of_another_configuration(tmp_path, TtLLVC):
    path = tmp_path / "G.pth"
    torch.save({"model": golden("llvc_nc").model.state_dict()}, path)
    with pytest.raises(CheckpointError, match="do not fit the configuration"):
        TtLLVC.from_checkpoint(None, path, ROOT / "experiments" / "llvc" / "config.json")


@on_device
def test_from_checkpoint(device, tmp_path, TtLLVC):
    path = tmp_path / "G.pth"
    torch.save({"model": golden("llvc").model.state_dict()}, path)
    tt_model = TtLLVC.from_checkpoint(device, path, ROOT / "experiments" / "llvc" / "config.json")
    audio = speech("llvc", 1, 500)
    assert pcc(tt_model.convert(audio), offline(golden("llvc").model, audio)) >= NETWORK_PCC
