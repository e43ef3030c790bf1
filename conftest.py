# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Gives the device tests a device, the best there is, and every test the marker of its rung.

That is a card; else the simulated Wormhole that TT_METAL_SIMULATOR names; else ttnn's mock device, where values come
from PyTorch (tests/support/golden_ops.py). Inside tt-metal its fixtures decide, but for the mock device of its CI
(TT_METAL_MOCK_CLUSTER_DESC_PATH), which computes nothing by itself.
"""

import os
import tempfile
from contextlib import contextmanager

import pytest
from support import mock_device
from support.rung import DESCRIPTION, GIVEN_MOCK, RUNG

if RUNG == "mock" and not GIVEN_MOCK:
    # Before anything imports ttnn. The folder goes with the process.
    _mock_folder = tempfile.TemporaryDirectory(prefix="llvc_mock_")
    mock_device.set_up(_mock_folder.name, board=os.environ.get("LLVC_MOCK_BOARD", "n150"))


MARKERS = {
    "reference": "rung 1: runs on the CPU alone",
    "mock": "rung 2: layout, validity and algebra of a device test, on the mock device",
    "simulator": "rung 3: a device test, on the simulated Wormhole",
    "card": "rung 4: a device test, on a card",
    "fused": "a device test of the fused kernels",
    "slow": "takes more than some ten seconds: make quick leaves it out",
    "realtime": "what it starts keeps time (a browser, a sound system, many clients): one at a time, before all others",
    "xdist_group": "the tests that one process takes in a parallel run",
    # As in tt-metal's pytest.ini.
    "models_performance_bare_metal": "measures end-to-end speed on a card",
    "models_device_performance_bare_metal": "measures the speed of kernels on a card",
}


def pytest_addoption(parser):
    parser.addoption("--update", action="store_true", help="tests/perf/test_device_perf.py: write what is measured")


def pytest_configure(config):
    for name, meaning in MARKERS.items():
        config.addinivalue_line("markers", f"{name}: {meaning}")


def pytest_collection_modifyitems(items):
    for item in items:
        on_device = {"device", "mesh_device"} & set(getattr(item, "fixturenames", ()))
        item.add_marker((RUNG if RUNG in MARKERS else "card") if on_device else "reference")
        kernels = getattr(item, "callspec", None) and item.callspec.params.get("kernels")
        if on_device and (kernels == "fused" or "fused" in item.name or item.path.name == "test_fused.py"):
            item.add_marker("fused")


def pytest_report_header():
    return f"LLVC device tests run on: {DESCRIPTION[RUNG]}"


@pytest.fixture(scope="session")
def rung():
    """Where device tests run: a key of support.rung.DESCRIPTION."""
    return RUNG


if RUNG != "tt-metal":

    @pytest.fixture
    def device_params(request):
        return getattr(request, "param", {})

    @contextmanager
    def opened(device, queue_count):
        """A device as tests want it: no op falls back to the host unseen; on the mock device, with values."""
        import ttnn

        fallback, ttnn.CONFIG.throw_exception_on_fallback = ttnn.CONFIG.throw_exception_on_fallback, True
        if RUNG == "mock":
            from support import golden_ops

            golden_ops.install(device, queue_count)
        yield device
        if RUNG == "mock":
            golden_ops.uninstall()
        ttnn.CONFIG.throw_exception_on_fallback = fallback

    @pytest.fixture(scope="session")
    def model_location_generator():
        """Where a model is, as tt-metal's fixture answers where it has none: under its name, on the hub."""
        return lambda model_version, model_subdir="", **_: model_version

    @pytest.fixture
    def device(device_params):
        """One chip."""
        import ttnn

        queue_count = device_params.get("num_command_queues", 1)
        with opened(ttnn.open_device(device_id=0, **device_params), queue_count) as device:
            yield device
        ttnn.close_device(device)

    @pytest.fixture
    def mesh_device(device_params):
        """Both chips of an N300."""
        import ttnn

        if ttnn.get_num_devices() < 2:
            pytest.skip("needs two chips (an N300)")
        queue_count = device_params.get("num_command_queues", 1)
        if RUNG == "mock":  # has cores for one queue that dispatches; golden_ops keeps the order of two
            worker = ttnn.DispatchCoreConfig(ttnn.DispatchCoreType.WORKER)
            device_params = {**device_params, "num_command_queues": 1, "dispatch_core_config": worker}
        with opened(ttnn.open_mesh_device(ttnn.MeshShape(1, 2), **device_params), queue_count) as device:
            yield device
        ttnn.close_mesh_device(device)
