# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""A tree that imitates tt-metal's: its pytest settings, options and fixtures, with words in place of devices."""

from tools.upstream import write

# Of what is installed here pytest loads what its settings ask for.
PLUGINS = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "pytest_timeout"}

PYTEST_INI = """
[pytest]
timeout = 300
minversion = 7.2
addopts = --import-mode=importlib -vvs -rA --durations=0 --junitxml=generated/test_reports/most_recent_tests.xml
empty_parameter_set_mark = skip
markers =
    models_performance_bare_metal: mark model silicon tests for performance on bare metal
    models_device_performance_bare_metal: mark model silicon tests for device performance on bare metal
"""

CONFTEST = """
import os

import pytest
from tests.scripts.common import anything  # tt-metal has a package of this name


def pytest_addoption(parser):
    parser.addoption("--tt-arch", choices=["grayskull", "wormhole_b0", "blackhole"], default="wormhole_b0")
    parser.addoption("--device-id", type=int, default=0)
    parser.addoption("--input-method", choices=["json", "cli"], default=None)


@pytest.fixture
def reset_seeds():
    yield


@pytest.fixture
def expect_error():
    return lambda error, message: pytest.raises(error, match=message)


@pytest.fixture
def is_ci_env():
    return os.getenv("CI") == "true"


@pytest.fixture(scope="session")
def model_location_generator():
    return lambda model_version, model_subdir="", download_if_ci_v2=False, ci_v2_timeout_in_s=300: model_version


@pytest.fixture
def device_params(request):
    return getattr(request, "param", {})


@pytest.fixture
def device(request, device_params):
    assert request.config.getoption("device_id") == 0
    return "the device of tt-metal"


@pytest.fixture
def mesh_device(device_params):
    return "the mesh of tt-metal"
"""


def make_checkout(root):
    """Makes such a tree of `root`, an empty folder."""
    scripts = root / "tests" / "scripts"
    scripts.mkdir(parents=True)
    (scripts / "common.py").write_text("anything = None\n")
    (root / "tt_metal").mkdir()
    (root / "conftest.py").write_text(CONFTEST)
    (root / "pytest.ini").write_text(PYTEST_INI)


def make_tree(root, place):
    """Such a tree, with what goes into tt-metal at `place`; returns its folder."""
    make_checkout(root)
    return write(root, place)[0]
