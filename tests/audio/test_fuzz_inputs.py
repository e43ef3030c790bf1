# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""Mutated inputs end in one line: a few hundred of tools/fuzz_inputs.py, and that it notices faults."""

from pathlib import Path

import pytest

from audio import recording as audio
from tools import fuzz_inputs

pytestmark = pytest.mark.slow


def test_a_few_hundred_mutations():
    assert fuzz_inputs.fuzz(0, 300) == []


@pytest.mark.parametrize(
    "error, fault", [(RuntimeError("boom"), "RuntimeError: boom"), (ValueError("x"), "ValueError")]
)
def test_faults_are_noticed(tmp_path, monkeypatch, error, fault):
    def broken(*_):
        raise error

    monkeypatch.setattr(audio, "Recording", broken)
    assert fault in fuzz_inputs.try_one(0, {"a.wav": b"RIFF"}, Path(tmp_path))
