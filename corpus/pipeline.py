# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Units of a corpus through actors of Ray, one a device, which go on where another one died."""

from collections import deque
from contextlib import contextmanager

import ray
import torch
from ray.exceptions import ActorDiedError, ActorUnavailableError, NodeDiedError, ObjectLostError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from .cluster import actor_options
from .converter import CorpusConverter
from .item import CorpusError
from .progress import Board
from .state import State

# Of an actor, or of the only copy of what it answered.
LOSSES = (ActorDiedError, ActorUnavailableError, NodeDiedError, ObjectLostError)
CLOSE_S = 30  # that devices have to be given back
MOST_LOSSES = 3  # for each actor, one after the other, without a file that was begun: the files are not at fault


class RayConverter(CorpusConverter):
    """A CorpusConverter that tells a Board in Ray how far it is."""

    def __init__(self, settings, model, board):
        torch.set_num_threads(1)
        node = ray.get_runtime_context().get_node_id()
        super().__init__(settings, model, board.add.remote, node, is_alive)

    def start(self):
        """Answers as soon as the actor has a place and is there."""


def is_alive(node):
    """Whether a node of the cluster is there."""
    return any(known["NodeID"] == node and known["Alive"] for known in ray.nodes())


@contextmanager
def board():
    """A Board in Ray, on this machine."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    remote = ray.remote(num_cpus=0, scheduling_strategy=here)(Board)
    actor = remote.options(runtime_env=actor_options(None)["runtime_env"]).remote()
    try:
        yield actor
    finally:
        ray.kill(actor)


def convert_units(units, settings, model, actors, board):
    """Converts units [[(Item, record or None)]], first come, first served; yields what became of each.

    Where an actor or its node dies, the next one that is free goes on with the unit, at the item that it was at, and a
    new actor starts as soon as the cluster has a place for it. An actor that finds nothing to do gives its place back.
    The results are those of CorpusConverter.convert. CorpusError if actors die again and again without having begun a
    file.
    """
    state = State(settings.output, settings.run)
    converter = ray.remote(RayConverter).options(**actor_options(settings.made["backend"]))
    arguments = ray.put(settings), ray.put(model), board
    waiting = deque(units)
    calls = {}  # what is to be answered: (the actor, its unit; none while it starts)
    closed = []
    losses = 0

    def start():
        actor = converter.remote(*arguments)
        calls[actor.start.remote()] = actor, None

    for _ in range(actors):
        start()
    try:
        while waiting or any(unit for _, unit in calls.values()):
            (call,), _ = ray.wait(list(calls))
            actor, unit = calls.pop(call)
            try:
                result = ray.get(call)
            except LOSSES as error:
                if getattr(error, "actor_init_failed", False):
                    raise
                ray.kill(actor)  # it may be out of reach only
                losses = 0 if unit and any(state.was_begun(item.id) for item, _ in unit) else losses + 1
                if losses > MOST_LOSSES * actors:
                    raise CorpusError("actors die before they begin with a file; have they memory enough?") from None
                if unit:
                    waiting.appendleft(unit)
                start()
                continue
            if waiting:
                following = waiting.popleft()
                calls[actor.convert.remote(following)] = actor, following
            else:
                closed.append(actor.close.remote())
            if unit:
                losses = 0
                yield result
        ray.wait(closed, num_returns=len(closed), timeout=CLOSE_S)
    finally:
        for actor, _ in calls.values():
            ray.kill(actor)
