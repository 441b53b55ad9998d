"""Bytes that mean harm: nothing raises, bounds hold, and twice the bytes cost about twice the steps."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postier.message.addresses import ADDRESSES_PARSED, author_domains, parse_address_list
from postier.message.analysis import Analyser, Analysis, analyse
from postier.message.body_structure import body_from_body_structure
from postier.message.dates import parse_date_time, parse_internal_date
from postier.message.encoded_words import decode_text
from postier.message.headers import FIELDS_PARSED, HEADER_KEPT, HeaderFields
from postier.message.html import html_text
from postier.message.parameters import parse_parameterised
from postier.message.parts import PartIndex
from postier.message.structure import DEPTH, PARTS
from postier.message.text import part_text

EXAMPLES = int(os.environ.get("POSTIER_EXAMPLES", "150"))
PIECES = st.sampled_from(
    [
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"\n\n",
        b"\r",
        b"--",
        b"--a",
        b"--a--",
        b"--ab",
        b"--ab--",
        b"\r\n--a\r\n",
        b"\r\n--ab\r\n",
        b"\r\n--a--\r\n",
        b"\n--ab--\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n",
        b"Content-Type: multipart/digest; boundary=ab\r\n",
        b"Content-Type: message/rfc822\r\n",
        b'Content-Type: text/html; charset="utf-7"\r\n',
        b"Content-Disposition: attachment; filename*0*=x''%\r\n",
        b"From: ",
        b"To: a@b, ",
        b"Subject: =?utf-8?q?",
        b"?=",
        b"(",
        b")",
        b"<",
        b">",
        b'"',
        b"\\",
        b"@",
        b":",
        b";",
        b",",
        b" ",
        b"\t",
        b"\0",
        b"\xff",
        b"\xc3\xa9",
        b"x",
        b"=",
        b"&#99999999999;",
        b"<script",
        b"<!--",
    ]
)
MESSAGES = st.one_of(st.binary(max_size=400), st.lists(PIECES, max_size=60).map(b"".join))


def in_pieces(data: bytes, piece: int, window: int) -> Analysis:
    analyser = Analyser(window)
    for start in range(0, len(data), piece):
        analyser.feed(data[start : start + piece])
    return analyser.finish()


def balanced(text: bytes) -> bool:
    """Parentheses outside strings match; no line break or NUL stands in a quoted string."""
    depth = position = 0
    while position < len(text):
        octet = text[position]
        if octet == ord('"'):
            position += 1
            while text[position] != ord('"'):
                if text[position] in b"\r\n\0":
                    return False
                position += 2 if text[position] == ord("\\") else 1
        elif octet == ord("{"):
            close = text.index(b"}", position)
            position = close + 2 + int(text[position + 1 : close])
        else:
            depth += (octet == ord("(")) - (octet == ord(")"))
        position += 1
    return depth == 0


@settings(max_examples=EXAMPLES, deadline=None)
@given(MESSAGES)
def test_any_bytes(data: bytes) -> None:
    whole = analyse(data)
    assert balanced(whole.envelope)
    assert balanced(whole.body_structure)
    assert balanced(body_from_body_structure(whole.body_structure))
    PartIndex.decode(whole.parts).numbers()
    whole.subject.encode()
    whole.preview.encode()
    assert in_pieces(data, 1, 1) == whole
    assert in_pieces(data, 5, 17) == whole


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.one_of(st.binary(max_size=200), st.lists(PIECES, max_size=30).map(b"".join)))
def test_any_field_value(raw: bytes) -> None:
    parse_address_list(raw)
    author_domains([raw])
    decode_text(raw).encode()
    parse_parameterised(raw)
    parse_date_time(raw)
    parse_internal_date(raw)
    html_text(raw.decode("latin-1"))
    for charset in (
        "utf-7",
        "utf-16",
        "iso-2022-jp",
        "hz",
        "gb18030",
        "iso-2022-kr",
        "base64",
        "idna",
        "rot13",
    ):
        part_text(raw, "text/html", "quoted-printable", charset).encode()


def test_parentheses_without_end() -> None:
    analysis = analyse(b"From: " + b"(" * 2000 + b"\r\nTo: " + b"(" * 50_000 + b"a@b\r\n\r\n")
    assert analysis.author_mailboxes == ()
    assert analysis.to_first is None


def test_twenty_thousand_encoded_words() -> None:
    assert decode_text(b"=?utf-8?q?a?= " * 20_000) == "a" * 20_000
    assert len(decode_text(b"=?utf-8?q?a" * 20_000)) == 11 * 20_000


def nested(depth: int) -> bytes:
    opened = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%03d\r\n\r\n--b%03d\r\n" % (level, level)
        for level in range(depth)
    )
    return opened + b"\r\ntext\r\n" + b"".join(b"--b%03d--\r\n" % level for level in reversed(range(depth)))


def test_deep_nesting_is_opaque_below_the_limit() -> None:
    parts = PartIndex.decode(analyse(nested(200)).parts).parts
    assert len(parts) == DEPTH + 1
    assert parts[-1].kind == 0
    assert b"b100" in nested(200)[parts[-1].body_start : parts[-1].end]


def test_messages_in_messages_end_at_the_limit() -> None:
    analysis = analyse(b"Content-Type: message/rfc822\r\n\r\n" * 5000 + b"text")
    assert len(PartIndex.decode(analysis.parts).parts) == DEPTH + 1
    assert balanced(analysis.body_structure)


def test_parts_past_the_limit_belong_to_the_last() -> None:
    data = (
        b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
        + b"--b\r\n\r\nx\r\n" * (PARTS + 500)
        + b"--b--\r\n"
    )
    parts = PartIndex.decode(analyse(data).parts).parts
    assert len(parts) == PARTS
    assert parts[-1].end == len(data)


@pytest.mark.slow
def test_ten_thousand_multiparts_that_are_never_closed() -> None:
    part = b"--b\r\nContent-Type: multipart/mixed; boundary=never%d\r\n\r\n"
    data = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"".join(part % n for n in range(9_000))
    data += b"\n--never" * 500_000
    assert len(PartIndex.decode(analyse(data).parts).parts) == 9_001


def test_five_megabytes_of_header() -> None:
    data = b"Subject: first\r\n" + b"X-Filler: " + b"y" * 70 + b"\r\n"
    data += b"X-Long: " + b"z" * 5_000_000 + b"\r\nSubject: second\r\n\r\nbody"
    whole = analyse(data)
    assert whole.subject == "first"
    assert len(whole.header) <= HEADER_KEPT
    assert whole.header.endswith(b"\r\n")
    assert data.endswith(data[PartIndex.decode(whole.parts).parts[0].body_start :])
    assert PartIndex.decode(whole.parts).parts[0].size == 4
    assert in_pieces(data, 65536, 65536) == whole


def test_many_fields_and_many_addresses() -> None:
    assert len(HeaderFields(b"a: b\r\n" * 5000)) == FIELDS_PARSED
    assert len(HeaderFields(b"no colon\r\n" * 100_000)) == 0
    assert len(parse_address_list(b"a@b.c," * (ADDRESSES_PARSED + 1))) == ADDRESSES_PARSED
    assert len(parse_address_list(b"<a@b.c>x," * (ADDRESSES_PARSED + 1))) == ADDRESSES_PARSED


@pytest.mark.parametrize(
    "piece", [b"<", b"<a", b"<!--", b"<script", b"<style>", b"&", b"&#1", b">", b"<head", b"\0"]
)
def test_markup_repeated(piece: bytes) -> None:
    html_text(piece.decode() * 100_000)


@pytest.mark.parametrize(
    "piece",
    [
        b'"',
        b"\\",
        b"<",
        b">",
        b"@",
        b"[",
        b"(",
        b")",
        b":",
        b";",
        b",",
        b" ",
        b"a ",
        b"a@",
        b"<a@b> ",
        b'"a" ',
        b"=?",
        b".",
    ],
)
def test_addresses_repeated(piece: bytes) -> None:
    parse_address_list(piece * 50_000)
    parse_parameterised(b"text/plain" + piece * 50_000)
    parse_parameterised(b"text/plain; a=" + piece * 50_000)
    decode_text(piece * 50_000)


def test_envelopes_of_messages_inside_are_bounded_together() -> None:
    inside = b"--b\r\n\r\nFrom: " + b"<a@b>;" * 2000 + b"\r\n\r\n"
    analysis = analyse(b"Content-Type: multipart/digest; boundary=b\r\n\r\n" + inside * 100)
    assert len(analysis.body_structure) < 1_300_000
    assert balanced(analysis.body_structure)
