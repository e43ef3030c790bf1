# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What ttnn says of too little memory, in one line."""

import pytest
from support.golden import load_golden

from tt.errors import DeviceMemoryError
from tt.memory import MemoryPlan, memory_errors
from tt.stock.network import check_supported

# The decisive words of ttnn 0.81.1's errors: what is missing.
TEXTS = {
    "Out of Memory: Not enough space to allocate 1 B DRAM buffer across 12 banks": "too little DRAM for x",
    "Out of Memory: Not enough space to allocate 1 B L1 buffer across 64 banks": "too little L1 for x",
    "Statically allocated circular buffers in program 3 clash with L1 buffers on core range": "too little L1 for x",
    "Statically allocated circular buffers grow to 1600000 B which is beyond max L1 size of 1 B": "too little L1 for x",
    "Creating trace buffers of size 9B, but only 1B is allocated for trace region": "too little trace region",
    "Program size (1) too large for kernel config buffer (0) on TENSIX": "worker_l1_size",
}


@pytest.mark.parametrize("text", TEXTS)
def test_errors_of_memory(text):
    with pytest.raises(DeviceMemoryError, match=TEXTS[text]) as error, memory_errors("x"):
        raise RuntimeError(text)
    assert "\n" not in str(error.value)


def test_other_errors_stay_what_they_are():
    with pytest.raises(RuntimeError, match="a fan stands still") as error, memory_errors("x"):
        raise RuntimeError("a fan stands still")
    assert not isinstance(error.value, DeviceMemoryError)


def test_a_plan_says_what_is_lacking():
    plan = MemoryPlan({"L1": 6, "DRAM": 1}, {"L1": 5, "DRAM": 0}, {"L1": 10, "DRAM": 1}, {"L1": 64, "DRAM": 12}, "L1")
    assert plan.lacking == ["L1"] and plan.needs("L1") == 11 and plan.total("DRAM") == 12


def test_published_sizes_are_supported():
    for name in ("llvc", "llvc_nc", "readme_defaults"):
        check_supported(load_golden(name).model.config)
