# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The clocked engine on a fake clock: who is converted when, what is dropped, and that nothing grows."""

import gc
import sys
import threading

import numpy as np
import pytest
from support.fake_engine import GAIN, SAMPLE_RATE, FakeEngine

from live.clocked import MAX_FAILURES, ClockedServer
from live.protocol import ProtocolError
from streaming.rings import Chunk, ServerFull

CHUNK = 208
PERIOD = CHUNK / SAMPLE_RATE
RNG = np.random.default_rng(0)


class Simulation:
    """A ClockedServer on a FakeEngine and a clock that stands until run() moves it."""

    def __init__(self, places, chunk_factor=1, compute=0.001, sample_rate=SAMPLE_RATE):
        self.now = 0.0
        self.engine = FakeEngine(places, chunk_factor, compute, self._elapse)
        self.server = ClockedServer(self.engine, sample_rate, clock=lambda: self.now)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.stop()

    def _elapse(self, seconds):
        self.now += seconds

    def run(self, seconds):
        """Lets the server do what is due until `seconds` from now; a chunk may end later."""
        until = self.now + seconds
        while True:
            wait = self.server.advance()
            if wait is None or self.now + wait > until:
                break
            self.now += wait
        self.now = max(self.now, until)


def noise(count):
    return RNG.uniform(-0.5, 0.5, count).astype(np.float32)


def heard(channel):
    """(samples read so far, messages)."""
    out = channel.read()
    audio = [entry.samples for entry in out if isinstance(entry, Chunk)]
    return np.concatenate([np.zeros(0, np.float32), *audio]), [e for e in out if not isinstance(e, Chunk)]


class Client:
    """Pushes a chunk every chunk's time and reads what there is."""

    def __init__(self, sim, channel):
        self.sim, self.channel, self.begin = sim, channel, sim.now
        self.given, self.got, self.messages = [], [], []

    def speak(self, seconds):
        until = self.sim.now + seconds
        while self.sim.now < until:
            while len(self.given) * PERIOD <= self.sim.now - self.begin:
                self.given.append(noise(CHUNK))
                self.channel.push(self.given[-1])
            self.sim.run(PERIOD / 4)
            audio, messages = heard(self.channel)
            self.got.append(audio)
            self.messages += messages


def test_a_tick_converts_every_stream_that_has_a_chunk_and_waits_for_nobody():
    with Simulation(places=3) as sim:
        a, b, late = (sim.server.open() for _ in range(3))
        for channel in (a, b):
            channel.push(noise(CHUNK + 16))
        sim.run(0.001)
        assert [len(heard(channel)[0]) for channel in (a, b, late)] == [CHUNK, CHUNK, 0]
        assert sim.engine.calls == [2]  # both in one go


def test_a_stream_that_is_early_keeps_its_clock():
    with Simulation(places=1) as sim:
        channel = sim.server.open()
        channel.push(noise(10 * CHUNK + 16))
        sim.run(0.0)
        assert len(heard(channel)[0]) == CHUNK
        sim.run(4.5 * PERIOD)
        assert len(heard(channel)[0]) == 4 * CHUNK


def test_a_stream_that_was_late_catches_up_at_once():
    with Simulation(places=2) as sim:
        steady, late = sim.server.open(), sim.server.open()
        for k in range(12):
            steady.push(noise(CHUNK if k else CHUNK + 16))
            if k == 0:
                late.push(noise(CHUNK + 16))
            if k == 10:  # all that it owes
                late.push(noise(10 * CHUNK))
            sim.run(PERIOD)
        assert len(heard(steady)[0]) == len(heard(late)[0]) + CHUNK == 12 * CHUNK


def test_what_comes_out_is_what_went_in_without_a_sample_lost_or_moved():
    with Simulation(places=2) as sim:
        given = [noise(5000), noise(4321)]
        channels = [sim.server.open() for _ in given]
        got = [[], []]
        for start in range(0, 5000, 97):
            for channel, samples in zip(channels, given, strict=True):
                channel.push(samples[start : start + 97])
            sim.run(97 / SAMPLE_RATE)
            for pieces, channel in zip(got, channels, strict=True):
                pieces.append(heard(channel)[0])
        for pieces, channel, samples in zip(got, channels, given, strict=True):
            channel.end()
            with pytest.raises(ProtocolError, match='behind "end"'):
                channel.push(noise(1))
            sim.run(0.1)
            audio, messages = heard(channel)
            assert messages == [{"type": "ended"}]
            assert np.array_equal(np.concatenate([*pieces, audio]), GAIN * samples)
            channel.push(samples[:300])  # and a new one
            channel.end()
            sim.run(0.1)
            assert np.array_equal(heard(channel)[0], GAIN * samples[:300])


def test_a_tail_longer_than_what_may_wait_to_be_sent_is_not_dropped():
    with Simulation(places=1) as sim:
        channel, samples, got = sim.server.open(), noise(SAMPLE_RATE * 3 // 2), []
        channel.push(samples)
        channel.end()
        for _ in range(10):
            sim.run(0.5)
            got.append(heard(channel)[0])
        assert channel.dropped == 0 and np.array_equal(np.concatenate(got), GAIN * samples)


def test_an_end_with_nothing_inside():
    with Simulation(places=1) as sim:
        channel = sim.server.open()
        channel.end()
        sim.run(0.1)
        assert heard(channel)[1] == [{"type": "ended"}]


def test_a_file_is_converted_in_the_time_that_is_left_and_reads_no_faster_than_it_is_read():
    with Simulation(places=2, compute=0.002) as sim:
        live, file = sim.server.open(), sim.server.open(is_live=False)
        samples, got, sent = noise(SAMPLE_RATE * 2), [], 0
        for k in range(75):
            live.push(noise(CHUNK if k else CHUNK + 16))
            while file.has_room and sent < len(samples):
                file.push(samples[sent : sent + 4000])
                sent += 4000
            sim.run(PERIOD)
            got.append(heard(file)[0])
        assert len(heard(live)[0]) == 75 * CHUNK  # nothing late
        assert live.late == 0 and live.dropped == 0
        assert sum(map(len, got)) > 1.9 * SAMPLE_RATE  # two seconds in one
        file.end()
        sim.run(0.1)
        assert np.array_equal(np.concatenate([*got, heard(file)[0]]), GAIN * samples)


def test_a_file_that_nobody_reads_waits():
    with Simulation(places=1) as sim:
        file = sim.server.open(is_live=False)
        for _ in range(50):
            if file.has_room:
                file.push(noise(4000))
            sim.run(0.1)
        assert not file.has_room and SAMPLE_RATE <= file.output_length <= SAMPLE_RATE + CHUNK
        assert file.dropped == 0


@pytest.mark.parametrize("seconds_stalled", [0.1, 0.2, 0.6, 5.0])
def test_a_stalled_engine_drops_whole_chunks_and_the_delay_does_not_grow(seconds_stalled):
    with Simulation(places=1) as sim:
        channel = sim.server.open()
        client = Client(sim, channel)
        client.speak(20 * PERIOD)
        sim.engine.compute = seconds_stalled
        client.speak(PERIOD)
        sim.engine.compute = 0.001
        client.speak(1)
        dropped = [message for message in client.messages if message["type"] == "dropped"]
        lost = sum(message["samples"] for message in dropped)
        assert lost % CHUNK == 0 and channel.dropped == lost and (lost > 0) == (seconds_stalled > 0.25)
        assert channel.input_length < 2 * CHUNK  # no backlog is left
        whole, got = np.concatenate(client.given), np.concatenate(client.got)
        assert len(got) >= len(whole) - lost - 2 * CHUNK
        # Before the gap and behind it everything is there.
        differs = np.flatnonzero(got != GAIN * whole[: len(got)])
        head = differs[0] if lost else len(got)
        assert np.array_equal(got[head:], GAIN * whole[head + lost : len(got) + lost])


def test_what_waits_is_bounded_also_while_the_engine_does_not_come_to_it():
    with Simulation(places=1) as sim:
        channel, given, got, messages = sim.server.open(), noise(CHUNK * 1000), [], []
        for start in range(0, len(given), CHUNK):
            channel.push(given[start : start + CHUNK])
            assert channel.input_length <= 2 * sim.server.max_wait + CHUNK
        for _ in range(100):
            sim.run(PERIOD)
            audio, said = heard(channel)
            got.append(audio)
            messages += said
        (dropped,) = messages  # one gap is told once, however often it grew
        assert dropped == {"type": "dropped", "samples": channel.dropped, "reason": "late"}
        audio = np.concatenate(got)
        assert np.array_equal(audio, GAIN * given[channel.dropped :][: len(audio)]) and len(audio) > 0


@pytest.mark.parametrize("is_before", [False, True])
def test_a_burst_while_the_engine_gathers_is_late_and_no_sample_is_garbled(is_before):
    with Simulation(places=2) as sim:
        rings, burst = sim.server.rings, [noise(SAMPLE_RATE) for _ in range(6)]
        assert sum(map(len, burst)) > rings.capacity

        class Bursting:
            """The ring's windows, while the client sends in the middle of their gathering."""

            def __init__(self, windows):
                self.windows = windows

            def __getitem__(self, index):
                samples = self.windows[index]
                if len(index[0]) == 2:
                    client.given += burst
                    for piece in burst:
                        client.channel.push(piece)
                    burst.clear()
                return self.windows[index] if is_before else samples

        client, other = (Client(sim, sim.server.open()) for _ in range(2))
        client.speak(20 * PERIOD)
        client.given.append(noise(CHUNK))
        client.channel.push(client.given[-1])
        sim.now += PERIOD  # both have a chunk
        other.channel.push(noise(CHUNK + 16))
        rings.windows = Bursting(rings.windows)
        for _ in range(200):
            sim.run(PERIOD)
            audio, said = heard(client.channel)
            client.got.append(audio)
            client.messages += said
        assert not burst and len(heard(other.channel)[0]) == CHUNK  # which is converted all the same
        (dropped,) = client.messages
        lost = dropped["samples"]
        assert dropped["reason"] == "late" and lost == client.channel.dropped > 4 * SAMPLE_RATE
        whole, got = GAIN * np.concatenate(client.given), np.concatenate(client.got)
        head = np.flatnonzero(got != whole[: len(got)])[0]
        assert np.array_equal(got[head:], whole[head + lost : len(got) + lost])
        assert len(whole) - len(got) - lost < CHUNK + 16


def test_overload_is_told_and_ends_by_itself():
    with Simulation(places=1, compute=1.5 * PERIOD) as sim:
        channel = sim.server.open()
        client = Client(sim, channel)
        for k in range(6):
            if k == 3:
                assert sim.server.is_overloaded
                sim.engine.compute = 0.1 * PERIOD
            client.speak(1)
            assert channel.input_length <= sim.server.max_wait + 3 * CHUNK
        assert [m["on"] for m in client.messages if m["type"] == "overload"] == [True, False]
        assert channel.late > 100 and channel.dropped > 0 and channel.input_length < 2 * CHUNK
        metric = sim.server.metrics.registry.get_sample_value
        assert metric("llvc_dropped_samples_total", {"reason": "late"}) == channel.dropped
        assert metric("llvc_chunks_late_total") == channel.late and metric("llvc_overloaded") == 0


def test_a_slow_reader_loses_the_oldest_and_is_told_how_much():
    with Simulation(places=2) as sim:
        slow, other = sim.server.open(), sim.server.open()
        given, got = [noise(CHUNK) for _ in range(200)], []
        for samples in given:
            slow.push(samples)
            other.push(samples)
            sim.run(PERIOD)
            got.append(heard(other)[0])
            assert slow.output_length <= SAMPLE_RATE
        audio, messages = heard(slow)
        whole = GAIN * np.concatenate(given)
        (dropped,) = messages
        assert dropped["reason"] == "slow_reader" and dropped["samples"] == slow.dropped > SAMPLE_RATE
        assert np.array_equal(audio, whole[dropped["samples"] :][: len(audio)])
        assert np.array_equal(np.concatenate(got), whole[: len(audio) + dropped["samples"]])


def test_a_full_server_and_a_place_that_is_free_at_once():
    with Simulation(places=2) as sim:
        first, _ = sim.server.open(), sim.server.open()
        with pytest.raises(ServerFull, match="all 2 places"):
            sim.server.open()
        first.push(noise(1000))
        first.close()
        first.close()
        new = sim.server.open()
        new.push(noise(CHUNK + 16))
        sim.run(0.1)
        assert len(heard(new)[0]) == CHUNK and len(heard(first)[0]) == 0
        assert (
            sim.server.streams == 2 and sim.server.metrics.registry.get_sample_value("llvc_streams_refused_total") == 1
        )


def test_a_reset_drops_what_is_under_way_and_starts_anew():
    with Simulation(places=1) as sim:
        channel = sim.server.open()
        channel.push(noise(3 * CHUNK))
        sim.run(PERIOD)
        channel.reset()
        samples = noise(500)
        channel.push(samples)
        channel.end()
        sim.run(0.1)
        audio, messages = heard(channel)
        assert [m["type"] for m in messages] == ["reset", "ended"]
        assert np.array_equal(audio, GAIN * samples)


def test_a_failed_chunk_is_told_and_the_streams_go_on():
    with Simulation(places=2) as sim:
        channel = sim.server.open()
        given = noise(20 * CHUNK + 16)
        for k in range(20):
            sim.engine.fail = k == 10
            channel.push(given[k * CHUNK : (k + 1) * CHUNK])
            sim.run(PERIOD)
        channel.push(given[20 * CHUNK :])
        channel.end()
        sim.run(0.1)
        audio, messages = heard(channel)
        assert [m["type"] for m in messages] == ["dropped", "ended"] and messages[0]["reason"] == "engine"
        lost = messages[0]["samples"]
        assert len(audio) == len(given) - lost and CHUNK <= lost <= CHUNK + 16
        head = np.flatnonzero(audio != GAIN * given[: len(audio)])[0]
        assert np.array_equal(audio[head:], GAIN * given[head + lost :])


def test_an_engine_that_fails_for_good_is_told_to_all():
    with Simulation(places=2) as sim:
        channel = sim.server.open()
        sim.engine.fail = True
        for _ in range(MAX_FAILURES + 5):
            channel.push(noise(CHUNK + 16))
            sim.run(PERIOD)
        (error,) = [m for m in heard(channel)[1] if m["type"] == "error"]
        assert error["code"] == "engine" and "the card fell out" in error["message"]
        assert sim.server.failure


def test_no_stream_hears_another():
    with Simulation(places=3) as sim:
        channels = [sim.server.open() for _ in range(3)]
        given = [np.full(CHUNK * 20, level, np.float32) for level in (0.1, 0.2, 0.3)]
        for k in range(20):
            for channel, samples in zip(channels, given, strict=True):
                channel.push(samples[k * CHUNK : (k + 1) * CHUNK])
            sim.run(PERIOD)
        for channel, samples in zip(channels, given, strict=True):
            assert (heard(channel)[0] == GAIN * samples[0]).all()


def test_the_work_of_a_chunk_is_arrays_however_many_streams_there_are():
    """The engine's thread calls as much Python for 200 streams as for two, and the engine once."""

    def calls(places):
        with Simulation(places) as sim:
            channels = [sim.server.open() for _ in range(places)]
            for channel in channels:
                channel.push(noise(CHUNK + 16))
            sim.server.advance()
            for channel in channels:
                channel.push(noise(CHUNK))
            sim.now += 2 * PERIOD
            events, sim.server.hand_over = [], lambda tell: None
            sys.setprofile(lambda frame, event, argument: events.append(event))
            sim.server.advance()
            sys.setprofile(None)
            assert sim.engine.calls == [places, places]
            assert all(len(heard(channel)[0]) == 2 * CHUNK for channel in channels)
        return len(events)

    assert calls(200) == calls(2)


@pytest.mark.slow
def test_a_simulated_day_without_drift_or_growth():
    """24 h of two clients whose clocks are 200 ppm fast and slow, with jitter, a stall every ten minutes and four
    minutes of overload every two hours; chunks of 13 s."""
    day = 24 * 3600
    rate_hz = 250  # few samples; all rules are in seconds
    with Simulation(places=2, chunk_factor=16, compute=0.2, sample_rate=rate_hz) as sim:
        period = sim.server.period
        piece = np.zeros(sim.server.chunk_len, np.float32)
        clients = {sim.server.open(): 1 + 200e-6, sim.server.open(): 1 - 200e-6}
        sent = {channel: 0 for channel in clients}
        got = {channel: 0 for channel in clients}
        delays, objects, tick = [], [], 0
        while sim.now < day:
            tick += 1
            stalled = sim.now % 600 < 20  # of the network: comes late, all at once
            sim.engine.compute = 1.3 * period if sim.now % 7200 < 240 else 0.2
            for channel, rate in clients.items():
                due = int(sim.now * rate * rate_hz + RNG.uniform(0, 0.02) * rate_hz) // len(piece)
                while sent[channel] < due and not stalled:
                    channel.push(piece)
                    sent[channel] += 1
            sim.run(period)
            for channel in clients:
                got[channel] += len(heard(channel)[0])
            if tick % 600 == 0:
                delays.append([sent[c] * len(piece) - got[c] - c.dropped for c in clients])
                gc.collect()
                objects.append(len(gc.get_objects()))
        for channel, rate in clients.items():
            assert sent[channel] == pytest.approx(day * rate / period, abs=3)
            assert 0 < channel.dropped < 0.02 * day * rate_hz
        assert len(delays) > 5
        assert max(map(max, delays)) <= 3 * len(piece)  # as at the start: what waits, and a chunk
        assert max(objects) - min(objects) < 200


def test_in_a_thread_of_its_own():
    server = ClockedServer(FakeEngine(2), SAMPLE_RATE)
    server.warm_up()
    server.start()
    news = threading.Event()
    channel = server.open(on_change=news.set)
    samples, audio, messages = noise(1000), [], []
    channel.push(samples)
    channel.end()
    while not messages:
        assert news.wait(20)
        news.clear()
        piece, messages = heard(channel)
        audio.append(piece)
    assert messages == [{"type": "ended"}] and np.array_equal(np.concatenate(audio), GAIN * samples)
    server.stop()
