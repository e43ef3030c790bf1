# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The stream's promise: its output is the offline output, whatever the slices, and it comes in time."""

import warnings

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.engines import ENGINES, delayed, failing, held_bytes
from support.fake_engine import GAIN, FakeEngine
from support.golden import PUBLISHED, fill_by_rule, golden, load_golden, relative_error
from support.passthrough import make_passthrough
from support.streams import offline, speech, stream

from reference.llvc import LLVC
from streaming.onnx_engine import OnnxEngine
from streaming.server import StreamServer
from streaming.stream import ChunkedStream
from streaming.torch_engine import TorchEngine

TOLERANCE = 1e-5  # of the largest offline sample
# Where a stream can end: before, at and behind the borders of a frame, a chunk, a chunk with its lookahead. They lie
# elsewhere for longer chunks and without a lookahead; the kind of prenet moves none. test_any_stream.py has the rest.
ENDS = [("small", 1, length) for length in (0, 1, 15, 16, 17, 207, 208, 209, 240, 16005)]
ENDS += [("small_no_lookahead", 1, length) for length in (1, 16, 207, 208, 209)]
ENDS += [("small", 4, length) for length in (831, 832, 833, 864)] + [("small_causal_blocks", 2, 1000)]


@pytest.mark.parametrize("name, chunk_factor, length", ENDS)
def test_every_length(engine, name, chunk_factor, length):
    audio = speech(name, 2, length)
    streamed = stream(engine, golden(name).model, audio, slices=max(length, 1), chunk_factor=chunk_factor)
    assert relative_error(streamed, offline(golden(name).model, audio)) < TOLERANCE


def test_what_an_engine_is_given():
    """Whole chunks with their lookahead, and at the end what is left of one: how many frames of it are there."""
    given_ = []

    class Engine(FakeEngine):
        def _submit(self, streams, samples, frames):
            given_.append((streams, samples.clone(), frames.tolist()))
            super()._submit(streams, samples, frames)

    audio = torch.arange(1.0, 951.0).expand(300, -1) / 1000
    with ChunkedStream(Engine(300)) as s:
        ready = torch.cat((s.push(audio[:, :500]), s.push(audio[:, 500:]), s.flush()), dim=1)
    everyone = list(range(300))
    chunks = [(0, 13), (208, 13), (416, 13), (624, 13), (832, 8)]  # 118 samples are left
    assert [(streams, frames) for streams, _, frames in given_] == [(everyone, 300 * [frames]) for _, frames in chunks]
    padded = F.pad(audio, (0, 300))
    for (_, samples, _), (start, _) in zip(given_, chunks, strict=True):
        assert torch.equal(samples, padded[:, start : start + 224])
    assert torch.equal(ready, GAIN * audio)


@pytest.mark.parametrize("batch_size, chunk_factor, slices", [(1, 1, 208), (2, 4, 500)])
@pytest.mark.parametrize("name", PUBLISHED)
def test_published_sizes(engine, name, batch_size, chunk_factor, slices):
    audio = speech(name, batch_size, 8005)
    streamed = stream(engine, golden(name).model, audio, slices, chunk_factor)
    assert relative_error(streamed, offline(golden(name).model, audio)) < TOLERANCE


def test_long_audio_at_the_published_size(engine):
    audio = speech("llvc", 1, 32005)
    assert relative_error(
        stream(engine, golden("llvc").model, audio, slices=208), golden("llvc").arrays["offline"][None]
    ) < (TOLERANCE)


def test_one_sample_at_a_time(engine):
    audio = speech("small", 3, 1300)
    streamed = stream(engine, golden("small").model, audio, slices=1)
    assert relative_error(streamed, offline(golden("small").model, audio)) < TOLERANCE


@pytest.mark.parametrize("depth", [2, 3])
def test_a_deeper_pipeline(engine, depth):
    """So many chunks stay under way, and their time is added to what a sample waits."""
    audio = speech("small", 2, 208 * 5 + 16)
    with ChunkedStream(delayed(engine, depth)(golden("small").model, batch_size=2)) as s:
        assert s.latency == (1 + depth) * 208 + 2 * 16 and s.longest_wait == (1 + depth) * 208 + 16
        ready = s.push(audio)
        assert ready.shape == (2, (5 - depth) * 208)
        streamed = torch.cat((ready, s.flush()), dim=1)
    assert relative_error(streamed, offline(golden("small").model, audio)) < TOLERANCE


def test_a_reset_forgets_the_chunk_under_way(engine):
    audio = speech("small", 2, 1200)
    with ChunkedStream(delayed(engine)(golden("small").model, batch_size=2)) as s:
        assert s.push(audio[:, :300]).shape == (2, 0)
        s.reset()
        streamed = torch.cat([s.push(piece) for piece in audio[:, 300:].split(224, dim=1)] + [s.flush()], dim=1)
    assert relative_error(streamed, offline(golden("small").model, audio[:, 300:])) < TOLERANCE


@pytest.mark.parametrize("fault", [OSError("the card fell out"), KeyboardInterrupt()], ids=["error", "interrupt"])
@pytest.mark.parametrize("fails_in", ["_submit", "_collect"])
def test_a_failed_chunk(engine, fails_in, fault):
    model, audio = golden("small").model, speech("small", 2, 600)
    with ChunkedStream(failing(engine)(model, batch_size=2)) as s:
        s.engine.fault, s.engine.fails_in = fault, fails_in
        with pytest.raises(type(fault)):
            s.push(audio)
        s.engine.fault = None
        for call in (lambda: s.push(audio[:, :1]), s.flush):
            with pytest.raises(RuntimeError, match="a chunk failed"):
                call()
        s.reset()
        streamed = torch.cat((s.push(audio[:, 100:]), s.flush()), dim=1)
    assert relative_error(streamed, offline(model, audio[:, 100:])) < TOLERANCE


def test_a_chunk_that_fails_while_it_is_waited_for(engine):
    model, audio = golden("small").model, speech("small", 2, 600)
    with ChunkedStream(failing(delayed(engine))(model, batch_size=2)) as s:
        s.push(audio[:, :224])
        s.engine.fault, s.engine.fails_in = OSError(), "_collect"
        with pytest.raises(OSError):
            s.flush()
        s.engine.fault = None
        with pytest.raises(RuntimeError, match="a chunk failed"):
            s.push(audio)
        s.reset()
        streamed = torch.cat((s.push(audio[:, 100:]), s.flush()), dim=1)
    assert relative_error(streamed, offline(model, audio[:, 100:])) < TOLERANCE


@pytest.mark.parametrize(
    "kernel_sizes, out_channels",
    [([1] * 12, [1] * 12), ([3] * 5 + [1] + [2] * 6, [1] * 12), ([1, 3, 1], [2, 3, 1])],
)
def test_prenet_blocks_that_see_no_past(engine, kernel_sizes, out_channels):
    """They have no context, wherever in the chain they stand and however many channels they take."""
    params = golden("small").params
    prenet = {"kernel_sizes": kernel_sizes, "out_channels": out_channels, "dilations": [1] * len(kernel_sizes)}
    model = fill_by_rule(LLVC(**params | {"convnet_config": params["convnet_config"] | prenet}))
    audio = speech("small", 2, 1000)
    assert relative_error(stream(engine, model, audio, slices=300), offline(model, audio)) < TOLERANCE


def test_flush_begins_anew(engine):
    audio = speech("small", 2, 700)
    with ChunkedStream(engine(golden("small").model, batch_size=2)) as s:
        first = torch.cat((s.push(audio), s.flush()), dim=1)
        assert s.flush().shape == (2, 0)
        assert torch.equal(torch.cat((s.push(audio), s.flush()), dim=1), first)


@pytest.mark.parametrize("chunk_factor, wait_ms, latency_ms", [(1, 14, 15), (2, 27, 28), (4, 53, 54)])
def test_latency_of_the_identity_network(engine, chunk_factor, wait_ms, latency_ms):
    model = make_passthrough(LLVC(**golden("llvc").params))
    length = 3 * 208 * chunk_factor
    audio = torch.rand(1, length) - 0.5
    waits, heard = [], []
    with ChunkedStream(engine(model, chunk_factor)) as s:
        assert 1000 * s.latency / 16000 == latency_ms
        for k in range(length):
            ready = s.push(audio[:, k : k + 1])
            waits += [k + 1 - (len(heard) + i) for i in range(ready.shape[1])]
            heard += ready[0].tolist()
    assert max(waits) == wait_ms * 16 == s.longest_wait
    assert len(heard) == 2 * 208 * chunk_factor
    # Not a sample early or late: output k is input k, through the network's final tanh.
    assert (torch.tensor(heard) - audio[0, : len(heard)].tanh()).abs().max() < 1e-6


@pytest.mark.parametrize("chunk_factor", [1, 2])
def test_no_sample_depends_on_input_beyond_the_latency(engine, chunk_factor):
    model = golden("small").model
    with ChunkedStream(engine(model, chunk_factor)) as s:
        latency = s.latency
    audio = speech("small", 1, 2000).clone().requires_grad_()
    output = model(audio[:, None])[0, 0]
    for k in (0, 100, 207, 208, 415, 416, 1000):
        (gradient,) = torch.autograd.grad(output[k], audio, retain_graph=True)
        last = int(gradient[0].nonzero().max())
        assert k <= last <= k + latency


def held(s):
    return held_bytes(s.engine) + s._pending.untyped_storage().nbytes()


def test_memory_does_not_grow(engine):
    params = {**golden("small").params, "enc_dim": 16, "dec_dim": 8, "num_enc_layers": 2}
    with ChunkedStream(engine(LLVC(**params), batch_size=2)) as s:
        for _ in range(2):  # before the first chunk is complete it may hold less
            s.push(torch.rand(2, 208) - 0.5)
        usual = held(s)
        for _ in range(200):
            s.push(torch.rand(2, 208) - 0.5)
            assert held(s) == usual


def test_a_long_push_leaves_nothing_behind(engine):
    with ChunkedStream(engine(golden("small").model)) as s:
        s.push(speech("small", 1, 208 + 16))
        usual = held(s)
        s.push(speech("small", 1, 208 * 20))
        assert held(s) == usual


def test_the_prenet_sees_each_sample_once():
    model = load_golden("small").model
    seen = []

    def hook(_module, inputs, _output):
        seen.append(inputs[0].shape[-1])

    model.convnet_pre.register_forward_hook(hook)
    stream(ENGINES["torch"], model, speech("small", 1, 208 * 4), slices=208)
    assert sum(seen) == 208 * 4 + 2 * 16  # and the silence before and after


def test_chunks_compute_no_label():
    """It is constant from the start of a stream on."""
    model = load_golden("small").model
    with ChunkedStream(TorchEngine(model)) as s:
        calls = []
        model.label_embedding.register_forward_hook(lambda *_: calls.append(1))
        assert s.push(speech("small", 1, 208 * 4)).shape == (1, 208 * 3)
        assert not calls


def test_wrong_calls(engine):
    model = golden("small").model
    for arguments in ({"chunk_factor": 0}, {"chunk_factor": 1.5}, {"batch_size": -1}, {"batch_size": True}):
        with pytest.raises(ValueError, match=f"{next(iter(arguments))} must be a positive integer"):
            ChunkedStream(engine(model, **arguments))
    with ChunkedStream(engine(model, batch_size=2)) as s:
        for shape in ((2,), (1, 10), (3, 10), (2, 1, 10)):
            with pytest.raises(ValueError, match=r"samples must have the shape \[2, any length\]"):
                s.push(torch.zeros(shape))
        ragged = [[0.1, 0.2], [0.3]]
        for wrong in (torch.zeros(2, 10, dtype=torch.int16), np.array(["sound"]), "sound", None, ragged):
            with pytest.raises(ValueError, match="must be floating-point numbers"):
                s.push(wrong)
        assert s.push(torch.full((2, 1), 1000.0)).shape == (2, 0)  # the most that is taken
        s.reset()
        for value in ("nan", "inf", "-inf"):
            bad = torch.zeros(2, 300)
            bad[1, 7] = float(value)
            with pytest.raises(ValueError, match=r"not finite in stream \[1\]"):
                s.push(bad)
        assert s.push(torch.zeros(2, 223)).shape == (2, 0)  # the refused samples were not taken
    for call in (lambda: s.push(torch.zeros(2, 1)), s.flush, s.reset, s.__enter__):
        with pytest.raises(RuntimeError, match="closed"):
            call()
    s.close()
    model = load_golden("small").model.train()
    with pytest.raises(ValueError, match="training mode"):
        ChunkedStream(engine(model))


def test_a_network_that_changes_under_a_stream():
    """train() would turn dropout on, half() fail somewhere inside; weights that were folded do not change."""
    model = load_golden("small").model
    with ChunkedStream(TorchEngine(model)) as s, ChunkedStream(OnnxEngine(model)) as folded:
        for change, back, message in (
            (model.train, model.eval, "training mode; call model.eval"),
            (model.mask_gen.train, model.eval, "training mode; call model.eval"),
            (model.half, model.float, "in torch.float16 .*; call model.float"),
            (model.double, model.float, "in torch.float64 .*; call model.float"),
        ):
            change()
            with pytest.raises(ValueError, match=message):
                s.push(torch.zeros(1, 300))
            back()
            s.reset()
            assert torch.equal(s.push(torch.zeros(1, 300)), ChunkedStream(TorchEngine(model)).push(torch.zeros(1, 300)))
        model.train()
        audio = speech("small", 1, 3000)
        streamed = torch.cat((folded.push(audio), folded.flush()), dim=1)
    assert relative_error(streamed, offline(golden("small").model, audio)) < TOLERANCE


@pytest.mark.parametrize("precision", [torch.float16, torch.float64])
def test_half_and_double_networks(precision):
    model = load_golden("small").model.to(precision)
    with pytest.raises(ValueError, match=f"in {precision} .*; call model.float"):
        ChunkedStream(TorchEngine(model))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x[:, ::-1].copy()[:, ::-1],
        lambda x: np.repeat(x, 3, axis=1)[:, ::3],
        lambda x: np.asfortranarray(np.repeat(x, 2, axis=0))[::2],
        lambda x: x.astype(">f4"),
        lambda x: x.astype(">f8")[:, ::-1][:, ::-1],
        lambda x: np.frombuffer(x.tobytes(), np.float32)[None],  # may not be written to
        lambda x: x.tolist(),
    ],
)
def test_arrays_of_every_layout(engine, change):
    audio = speech("small", 1, 2000)
    with ChunkedStream(engine(golden("small").model)) as s, warnings.catch_warnings():
        warnings.simplefilter("error")
        streamed = torch.cat((s.push(change(audio.numpy())), s.flush()), dim=1)
    assert relative_error(streamed, offline(golden("small").model, audio)) < TOLERANCE


def test_numbers_of_numpy_as_sizes(engine):
    audio = speech("small", 2, 2000)
    streamed = stream(engine, golden("small").model, audio, 500, np.int64(2))
    assert relative_error(streamed, offline(golden("small").model, audio)) < TOLERANCE
    with StreamServer(engine(golden("small").model, np.int32(1), np.int64(2))) as server:
        assert len(server.open().push(audio[0])) > 0


@pytest.mark.parametrize("sample", [1e30, -1e30, 1001.0])
def test_samples_far_beyond_full_scale(engine, sample):
    """They would stay in the state for good."""
    audio = speech("small", 1, 2000)
    with ChunkedStream(engine(golden("small").model)) as s:
        first = s.push(audio[:, :1000])
        with pytest.raises(ValueError, match="samples of .*: full scale is 1, and more than 1000 is refused"):
            s.push(torch.full((1, 300), sample))
        streamed = torch.cat((first, s.push(audio[:, 1000:]), s.flush()), dim=1)
    assert relative_error(streamed, offline(golden("small").model, audio)) < TOLERANCE
    with StreamServer(engine(golden("small").model)) as server, pytest.raises(ValueError, match="full scale is 1"):
        server.open().push(torch.full((300,), sample))


def test_no_graph_is_kept_of_input_that_wants_gradients(engine):
    with ChunkedStream(engine(golden("small").model)) as s:
        s.push(torch.zeros(1, 100, requires_grad=True))
        assert not s._pending.requires_grad


def test_output_may_be_changed_in_place(engine):
    with ChunkedStream(engine(golden("small").model)) as s:
        ready = s.push(torch.zeros(1, 300))
        ready *= 2
        assert ready.shape == (1, 208)
