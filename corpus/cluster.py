# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Ray: a cluster of this machine alone or one to join, quiet and without telemetry, and what it has for actors."""

import os
import socket
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path

from demo.backend import available_cores
from demo.voice import ROOT
from reference.errors import not_installed, one_line

from .item import CorpusError

CARD = "tt_device"  # the custom resource of a node with cards, one each
STORE_BYTES = 128 << 20  # units and records are small; audio does not go through Ray
SOCKET_BYTES = 107  # of a socket's path on Linux
LONGEST_SOCKET = "session_2000-01-01_00-00-00_000000_0000000/sockets/plasma_store"  # of Ray's
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


def import_ray():
    """Ray, with what it would tell and ask set to nothing. CorpusError if it is not installed."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    os.environ.setdefault("RAY_worker_niceness", "0")  # as nice as this process, not 15 more
    os.environ.setdefault("RAY_prestart_worker_first_driver", "0")  # workers without the actors' environment: no use
    os.environ.setdefault("RAY_memory_monitor_refresh_ms", "0")  # it kills workers for the memory that others take
    try:
        import pyarrow  # noqa: F401
        import ray
    except ImportError as error:
        raise CorpusError(f"converting a corpus needs Ray: {not_installed(error, 'corpus')}") from None
    return ray


@contextmanager
def session(address, actors):
    """Ray in this process: joined at an address or, without one, started here for this run; one that is there is used.

    CorpusError if it does not answer or start, or fails while the `with` lasts.
    """
    ray = import_ray()
    with ExitStack() as stack:
        if not ray.is_initialized():
            start(ray, address, actors, None if address else stack.enter_context(temporary_folder()))
            stack.callback(ray.shutdown)
        try:
            yield ray
        except ray.exceptions.RayError as error:
            reason = str(error.__cause__ or error).strip().splitlines()[-1]
            raise CorpusError(f"Ray: {reason[:300]}; the same command goes on from there") from None


def temporary_folder():
    """A folder for Ray's sockets and logs, which goes with the run: in TMPDIR or, where that is too long, in /tmp."""
    folder = tempfile.gettempdir()
    longest = os.path.join(folder, "llvc_12345678", LONGEST_SOCKET)
    place = folder if len(os.fsencode(longest)) <= SOCKET_BYTES else "/tmp"
    return tempfile.TemporaryDirectory(prefix="llvc_", dir=place, ignore_cleanup_errors=True)


def start(ray, address, actors, folder):
    """Joins a cluster or, without an address, starts one of this machine alone."""
    options = {"log_to_driver": False, "logging_level": "ERROR"}
    if address is None:
        cards = len(list(Path("/dev/tenstorrent").glob("[0-9]*")))
        options |= {
            "address": "local",
            "num_cpus": max(actors or 0, available_cores()),
            "resources": {CARD: cards} if cards else None,
            "include_dashboard": False,
            "object_store_memory": STORE_BYTES,
            "_node_ip_address": "127.0.0.1",
            "_temp_dir": folder,
        }
    else:
        options["address"] = address
        if address != "auto":
            check_answers(address)
    try:
        with quiet():
            ray.init(**options)
    except Exception as error:  # whatever the network makes of it
        where = f"no Ray cluster answers at {address}" if address else "Ray does not start"
        raise CorpusError(f"{where} ({one_line(error)[:200]})") from None


def check_answers(address):
    """CorpusError if nothing listens at HOST:PORT, for which Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in host:
        raise CorpusError(f"--address {address}: name the cluster's HOST:PORT, or auto on one of its hosts")
    try:
        socket.create_connection((host, int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise CorpusError(f"no Ray cluster answers at {address} ({one_line(error)})") from None


@contextmanager
def quiet():
    """Without what Ray's C++ part writes to stderr; its errors come as exceptions."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def choose_backend(ray, name):
    """The backend that --backend names; auto is ttnn if the cluster has cards."""
    return name if name != "auto" else "ttnn" if ray.cluster_resources().get(CARD) else "cpu"


def choose_actors(ray, wanted, backend):
    """How many actors, as many as fit by default. CorpusError for more."""
    resource = CARD if backend == "ttnn" else "CPU"
    there = int(ray.cluster_resources().get(resource, 0))
    if not there:
        how = f"start its nodes with: ray start --resources='{{\"{CARD}\": 1}}'" if resource == CARD else "give it some"
        raise CorpusError(f"the cluster has no {resource}; {how}")
    if wanted and wanted > there:
        raise CorpusError(f"--actors {wanted}: the cluster has {there} {resource}; take fewer or add nodes")
    return wanted or there


def actor_options(backend):
    """What an actor asks of Ray: a whole CPU and, for ttnn, a card; the project on its path; one thread."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    variables = {"PYTHONPATH": path, **dict.fromkeys(THREADS, "1")}
    options = {"num_cpus": 1, "runtime_env": {"env_vars": variables}}
    if backend == "ttnn":
        options["resources"] = {CARD: 1}
    return options
