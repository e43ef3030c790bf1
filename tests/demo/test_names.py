# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Names of results: as their inputs', and never one name for two."""

from pathlib import PurePosixPath

import pytest

from demo.names import result_names


@pytest.mark.parametrize(
    "wanted, results",
    [
        (["b.m4a", "a.wav"], ["b.wav", "a.wav"]),
        (["a.m4a", "a.wav"], ["a.m4a.wav", "a.wav"]),  # whichever comes first
        (["a.m4a", "a.webm"], ["a.wav", "a.webm.wav"]),
        (["a.m4a", "a.wav", "a.m4a.wav"], ["a.m4a.wav.wav", "a.wav", "a.m4a.wav"]),
        (["x/a.m4a", "x/a.wav/b.wav"], ["x/a.m4a.wav", "x/a.wav/b.wav"]),  # a folder has that name
        (["a"], ["a.wav"]),
    ],
)
def test_names(wanted, results):
    names = result_names({name: PurePosixPath(name) for name in wanted}, lambda path: ".wav")
    assert {key: str(name) for key, name in names.items()} == dict(zip(wanted, results, strict=True))
    assert list(names) == wanted


def test_sources_that_want_one_name():
    names = result_names({"first": PurePosixPath("a.wav"), "second": PurePosixPath("a.wav")}, lambda path: ".wav")
    assert {key: str(name) for key, name in names.items()} == {"first": "a.wav", "second": "a.wav.wav"}
