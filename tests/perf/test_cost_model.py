# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""docs/PERF.md predicts what the cost model predicts of the network as it is."""

from pathlib import Path

import pytest
from support.blocks import golden, on_device

PERF = Path(__file__).resolve().parents[2] / "docs" / "PERF.md"


@on_device
def test_the_prediction_is_current(device, rung, TtLLVC):
    if rung != "mock":
        pytest.skip("counts on the mock device")
    from support import golden_ops

    from tools import cost_model

    golden_ops.keep_no_values()
    predicted = PERF.read_text().splitlines()
    stock = TtLLVC.from_reference(device, golden("llvc").model, "stock")
    for case in ((1, 1), (4, 1), (1, 10)):
        assert cost_model.row(stock, *case) in predicted
    for line in cost_model.fused_table(TtLLVC.from_reference(device, golden("llvc").model, "fused")):
        assert line in predicted
