# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Streams and servers whatever they are given: cases drawn by hypothesis."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from support.configurations import networks
from support.engines import delayed
from support.golden import SMALL, golden, relative_error
from support.streams import offline, speech, stream

from streaming.server import StreamServer
from streaming.stream import ChunkedStream

pytestmark = pytest.mark.slow

TOLERANCE = 1e-5  # of the largest offline sample
EXAMPLES = settings(max_examples=25)


@given(
    name=st.sampled_from(SMALL),
    batch_size=st.sampled_from([1, 2, 3, 5]),
    chunk_factor=st.sampled_from([1, 2, 4, 8]),
    pipelined=st.booleans(),
    slices=st.lists(st.integers(0, 700), max_size=12),
)
@EXAMPLES
def test_any_slices(engine, name, batch_size, chunk_factor, pipelined, slices):
    engine = delayed(engine) if pipelined else engine
    audio = speech(name, batch_size, sum(slices))
    streamed = stream(engine, golden(name).model, audio, slices or [0], chunk_factor)
    assert relative_error(streamed, offline(golden(name).model, audio)) < TOLERANCE


@given(
    name=st.sampled_from(SMALL),
    chunk_factor=st.sampled_from([1, 2]),
    pipelined=st.booleans(),
    lengths=st.lists(st.integers(0, 900), min_size=1, max_size=4),
)
@EXAMPLES
def test_streams_that_are_reset_begin_anew(engine, name, chunk_factor, pipelined, lengths):
    model = golden(name).model
    engine = delayed(engine) if pipelined else engine
    *dropped, last = speech(name, 3, sum(lengths)).split(lengths, dim=1)
    with ChunkedStream(engine(model, chunk_factor, batch_size=3)) as s:
        for audio in dropped:
            s.push(audio)
            s.reset()
        streamed = torch.cat((s.push(last), s.flush()), dim=1)
    assert streamed.shape == last.shape
    assert relative_error(streamed, offline(model, last)) < TOLERANCE
    assert s.latency == (1 + pipelined) * chunk_factor * 208 + 2 * model.config.lookahead_len


@given(
    batch_size=st.integers(1, 4),
    chunk_factor=st.sampled_from([1, 2]),
    pipelined=st.booleans(),
    events=st.lists(
        st.tuples(
            st.integers(0, 3),
            st.sampled_from(["push", "push", "push", "push", "reset", "close", "flush", "step"]),
            st.integers(0, 700),
        ),
        max_size=40,
    ),
)
@EXAMPLES
def test_each_stream_is_what_it_is_alone(engine, batch_size, chunk_factor, pipelined, events):
    engine, model = delayed(engine) if pipelined else engine, golden("small").model
    audio = torch.from_numpy(golden("small").arrays["audio"])

    def check(place):
        given_, got = given_to[place], torch.cat(got_from[place])
        assert got.shape == given_.shape
        assert relative_error(got, offline(model, given_[None])[0]) < TOLERANCE

    streams, given_to, got_from = {}, {}, {}
    with StreamServer(engine(model, chunk_factor, batch_size)) as server:
        for number, (place, what, length) in enumerate(events):
            place %= batch_size
            if place not in streams:
                streams[place], given_to[place], got_from[place] = server.open(), torch.zeros(0), []
            stream = streams[place]
            if what == "push":
                samples = audio[577 * number : 577 * number + length]
                given_to[place] = torch.cat((given_to[place], samples))
                got_from[place].append(stream.push(samples))
            elif what == "step":
                server.step()
            elif what == "flush":
                got_from[place].append(stream.flush())
                check(place)
                given_to[place], got_from[place] = torch.zeros(0), []
            else:
                getattr(stream, what)()
                given_to[place], got_from[place] = torch.zeros(0), []
                if what == "close":
                    del streams[place]
        for place, stream in streams.items():
            got_from[place].append(stream.flush())
            check(place)


@given(model=networks(), chunk_factor=st.integers(1, 3), batch_size=st.integers(1, 3))
@settings(max_examples=15)
def test_any_network(engine, model, chunk_factor, batch_size):
    """Its weights make some of them amplify rounding; what is wrong by a sample is wrong altogether."""
    audio = speech("llvc", batch_size, min(2 * chunk_factor * model.config.chunk_len + 77, 3000))
    value = stream(engine, model, audio, 333, chunk_factor)
    assert relative_error(value, offline(model, audio)) < 1e-4
