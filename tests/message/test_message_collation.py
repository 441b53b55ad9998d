"""i;unicode-casemap (RFC 5051)."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.message.collation import unicode_casemap


@pytest.mark.parametrize(
    ("text", "mapped"),
    [
        ("", ""),
        ("Re: Hello_1", "RE: HELLO_1"),
        ("\u01c4", "Dz\u030c"),  # the RFC's example: titlecase is U+01C5, which decomposes twice
        ("\u01c6", "Dz\u030c"),
        ("é", "E\u0301"),
        ("É", "E\u0301"),
        ("ß", "ß"),  # no titlecase property in UnicodeData.txt, though str.title makes "Ss" of it
        ("ﬁ", "fi"),  # the same, and a decomposition
        ("ﾃ", "テ"),
        ("①", "1"),
        ("я", "Я"),
        ("ς", "Σ"),
        ("\u1f80", "\u0391\u0313\u0345"),
    ],
)
def test_mapping(text: str, mapped: str) -> None:
    assert unicode_casemap(text) == mapped


def test_order() -> None:
    words = ["b", "C", "ä", "a", "Z", "_", "[x]", "éa", "eb", "Е", "алые", "ß", "", "ab"]
    expected = ["", "a", "ab", "ä", "b", "C", "eb", "éa", "Z", "[x]", "_", "ß", "алые", "Е"]
    assert sorted(words, key=unicode_casemap) == expected


@given(st.text())
def test_whatever_the_text(text: str) -> None:
    mapped = unicode_casemap(text)
    assert unicode_casemap(text.title()) == mapped or not text.isascii()
    assert (mapped.upper() == mapped) or not text.isascii()


def test_every_character_has_one() -> None:
    for point in range(0, sys.maxunicode, 97):
        assert unicode_casemap("é" + chr(point))
