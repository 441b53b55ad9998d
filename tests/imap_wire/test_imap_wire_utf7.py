"""Modified UTF-7: the vectors, and one encoding for each name whatever it is."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.imap.wire import utf7
from postier.testing.vectors import vectors_dir

VECTORS = json.loads((vectors_dir("imap-utf7") / "vectors.json").read_text())


@pytest.mark.parametrize("pair", VECTORS["ok"], ids=lambda pair: pair["mutf7"])
def test_pairs(pair: dict[str, str]) -> None:
    assert utf7.encode(pair["utf8"]) == pair["mutf7"].encode()
    assert utf7.decode(pair["mutf7"].encode()) == pair["utf8"]


@pytest.mark.parametrize("bad", VECTORS["bad"])
def test_broken(bad: str) -> None:
    with pytest.raises(ValueError):
        utf7.decode(bad.encode())


@pytest.mark.parametrize("bad", [b"a\r\nb", b"\x7f", b"&APw", b"&AP w-", b"&APw=-", b"&2D0AYQ-", b"&AAAA/w-"])
def test_more_that_is_broken(bad: bytes) -> None:
    with pytest.raises(ValueError):
        utf7.decode(bad)


def test_a_lone_surrogate_has_no_encoding() -> None:
    with pytest.raises(ValueError):
        utf7.encode("\ud83d")


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_round_trip(name: str) -> None:
    raw = utf7.encode(name)
    assert all(0x20 <= octet <= 0x7E for octet in raw)
    assert utf7.decode(raw) == name


@given(st.binary(max_size=12) | st.text("&-,A0w/ab+", max_size=12).map(str.encode))
def test_what_decodes_is_canonical(raw: bytes) -> None:
    try:
        name = utf7.decode(raw)
    except ValueError:
        return
    assert utf7.encode(name) == raw
