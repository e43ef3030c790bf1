# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The download of the checkpoints, against a small stand-in for the Hugging Face Hub on 127.0.0.1."""

import hashlib
import os
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from huggingface_hub.utils import WeakFileLock
from support.hub import close, isolated, serving, use_endpoint

from demo import download_weights
from demo.download_weights import CHECKPOINT_PATH, CHUNK_BYTES, DownloadError, download, main
from demo.voice import DEFAULT_CHECKPOINT

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = dict(download_weights.CHECKPOINTS)  # tests put others in its place
SIZE = 5 * CHUNK_BYTES + 1234
CUT = 3 * CHUNK_BYTES + 100  # where a connection breaks: three chunks are safe by then
FILES = {name: random.Random(name).randbytes(SIZE) for name in ("llvc", "llvc_hfg", "llvc_nc")}
SHA256 = {name: hashlib.sha256(data).hexdigest() for name, data in FILES.items()}
HUB_FILES = {f"/KoeAI/llvc/resolve/main/{CHECKPOINT_PATH.format(name=n)}": d for n, d in FILES.items()}


@pytest.fixture
def hub(monkeypatch):
    with serving(HUB_FILES) as server:
        use_endpoint(monkeypatch, server.url)
        yield server


@pytest.fixture(autouse=True)
def small_files(monkeypatch):
    """In place of the published ones."""
    monkeypatch.delenv("TQDM_POSITION", raising=False)
    with isolated(monkeypatch, SHA256):
        yield


def target(local_dir, name="llvc"):
    return local_dir / CHECKPOINT_PATH.format(name=name)


def part(local_dir, name="llvc"):
    return local_dir / ".download" / f"{name}.part"


def files_in(local_dir):
    return sorted(p.relative_to(local_dir).as_posix() for p in local_dir.rglob("*"))


def only_error(capsys):
    """Return the one line on stderr that a failing main() has printed."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    return lines[0]


def fail_with(capsys, local_dir, *names):
    assert main([*names, "--local_dir", str(local_dir)]) == 1
    return only_error(capsys)


def start_process(hub, local_dir):
    """Run the program in a process of its own, against `hub` through HF_ENDPOINT."""
    # A shell that runs the tests in the background lets them, and so this process, ignore SIGINT.
    program = (
        "import signal, sys; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from demo import download_weights\n"
        f"download_weights.CHECKPOINTS = {SHA256!r}\n"
        f"sys.exit(download_weights.main(['llvc', '--local_dir', {str(local_dir)!r}]))\n"
    )
    environment = os.environ | {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0", "PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-c", program], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def wait_for(condition, seconds=15):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        threading.Event().wait(0.01)  # time.sleep is patched


def test_the_demo_looks_where_the_checkpoint_is_put():
    assert f"{download_weights.LOCAL_DIR}/{CHECKPOINT_PATH.format(name='llvc')}" == DEFAULT_CHECKPOINT


def test_the_model_card_has_the_same_checksums():
    """Written down apart, from the published files."""
    card = (ROOT / "checkpoints" / "README.md").read_text()
    assert dict(re.findall(r"^\| `(\w+)` \| `([0-9a-f]{64})` \|$", card, re.MULTILINE)) == PUBLISHED


def test_downloads_all_three(hub, tmp_path, capsys):
    assert main(["--local_dir", str(tmp_path / "models")]) == 0
    for name, data in FILES.items():
        assert target(tmp_path / "models", name).read_bytes() == data
    assert len(capsys.readouterr().out.splitlines()) == 3
    assert not part(tmp_path / "models").parent.exists()
    assert [(method, name) for method, name, _ in hub.requests] == [(m, n) for n in FILES for m in ("HEAD", "GET")]


def test_downloads_only_what_is_named(hub, tmp_path):
    assert main(["llvc_nc", "llvc_nc", "--local_dir", str(tmp_path)]) == 0
    assert target(tmp_path, "llvc_nc").read_bytes() == FILES["llvc_nc"]
    assert [name for _, name, _ in hub.requests] == ["llvc_nc"] * 2


def test_rejects_an_unknown_name(hub, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["llvc_xl", "--local_dir", str(tmp_path)])
    assert "llvc_xl: no such checkpoint; choose from llvc, llvc_hfg, llvc_nc" in capsys.readouterr().err
    assert hub.requests == []


def test_shows_progress(hub, tmp_path, capsys, monkeypatch):
    hub_tqdm = sys.modules["huggingface_hub.utils.tqdm"]  # as an attribute it is the class of the same name
    monkeypatch.setattr(hub_tqdm, "HF_HUB_DISABLE_PROGRESS_BARS", None)
    monkeypatch.setenv("TQDM_POSITION", "-1")  # huggingface_hub: as if on a terminal
    main(["llvc", "--local_dir", str(tmp_path)])
    assert re.search(r"llvc: 100%.*1\.31M/1\.31M", capsys.readouterr().err)


def test_continues_after_a_closed_connection(hub, tmp_path):
    hub.breaks = [(CUT, close)]
    download("llvc", tmp_path)
    assert target(tmp_path).read_bytes() == FILES["llvc"]
    assert hub.gets() == [None, f"bytes={3 * CHUNK_BYTES}-"]
    assert hub.sent == [(0, CUT), (3 * CHUNK_BYTES, SIZE - 3 * CHUNK_BYTES)]
    assert not part(tmp_path).parent.exists()


def test_continues_after_a_reset_connection(hub, tmp_path):
    def reset(handler):
        wait_for(lambda: part(tmp_path).stat().st_size == 3 * CHUNK_BYTES)
        handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        handler.connection.close()

    hub.breaks = [(CUT, reset)]
    download("llvc", tmp_path)
    assert target(tmp_path).read_bytes() == FILES["llvc"]
    assert hub.gets() == [None, f"bytes={3 * CHUNK_BYTES}-"]


def test_continues_from_the_storage_behind_the_hub(hub, tmp_path, monkeypatch):
    """The real Hub redirects to a storage host, which gets the Range, but not the user's token."""
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_IMPLICIT_TOKEN", False)
    monkeypatch.setattr("huggingface_hub.utils._headers.get_token", lambda: "hf_secret")
    with serving(HUB_FILES) as storage:
        hub.storage = storage.url
        storage.breaks = [(CUT, close)]
        download("llvc", tmp_path)
    assert target(tmp_path).read_bytes() == FILES["llvc"]
    assert storage.requests == [("GET", "llvc", None), ("GET", "llvc", f"bytes={3 * CHUNK_BYTES}-")]
    assert set(hub.tokens) == {"Bearer hf_secret"} and set(storage.tokens) == {None}


def test_next_run_continues_after_giving_up(hub, tmp_path, capsys):
    hub.breaks = [(CUT, close)] + [(0, close)] * 50  # more than any number of retries
    assert main(["llvc", "--local_dir", str(tmp_path)]) == 1
    assert re.search(r"^error: llvc: no connection \(.*run this again to continue", capsys.readouterr().err, re.M)
    assert not target(tmp_path).exists()
    assert part(tmp_path).read_bytes() == FILES["llvc"][: 3 * CHUNK_BYTES]

    hub.breaks.clear()
    hub.requests.clear()
    hub.sent.clear()
    assert main(["llvc", "--local_dir", str(tmp_path)]) == 0
    assert target(tmp_path).read_bytes() == FILES["llvc"]
    assert hub.gets() == [f"bytes={3 * CHUNK_BYTES}-"]
    assert hub.sent == [(3 * CHUNK_BYTES, SIZE - 3 * CHUNK_BYTES)]
    assert not part(tmp_path).parent.exists()


@pytest.mark.parametrize("signal_number", [signal.SIGINT, signal.SIGKILL])
def test_next_run_continues_after_a_signal(hub, tmp_path, signal_number):
    """Ctrl-C exits with 130 and one line; after it, and after a kill, the next run fetches only the rest."""
    ended = threading.Event()
    hub.breaks = [(CUT, lambda handler: ended.wait(30))]
    process = start_process(hub, tmp_path)
    try:
        wait_for(lambda: part(tmp_path).exists() and part(tmp_path).stat().st_size == 3 * CHUNK_BYTES)
        process.send_signal(signal_number)
        _, err = process.communicate(timeout=15)
    finally:
        process.kill()
        process.wait()
        ended.set()
    if signal_number == signal.SIGINT:
        assert process.returncode == 130
        line = "interrupted; what was fetched is kept, run this again to continue"
        assert [text for text in err.splitlines() if not text.lstrip("\r").startswith("llvc:")] == [line]
    else:
        assert process.returncode == -signal.SIGKILL
    assert not target(tmp_path).exists()

    hub.sent.clear()
    assert main(["llvc", "--local_dir", str(tmp_path)]) == 0
    assert target(tmp_path).read_bytes() == FILES["llvc"]
    assert hub.sent == [(3 * CHUNK_BYTES, SIZE - 3 * CHUNK_BYTES)]
    assert not part(tmp_path).parent.exists()


@pytest.mark.parametrize("ranges", [True, False])
def test_starts_over_where_it_cannot_continue(hub, tmp_path, ranges):
    """A server without ranges sends everything again; a part longer than the file is no part of it."""
    hub.ranges = ranges
    part(tmp_path).parent.mkdir()
    part(tmp_path).write_bytes(b"?" * (SIZE + 1) if ranges else FILES["llvc"][:1000])
    download("llvc", tmp_path)
    assert target(tmp_path).read_bytes() == FILES["llvc"]
    assert hub.sent == [(0, SIZE)]


def test_complete_part_is_only_checked(hub, tmp_path):
    part(tmp_path).parent.mkdir()
    part(tmp_path).write_bytes(FILES["llvc"])
    download("llvc", tmp_path)
    assert target(tmp_path).read_bytes() == FILES["llvc"]
    assert hub.gets() == []


def test_other_partial_downloads_stay(hub, tmp_path):
    part(tmp_path, "llvc_nc").parent.mkdir()
    part(tmp_path, "llvc_nc").write_bytes(FILES["llvc_nc"][:1000])
    download("llvc", tmp_path)
    assert files_in(part(tmp_path).parent) == ["llvc_nc.part"]


def test_wrong_hash_of_a_download(hub, tmp_path, monkeypatch):
    monkeypatch.setitem(SHA256, "llvc", "0" * 64)
    with pytest.raises(DownloadError) as error:
        download("llvc", tmp_path)
    actual = hashlib.sha256(FILES["llvc"]).hexdigest()
    for text in (str(target(tmp_path)), actual, "0" * 64, "removed"):
        assert text in str(error.value)
    assert files_in(tmp_path) == []


def test_broken_part_is_removed(hub, tmp_path):
    """A part that is not the beginning of the file costs one run, not every run."""
    part(tmp_path).parent.mkdir()
    part(tmp_path).write_bytes(b"?" * 1000)
    with pytest.raises(DownloadError, match="removed"):
        download("llvc", tmp_path)
    download("llvc", tmp_path)
    assert target(tmp_path).read_bytes() == FILES["llvc"]


def test_already_there(hub, tmp_path, capsys):
    target(tmp_path).parent.mkdir(parents=True)
    target(tmp_path).write_bytes(FILES["llvc"])
    assert main(["llvc", "--local_dir", str(tmp_path)]) == 0
    assert capsys.readouterr().out == f"llvc: already there: {target(tmp_path)}\n"
    assert hub.requests == []


def test_another_file_already_there(hub, tmp_path, capsys):
    target(tmp_path).parent.mkdir(parents=True)
    target(tmp_path).write_bytes(b"my own training")
    message = fail_with(capsys, tmp_path, "llvc")
    assert str(target(tmp_path)) in message and "move it away" in message
    assert hashlib.sha256(b"my own training").hexdigest() in message
    assert target(tmp_path).read_bytes() == b"my own training"
    assert hub.requests == []


@pytest.mark.parametrize("status", [404, 500])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_error_of_the_server(hub, tmp_path, capsys, method, status):
    hub.status[method] = status
    message = fail_with(capsys, tmp_path, "llvc")
    assert f"the server answered {status}" in message
    assert f"by hand to {target(tmp_path)}" in message and f"{hub.url}/KoeAI/llvc/resolve/main/models" in message
    assert not target(tmp_path).exists()


def test_no_server(tmp_path, capsys, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        use_endpoint(monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}")
        message = fail_with(capsys, tmp_path, "llvc")
    assert "no connection" in message and "refused" in message and "Check the network" in message
    assert f"by hand to {target(tmp_path)}" in message
    assert files_in(tmp_path) == []


def test_name_not_resolved(tmp_path, capsys, monkeypatch):
    def getaddrinfo(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    use_endpoint(monkeypatch, "http://hub.invalid")
    monkeypatch.setenv("NO_PROXY", "*")
    huggingface_hub.close_session()
    message = fail_with(capsys, tmp_path, "llvc")
    assert "no connection" in message and "Name or service not known" in message and "http://hub.invalid/" in message


@pytest.mark.parametrize(
    "proxy, said",
    [
        ("socks5://127.0.0.1:{port}", "no connection"),  # needs httpx2[socks]
        ("socks5h://127.0.0.1:{port}", "no connection"),
        ("http://127.0.0.1:{port}", "no connection"),
        ("gopher://127.0.0.1:{port}", "the proxy or address cannot be used"),
        ("http://127.0.0.1:port", "the proxy or address cannot be used"),
        ("http://127.0.0.1:99999", "the proxy or address cannot be used|no connection"),
        ("http://[::1", "the proxy or address cannot be used"),
    ],
)
@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTP_PROXY"])
def test_proxies(tmp_path, capsys, monkeypatch, variable, proxy, said):
    """One where nobody listens, and ones that are none."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv(variable, proxy.format(port=closed.getsockname()[1]))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "")
        use_endpoint(monkeypatch, "http://hub.invalid")
        huggingface_hub.close_session()
        message = fail_with(capsys, tmp_path, "llvc")
    assert re.search(said, message) and f"by hand to {target(tmp_path)}" in message
    assert files_in(tmp_path) == []


def test_offline_mode(hub, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in fail_with(capsys, tmp_path, "llvc")
    assert hub.requests == []


def test_local_dir_is_a_file(hub, tmp_path, capsys):
    (tmp_path / "models").write_text("not a folder")
    assert str(tmp_path / "models") in fail_with(capsys, tmp_path / "models", "llvc")
    assert (tmp_path / "models").read_text() == "not a folder"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full to stand for a full disk")
def test_disk_full(hub, tmp_path, capsys):
    part(tmp_path).parent.mkdir()
    part(tmp_path).symlink_to("/dev/full")
    assert "No space left on device" in fail_with(capsys, tmp_path, "llvc")
    assert not target(tmp_path).exists()


def test_second_download_at_the_same_time(hub, tmp_path, capsys):
    part(tmp_path).parent.mkdir()
    with WeakFileLock(part(tmp_path).parent / "lock"):
        assert "another download" in fail_with(capsys, tmp_path, "llvc")
    assert hub.gets() == []
    download("llvc", tmp_path)
    assert not part(tmp_path).parent.exists()


def test_ctrl_c(hub, tmp_path, capsys, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(download_weights, "http_get", interrupt)
    assert main(["--local_dir", str(tmp_path)]) == 130
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert [p for p in files_in(tmp_path) if p.endswith(".pth")] == []
