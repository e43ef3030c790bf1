# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Skips these tests, with what to install, where the live server's requirements are not."""

import importlib.util

import pytest

MISSING = [
    name for name in ("fastapi", "uvicorn", "websockets", "prometheus_client") if importlib.util.find_spec(name) is None
]


class SkippedModule(pytest.Module):
    def collect(self):
        pytest.skip(f"run: make live ({', '.join(MISSING)})", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return SkippedModule.from_parent(parent, path=module_path) if MISSING else None
