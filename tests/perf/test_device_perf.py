# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Time of the kernels alone, by tt-metal's device profiler."""

import pytest
from support.rung import RUNG

# Chunks per second, if kernels were all there is: RTF 0.1 at n = 1. The profiler sees them without what lies between.
MIN_CHUNKS_PER_S = 1 / (0.1 * 0.013)

# Opens a stream without traces, which runs a chunk twice, every program launched by itself, and no more.
COMMAND = "pytest models/demos/llvc/tests/pcc/test_runner.py::test_slow_dispatch_says_so"
CHUNKS = 2


@pytest.mark.skipif(RUNG != "tt-metal", reason="needs tt-metal's profiler: run it inside a tt-metal tree, on a card")
@pytest.mark.models_device_performance_bare_metal
def test_kernel_time():
    from models.perf.device_perf_utils import check_device_perf, prep_device_perf_report, run_device_perf

    columns = ["DEVICE FW", "DEVICE KERNEL", "DEVICE BRISC KERNEL"]
    results = run_device_perf(COMMAND, "llvc", num_iterations=1, cols=columns, batch_size=CHUNKS)
    key = "AVG DEVICE KERNEL SAMPLES/S"
    expected = check_device_perf(results, margin=0.0, expected_perf_cols={key: MIN_CHUNKS_PER_S}, assert_on_fail=False)
    prep_device_perf_report("llvc_n1_b1", CHUNKS, results, expected, comments="")
    assert results[key] >= MIN_CHUNKS_PER_S
