# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What a container may use of the CPUs, by trees of files as Linux has them."""

import math
import os
from pathlib import Path

import pytest

from corpus import cluster
from demo import backend
from demo.quota import cpu_quota
from live import serve


@pytest.fixture
def linux(tmp_path):
    """linux(the process's groups, [(root, mount point, "type options")], {file: content}): its folder in /proc."""

    def make(groups, mounts, files):
        lines = [
            f"30 23 0:26 {root} {tmp_path / point} rw,nosuid shared:4 - {kind} cgroup {options}"
            for root, point, kind, options in mounts
        ]
        # What else is mounted says nothing, such as the same files in another place.
        lines.append(f"22 1 8:1 / {tmp_path} rw - ext4 /dev/sda1 rw,cpu")
        (tmp_path / "cgroup").write_text("".join(f"{group}\n" for group in groups))
        (tmp_path / "mountinfo").write_text("".join(f"{line}\n" for line in lines))
        for name, content in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{content}\n")
        return tmp_path

    return make


V2 = [("/", "sys", "cgroup2", "rw,nsdelegate")]
V1 = [("/", "sys/cpu,cpuacct", "cgroup", "rw,cpu,cpuacct"), ("/", "sys/memory", "cgroup", "rw,memory")]
V1_GROUPS = ["5:cpu,cpuacct:/docker/ab", "4:memory:/docker/ab", "1:name=systemd:/docker/ab"]


@pytest.mark.parametrize(
    "files, cpus",
    [
        ({"sys/cpu.max": "50000 100000"}, 0.5),
        ({"sys/cpu.max": "max 100000"}, math.inf),
        ({"sys/cpu.stat": "usage_usec 1"}, math.inf),
    ],
)
def test_version_2_in_a_container(linux, files, cpus):
    assert cpu_quota(linux(["0::/"], V2, files)) == cpus


@pytest.mark.parametrize(
    "files, cpus",
    [
        ({"a/b/cpu.max": "300000 100000"}, 3),
        ({"a/b/cpu.max": "300000 100000", "a/cpu.max": "200000 100000"}, 2),  # of all in it together
        ({"a/b/cpu.max": "max 100000", "a/cpu.max": "20000 10000", "cpu.max": "400000 100000"}, 2),
        ({"a/b/cpu.max": "max 100000", "a/b/c/cpu.max": "1000 100000", "x/cpu.max": "1000 100000"}, math.inf),
    ],
)
def test_version_2_in_groups(linux, files, cpus):
    assert cpu_quota(linux(["0::/a/b"], V2, {f"sys/{name}": text for name, text in files.items()})) == cpus


@pytest.mark.parametrize("quota, cpus", [("150000", 1.5), ("-1", math.inf)])
@pytest.mark.parametrize("root", ["/", "/docker/ab", "/elsewhere"])  # where a container's mounts begin
def test_version_1(linux, root, quota, cpus):
    folder = "sys/cpu,cpuacct" + ("/docker/ab" if root == "/" else "")
    files = {f"{folder}/cpu.cfs_quota_us": quota, f"{folder}/cpu.cfs_period_us": "100000"}
    mounts = [(root, *V1[0][1:]), (root, *V1[1][1:])]
    assert cpu_quota(linux(V1_GROUPS, mounts, files)) == cpus


def test_both_versions_at_once(linux):
    """The controller is in one of them."""
    files = {"sys/cpu,cpuacct/cpu.cfs_quota_us": "100000", "sys/cpu,cpuacct/cpu.cfs_period_us": "100000"}
    mounts = [*V1, ("/", "sys/unified", "cgroup2", "rw")]
    assert cpu_quota(linux(["5:cpu,cpuacct:/", "0::/"], mounts, {**files, "sys/unified/cgroup.procs": "1"})) == 1


def test_no_linux(tmp_path):
    assert cpu_quota(tmp_path) == math.inf


@pytest.mark.parametrize(
    "quota, available, idle, places",
    [(0.5, 1, 1, 2), (1, 1, 1, 2), (1.5, 1, 1, 2), (2, 2, 2, 4), (6.9, 6, 5, 4), (math.inf, 16, 5, 4)],
)
def test_threads_actors_and_places(monkeypatch, quota, available, idle, places):
    """Of 16 cores, of which others keep 11 busy."""
    monkeypatch.setattr(backend, "cpu_quota", lambda: quota)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.setattr(os, "getloadavg", lambda: (10.6, 0.0, 0.0))
    assert backend.available_cores() == cluster.available_cores() == serve.available_cores() == available
    assert backend.idle_cores() == idle
    assert serve.parse_args([]).streams == places
    assert serve.default_threads("cpu", 4) == max(1, min(4, available - 1))


@pytest.mark.skipif(not Path("/proc/self/cgroup").exists(), reason="needs Linux")
def test_here():
    """Whatever this machine says is understood."""
    assert cpu_quota() > 0
