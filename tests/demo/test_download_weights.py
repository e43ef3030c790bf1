# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The download of the checkpoints, against a small stand-in for the Hugging Face Hub on 127.0.0.1."""

import errno
import hashlib
import random
import re
import socket
from pathlib import Path

import huggingface_hub
import pytest
from huggingface_hub import constants
from support.hub import isolated, serving, use_endpoint

from demo import download_weights
from demo.download_weights import CHECKPOINT_PATH, download, main
from demo.voice import DEFAULT_CHECKPOINT

ROOT = Path(__file__).resolve().parents[2]
PUBLISHED = dict(download_weights.CHECKPOINTS)  # tests put others in its place
SIZE = 1_300_000
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
    with isolated(monkeypatch, dict(SHA256)):
        yield


def target(local_dir, name="llvc"):
    return local_dir / CHECKPOINT_PATH.format(name=name)


def files_in(local_dir):
    return sorted(p.relative_to(local_dir).as_posix() for p in local_dir.rglob("*") if p.is_file())


def fail_with(capsys, local_dir, *names):
    """The one line on stderr that a failing main() prints, behind which nothing is left over."""
    before = files_in(local_dir)
    assert main([*names, "--local_dir", str(local_dir)]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ") and files_in(local_dir) == before
    return lines[0]


def test_the_demo_looks_where_the_checkpoint_is_put():
    assert DEFAULT_CHECKPOINT == "llvc_models/models/checkpoints/llvc/G_500000.pth"
    assert f"{download_weights.LOCAL_DIR}/{CHECKPOINT_PATH.format(name='llvc')}" == DEFAULT_CHECKPOINT


def test_the_model_card_has_the_same_checksums():
    """Written down apart, from the published files."""
    card = (ROOT / "checkpoints" / "README.md").read_text()
    assert dict(re.findall(r"^\| `(\w+)` \| `([0-9a-f]{64})` \|$", card, re.MULTILINE)) == PUBLISHED


def test_downloads_all_three(hub, tmp_path, capsys):
    models = tmp_path / "models"
    assert main(["--local_dir", str(models)]) == 0
    for name, data in FILES.items():
        assert target(models, name).read_bytes() == data
    assert capsys.readouterr().out.count("downloaded and checked: ") == 3
    assert files_in(models) == sorted(CHECKPOINT_PATH.format(name=name) for name in FILES)
    assert hub.requests == [(method, name) for name in FILES for method in ("HEAD", "GET")]


def test_downloads_only_what_is_named(hub, tmp_path):
    assert main(["llvc_nc", "llvc_nc", "--local_dir", str(tmp_path)]) == 0
    assert target(tmp_path, "llvc_nc").read_bytes() == FILES["llvc_nc"]
    assert hub.requests == [("HEAD", "llvc_nc"), ("GET", "llvc_nc")]


def test_rejects_an_unknown_name(hub, tmp_path, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["llvc_xl", "--local_dir", str(tmp_path)])
    assert "llvc_xl: no such checkpoint; choose from llvc, llvc_hfg, llvc_nc" in capsys.readouterr().err
    assert hub.requests == []


def test_a_broken_connection_is_taken_up_again(hub, tmp_path):
    hub.breaks = [1000, 0, 500_000]
    download("llvc", tmp_path)
    assert target(tmp_path).read_bytes() == FILES["llvc"] and hub.breaks == []


def test_one_that_stays_broken(hub, tmp_path, capsys):
    hub.breaks = [1000] + 50 * [0]  # more than any number of retries
    assert "llvc: no connection (" in fail_with(capsys, tmp_path, "llvc")


def test_wrong_hash_of_a_download(hub, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(download_weights.CHECKPOINTS, "llvc", "0" * 64)
    message = fail_with(capsys, tmp_path, "llvc")
    for text in (str(target(tmp_path)), SHA256["llvc"], "0" * 64, "removed"):
        assert text in message


def test_a_damaged_file_in_the_cache_is_not_taken(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    path = huggingface_hub.hf_hub_download("KoeAI/llvc", CHECKPOINT_PATH.format(name="llvc"))
    Path(path).write_bytes(b"damaged")
    download("llvc", tmp_path / "models")
    assert target(tmp_path / "models").read_bytes() == FILES["llvc"]


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


@pytest.mark.parametrize("status, remedy", [(404, "Try again later"), (500, "Try again later"), (401, "hf auth login")])
@pytest.mark.parametrize("method", ["HEAD", "GET"])
def test_error_of_the_server(hub, tmp_path, capsys, method, status, remedy):
    hub.status[method] = status
    message = fail_with(capsys, tmp_path, "llvc")
    assert f"the server answered {status}" in message and remedy in message
    assert f"by hand to {target(tmp_path)}" in message and f"{hub.url}/KoeAI/llvc/resolve/main/models" in message


def test_no_server(tmp_path, capsys, monkeypatch):
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
        use_endpoint(monkeypatch, f"http://127.0.0.1:{closed.getsockname()[1]}")
        message = fail_with(capsys, tmp_path, "llvc")
    assert "no connection" in message and "refused" in message and "Check the network" in message
    assert f"by hand to {target(tmp_path)}" in message


def test_name_not_resolved(tmp_path, capsys, monkeypatch):
    def getaddrinfo(*args, **kwargs):
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    use_endpoint(monkeypatch, "http://hub.invalid")
    monkeypatch.setenv("NO_PROXY", "*")
    huggingface_hub.close_session()
    message = fail_with(capsys, tmp_path, "llvc")
    assert "no connection" in message and "Name or service not known" in message and "http://hub.invalid/" in message


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:{port}", "http://127.0.0.1:{port}", "gopher://127.0.0.1:{port}"])
@pytest.mark.parametrize("variable", ["ALL_PROXY", "HTTP_PROXY"])
def test_proxies(tmp_path, capsys, monkeypatch, variable, proxy):
    """One where nobody listens, one for which a package may be missing, and one that is none."""
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        monkeypatch.setenv(variable, proxy.format(port=closed.getsockname()[1]))
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, "")
        use_endpoint(monkeypatch, "http://hub.invalid")
        huggingface_hub.close_session()
        message = fail_with(capsys, tmp_path, "llvc")
    assert "no connection" in message and "ALL_PROXY" in message and f"by hand to {target(tmp_path)}" in message


def test_offline_mode(hub, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert "HF_HUB_OFFLINE" in fail_with(capsys, tmp_path, "llvc")
    assert hub.requests == []


def test_local_dir_is_a_file(hub, tmp_path, capsys):
    (tmp_path / "models").write_text("not a folder")
    assert str(tmp_path / "models") in fail_with(capsys, tmp_path / "models", "llvc")
    assert (tmp_path / "models").read_text() == "not a folder"


def test_disk_full(hub, tmp_path, capsys, monkeypatch):
    def full(*_, **__):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("huggingface_hub.file_download.http_get", full)
    message = fail_with(capsys, tmp_path, "llvc")
    assert "No space left on device" in message and str(target(tmp_path)) in message


def test_ctrl_c(hub, tmp_path, capsys, monkeypatch):
    def interrupt(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("huggingface_hub.file_download.http_get", interrupt)
    assert main(["--local_dir", str(tmp_path)]) == 130
    assert capsys.readouterr().err == "interrupted; files that are complete are kept, run this again for the rest\n"
    assert files_in(tmp_path) == []
