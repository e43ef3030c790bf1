# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Skips these tests, with what to install, where the live server's requirements are not; a certificate."""

import importlib.util
import shutil
import subprocess

import pytest

MISSING = [
    name for name in ("fastapi", "uvicorn", "websockets", "prometheus_client") if importlib.util.find_spec(name) is None
]


class SkippedModule(pytest.Module):
    def collect(self):
        pytest.skip(f"run: make live ({', '.join(MISSING)})", allow_module_level=True)


def pytest_pycollect_makemodule(module_path, parent):
    return SkippedModule.from_parent(parent, path=module_path) if MISSING else None


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """(certificate, key) of 127.0.0.1, as paths."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl to make a certificate")
    folder = tmp_path_factory.mktemp("tls")
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost"]
        + ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )
    return str(certificate), str(key)


@pytest.fixture(scope="module")
def chromium():
    """A browser that gives its microphone to every page."""
    from support.browser import ARGUMENTS, CHROMIUM, playwright

    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=[*ARGUMENTS, "--use-fake-ui-for-media-stream"])
        yield browser
        browser.close()
