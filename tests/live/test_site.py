# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The page of a static web server: the voice runs in a real browser, whose microphone hears test_wavs/example.wav."""

import base64
import re

import numpy as np
import pytest
import soundfile
import torch
from support.browser import (
    CHROMIUM,
    DEADLINE_MS,
    EXAMPLE,
    NO_BROWSER,
    downloaded,
    go_to,
    opened,
    playwright,
    press,
    status,
)
from support.golden import load_golden
from support.live_server import LiveServer
from support.static_server import ISOLATION, StaticServer

from audio.resampling import Resampler
from demo.onnx_file import export
from demo.site import has_runtime, write_site
from demo.voice import Voice
from streaming.torch_engine import TorchEngine

pytestmark = [
    pytest.mark.slow,
    pytest.mark.realtime,
    pytest.mark.skipif(CHROMIUM is None, reason=NO_BROWSER),
    pytest.mark.skipif(not has_runtime(), reason="run: make page (onnxruntime-web)"),
]

GOLDEN = load_golden("small")
OTHER = load_golden("options_wide_groups")  # windows of 3 ms
SPEAKING = re.compile("the other voice follows|too slow")  # the machine may be busy
LEVEL = "new DOMMatrix(getComputedStyle(document.querySelector('#meter-in')).transform).a"


def voice(golden, folder, name):
    path = folder / name
    path.write_bytes(b"weights by the rule")  # only its checksum is asked for
    return Voice(golden.model, 16000, path)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A voice; sites hold its whole weights, so that what they give is the reference's to the last digits."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("demo.site.export", lambda voice, half_weights: export(voice))
        yield voice(GOLDEN, tmp_path_factory.mktemp("voice"), "small.safetensors")


@pytest.fixture(scope="module")
def folder(tmp_path_factory, small):
    folder = tmp_path_factory.mktemp("site")
    write_site(small, folder)
    return folder


@pytest.fixture(scope="module")
def site(folder):
    with StaticServer(folder) as server:
        yield server


@pytest.fixture(scope="module")
def page(chromium, site):
    with opened(chromium, site.page) as page:
        yield page


@pytest.fixture(scope="module")
def dropped(tmp_path_factory):
    """Another voice's file."""
    folder = tmp_path_factory.mktemp("other")
    path = folder / "other.onnx"
    path.write_bytes(export(voice(OTHER, folder, "other.safetensors")).SerializeToString())
    return path


def offline(samples, golden=GOLDEN):
    with torch.no_grad():
        return golden.model(torch.from_numpy(samples)[None, None])[0, 0].numpy()


def note(page, text):
    playwright.expect(page.locator("#engine-note")).to_contain_text(text, timeout=DEADLINE_MS)


def converted(page, choose, name, folder):
    """A file's samples and what became of them, when choose() has chosen it."""
    path = folder / f"{name}.wav"
    soundfile.write(path, soundfile.read(EXAMPLE)[0][:20000], 16000)
    choose(path)
    result = re.compile(f"{name}.wav: 1.3 s of sound in")
    playwright.expect(page.locator("#file-status")).to_have_text(result, timeout=DEADLINE_MS)
    return [downloaded(page, f"{name}-{side}.wav", folder) for side in ("in", "out")]


def speak(page, seconds, folder, rate=16000):
    """What was sent, and what came back."""
    press(page, "Record")
    press(page, "Start")
    status(page, SPEAKING)
    playwright.expect(page.locator("#delay-total")).not_to_have_text("–", timeout=DEADLINE_MS)
    page.wait_for_timeout(1000 * seconds)
    press(page, "Stop")
    status(page, "Stopped.")
    sent, got = (downloaded(page, f"recording-{side}.wav", folder, rate) for side in ("in", "out"))
    assert len(sent) == len(got) > seconds / 2 * rate
    assert np.abs(sent).max() > 0.3 * np.abs(soundfile.read(EXAMPLE)[0]).max()  # the microphone was heard
    return sent, got


@pytest.mark.parametrize("headers", [None, ISOLATION], ids=["messages", "shared memory"])
def test_what_is_heard_is_what_was_spoken_converted(chromium, folder, tmp_path, headers):
    with StaticServer(folder, headers) as server, opened(chromium, server.page) as page:
        assert page.evaluate("crossOriginIsolated") == bool(headers)
        note(page, re.compile(r"small\.safetensors\. This machine: \d+\.\d\d of real time in chunks of"))
        sent, got = speak(page, 2, tmp_path)
        assert np.abs(got - offline(sent)).max() < 1e-4
        facts = page.locator("#facts").text_content()
        assert "ONNX Runtime Web (this browser)" in facts and "Streams" not in facts
        assert "Network round trip" not in page.locator("#delay-parts").text_content()


def test_chunks_of_another_length_and_the_devices_rate(page, tmp_path):
    page.locator("#factor").select_option("4")
    note(page, "in chunks of 52 ms")
    page.locator("#rate").select_option("device")
    rate = page.evaluate("new AudioContext().sampleRate")
    sent, got = speak(page, 2, tmp_path, rate)
    down, up = Resampler(rate, 16000), Resampler(16000, rate)
    at_network = np.concatenate((down.push(sent), down.flush()))
    converted = offline(at_network)
    expected = np.concatenate((up.push(converted), up.flush()))[: len(got)]
    # Filters take a start amid speech each in their own way, and the network remembers that for a quarter of a second.
    assert np.abs(got - expected)[rate // 2 :].max() < 1e-3
    page.locator("#rate").select_option("network")


def test_a_file_is_converted(page, tmp_path):
    before, after = converted(page, page.locator("#file").set_input_files, "chosen", tmp_path)
    assert len(after) == 20000
    assert np.abs(after - offline(before)).max() < 1e-4


def drop(page, path):
    page.evaluate(
        """([name, text]) => {
          const dataTransfer = new DataTransfer();
          dataTransfer.items.add(new File([Uint8Array.from(atob(text), (c) => c.charCodeAt(0))], name));
          window.dispatchEvent(new DragEvent("drop", { dataTransfer }));
        }""",
        [path.name, base64.b64encode(path.read_bytes()).decode()],
    )


def test_a_voice_dropped_in(page, dropped, tmp_path):
    drop(page, dropped)
    note(page, re.compile(r"other\.safetensors\. This machine: \d+\.\d\d of real time in chunks of (3|6|12) ms"))
    before, after = converted(page, lambda path: drop(page, path), "dropped", tmp_path)
    assert np.abs(after - offline(before, OTHER)).max() < 1e-4


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("voice.onnx", b"no voice", "voice.onnx: This is not an ONNX file."),
        (
            "voice.bin",
            b"\x08\x09\x3a\x00",
            "voice.bin: This ONNX file is not a voice as python -m demo.export writes it.",
        ),
    ],
)
def test_a_wrong_voice(page, tmp_path, name, content, sentence):
    """It is said, and the voice from before goes on."""
    before = page.locator("#factor").text_content()
    path = tmp_path / name
    path.write_bytes(content)
    drop(page, path)
    note(page, sentence)
    playwright.expect(page.locator("#factor")).to_have_text(before)
    page.locator("#factor").dispatch_event("change")
    note(page, "of real time in chunks of")


def test_without_a_network(chromium, folder, tmp_path):
    """The second start needs none; the service worker gives the isolation that the server does not."""
    with StaticServer(folder) as server:
        context = opened(chromium, server.page)
        page = context.__enter__()
        page.evaluate("navigator.serviceWorker.ready.then(() => 0)")
    page.reload()
    playwright.expect(page.locator("#start")).to_be_enabled(timeout=DEADLINE_MS)
    assert page.evaluate("crossOriginIsolated")
    sent, got = speak(page, 1, tmp_path)
    assert np.abs(got - offline(sent)).max() < 1e-4
    context.__exit__(None)


def test_a_machine_that_is_too_slow_is_told_before(chromium, site):
    measured = (
        'postMessage({ type: "measured", name: "v", shares: new Map([[1, 3.1], [2, 2.6], [4, 2.2]]), seconds: 0.013 });'
    )
    with opened(chromium, site.page, routes=[("**/step-task.js", measured)], service_workers="block") as page:
        note(
            page,
            "2.20 of real time in chunks of 52 ms. That is too slow for a voice, and there will be gaps: take a faster",
        )
        status(page, "Stopped.")


SLOW = """
  export const load = () => null;
  export const openStep = () => ({
    rate: 16000, chunk: 208, lookahead: 16, name: "slow",
    async convert(window) {
      for (const begin = performance.now(); performance.now() - begin < 20; );
      return window.slice(0, 208);
    },
    close() {},
  });
"""


def test_a_network_that_does_not_keep_up(chromium, site, tmp_path):
    """What is late is dropped and counted, and what is left is in its place."""
    options = {"routes": [("**/runtime.js", SLOW)], "service_workers": "block", "bypass_csp": True}
    with opened(chromium, site.page, **options) as page:
        note(page, "too slow")
        press(page, "Record")
        press(page, "Start")
        status(page, "This browser is too slow: what is late is dropped.")
        page.wait_for_function(
            "Number(document.querySelector('#delay-parts').textContent.match(/it was late(\\d+) ms/)?.[1] ?? 0) > 200"
        )
        press(page, "Stop")
        status(page, "Stopped.")
        sent, got = (downloaded(page, f"recording-{side}.wav", tmp_path) for side in ("in", "out"))
        assert len(sent) > 2000 and np.array_equal(sent, got)


def test_what_is_late_is_dropped(page):
    """As docs/PROTOCOL.md says: the oldest whole chunks, beyond 250 ms and a packet; the newest chunk stays."""
    lengths = page.evaluate(
        """async () => {
          const { Waiting } = await import("./waiting.js");
          const fill = (chunk, packets) => {
            const waiting = new Waiting(16000, chunk, 16);
            for (let i = 0; i < packets; i++) waiting.push({ samples: new Float32Array(128).fill(i), frame: 128 * i });
            const dropped = waiting.dropLate();
            const { samples, frame } = waiting.take(1);
            return [dropped, waiting.length + 1, frame, samples[0]];
          };
          return [fill(208, 32), fill(208, 33), fill(832, 33), fill(1664, 53)];
        }"""
    )
    assert lengths[0] == [0, 4096, 0, 0]  # 250 ms are 4000 samples
    assert lengths[1] == [3952, 4224 - 3952, 3952, 30]
    assert lengths[2] == [3328, 4224 - 3328, 3328, 26]
    assert lengths[3] == [0, 53 * 128, 0, 0]  # four chunks are longer than 250 ms


def test_keyboard_alone_on_a_phone(chromium, site, tmp_path):
    with opened(chromium, site.page, viewport={"width": 360, "height": 640}, bypass_csp=True) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360

        go_to(page, "start")
        page.keyboard.press("Space")
        status(page, SPEAKING)
        page.wait_for_function(f"{LEVEL} > 0.1")
        go_to(page, "factor")
        page.keyboard.press("End")
        note(page, "in chunks of 52 ms")
        status(page, "The chunks have changed.")
        go_to(page, "voice")
        go_to(page, "file")
        status(page, SPEAKING)
        page.screenshot(path=tmp_path / "phone.png", full_page=True)
        go_to(page, "start")
        page.keyboard.press("Enter")
        status(page, "Stopped.")


def test_the_servers_page_has_both(chromium, small, tmp_path):
    write_site(small, tmp_path / "page", server=True)
    with LiveServer(TorchEngine(GOLDEN.model), page=tmp_path / "page") as live, opened(chromium, live.page) as page:
        page.locator("#engine").select_option("browser")
        note(page, "of real time in chunks of")
        sent, got = speak(page, 1, tmp_path)
        assert np.abs(got - offline(sent)).max() < 1e-4
        assert live.metric("chunks_total") == 0
        page.locator("#engine").select_option("server")
        press(page, "Start")
        status(page, SPEAKING)
        assert live.server.streams == 1


def test_the_servers_page_without_the_runtime(chromium):
    with LiveServer(TorchEngine(GOLDEN.model)) as live, opened(chromium, live.page) as page:
        option = page.locator("#engine option[value=browser]")
        assert option.is_disabled() and "make page" in option.text_content()
