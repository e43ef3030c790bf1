# SPDX-FileCopyrightText: © 2026 The LLVC on Tenstorrent authors
#
# SPDX-License-Identifier: Apache-2.0

"""The words that belong to a recording, whichever editor wrote them down."""

import codecs
import unicodedata

import pytest

from evaluation.judges import normalised
from evaluation.utterances import reference_text


def test_reference_texts(tmp_path):
    (tmp_path / "a.txt").write_text(" Some words. ")
    (tmp_path / "1-2.trans.txt").write_text("1-2-0000 GOOD MORNING\n1-2-0001 GOOD NIGHT\n")
    assert reference_text(tmp_path / "a.wav") == "Some words."
    assert reference_text(tmp_path / "1-2-0001.flac") == "GOOD NIGHT"
    assert reference_text(tmp_path / "1-2-0002.flac") is None


MARKS = {"utf-16-le": codecs.BOM_UTF16_LE, "utf-16-be": codecs.BOM_UTF16_BE}


@pytest.mark.parametrize(
    "encoding, mark",
    [
        *((name, b"") for name in ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "cp1252")),
        *MARKS.items(),
    ],
)
def test_reference_texts_in_any_encoding(tmp_path, encoding, mark):
    (tmp_path / "a.txt").write_bytes(mark + "Größe, ein Wort".encode(encoding))
    (tmp_path / "1-2.trans.txt").write_bytes(mark + "1-2-0000 GUTEN TAG\r\n1-2-0001 GUTE NACHT\r\n".encode(encoding))
    assert reference_text(tmp_path / "a.wav") == "Größe, ein Wort"
    assert reference_text(tmp_path / "1-2-0000.flac") == "GUTEN TAG"


def test_letters_and_their_accents_are_one_character_or_two():
    """Two is what a Mac makes of them."""
    text = "Größe, ÉTÉ’s façade"
    assert normalised(unicodedata.normalize("NFD", text)) == normalised(text) == "größe été's façade"
