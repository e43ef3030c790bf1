# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Units of a corpus through Ray Data: an actor a device, which goes on where another one died."""

import logging
import pickle
from contextlib import contextmanager

import ray
import torch
from ray.data import ActorPoolStrategy, DataContext
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from .cluster import actor_options
from .converter import CorpusConverter
from .progress import Board


class RayConverter(CorpusConverter):
    """A CorpusConverter that tells a Board in Ray how far it is."""

    def __init__(self, settings, model, board):
        torch.set_num_threads(1)
        node = ray.get_runtime_context().get_node_id()
        super().__init__(settings, model, board.add.remote, node, is_alive)


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
    """Converts units [[(Item, record or None)]], first come, first served; yields the results of CorpusConverter.

    Where an actor or its node dies, Ray Data gives the unit to another one: it goes on with the item that it was at.
    """
    context = DataContext.get_current()
    context.enable_progress_bars = context.print_on_execution_start = False
    context.execution_no_progress_timeout_s = -1  # a recording of eight hours takes as long as it takes
    logging.getLogger("ray.data").setLevel(logging.CRITICAL)
    rows = [{"unit": pickle.dumps(unit)} for unit in units]
    dataset = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
        RayConverter,
        batch_size=1,
        fn_constructor_args=(settings, model, board),
        # A pool that may shrink: what a dead node ran waits for a place on another one.
        compute=ActorPoolStrategy(min_size=1, max_size=actors, initial_size=actors, max_tasks_in_flight_per_actor=2),
        **actor_options(settings.made["backend"]),
    )
    for row in dataset.iter_rows():
        yield pickle.loads(row["result"])
