# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Networks that nobody thought of, on the device: drawn by hypothesis."""

import pytest
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis import strategies as st
from support.blocks import NETWORK_PCC, on_device, pcc, speech
from support.configurations import networks, networks_for_fused_kernels
from support.streams import restarted

from streaming.server import StreamServer
from streaming.torch_engine import TorchEngine

pytestmark = pytest.mark.slow

NETWORKS = {"stock": networks(), "fused": networks_for_fused_kernels()}


@on_device
@pytest.mark.timeout(900)  # a card compiles the kernels of ten networks
@given(data=st.data(), chunk_factor=st.integers(1, 2), batch_size=st.integers(2, 3))
@settings(max_examples=6, phases=[Phase.generate], suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_network(device, rung, make_network, kernels, one_group, data, chunk_factor, batch_size):
    """Streams one of which is restarted, so that they are out of step: each pauses while others are converted.

    Two share a tile of the fused kernels, three take two tiles.
    """
    if rung == "simulator":
        pytest.skip("takes hours there")
    from tt.fused.network import why_not

    model = data.draw(NETWORKS[kernels])
    assume(kernels == "stock" or why_not(device, model.config) is None)  # some have more weights than a core can hold
    audio = speech("llvc", batch_size, min(2 * chunk_factor * model.config.chunk_len + 77, 3000))
    reset_at = data.draw(st.integers(0, audio.shape[1]))
    expected = restarted(StreamServer(TorchEngine(model, chunk_factor, batch_size)), audio, reset_at)
    assume(
        all(len(value) and value.abs().max() > 1e-6 for value in expected)
    )  # prenets that multiply leave nothing of some
    value = restarted(make_network(device, model).serve(batch_size, chunk_factor), audio, reset_at)
    for b in range(batch_size):
        assert pcc(value[b], expected[b]) >= NETWORK_PCC
