# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The watch over command queues itself: it must see what is missing."""

import pytest
from support.queues import QueueRace, Queues


def test_a_queue_is_in_order():
    queues = Queues()
    queues.access(0, writes=["a"])
    queues.access(0, reads=["a"], writes=["b"])
    queues.access(0, writes=["a"])


@pytest.mark.parametrize("first, second", [("writes", "reads"), ("reads", "writes"), ("writes", "writes")])
def test_two_queues_are_not(first, second):
    def run(order):
        queues = Queues()
        queues.access(1, **{first: ["a"]})
        order(queues)
        queues.access(0, **{second: ["a"]})

    with pytest.raises(QueueRace, match="memory at a"):
        run(lambda queues: None)
    with pytest.raises(QueueRace):  # an event of the other queue says nothing
        run(lambda queues: queues.wait(0, queues.record(0)))
    run(lambda queues: queues.wait(0, queues.record(1)))
    run(lambda queues: queues.finish(1))


def test_reads_do_not_disturb_each_other():
    queues = Queues()
    queues.access(1, reads=["a"])
    queues.access(0, reads=["a"])


def test_an_event_covers_what_came_before_it_only():
    queues = Queues()
    event = queues.record(1)
    queues.access(1, writes=["a"])
    queues.wait(0, event)
    with pytest.raises(QueueRace):
        queues.access(0, reads=["a"])
