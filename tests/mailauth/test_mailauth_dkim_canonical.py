"""The canonical forms: RFC 6376's example, another implementation's opinion, and every way to cut a body."""

from __future__ import annotations

import hashlib
from itertools import pairwise

import dkim.canonicalization
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from postier.mailauth.dkim.canonical import (
    BodyHasher,
    Canonicalizer,
    LengthLimitedHash,
    relaxed_field,
    simple_field,
)


class Collector:
    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def update(self, data: bytes, /) -> None:
        self.pieces.append(data)


def canonical(*chunks: bytes, relaxed: bool) -> bytes:
    collector = Collector()
    canonicalizer = Canonicalizer(collector, relaxed=relaxed)
    for chunk in chunks:
        canonicalizer.feed(chunk)
    canonicalizer.finish()
    return b"".join(collector.pieces)


def test_the_example_of_rfc6376() -> None:
    """RFC 6376 3.4.5."""
    body = b" C \r\nD \t E\r\n\r\n\r\n"
    assert canonical(body, relaxed=True) == b" C\r\nD E\r\n"
    assert canonical(body, relaxed=False) == b" C \r\nD \t E\r\n"
    assert relaxed_field(b"A: X") == b"a:X"
    assert relaxed_field(b"B : Y\t\r\n\tZ  ") == b"b:Y Z"
    assert simple_field(b"B : Y\t\r\n\tZ  ") == b"B : Y\t\r\n\tZ  "


@pytest.mark.parametrize(
    ("body", "simple", "relaxed"),
    [
        (b"", b"\r\n", b""),
        (b"\r\n\r\n", b"\r\n", b""),
        (b" \t", b" \t\r\n", b""),
        (b" \r\n\t\r\n", b" \r\n\t\r\n", b""),
        (b"a", b"a\r\n", b"a\r\n"),
        (b"a\r", b"a\r\r\n", b"a\r\r\n"),
        (b"a\n\n", b"a\n\n\r\n", b"a\n\n\r\n"),
        (b"a\r\r\n", b"a\r\r\n", b"a\r\r\n"),
        (b"a \r b", b"a \r b\r\n", b"a \r b\r\n"),
        (b"a\r\n \r\n\r\nb\t \t\r\n \r\n", b"a\r\n \r\n\r\nb\t \t\r\n \r\n", b"a\r\n\r\n\r\nb\r\n"),
    ],
)
def test_bodies(body: bytes, simple: bytes, relaxed: bytes) -> None:
    assert canonical(body, relaxed=False) == simple
    assert canonical(body, relaxed=True) == relaxed


PIECES = st.sampled_from(
    [b"\r\n", b"\r\n\r\n", b"\r", b"\n", b" ", b"\t", b"  \t", b"a", b"bc", b".", b"\xc3\xa9"]
)
BODIES = st.lists(PIECES, max_size=40).map(b"".join)
LINES = st.lists(
    st.sampled_from([b"", b" ", b"a", b"a b", b"\t a  b\t ", b"  ", b"x" * 70]), max_size=20
).map(lambda lines: b"".join(line + b"\r\n" for line in lines))


@given(BODIES, st.lists(st.integers(0, 200), max_size=8), st.booleans())
@example(b"a\r\n\r\n", [1, 2, 3, 4], True)
@example(b"a \r\n b", [1, 2, 3, 4, 5], True)
def test_cuts_do_not_matter(body: bytes, cuts: list[int], relaxed: bool) -> None:
    whole = canonical(body, relaxed=relaxed)
    places = [0, *sorted(min(cut, len(body)) for cut in cuts), len(body)]
    chunks = [body[a:b] for a, b in pairwise(places)]
    assert canonical(*chunks, relaxed=relaxed) == whole
    assert canonical(*[body[i : i + 1] for i in range(len(body))], relaxed=relaxed) == whole


@given(LINES)
def test_bodies_as_another_implementation_has_them(body: bytes) -> None:
    assert canonical(body, relaxed=True) == dkim.canonicalization.Relaxed.canonicalize_body(body)
    assert canonical(body, relaxed=False) == dkim.canonicalization.Simple.canonicalize_body(body)


VALUES = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n ", b"\r\n\t", b"b;", b"\xe9"]), max_size=20).map(
    b"".join
)


@given(st.sampled_from([b"Subject", b"SUBJECT ", b"X-A\t"]), VALUES)
def test_fields_as_another_implementation_has_them(name: bytes, value: bytes) -> None:
    ((other_name, other_value),) = dkim.canonicalization.Relaxed.canonicalize_headers(
        [(name, value + b"\r\n")]
    )
    assert relaxed_field(name + b":" + value) + b"\r\n" == other_name + b":" + other_value


@given(BODIES, st.integers(0, 60))
def test_a_length_limit(body: bytes, limit: int) -> None:
    limited = LengthLimitedHash(limit)
    canonicalizer = Canonicalizer(limited, relaxed=True)
    for index in range(0, len(body), 7):
        canonicalizer.feed(body[index : index + 7])
    canonicalizer.finish()
    whole = canonical(body, relaxed=True)
    assert limited.length == len(whole)
    assert limited.digest() == hashlib.sha256(whole[:limit]).digest()


def test_the_body_hash_may_be_asked_twice() -> None:
    hasher = BodyHasher()
    hasher.feed(b"a \r\n")
    assert hasher.digest() == hasher.digest() == hashlib.sha256(b"a\r\n").digest()


HOSTILE = [b" ", b"\t ", b"\r\n", b"\r", b"\n", b" \r\n", b"a  ", b"\r\r\n", b"\n\r\n"]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("relaxed", [True, False])
def test_hostile_bodies(piece: bytes, relaxed: bool) -> None:
    """8 MB of the worst patterns: what is not linear takes minutes here, and what is kept must stay small."""
    chunk = piece * (65536 // len(piece))
    collector = Collector()
    canonicalizer = Canonicalizer(collector, relaxed=relaxed)
    for _ in range(128):
        canonicalizer.feed(chunk)
        assert max(map(len, collector.pieces), default=0) <= len(chunk) + 2
        collector.pieces.clear()
    canonicalizer.feed(b"z")
    canonicalizer.finish()
    assert max(map(len, collector.pieces)) <= len(chunk) + 2
    assert b"".join(collector.pieces[-2:]).endswith(b"z\r\n")
