# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The CPU time that Linux lets a container have (cgroups(7)), which no number of cores and no affinity shows."""

import math
from contextlib import suppress
from pathlib import Path, PurePosixPath


def cpu_quota(proc="/proc/self"):
    """CPUs whose time this process may use at most: the least limit of its control group and those above; inf: all."""
    return min((limit for folder in cpu_groups(Path(proc)) for limit in read_limits(folder)), default=math.inf)


def cpu_groups(proc):
    """The folders of the control groups, of version 1 and 2, that may limit the process's CPU time."""
    try:
        entries = [line.split(":", 2) for line in (proc / "cgroup").read_text().splitlines()]
        mounts = (proc / "mountinfo").read_text().splitlines()
    except OSError:  # another system
        return
    paths = {name: path for _, names, path in entries for name in names.split(",")}  # version 2 has no name
    for mount in mounts:
        place, _, kind = mount.partition(" - ")
        root, mount_point = place.split()[3:5]
        system, _, options = kind.split()
        name = {"cgroup2": "", "cgroup": "cpu"}.get(system)
        if name in paths and (name == "" or name in options.split(",")):
            try:
                inside = PurePosixPath(paths[name]).relative_to(root)
            except ValueError:  # named as outside of the container, whose own group the mount is
                inside = PurePosixPath()
            group = Path(mount_point, inside)
            yield group
            yield from (parent for parent in group.parents if parent.is_relative_to(mount_point))


def read_limits(folder):
    """The limit, in CPUs, that a control group sets, if it does."""
    texts = []
    with suppress(OSError):
        texts.append((folder / "cpu.max").read_text())
    with suppress(OSError):
        texts.append((folder / "cpu.cfs_quota_us").read_text() + (folder / "cpu.cfs_period_us").read_text())
    for quota, period in map(str.split, texts):
        if quota not in ("max", "-1"):
            yield int(quota) / int(period)
