# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What ttnn says of too little memory, in one line."""

from types import SimpleNamespace

import pytest
from support.golden import load_params

from reference.config import LLVCConfig
from tt.errors import DeviceMemoryError


@pytest.fixture
def memory(ttnn):
    """The module tt.memory."""
    from tt import memory

    return memory


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
def test_errors_of_memory(memory, text):
    with pytest.raises(DeviceMemoryError, match=TEXTS[text]) as error, memory.memory_errors("x"):
        raise RuntimeError(text)
    assert "\n" not in str(error.value)


def test_other_errors_stay_what_they_are(memory):
    with pytest.raises(RuntimeError, match="a fan stands still") as error, memory.memory_errors("x"):
        raise RuntimeError("a fan stands still")
    assert not isinstance(error.value, DeviceMemoryError)


def test_a_plan_says_what_is_lacking(memory):
    plan = memory.MemoryPlan(
        {"L1": 6, "DRAM": 1}, {"L1": 5, "DRAM": 0}, {"L1": 10, "DRAM": 1}, {"L1": 64, "DRAM": 12}, "L1", None, 1
    )
    assert plan.lacking == ["L1"] and plan.needs("L1") == 11 and plan.total("DRAM") == 12


def test_a_plan_in_words(memory):
    """All banks together, in MiB: 3 + 1 of 16 in each of 64 of L1, 1/8 of 1024 in each of 12 of DRAM."""
    mib = 2**20
    plan = memory.MemoryPlan(
        held={"L1": 3 * mib, "DRAM": mib // 8},
        working={"L1": mib, "DRAM": 0},
        free={"L1": 16 * mib, "DRAM": 1024 * mib},
        banks={"L1": 64, "DRAM": 12},
        place="L1",
        layout=None,
        pairs=1,
    )
    assert str(plan) == "L1 256.0 of 1,024 MiB free, DRAM 1.5 of 12,288 MiB free"


@pytest.mark.parametrize("needed, lacking", [(99, []), (100, []), (101, ["DRAM"])])
def test_the_last_byte_of_a_memory(memory, needed, lacking):
    free = {"L1": 100, "DRAM": 100}
    plan = memory.MemoryPlan(
        {"L1": 60, "DRAM": needed - 40}, {"L1": 40, "DRAM": 40}, free, {"L1": 1, "DRAM": 1}, "DRAM", None, 1
    )
    assert plan.lacking == lacking


def test_pages_and_shards_are_added_up(memory, ttnn, monkeypatch):
    """Ten pages over four banks take three of the fullest one."""
    views = {
        ttnn.BufferType.L1: SimpleNamespace(num_banks=4, total_bytes_free_per_bank=1000),
        ttnn.BufferType.DRAM: SimpleNamespace(num_banks=12, total_bytes_free_per_bank=9000),
    }
    monkeypatch.setattr(ttnn, "get_memory_view", lambda _, kind: views[kind])
    tally = memory.Tally(device=None)
    tally.add_pages("L1", 10, 7)
    tally.add_pages("L1", 8, 100)
    tally.add_sharded(5)
    tally.add_pages("DRAM", 13, 64)
    plan = tally.plan({"L1": 17}, "DRAM", "layout", 2)
    assert plan.held == {"L1": 3 * 7 + 2 * 100 + 5, "DRAM": 2 * 64}
    assert plan.working == {"L1": 17, "DRAM": 0} and plan.place == "DRAM"
    assert plan.layout == "layout" and plan.pairs == 2
    assert plan.free == {"L1": 1000, "DRAM": 9000} and plan.banks == {"L1": 4, "DRAM": 12}


def test_published_sizes_are_supported(ttnn):
    from tt.stock.network import check_supported

    for name in ("llvc", "llvc_nc", "readme_defaults"):
        check_supported(LLVCConfig.from_params(load_params(name)))
