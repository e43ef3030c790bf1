# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Streams of a server come and go as they like, and each is what it would be alone."""

import threading

import pytest
import torch
from support.engines import delayed, failing, held_bytes
from support.fake_engine import FakeEngine
from support.golden import load_golden, relative_error
from torch.utils._python_dispatch import TorchDispatchMode

from streaming.server import ServerFull, StreamServer

TOLERANCE = 1e-5
GOLDEN = load_golden("small")
SPEECH = torch.from_numpy(GOLDEN.arrays["audio"])


def serve(engine, batch_size, chunk_factor=1):
    return StreamServer(engine(GOLDEN.model, chunk_factor, batch_size))


def offline(audio):
    with torch.no_grad():
        return GOLDEN.model(audio[None, None])[0, 0]


def test_it_waits_for_a_late_stream_a_chunk_at_most(engine):
    with serve(engine, 2) as server:
        a, b = server.open(), server.open()
        assert len(a.push(SPEECH[: 208 + 16])) == 0  # b has nothing yet
        assert len(b.push(SPEECH[: 208 + 16])) == 208
        assert len(a.read()) == 208 and len(b.read()) == 0
        assert len(a.push(SPEECH[:208])) == 0
        assert len(a.push(SPEECH[:208])) == 208  # b is a chunk late: no more waiting
        assert server.step() == 1 and len(a.read()) == 208
        assert server.step() == 0


def test_nobody_waits_for_a_stream_that_finished_or_left(engine):
    with serve(engine, 2) as server:
        a, b = server.open(), server.open()
        b.push(SPEECH[:50])
        b.finish()
        assert len(a.push(SPEECH[:224])) == 208 and len(b.read()) == 50
        assert len(a.push(SPEECH[:208])) == 208  # b has nothing left
        b.reset()
        assert len(a.push(SPEECH[:208])) == 0  # b goes on
        b.close()
        assert len(a.push(SPEECH[:1])) == 208


def test_streams_that_finish_together_end_in_one_step(engine):
    with serve(engine, 3) as server:
        streams = [server.open() for _ in range(3)]
        for b, stream in enumerate(streams):
            stream.push(SPEECH[: 100 + b])
            stream.finish()
            with pytest.raises(RuntimeError, match="finished"):
                stream.push(SPEECH[:1])
        assert server.step() == 3
        for b, stream in enumerate(streams):
            assert relative_error(stream.read(), offline(SPEECH[: 100 + b])) < TOLERANCE


def test_a_full_server(engine):
    with serve(engine, 2) as server:
        a = server.open()
        server.open()
        with pytest.raises(ServerFull, match="all 2 streams are in use"):
            server.open()
        a.close()
        server.open()


def test_bad_samples_are_told_to_their_stream_only(engine):
    with serve(engine, 2) as server:
        good, bad = server.open(), server.open()
        received = []
        for start in range(0, 1040, 208):
            received.append(good.push(SPEECH[start : start + 208]))
            for samples, message in (
                (torch.full((208,), float("nan")), "not finite$"),
                (torch.tensor([0.0, float("inf")]), "not finite$"),
                (torch.tensor([0.0, float("-inf")]), "not finite$"),
                (torch.zeros(1, 208), r"shape \[any length\]"),
                (torch.zeros(208, dtype=torch.int16), "floating-point"),
            ):
                with pytest.raises(ValueError, match=message):
                    bad.push(samples)
        received.append(good.flush())
        assert relative_error(torch.cat(received), offline(SPEECH[:1040])) < TOLERANCE
        assert len(bad.flush()) == 0


def test_calls_after_close(engine):
    server = serve(engine, 2)
    stream = server.open()
    stream.close()
    stream.close()
    for call in (lambda: stream.push(torch.zeros(1)), stream.read, stream.finish, stream.flush, stream.reset):
        with pytest.raises(RuntimeError, match="the stream is closed"):
            call()
    other = server.open()
    server.close()
    server.close()
    for call in (
        server.open,
        server.step,
        server.drain,
        lambda: other.push(torch.zeros(1)),
        other.reset,
        server.__enter__,
    ):
        with pytest.raises(RuntimeError, match="closed"):
            call()


FAULTS = (OSError("the card fell out"), KeyboardInterrupt())


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
def test_a_failed_chunk_is_told_to_all_streams_and_a_reset_starts_anew(engine, fault):
    with StreamServer(failing(engine)(GOLDEN.model, 1, 3)) as server:
        a, b = server.open(), server.open()
        a.push(SPEECH[:600])
        b.push(SPEECH[:600])
        server.engine.fault = fault
        with pytest.raises(type(fault)):
            a.push(SPEECH[:600])
        server.engine.fault = None
        for stream in (a, b):
            for call in (lambda stream=stream: stream.push(torch.zeros(1)), stream.read, stream.finish, stream.flush):
                with pytest.raises(RuntimeError, match="a chunk of the server failed"):
                    call()
        c = server.open()  # is not stopped by the others
        assert relative_error(torch.cat((c.push(SPEECH[:500]), c.flush())), offline(SPEECH[:500])) < TOLERANCE
        a.reset()
        assert relative_error(torch.cat((a.push(SPEECH[:500]), a.flush())), offline(SPEECH[:500])) < TOLERANCE
        b.close()


def test_an_engine_that_failed_converts_nothing_before_all_its_streams_start_anew(engine):
    """Those of free places and of streams that are still stopped among them."""

    class Strict(failing(engine)):
        stale = frozenset()

        def restart(self, streams):
            self.stale -= set(streams)
            super().restart(streams)

        def _submit(self, *arguments):
            assert not self.stale
            super()._submit(*arguments)

        def _abandon(self):
            self.stale = frozenset(range(self.batch_size))
            super()._abandon()

    with StreamServer(Strict(GOLDEN.model, 1, 4)) as server:
        a, _, c = server.open(), server.open(), server.open()
        c.close()
        server.engine.fault = OSError()
        with pytest.raises(OSError):
            a.push(SPEECH[:432])
        server.engine.fault = None
        d = server.open()
        assert relative_error(torch.cat((d.push(SPEECH[:500]), d.flush())), offline(SPEECH[:500])) < TOLERANCE


def test_nobody_waits_for_a_stream_that_a_failed_chunk_stopped(engine):
    with StreamServer(failing(engine)(GOLDEN.model, 1, 3)) as server:
        a, b = server.open(), server.open()
        b.push(SPEECH[:224])
        server.engine.fault = OSError()
        with pytest.raises(OSError):
            a.push(SPEECH[:640])
        server.engine.fault = None
        assert server.step() == 0  # two more chunks of a are not converted
        c = server.open()
        assert len(c.push(SPEECH[:224])) == 208
        a.reset()
        assert len(a.push(SPEECH[:224])) == 0  # for c, which goes on, it waits
        assert len(c.push(SPEECH[:208])) == 208 and len(a.read()) == 208


@pytest.mark.parametrize("fails_in", ["_submit", "_collect"])
def test_a_failed_chunk_leaves_none_under_way(engine, fails_in):
    """What comes out later belongs to what went in later, also where the streams start anew one by one."""
    with StreamServer(failing(delayed(engine))(GOLDEN.model, 1, 2)) as server:
        streams = [server.open(), server.open()]
        for stream in streams:
            stream.push(SPEECH[:224])
        server.engine.fault, server.engine.fails_in = OSError(), fails_in
        with pytest.raises(OSError):
            streams[0].push(SPEECH[:432])
        server.engine.fault = None
        for b, stream in enumerate(streams):
            stream.reset()
            samples = SPEECH[700 + b :][:500]
            assert relative_error(torch.cat((stream.push(samples), stream.flush())), offline(samples)) < TOLERANCE


def test_a_chunk_that_fails_while_the_server_waits_for_it(engine):
    with StreamServer(failing(delayed(engine))(GOLDEN.model)) as server:
        stream = server.open()
        stream.push(SPEECH[:224])
        server.engine.fault, server.engine.fails_in = OSError(), "_collect"
        with pytest.raises(OSError):
            server.drain()
        server.engine.fault = None
        with pytest.raises(RuntimeError, match="a chunk of the server failed"):
            stream.read()
        stream.reset()
        samples = SPEECH[700:1200]
        assert relative_error(torch.cat((stream.push(samples), stream.flush())), offline(samples)) < TOLERANCE


def test_nothing_is_kept_alive_by_what_is_left_of_it(engine):
    """Audio is a copy, not a view of a long push or of the whole batch."""
    with serve(engine, 2) as server:
        a, b = server.open(), server.open()
        before = a.push(SPEECH[: 208 * 20 + 16])
        assert before.untyped_storage().nbytes() == 4 * len(before) == 4 * 208 * 19
        ready = (b.push(SPEECH[: 208 + 16]), a.read())
        assert [audio.untyped_storage().nbytes() for audio in ready] == [4 * 208, 4 * 208]


class CopiedBytes(TorchDispatchMode):
    """Counts the bytes of all tensors that operations make, but for views."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        if isinstance(result, torch.Tensor) and not operation.is_view:
            self.count += result.numel() * result.element_size()
        return result


def test_the_work_of_a_push_is_linear_in_its_length():
    def copied(chunks):
        with StreamServer(FakeEngine(1)) as server, server.open() as stream, CopiedBytes() as bytes_:
            assert len(stream.push(torch.zeros(208 * chunks + 16))) == 208 * chunks
        return bytes_.count

    assert copied(400) < 2.2 * copied(200)


def test_closing_a_server_closes_its_engine_once(engine):
    closed = []

    class Watched(engine):
        def close(self):
            closed.append(self)
            super().close()

    with StreamServer(Watched(GOLDEN.model)) as server:
        server.close()
    assert closed == [server.engine]


def test_nothing_grows_over_many_streams(engine):
    with serve(engine, 2) as server:
        stays = server.open()
        stays.push(SPEECH[:224])
        before = held_bytes(server.engine)
        for _ in range(1000):
            with server.open() as stream:
                stream.push(SPEECH[:50])
        assert server.streams == [stays] and held_bytes(server.engine) == before
        assert not server.engine._under_way


def test_streams_in_threads_of_their_own(engine):
    def run(stream, samples):
        parts = [stream.push(piece) for piece in samples.split(97)]
        results[stream] = torch.cat([*parts, stream.flush()])

    results = {}
    with serve(engine, 4) as server:
        inputs = {server.open(): SPEECH[1000 * b : 1000 * b + 3000 + 10 * b] for b in range(4)}
        threads = [threading.Thread(target=run, args=item) for item in inputs.items()]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    for stream, samples in inputs.items():
        assert relative_error(results[stream], offline(samples)) < TOLERANCE
