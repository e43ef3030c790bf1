# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Changes modules in small ways, one at a time, and says which changes their tests do not notice.

    make mutants                                                      # the lines changed since the last tag
    make mutants MODULES="streaming/server.py evaluation/metrics.py"        # whole modules

cosmic-ray makes the mutants; modules.toml says which tests a module has, equivalents.toml which mutants change nothing
that could be tested, and why. A copy of the repository is mutated, by as many processes as there are cores. The order
is random, by --seed; what does not fit into --minutes is left out, and counted. Exit codes: 0 all killed, 1 some live,
2 wrong options or tests that fail without a mutant.
"""

import argparse
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from fnmatch import fnmatch
from multiprocessing import Manager
from pathlib import Path

import toml
from cosmic_ray.commands import init
from cosmic_ray.mutating import mutate_and_test
from cosmic_ray.testing import run_tests
from cosmic_ray.tools.filters.git import GitFilter
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import TestOutcome

ROOT = Path(__file__).resolve().parents[2]
HERE = Path(__file__).resolve().parent
COMMITS = 20  # to go back where there is no tag
SLOWER = 5  # than without a mutant, and the tests count as hanging
LEAST_TIMEOUT = 60  # seconds


class MutantsError(Exception):
    """What keeps mutants from being tried, in one line."""


def parse_args(argv):
    parser = argparse.ArgumentParser(prog="make mutants", description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("modules", nargs="*", metavar="MODULE", help="modules to mutate as a whole, else what changed")
    add("--since", metavar="COMMIT", help=f"what changed since then; else the last tag, else {COMMITS} commits ago")
    add("--minutes", type=float, default=55, metavar="M", help="when to stop")
    add("--seed", type=int, default=0, metavar="N", help="of the order")
    add("--jobs", type=int, default=len(os.sched_getaffinity(0)), metavar="N", help="processes")
    return parser.parse_args(argv)


def git(root, *arguments):
    """What git prints; MutantsError where it fails."""
    process = subprocess.run(["git", *arguments], cwd=root, capture_output=True, text=True)
    if process.returncode:
        raise MutantsError(f"git {arguments[0]}: {process.stderr.strip()}")
    return process.stdout.strip()


def last_release(root):
    """The last tag or, where there is none, the commit so many ago, or the first."""
    try:
        return git(root, "describe", "--tags", "--abbrev=0")
    except MutantsError:
        return git(root, "rev-list", f"--max-count={COMMITS + 1}", "--first-parent", "HEAD").splitlines()[-1]


def copy(root, folder):
    """A clone with the working tree's files, committed or not."""
    git(root, "clone", "--quiet", "--shared", str(root), str(folder))
    for name in filter(None, git(root, "ls-files", "-co", "--exclude-standard", "-z").split("\0")):
        source, target = root / name, folder / name
        if source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
        else:
            target.unlink(missing_ok=True)


def chosen_modules(args, root, tests, since):
    """Names of the modules to mutate, each with the tests that it has."""
    names = args.modules
    if not names:
        changed = git(root, "diff", "--name-only", since, "--", "*.py").splitlines()
        names = [name for name in changed if (root / name).is_file() and not name.startswith("tests/")]
    chosen = {}
    for name in names:
        if not (root / name).is_file():
            raise MutantsError(f"{name}: no such module; name it from the root of the repository")
        command = next((command for pattern, command in tests.items() if fnmatch(name, pattern)), None)
        if command is not None:
            chosen[name] = command
        elif args.modules:
            raise MutantsError(f"{name}: modules.toml lists no tests of it")
        else:
            print(f"not mutated: {name}, of which modules.toml lists no tests")
    return chosen


def mutants_of(names, whole, since):
    """The mutations of the modules here, by cosmic-ray: of all lines, or of those that changed."""
    with use_db(".mutants.sqlite", WorkDB.Mode.create) as db:
        init([Path(name) for name in names], db, {})
        if not whole:
            GitFilter()._skip_filtered(db, since)
        return [item.mutations for item in db.pending_work_items]


def test_command(tests):
    """One that stops at the first failure. Hypothesis need not look for the simplest."""
    options = "-q -x -p no:cacheprovider --hypothesis-profile=mutants"
    return f"{shlex.quote(sys.executable)} -m pytest {options} {tests}"


def measure(tests):
    """Seconds that tests take without a mutant. MutantsError if they fail."""
    start = time.monotonic()
    outcome, output = run_tests(test_command(tests), None)
    if outcome != TestOutcome.SURVIVED:
        last = output.strip().splitlines()[-1:] or ["nothing printed"]
        raise MutantsError(f"pytest {tests}: fails without a mutant ({last[0]})")
    return time.monotonic() - start


def move_in(folders):
    """Gives a process a copy of its own."""
    os.chdir(folders.get())


def attempt(mutations, tests, timeout, until):
    """(what cosmic-ray says of a mutant, its seconds), None if there is no time left."""
    start = time.monotonic()
    if start >= until:
        return None
    result = mutate_and_test(mutations, test_command(tests), timeout)
    return result, time.monotonic() - start


def changed_lines(diff):
    """(old, new) of a diff, without indentation."""
    lines = diff.splitlines()
    return tuple(
        " ".join(line[1:].strip() for line in lines if line.startswith(sign) and not line.startswith(3 * sign))
        for sign in "-+"
    )


def check_equivalents(equivalents, root):
    """MutantsError for an entry without a reason, or whose line is no longer there."""
    for entry in equivalents:
        path = root / entry["file"]
        lines = [line.strip() for line in path.read_text().splitlines()] if path.is_file() else []
        if entry["old"] not in lines:
            raise MutantsError(f"equivalents.toml: {entry['file']} has no line {entry['old']!r} any more; remove it")
        if not entry.get("reason"):
            raise MutantsError(f"equivalents.toml: {entry['old']!r} has no reason")


def run(args, root=ROOT, settings=HERE):
    """Tries the mutants and prints those that live; returns the exit code."""
    tests = toml.load(settings / "modules.toml")["tests"]
    equivalents = toml.load(settings / "equivalents.toml").get("equivalent", [])
    check_equivalents(equivalents, root)
    accepted = {(entry["file"], entry["old"], entry["new"]) for entry in equivalents}
    since = args.since or last_release(root)
    chosen = chosen_modules(args, root, tests, since)
    if not chosen:
        print(f"nothing to mutate since {since}")
        return 0
    begin = time.monotonic()
    counts = {name: Counter() for name in chosen}
    with tempfile.TemporaryDirectory(prefix="mutants_") as temporary, Manager() as manager:
        folders = manager.Queue()
        for number in range(args.jobs):
            copy(root, Path(temporary, str(number)))
            folders.put(str(Path(temporary, str(number))))
        os.chdir(Path(temporary, "0"))
        seconds = {command: measure(command) for command in dict.fromkeys(chosen.values())}
        mutants = mutants_of(chosen, bool(args.modules), since)
        random.Random(args.seed).shuffle(mutants)
        print(f"{len(mutants)} mutants; tests take {sum(seconds.values()):.0f} s without one", flush=True)
        with ProcessPoolExecutor(args.jobs, initializer=move_in, initargs=(folders,)) as pool:
            futures = []
            for mutations in mutants:
                command = chosen[str(mutations[0].module_path)]
                timeout = max(LEAST_TIMEOUT, SLOWER * seconds[command])
                futures.append(pool.submit(attempt, mutations, command, timeout, begin + 60 * args.minutes))
            for (mutation,), future in zip(mutants, futures, strict=True):
                name = str(mutation.module_path)
                tried = future.result()
                if tried is None:
                    counts[name]["left out"] += 1
                    continue
                result, _ = tried
                if result.diff is None:
                    raise MutantsError(
                        f"{name}: {mutation.operator_name} fails: {(result.output or '').strip()[-200:]}"
                    )
                old, new = changed_lines(result.diff)
                if result.is_killed:
                    counts[name]["killed"] += 1
                elif (name, old, new) in accepted:
                    counts[name]["equivalent"] += 1
                else:
                    counts[name]["lives"] += 1
                    print(f"lives: {name}:{mutation.start_pos[0]}\n  - {old}\n  + {new}", flush=True)
    report(counts)
    return 1 if any(count["lives"] for count in counts.values()) else 0


def report(counts):
    """A line for every module."""
    print(f"{'module':32} killed   lives  equivalent  left out  killed of those that are not equivalent")
    for name, count in counts.items():
        tried = count["killed"] + count["lives"]
        rate = f"{100 * count['killed'] / tried:.0f}%" if tried else "–"
        numbers = f"{count['killed']:>6} {count['lives']:>7} {count['equivalent']:>11} {count['left out']:>9}"
        print(f"{name:32} {numbers}  {rate}")


def main(argv=None, **where):
    here = Path.cwd()
    try:
        return run(parse_args(argv), **where)
    except MutantsError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    finally:
        os.chdir(here)


if __name__ == "__main__":
    sys.exit(main())
