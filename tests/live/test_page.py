# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The page in a real browser, whose microphone hears test_wavs/example.wav."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from support.browser import (
    ARGUMENTS,
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
from support.fake_engine import FakeEngine
from support.golden import load_golden
from support.live_server import LiveServer, wait_until
from support.proxy import Proxy
from support.scripted_server import WELCOME, ScriptedServer, echo

from live.client import Connection
from streaming.torch_engine import TorchEngine

pytestmark = [pytest.mark.slow, pytest.mark.realtime, pytest.mark.skipif(CHROMIUM is None, reason=NO_BROWSER)]

PAGE = Path(__file__).resolve().parents[2] / "live" / "page"
GOLDEN = load_golden("small")
KEEPS_UP = "the other voice follows"
SPEAKING = re.compile("the other voice follows|overloaded|too slow")


@pytest.fixture(scope="module", autouse=True)
def _patience():
    """A busy machine is no overload here: audio that waits longer than usual is not dropped."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("live.channel.MAX_WAIT_S", 30)
        yield


@pytest.fixture
def unburdened(monkeypatch):
    """A server with one place that is never overloaded, however busy the machine: that would be shown first."""
    monkeypatch.setattr("live.clocked.OVERLOAD_BEGINS", 1)
    with LiveServer(FakeEngine(1)) as server:
        yield server


@pytest.fixture(scope="module")
def live():
    with LiveServer(TorchEngine(GOLDEN.model, 1, 2)) as server:
        yield server


@pytest.fixture
def page(chromium, live):
    # Without the policy, which forbids wait_for_function's eval too; the other tests keep it.
    with opened(chromium, live.page, bypass_csp=True) as page:
        yield page


# Shows a test what the page opened, and lets it hold back the answer to getUserMedia, or have it refused.
WATCHED = """
  window.contexts = [];
  window.AudioContext = class extends AudioContext {
    constructor(...options) { super(...options); contexts.push(this); }
  };
  window.asked = 0;
  window.tracks = [];
  window.answer = Promise.resolve();
  const { mediaDevices } = navigator;
  const getUserMedia = mediaDevices.getUserMedia.bind(mediaDevices);
  mediaDevices.getUserMedia = async (constraints) => {
    const question = ++asked;
    await answer;
    const stream = await getUserMedia(constraints);
    for (const track of stream.getTracks()) tracks.push(Object.assign(track, { question }));
    return stream;
  };
  window.holdBack = () => {
    answer = new Promise((...settle) => ([window.resolve, window.reject] = settle));
  };
  window.refuse = (name) => {
    answer = Promise.reject(new DOMException("", name));
    answer.catch(() => {});
  };
  window.unplug = () => {
    for (const track of tracks) {
      track.stop();
      track.dispatchEvent(new Event("ended"));
    }
  };
  window.live = () => tracks.filter((track) => track.readyState === "live").length;
"""


@pytest.fixture
def watched(chromium, live):
    with opened(chromium, live.page, WATCHED, bypass_csp=True) as page:
        yield page


def offline(samples):
    with torch.no_grad():
        return GOLDEN.model(torch.from_numpy(samples)[None, None])[0, 0].numpy()


def test_what_the_page_gets_is_what_it_sent_converted(page, live, tmp_path):
    page.get_by_role("button", name="Record").click()
    page.get_by_role("button", name="Start").click()
    status(page, SPEAKING)
    wait_until(lambda: live.server.streams == 1, "a stream is open")
    page.wait_for_function("Number(document.querySelector('#delay-total').textContent) > 0")
    page.wait_for_timeout(2500)

    # At one moment, because the figures move.
    total, *cells = page.evaluate(
        "[document.querySelector('#delay-total').textContent,"
        " ...Array.from(document.querySelectorAll('#delay-parts tr'), row => row.textContent)]"
    )
    total = float(total)
    parts = {re.split(r"-?\d", cell)[0]: float(re.search(r"(-?[\d.]+) ms$", cell)[1]) for cell in cells[:9]}
    assert 14 < total < 5000 and sum(parts.values()) == pytest.approx(total, abs=1)
    assert parts["Capture buffer"] == 8 and parts["Chunk: filling it, and its turn"] >= 14
    assert parts["Playback buffer"] > 0 and parts["Computing"] > 0
    assert page.locator("#facts").text_content().count("1 of 2") == 1
    picture = page.evaluate(
        "Array.from(document.querySelector('#spectrogram-out').getContext('2d').getImageData(400, 0, 80, 200).data)"
    )
    assert len(set(picture)) > 20  # something was drawn

    page.get_by_role("button", name="Stop").click()
    status(page, "Stopped")
    sent = downloaded(page, "recording-in.wav", tmp_path)
    got = downloaded(page, "recording-out.wav", tmp_path)
    assert len(sent) == len(got) > 2 * 16000
    heard = soundfile.read(EXAMPLE, dtype="float32")[0]
    assert np.abs(sent).max() > 0.3 * np.abs(heard).max()  # the microphone was heard
    assert np.abs(got - offline(sent)).max() < 1e-4
    wait_until(lambda: live.server.streams == 0, "the place is free")


@pytest.mark.parametrize("width", [390, 1280])
def test_no_control_moves_under_a_finger(chromium, live, width):
    """Not when a conversation begins, its figures come, and it ends: a click would miss what it was meant for."""
    tops = """Array.from(document.querySelectorAll("button, input, select"), (control) => [
      control.id, Math.round(control.getBoundingClientRect().top + scrollY)])"""
    with opened(chromium, live.page, bypass_csp=True, viewport={"width": width, "height": 800}) as page:
        before = page.evaluate(tops)
        press(page, "Start")
        status(page, SPEAKING)
        page.wait_for_function("Number(document.querySelector('#delay-total').textContent) > 0")
        while_speaking = page.evaluate(tops)
        press(page, "Stop")
        status(page, "Stopped.")
        assert len(before) > 15 and page.evaluate(tops) == while_speaking == before


def test_controls_while_speaking(page, live):
    """Mute, push to talk, gains, bypass, buffer, microphone: none of them breaks the stream."""
    page.get_by_role("button", name="Start").click()
    status(page, SPEAKING)
    page.wait_for_function("Number(document.querySelector('#delay-total').textContent) > 0")
    level = "new DOMMatrix(getComputedStyle(document.querySelector('#meter-in')).transform).a"
    page.wait_for_function(f"{level} > 0.1")
    page.get_by_role("button", name="Mute").click()
    page.wait_for_function(f"{level} === 0")
    page.get_by_role("button", name="Mute").click()
    page.get_by_label("Push to talk").check()
    page.wait_for_function(f"{level} === 0")
    page.locator("h1").click()
    page.keyboard.down("Space")
    page.wait_for_function(f"{level} > 0.1")
    page.keyboard.up("Space")
    page.get_by_label("Push to talk").uncheck()
    page.get_by_role("button", name="Bypass").click()
    playwright.expect(page.get_by_role("button", name="Bypass")).to_have_attribute("aria-pressed", "true")
    page.locator("#target").fill("200")
    page.locator("#output-gain").fill("-6")
    page.wait_for_function("document.querySelector('#delay-parts').textContent.includes('target200 ms')")
    page.get_by_label("Noise suppression").check()  # opens the microphone anew
    before = live.metric("chunks_total")
    wait_until(lambda: live.metric("chunks_total") > before + 20, "the stream goes on")
    status(page, SPEAKING)
    page.reload()
    assert page.locator("#target").input_value() == "200" and page.get_by_label("Noise suppression").is_checked()


def test_it_reconnects_after_a_restart(chromium):
    with LiveServer(TorchEngine(GOLDEN.model)) as first:
        context = opened(chromium, first.page)
        page = context.__enter__()
        page.get_by_role("button", name="Start").click()
        status(page, SPEAKING)
    status(page, "connecting again")
    with LiveServer(TorchEngine(GOLDEN.model), port=first.port) as second:
        status(page, SPEAKING)
        wait_until(lambda: second.metric("chunks_total") > 10, "it speaks again")
        context.__exit__(None)


def test_a_full_server_is_said_and_tried_again(page, live):
    held = [Connection(live.url) for _ in range(2)]
    page.get_by_role("button", name="Start").click()
    status(page, "The server is full")
    held[0].close()
    status(page, SPEAKING)
    held[1].close()


def test_a_token_is_asked_for(chromium):
    with LiveServer(TorchEngine(GOLDEN.model), token="geheim") as server, opened(chromium, server.page) as page:
        page.get_by_role("button", name="Start").click()
        status(page, "wants a token")
        page.get_by_label("Token").fill("geheim")
        page.get_by_role("button", name="Start").click()
        status(page, SPEAKING)
        with opened(chromium, server.page + "#token=falsch") as other:
            other.get_by_role("button", name="Start").click()
            status(other, "wants a token")


def test_a_denied_microphone(chromium, live):
    """Without the switch that answers for the visitor, a headless browser denies."""
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=ARGUMENTS)
    with opened(browser, live.page) as page:
        page.get_by_role("button", name="Start").click()
        status(page, "may not use the microphone")
        assert page.get_by_role("button", name="Start").is_enabled()
    browser.close()


def test_a_file_is_converted_at_once(chromium, live, tmp_path):
    with opened(chromium, live.page) as page:
        page.locator("#file").set_input_files(EXAMPLE)
        playwright.expect(page.locator("#file-status")).to_contain_text("8.7 s of sound in", timeout=DEADLINE_MS)
        assert page.locator("#file-players audio").count() == 2
        before, after = (downloaded(page, f"example-{side}.wav", tmp_path) for side in ("in", "out"))
        assert np.abs(before - soundfile.read(EXAMPLE, dtype="float32")[0]).max() < 1e-4
        assert np.abs(after - offline(before)).max() < 1e-4
        page.locator("#file").set_input_files({"name": "none.wav", "mimeType": "audio/wav", "buffer": b"no audio"})
        playwright.expect(page.locator("#file-status")).to_contain_text("no sound that this browser can decode")


def test_keyboard_screen_reader_and_a_phone(chromium, live):
    with opened(chromium, live.page, viewport={"width": 360, "height": 640}, color_scheme="dark") as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        for control in page.locator("button:visible, input:visible, select:visible").all():
            name = control.evaluate("e => e.labels?.[0]?.textContent.trim() || e.textContent.trim()")
            assert name and control.evaluate("e => e.tabIndex") == 0, control.evaluate("e => e.outerHTML")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.id") == "start"
        page.keyboard.press("Enter")
        status(page, SPEAKING)
        assert page.locator("#status").get_attribute("role") == "status"
        dark = page.evaluate("getComputedStyle(document.body).backgroundColor")
        page.emulate_media(color_scheme="light")
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") != dark


def test_stop_while_the_microphone_is_asked_for(watched, live):
    watched.evaluate("holdBack()")
    press(watched, "Start")
    watched.wait_for_function("asked === 1")
    press(watched, "Stop")
    status(watched, "Stopped.")
    watched.evaluate("resolve()")
    watched.wait_for_function("tracks.length === 1 && live() === 0")
    assert watched.evaluate("contexts.length") == 0 and live.server.streams == 0

    # Refused too late: nobody wants to know.
    watched.evaluate("holdBack()")
    press(watched, "Start")
    watched.wait_for_function("asked === 2")
    press(watched, "Stop")
    watched.evaluate("reject(new DOMException('', 'NotAllowedError'))")
    watched.evaluate("window.answer = Promise.resolve()")
    press(watched, "Start")
    status(watched, SPEAKING)
    assert watched.evaluate("live()") == 1


def test_stop_while_the_microphone_is_changed(watched, live):
    press(watched, "Start")
    status(watched, SPEAKING)
    watched.evaluate("holdBack()")
    watched.get_by_label("Echo cancellation").check()
    watched.get_by_label("Noise suppression").check()
    watched.wait_for_function("asked === 3")
    press(watched, "Stop")
    watched.wait_for_function("live() === 0")  # at once
    status(watched, "Stopped.")
    watched.evaluate("resolve()")
    watched.wait_for_function("tracks.length === 3 && live() === 0")
    assert watched.evaluate("contexts[0].state") == "closed"
    wait_until(lambda: live.server.streams == 0, "the place is free")


def test_of_two_microphones_the_newest_is_taken(watched, live):
    press(watched, "Start")
    status(watched, SPEAKING)
    watched.evaluate("holdBack()")
    watched.get_by_label("Echo cancellation").check()
    watched.get_by_label("Noise suppression").check()
    watched.wait_for_function("asked === 3")
    watched.evaluate("resolve()")
    watched.wait_for_function("tracks.length === 3 && live() === 1")
    assert watched.evaluate("tracks.find(track => track.readyState === 'live').question") == 3


def test_a_microphone_that_goes_away(watched, live):
    press(watched, "Start")
    status(watched, SPEAKING)
    watched.evaluate("unplug()")
    status(watched, "The microphone was gone; now it is “Fake")
    assert watched.evaluate("live()") == 1

    watched.evaluate("refuse('NotFoundError')")
    watched.evaluate("tracks.forEach(track => track.stop())")  # and nobody says so
    status(watched, "There is no microphone")
    watched.evaluate("window.answer = Promise.resolve()")
    status(watched, SPEAKING)
    assert watched.evaluate("live()") == 1
    assert live.server.streams == 1 and live.metric("streams_closed_total", code="silent") == 0

    watched.evaluate("refuse('NotAllowedError')")
    watched.evaluate("unplug()")
    status(watched, "may not use the microphone")
    assert watched.get_by_role("button", name="Start").is_enabled()
    wait_until(lambda: live.server.streams == 0, "the place is free")


def test_sound_that_the_system_stops(watched, live):
    press(watched, "Start")
    status(watched, SPEAKING)
    watched.evaluate(
        "const { resume } = contexts[0];"
        "contexts[0].resume = () => window.call ? Promise.reject(new Error()) : resume.call(contexts[0])"
    )
    watched.evaluate("window.call = true; contexts[0].suspend()")
    status(watched, "paused the sound")
    watched.evaluate("window.call = false")
    status(watched, SPEAKING)
    assert watched.evaluate("contexts.map(context => context.state)") == ["running"]

    watched.evaluate("contexts[0].close()")
    status(watched, "The browser's sound had stopped")
    watched.wait_for_function("contexts.length === 2 && contexts[1].state === 'running' && live() === 1")
    watched.evaluate("Object.defineProperty(contexts[1], 'currentTime', { value: 1 })")  # it says that it runs
    watched.wait_for_function("contexts.length === 3 && contexts[1].state === 'closed'")
    status(watched, SPEAKING)
    wait_until(lambda: live.server.streams == 1, "one stream is left")


GARBAGE = [
    "no JSON",
    "[]",
    "null",
    "{}",
    '{"type": 1}',
    '{"type": "welcome"}',
    '{"type": "dropped", "samples": -1}',
    '{"type": "ended"}',
]
GARBAGE += ['{"type": "statistics", "queue_ms": "much"}', b"odd", np.full(9, np.nan, "<f4").tobytes()]


def test_garbage_from_the_server(chromium):
    """It is said, and the page connects again; messages of no known type do no harm."""
    piece = None

    async def stream(websocket, k):
        await websocket.send_json(WELCOME)
        await websocket.send_json({"type": "greeting"})
        if piece is None:
            return await echo(websocket)
        await (websocket.send_text(piece) if isinstance(piece, str) else websocket.send_bytes(piece))

    with ScriptedServer(PAGE, stream) as server, opened(chromium, server.page) as page:
        for piece in GARBAGE:  # noqa: B007 (what the server sends next)
            press(page, "Start")
            status(page, "makes no sense; connecting again")
            press(page, "Stop")
            status(page, "Stopped.")
        press(page, "Start")
        status(page, "makes no sense; connecting again")
        piece = None
        status(page, SPEAKING)


# All that the status said, however briefly.
SAID = """
  window.said = [];
  addEventListener("DOMContentLoaded", () => {
    const status = document.getElementById("status");
    new MutationObserver(() => said.push(status.textContent)).observe(status, { childList: true });
  });
"""


@pytest.mark.parametrize("says", ["nothing", "pongs"])
def test_a_server_that_goes_silent(chromium, says):
    async def stream(websocket, k):
        if k > 1:
            return await echo(websocket)
        await websocket.send_json(WELCOME)
        while says == "pongs":
            message = await websocket.receive()
            if '"ping"' in (message.get("text") or ""):
                await websocket.send_text(message["text"].replace("ping", "pong"))

    with ScriptedServer(PAGE, stream) as server, opened(chromium, server.page, SAID, bypass_csp=True) as page:
        press(page, "Start")
        page.wait_for_function("said.some((text) => text.includes('does not answer; connecting again'))")
        status(page, SPEAKING)


def test_the_screen_stays_on(chromium, live):
    locks = """
      window.locks = [];
      const request = async () => {
        locks.push({ released: false, release() { this.released = true; } });
        return locks.at(-1);
      };
      Object.defineProperty(navigator, "wakeLock", { value: { request } });
    """
    with opened(chromium, live.page, locks, bypass_csp=True) as page:
        press(page, "Start")
        page.wait_for_function("locks.length === 1")
        status(page, SPEAKING)
        page.evaluate("locks[0].released = true; document.dispatchEvent(new Event('visibilitychange'))")
        page.wait_for_function("locks.length === 2")
        press(page, "Stop")
        status(page, "Stopped.")
        assert page.evaluate("locks.every(lock => lock.released)")


def test_below_a_path(chromium, live, tmp_path):
    with Proxy(live.port, "/voices/live/") as proxy, opened(chromium, proxy.page + "?a=b#c") as page:
        press(page, "Start")
        status(page, SPEAKING)
        page.locator("#file").set_input_files(EXAMPLE)
        playwright.expect(page.locator("#file-status")).to_contain_text("8.7 s of sound in", timeout=DEADLINE_MS)


DROPPED = "Number(document.querySelector('#delay-parts').textContent.match(/too slow(\\d+) ms/)?.[1] ?? 0)"


# hold(bytes): so much waits in the WebSocket of every worker, also of those to come. (On a busy machine the page begins
# anew, with another worker, when the browser's sound has stood still.) A worker runs HELD before its own script.
HELD = """
  let amount = 0;
  Object.defineProperty(WebSocket.prototype, "bufferedAmount", { get: () => amount });
  addEventListener("message", (event) => {
    if (!("held" in event.data)) return;
    amount = event.data.held;
    event.stopImmediatePropagation();
  });
"""
HOLD = f"""
  const address = (script) => URL.createObjectURL(new Blob([script], {{ type: "text/javascript" }}));
  const first = address({json.dumps(HELD)});
  const workers = [];
  let held = 0;
  window.Worker = class extends Worker {{
    constructor(url, options) {{
      super(address(`import "${{first}}"; import "${{url}}";`), options);
      workers.push(this);
      this.postMessage({{ held }});
    }}
  }};
  window.hold = (bytes) => {{
    held = bytes;
    for (const worker of workers) worker.postMessage({{ held }});
  }};
"""


def test_audio_that_waits_in_the_browser(chromium, unburdened):
    """Beyond 250 ms of it nothing more is sent; it goes on when there is room."""
    with opened(chromium, unburdened.page, HOLD, bypass_csp=True) as page:
        press(page, "Start")
        status(page, SPEAKING)
        # Before the first answer a second may be on its way.
        page.wait_for_function("Number(document.querySelector('#delay-total').textContent) > 0")
        page.evaluate("hold(4 * 16000 * 0.26)")
        status(page, "The network is too slow")
        wait_until(lambda: unburdened.server.streams == 1, "the stream is open")
        counted, dropped = unburdened.metric("received_bytes_total"), page.evaluate(DROPPED)
        # A stream's bytes are counted once a second: behind that all is counted that came before it was held.
        wait_until(lambda: unburdened.metric("received_bytes_total") > counted, "what came before is counted")
        before = unburdened.metric("received_bytes_total")
        page.wait_for_function(f"{DROPPED} > {dropped} + 1500")
        assert unburdened.metric("received_bytes_total") - before < 4 * 16000 / 2  # pings, and what was on its way
        page.evaluate("hold(4 * 16000 * 0.12)")
        status(page, KEEPS_UP)
        chunks = unburdened.metric("chunks_total")
        wait_until(lambda: unburdened.metric("chunks_total") > chunks + 20, "the stream goes on")


def test_a_slow_uplink(chromium, unburdened):
    """What would come late is dropped, counted and shown; what is under way does not grow."""
    with Proxy(unburdened.port) as proxy, opened(chromium, proxy.page, bypass_csp=True) as page:
        press(page, "Start")
        status(page, SPEAKING)
        page.wait_for_function("Number(document.querySelector('#delay-total').textContent) > 0")
        proxy.is_held_up = True
        status(page, "The network is too slow")
        before = proxy.held
        page.wait_for_function(f"{DROPPED} > 1000")
        assert before < 16000 * 4  # a second, and usually a quarter of one
        assert proxy.held - before < 16000 * 4 * 0.3  # what waited in the browser, and pings
        proxy.is_held_up = False
        status(page, KEEPS_UP)
        assert unburdened.server.streams == 1


@pytest.mark.parametrize(
    "storage",
    [
        "Object.defineProperty(window, 'localStorage', { get() { throw new DOMException('', 'SecurityError') } });",
        "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') };",
        "for (const e of ['rate', 'echo', 'input', 'target']) localStorage.setItem(`llvc-${e}`, 'garbage');",
        "localStorage.setItem('llvc-rate', '\"fast\"'); localStorage.setItem('llvc-target', '\"much\"');"
        "localStorage.setItem('llvc-echo', '1'); localStorage.setItem('llvc-input', '{}');",
    ],
)
def test_settings_that_cannot_be_kept_or_read(chromium, live, storage):
    with opened(chromium, live.page + "#token=abc", storage) as page:
        assert page.locator("#token").input_value() == "abc"
        assert page.locator("#rate").input_value() == "network" and page.locator("#target").input_value() == "0"
        assert not page.locator("#echo").is_checked()
        page.locator("#input-gain").fill("3")
        page.locator("#input-gain").dispatch_event("change")
        press(page, "Start")
        status(page, SPEAKING)
        assert page.locator("#input option").count() > 1


def test_a_file_while_the_server_is_full(chromium, live):
    result = "#file-status"
    with opened(chromium, live.page) as page:
        held = [Connection(live.url) for _ in range(2)]
        page.locator("#file").set_input_files(EXAMPLE)
        playwright.expect(page.locator(result)).to_have_text("The server is full. Choose the file again in a while.")
        for connection in held:
            connection.close()
        wait_until(lambda: live.server.streams == 0, "the places are free")
        page.locator("#file").set_input_files(EXAMPLE)
        playwright.expect(page.locator(result)).to_contain_text("8.7 s of sound in", timeout=DEADLINE_MS)


def test_a_file_for_a_server_that_wants_a_token(chromium):
    with LiveServer(TorchEngine(GOLDEN.model), token="geheim") as server, opened(chromium, server.page) as page:
        page.locator("#file").set_input_files(EXAMPLE)
        playwright.expect(page.locator("#file-status")).to_contain_text("wants a token", timeout=DEADLINE_MS)
        page.get_by_label("Token").fill("geheim")
        page.locator("#file").set_input_files(EXAMPLE)
        playwright.expect(page.locator("#file-status")).to_contain_text("8.7 s of sound in", timeout=DEADLINE_MS)


def test_with_the_keyboard_alone(page, live):
    level = "new DOMMatrix(getComputedStyle(document.querySelector('#meter-in')).transform).a"
    go_to(page, "start")
    page.keyboard.press("Space")
    status(page, SPEAKING)
    assert page.evaluate("document.activeElement.id") == "start"
    go_to(page, "push-to-talk")
    page.keyboard.press("Space")
    page.wait_for_function(f"{level} === 0")
    go_to(page, "talk")
    page.keyboard.down("Space")
    page.wait_for_function(f"{level} > 0.1")
    page.keyboard.up("Space")
    go_to(page, "target")
    page.keyboard.press("ArrowRight")
    assert page.locator("#target").input_value() == "5"
    go_to(page, "file")
    go_to(page, "start")
    page.keyboard.press("Enter")
    status(page, "Stopped.")
    wait_until(lambda: live.server.streams == 0, "the place is free")


def test_a_recording_is_kept_when_the_server_ends_the_stream(chromium, tmp_path):
    with LiveServer(TorchEngine(GOLDEN.model), max_minutes=0.05) as server, opened(chromium, server.page) as page:
        press(page, "Record")
        press(page, "Start")
        status(page, "Your time on this server is over. Begin again")
        sent, got = (downloaded(page, f"recording-{side}.wav", tmp_path) for side in ("in", "out"))
        assert len(sent) == len(got) > 0
        assert page.get_by_role("button", name="Record").get_attribute("aria-pressed") == "false"


def test_a_loudspeaker_that_does_not_open(chromium, live):
    broken = """
      const { setSinkId } = AudioContext.prototype;
      AudioContext.prototype.setSinkId = function (id) {
        return id ? Promise.reject(new Error("broken")) : setSinkId.call(this, id);
      };
    """
    with opened(chromium, live.page, broken, bypass_csp=True) as page:
        press(page, "Start")
        status(page, SPEAKING)
        page.wait_for_function("document.querySelector('#output').options.length > 1")
        page.locator("#output").select_option(index=1)
        status(page, "The loudspeaker does not open: broken.")
        page.locator("#output").select_option(index=0)
        status(page, SPEAKING)
