# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The arithmetic that every program of a chunk is asked for; what it costs is measured by tools/fidelity.py."""

import pytest
from support.blocks import golden, on_device

# op: fidelity. Selections are products with 0/1 matrices, which are exact in HiFi2.
FIDELITY = {
    "linear": "HiFi3",
    "layer_norm": "HiFi3",
    "transformer.scaled_dot_product_attention": "HiFi3",
    "matmul": "HiFi2",
}


@pytest.fixture
def calls(device, rung, TtLLVC):
    """calls(kernels): the ops of a chunk of a single stream."""
    from support import golden_ops

    if rung != "mock":
        pytest.skip("what is asked for is the same everywhere, and is seen on the mock device")

    def calls_(kernels):
        with TtLLVC.from_reference(device, golden("llvc").model, kernels).stream() as stream:
            return list(golden_ops.calls_of(stream.engine.runner.buffers[0].trace))

    return calls_


@on_device
def test_stock(calls):
    seen = set()
    for call in calls("stock"):
        if call.name in FIDELITY:
            seen.add(call.name)
            config = call.kwargs["compute_kernel_config"]
            assert config.math_fidelity.name == FIDELITY[call.name], call.name
            assert config.fp32_dest_acc_en and config.packer_l1_acc and not config.math_approx_mode, call.name
        else:
            assert "compute_kernel_config" not in call.kwargs, call.name
        if call.name.endswith("attention"):
            assert call.kwargs["program_config"].exp_approx_mode is False
    assert seen == set(FIDELITY)


@on_device
def test_fused(calls, ttnn):
    from tt.fused.program import NOT_ROUNDED

    (call,) = calls("fused")
    compute = call.args[1].kernels[0]
    assert dict(compute.named_compile_time_args)["PARTS"] == 15
    assert compute.config.math_fidelity == ttnn.MathFidelity.HiFi3
    assert compute.config.fp32_dest_acc_en and not compute.config.math_approx_mode
    modes = list(compute.config.unpack_to_dest_mode)
    exact = [i for i, mode in enumerate(modes) if mode == ttnn.UnpackToDestMode.UnpackToDestFp32]
    # ROWS, SHUT and RESIDUAL of kernels/numbers.h
    assert exact == [2, 3, 8] and len(NOT_ROUNDED) == 3
