# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""How long an event loop waits before its next turn."""

import asyncio
from types import SimpleNamespace

import pytest

from live.turns import MANY, TURN_S, Turns


def waits(monkeypatch, streams, took):
    """Seconds that the loop waits behind a turn that gave several messages and took so long."""
    now, slept = [5.0], []
    monkeypatch.setattr("live.turns.time", SimpleNamespace(monotonic=lambda: now[0], sleep=slept.append))

    async def turn():
        turns = Turns()
        for _ in range(3):
            turns.gather(streams)
        now[0] += took
        assert not slept
        await asyncio.sleep(0)
        first = slept.copy()
        turns.gather(streams)  # and the next one
        await asyncio.sleep(0)
        return first, slept[1:]

    return asyncio.run(turn())


@pytest.mark.parametrize(
    "streams, took, wanted",
    [
        (MANY, 0.0, TURN_S),
        (100, 0.0, TURN_S),
        (100, TURN_S / 4, 0.75 * TURN_S),
        (100, 1.0, 0.0),
        (1, 0.0, TURN_S / MANY),
    ],
)
def test_a_turn_lasts_so_long_at_least(monkeypatch, streams, took, wanted):
    first, second = waits(monkeypatch, streams, took)
    assert first == [pytest.approx(wanted)]  # once, however many messages it gave
    assert second == [pytest.approx(TURN_S * min(1, streams / MANY))]
