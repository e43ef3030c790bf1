# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Pages in the system's Chromium, whose microphone hears test_wavs/example.wav."""

import io
import re
import shutil
from pathlib import Path

import pytest
import soundfile

playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
NO_BROWSER = "needs a browser: apt-get install chromium, or Google Chrome on the PATH"

EXAMPLE = Path(__file__).resolve().parents[2] / "test_wavs" / "example.wav"
DEADLINE_MS = 120_000
ARGUMENTS = [
    "--use-fake-device-for-media-stream",
    f"--use-file-for-fake-audio-capture={EXAMPLE}",
    "--autoplay-policy=no-user-gesture-required",
    "--no-sandbox",  # the tests may run as root
]


class opened:
    """A page that must not log errors nor ask anybody else for anything."""

    def __init__(self, browser, url, init="", routes=(), **options):
        self._context = browser.new_context(**options)
        for pattern, script in routes:  # scripts that are others
            self._context.route(
                pattern, lambda route, _, body=script: route.fulfill(body=body, content_type="text/javascript")
            )
        self._context.add_init_script(init)
        self._url = url

    def __enter__(self):
        page = self._context.new_page()
        page.set_default_timeout(DEADLINE_MS)
        self.errors, self.requests = [], []
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(self._url)
        playwright.expect(page.locator("#start")).to_be_enabled(timeout=DEADLINE_MS)  # its engine is there
        return page

    def __exit__(self, kind, *_):
        self._context.close()
        if kind is None:
            assert not self.errors
            assert all(re.match(r"(http|ws)://127\.0\.0\.1:|blob:|data:", url) for url in self.requests)


def press(page, name):
    page.get_by_role("button", name=name).click()


def status(page, text):
    playwright.expect(page.locator("#status")).to_contain_text(text, timeout=DEADLINE_MS)


def go_to(page, id):
    """By the keyboard."""
    for _ in range(60):
        if page.evaluate("document.activeElement.id") == id:
            return
        page.keyboard.press("Tab")
    pytest.fail(f"Tab does not get to {id}")


def downloaded(page, name, folder, rate=16000):
    with page.expect_download() as download:
        page.get_by_role("link", name=name).click()
    path = folder / name
    download.value.save_as(path)
    samples, its_rate = soundfile.read(io.BytesIO(path.read_bytes()), dtype="float32")
    assert its_rate == rate
    return samples
