# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Time of the kernels alone, by tt-metal's device profiler: block by block, replayed and launched.

Prints ns per chunk and compares with device_perf.json, 3% either way; where that has nothing for the board, it says so
and skips. `--update` writes what was measured there. Transfers are not in it: test_e2e_perf.py has them.
"""

import os
import shlex
from pathlib import Path

import pytest
from support.blocks import on_device
from support.device_perf import LAUNCHES, check, measured, read_expected, run_chunks, table, write_expected
from support.perf import board
from support.rung import RUNG

PROFILED = "LLVC_PROFILED"  # set in the processes that the profiler runs
CASES = [(kernels, launch) for kernels, launches in LAUNCHES.items() for launch in launches]


def profiler():
    """tt-metal's run_device_profiler and get_latest_ops_log_filename; None where it cannot profile."""
    try:
        from tracy.common import TRACY_CAPTURE_TOOL, resolve_tracy_tool_path
        from tracy.process_model_log import get_latest_ops_log_filename, run_device_profiler
    except ImportError:
        return None
    try:
        tool = resolve_tracy_tool_path(TRACY_CAPTURE_TOOL)
    except (OSError, RuntimeError):
        return None
    return (run_device_profiler, get_latest_ops_log_filename) if tool and Path(tool).exists() else None


@pytest.mark.skipif(PROFILED not in os.environ, reason="test_kernel_time runs it under the profiler")
@on_device
@pytest.mark.parametrize("kernels, launch", CASES)
def test_steady_chunks(device, kernels, launch):
    from tracy import signpost

    run_chunks(device, kernels, launch, signpost)


@pytest.mark.skipif(RUNG not in ("card", "tt-metal"), reason="measures a card, and there is none")
@pytest.mark.models_device_performance_bare_metal
@pytest.mark.timeout(900)
@pytest.mark.parametrize("kernels", LAUNCHES)
def test_kernel_time(kernels, request, monkeypatch):
    if (tools := profiler()) is None:
        pytest.skip("needs tt-metal's profiler (a build with Tracy): run it inside a tt-metal tree")
    run_device_profiler, latest_csv = tools
    monkeypatch.setenv(PROFILED, "1")

    def profile(launch):
        test = f"{Path(__file__).resolve()}::test_steady_chunks[{kernels}-{launch}-device_params0]"
        run_device_profiler(f"pytest {shlex.quote(test)}", f"llvc_{kernels}_{launch}")
        return latest_csv(f"llvc_{kernels}_{launch}")

    figures = measured(profile, kernels)
    name = board()
    expected = read_expected(name, kernels)
    print("\n".join(table(figures, expected)))
    if request.config.getoption("--update", default=False):
        write_expected(name, figures)
        return
    if not expected:
        pytest.skip(f"no expected values for {name} yet: run this with --update on a card of this kind")
    limits = check(figures, expected)
    report(f"llvc_{kernels}", figures, limits)


def report(model_name, figures, limits):
    """Writes device_perf_<model>_<date>.csv, as tt-metal's CI collects it, where tt-metal is at hand."""
    try:
        from models.perf.device_perf_utils import prep_device_perf_report
    except ImportError:
        return
    prep_device_perf_report(model_name, 1, figures, limits, comments="n1_b1")
