from __future__ import annotations

import sys
import unicodedata
from collections import defaultdict

import pytest

from postier.message.fold import fold


def decomposed(character: str) -> str:
    """RFC 5051 2 (2)(b): decomposition of any type, again and again."""
    mapping = unicodedata.decomposition(character).split()
    if not mapping:
        return unicodedata.normalize("NFD", character)  # Hangul syllables are decomposed by rule
    codes = mapping[1:] if mapping[0].startswith("<") else mapping
    return "".join(decomposed(chr(int(code, 16))) for code in codes)


def casemapped(character: str) -> str:
    """i;unicode-casemap of one character. Python knows titlecase that is several characters, too: there the
    simple one of UnicodeData.txt is the character itself."""
    title = character.title()
    return "".join(map(decomposed, title if len(title) == 1 else character))


def changing() -> list[str]:
    """Every character that some step of the comparison changes."""
    everything = (chr(code) for code in range(sys.maxunicode + 1) if not 0xD800 <= code < 0xE000)
    return [
        character
        for character in everything
        if character.title() != character
        or character.casefold() != character
        or unicodedata.normalize("NFKD", character) != character
    ]


def test_whatever_unicode_casemap_holds_equal_is_equal() -> None:
    same = defaultdict(set)
    for character in changing():
        mapped = casemapped(character)
        same[mapped].update((fold(character), fold(mapped)))
    assert len(same) > 10_000
    assert [(mapped, folds) for mapped, folds in same.items() if len(folds) > 1] == []


def test_folding_what_is_folded_changes_nothing() -> None:
    assert [character for character in changing() if fold(fold(character)) != fold(character)] == []


@pytest.mark.parametrize(
    ("written", "sought"),
    [
        ("Straße", "STRASSE"),
        ("École", "ecole"),
        ("e\u0301cole", "ÉCOLE"),
        ("İstanbul", "istanbul"),
        ("ılık", "ILIK"),
        ("\N{KELVIN SIGN}", "k"),
        ("ﬁnd", "FIND"),
        ("№ ７", "no 7"),
        ("ΣΊΣΥΦΟΣ", "σισυφος"),
        ("a\xa0b", "a b"),
        ("ǆ", "DZ"),
    ],
)
def test_these_are_one(written: str, sought: str) -> None:
    assert fold(written) == fold(sought)


@pytest.mark.parametrize(
    ("one", "other"), [("か", "が"), ("क", "कि"), ("a", "ä b"), ("ال", "أُل"), ("o", "ø")]
)
def test_these_are_not(one: str, other: str) -> None:
    assert fold(one) != fold(other)
