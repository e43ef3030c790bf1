# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""What python -m demo.export --site writes: whole, replaced as a whole, and nothing of anyone else's touched."""

import base64
import hashlib
import json

import onnx
import pytest
from support.golden import load_golden

import demo.site
from demo.site import LISTING, PAGE, RUNTIME_FILES, SiteError, write_site
from demo.voice import Voice


@pytest.fixture
def voice(tmp_path):
    path = tmp_path / "small.safetensors"
    path.write_bytes(b"weights by the rule")  # only its checksum is asked for
    return Voice(load_golden("small").model, 16000, path)


@pytest.fixture
def runtime(tmp_path, monkeypatch):
    """A folder in place of what npm installs."""
    folder = tmp_path / "dist"
    folder.mkdir()
    for name in RUNTIME_FILES:
        (folder / name).write_text(name)
    monkeypatch.setattr(demo.site, "RUNTIME", folder)
    return folder


def content(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_whole_with_its_hashes(voice, runtime, tmp_path):
    site = tmp_path / "deep" / "site"
    write_site(voice, site)
    files = content(site)
    text = files.pop(LISTING).decode()
    listed = json.loads(text.removeprefix("const FILES = ").removesuffix(";\n"))
    assert listed == {
        name: "sha256-" + base64.b64encode(hashlib.sha256(data).digest()).decode() for name, data in files.items()
    }
    page = {path.name for path in PAGE.iterdir()}
    assert set(files) == page | {"voice.onnx"} | {f"onnxruntime-web/{name}" for name in RUNTIME_FILES}
    assert json.loads(files["site.json"]) == {"server": False, "voice": "voice.onnx"}
    props = {prop.key: prop.value for prop in onnx.load_model_from_string(files["voice.onnx"]).metadata_props}
    assert props["checkpoint"] == "small.safetensors"
    assert not any(b"//cdn." in data or b"unpkg" in data for name, data in files.items() if name in page)


def test_an_earlier_site_is_replaced(voice, runtime, tmp_path):
    site = tmp_path / "site"
    site.mkdir()  # an empty folder will do
    write_site(voice, site)
    (runtime / RUNTIME_FILES[0]).write_text("newer")
    write_site(voice, site, server=True)
    assert (site / "onnxruntime-web" / RUNTIME_FILES[0]).read_text() == "newer"
    assert json.loads((site / "site.json").read_text())["server"]
    assert {path.name for path in tmp_path.iterdir()} == {"site", "dist", "small.safetensors"}


@pytest.mark.parametrize("change", ["added", "changed", "removed", "other", "file"])
def test_what_is_not_a_site_stays(voice, runtime, tmp_path, change):
    site = tmp_path / "site"
    if change == "file":
        site.write_text("mine")
    elif change == "other":
        site.mkdir()
        (site / "thesis.txt").write_text("mine")
    else:
        write_site(voice, site)
        if change == "removed":
            (site / "main.js").unlink()
        else:
            (site / ("CNAME" if change == "added" else "style.css")).write_text("mine")
    before = content(tmp_path)
    with pytest.raises(SiteError, match="is not a site as it was written"):
        write_site(voice, site)
    assert content(tmp_path) == before


def test_a_failure_leaves_the_earlier_site(voice, runtime, tmp_path, monkeypatch):
    site = tmp_path / "site"
    write_site(voice, site)
    before = content(tmp_path)
    monkeypatch.setattr(demo.site, "export", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_site(voice, site)
    assert content(tmp_path) == before
    (runtime / RUNTIME_FILES[-1]).unlink()
    with pytest.raises(SiteError, match="run: make page"):
        write_site(voice, site)
