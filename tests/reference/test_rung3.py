# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The fused kernels of this tree are those that were run, and every test of them passed."""

from support.rung3 import read_record, source_hashes

# Tests that must have run with the real kernels, whatever their parameters.
REQUIRED = [
    "tests/pcc/test_frontend.py::test_frontend",
    "tests/pcc/test_encoder.py::test_encoder",
    "tests/pcc/test_encoder.py::test_longer_than_the_longest_context",
    "tests/pcc/test_decoder.py::test_decoder",
    "tests/pcc/test_synthesis.py::test_synthesis",
    "tests/pcc/test_fused.py::test_every_ring_wraps",
    "tests/pcc/test_fused.py::test_prenets_that_look_further_back",
    "tests/pcc/test_fused.py::test_fused_kernels_are_compiled_again_where_a_header_alone_has_changed",
    "tests/pcc/test_fused.py::test_gates_are_shut_before_the_start",
    "tests/pcc/test_fused.py::test_near_silence",
    "tests/pcc/test_fused.py::test_streams_that_share_cores_are_what_they_are_alone",
    "tests/pcc/test_fused.py::test_what_is_not_finite_stays_in_its_stream",
    "tests/pcc/test_fused.py::test_whatever_stood_in_memory",
    "tests/pcc/test_runner.py::test_every_mode_gives_the_same_samples",
    "tests/pcc/test_runner.py::test_one_transfer_each_way_whatever_streams_do",
    "tests/pcc/test_runner.py::test_an_exception_in_the_middle_of_a_chunk",
    "tests/pcc/test_ttnn_llvc.py::test_stream",
    "tests/pcc/test_ttnn_llvc.py::test_restarting_one_stream_of_a_batch",
    "tests/pcc/test_ttnn_llvc.py::test_every_option",
    "tests/pcc/test_ttnn_server.py::test_streams_join_leave_and_start_anew",
    "tests/pcc/test_demo_voice_on_device.py::test_bundled_voice",
]


def test_the_sources_are_those_that_were_run():
    assert read_record()["sources"] == source_hashes(), (
        "tt/fused has changed since it was last run with real kernels: run tests/pcc on the simulated Wormhole or on a "
        "card (docs/VALIDATION.md), which writes docs/rung3.json"
    )


def test_every_test_passed():
    tests = read_record()["tests"]
    assert {name: entry["outcome"] for name, entry in tests.items() if entry["outcome"] != "passed"} == {}
    ran = {name.split("[")[0] for name in tests}
    assert [name for name in REQUIRED if name not in ran] == []
