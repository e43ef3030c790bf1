# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Makes the project importable in both its homes: a repository of its own, or models/demos/llvc of tt-metal.

The project has no pytest configuration file: inside tt-metal, where tt-metal's applies, one would hide tt-metal's
own conftest.py and with it the device fixtures.
"""

import sys
from pathlib import Path

from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent
for folder in (ROOT / "tests", ROOT):  # tests/ for the helpers in tests/support
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))

# The network's speed is not the property under test; the same examples every time keep CI reproducible.
settings.register_profile(
    "llvc", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)
settings.load_profile("llvc")
