"""HEADER.FIELDS and HEADER.FIELDS.NOT (RFC 3501 6.4.5): together they are the header section."""

from __future__ import annotations

import pytest

from postier.imap.session import header_fields
from postier.imap.session.header_fields import chosen_fields
from postier.imap.wire.values import BodySection


def chosen(header: bytes, *names: bytes, without: bool = False) -> bytes:
    specifier = "HEADER.FIELDS.NOT" if without else "HEADER.FIELDS"
    return chosen_fields(header, BodySection((), specifier, names, None, True, b""))


HEADER = (
    b"From: a@b.c\r\nSubject: one\r\n two\r\n\tthree\r\nX-A : odd\r\n"
    b">From here no field\r\nsubject: again\r\n\r\n"
)


@pytest.mark.parametrize(
    ("names", "kept", "left"),
    [
        (
            (b"SUBJECT",),
            b"Subject: one\r\n two\r\n\tthree\r\nsubject: again\r\n\r\n",
            b"From: a@b.c\r\nX-A : odd\r\n>From here no field\r\n\r\n",
        ),
        ((b"x-a",), b"X-A : odd\r\n\r\n", HEADER.replace(b"X-A : odd\r\n", b"")),
        ((b"x",), b"\r\n", HEADER),
        ((b"subject: again", b"", b">from here no field", b"x-a "), b"\r\n", HEADER),
        (
            (b"from", b"subject", b"x-a"),
            HEADER.replace(b">From here no field\r\n", b""),
            b">From here no field\r\n\r\n",
        ),
    ],
)
def test_fields_and_what_is_left(names: tuple[bytes, ...], kept: bytes, left: bytes) -> None:
    assert chosen(HEADER, *names) == kept
    assert chosen(HEADER, *names, without=True) == left


@pytest.mark.parametrize(
    ("header", "left"),
    [
        (b"", b""),
        (b"\r\n", b"\r\n"),
        (b"\n", b"\r\n"),
        (b"A: 1", b"A: 1"),
        (b"A: 1\r\n", b"A: 1\r\n"),
        (b"A: 1\n\n", b"A: 1\n\r\n"),
        (b"B: 2", b""),
        (b"A: 1\r\nB: 2\r\n \r\n\r\n", b"A: 1\r\n\r\n"),
        (b"A: 1\r\n" * 5000 + b"\r\n", b"A: 1\r\n" * 5000 + b"\r\n"),
    ],
)
def test_the_empty_line_is_there_where_the_message_has_one(header: bytes, left: bytes) -> None:
    assert chosen(header, b"b", without=True) == left


def test_many_names_leave_nothing_behind() -> None:
    """No pattern is made of them, and what they choose is the same."""
    many = tuple(b"x-%d-%s" % (number, b"y" * 50) for number in range(100))
    before = header_fields._pattern.cache_info().misses
    for names in ((b"subject",), (b"from", b"SUBJECT", b"x-a"), (b"x",)):
        for without in (False, True):
            few = chosen(HEADER, *names, without=without)
            assert chosen(HEADER, *names, *many, without=without) == few
    assert header_fields._pattern.cache_info().misses <= before + 3
