"""Header sections, encoded-words, parameters, dates, subjects."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from postier.message import charsets
from postier.message.dates import (
    DateTime,
    format_date_time,
    format_internal_date,
    parse_date_time,
    parse_internal_date,
)
from postier.message.encoded_words import decode_text, encode_text
from postier.message.headers import FIELD_KEPT, Field, HeaderFields, split_message, unfold
from postier.message.parameters import PARAMETERS_PARSED, parse_parameterised
from postier.message.subject import base_subject
from postier.testing.vectors import vectors_dir

VECTORS = json.loads((vectors_dir("encoded-words") / "vectors.json").read_text())


def test_fields_have_names_values_and_offsets() -> None:
    section = b"From u@x Mon Jan 1 10:00:00 2026\r\nA: 1\r\nb : 2\r\n\tmore\r\njunk\r\n stray\r\nA:3\r\n"
    fields = HeaderFields(section)
    assert list(fields) == [
        Field(b"A", b" 1", 34, 40),
        Field(b"b", b" 2\r\n\tmore", 40, 54),
        Field(b"A", b"3", 68, 73),
    ]
    assert fields.first(b"a") == b" 1"
    assert fields.all(b"a") == [b" 1", b"3"]
    assert fields.text(b"b") == b"2\tmore"
    assert fields.first(b"c") is None
    assert b"b" in fields
    assert fields.count(b"a") == 2


def test_lines_may_end_in_lf() -> None:
    assert [field.value for field in HeaderFields(b"A: 1\n 2\nB: 3")] == [b" 1\n 2", b" 3"]
    assert unfold(b" 1\n 2\r\n 3\r4") == b" 1 2 3 4"


def test_a_long_value_is_cut() -> None:
    assert len(HeaderFields(b"A: " + b"x" * 200_000).first(b"a") or b"") == FIELD_KEPT


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"A: 1\r\n\r\nbody", (6, 8)),
        (b"A: 1\n\nbody", (5, 6)),
        (b"A: 1\r\nB: 2\r\n", (12, 12)),
        (b"\r\nbody", (0, 2)),
        (b"\nbody", (0, 1)),
        (b"A: 1\n\n\r\n", (5, 6)),
        (b"A: 1\r\n\r\n\n\n", (6, 8)),
        (b"", (0, 0)),
    ],
)
def test_split_message(data: bytes, expected: tuple[int, int]) -> None:
    assert split_message(data) == expected


@pytest.mark.parametrize("case", VECTORS["ok"], ids=lambda case: case["in"][:40])
def test_encoded_words(case: dict[str, str]) -> None:
    assert decode_text(case["in"].encode()) == case["out"]


@pytest.mark.parametrize("raw", VECTORS["bad"], ids=lambda raw: raw[:40])
def test_broken_encoded_words(raw: str) -> None:
    assert isinstance(decode_text(raw.encode()), str)


def test_a_character_cut_between_two_words_is_joined() -> None:
    assert decode_text(b"=?utf-8?q?=C3?= =?UTF-8?b?tg==?=") == "ö"
    assert decode_text(b"=?utf-8?q?=C3?= x =?utf-8?q?=B6?=") == "\ufffd x \ufffd"


def test_raw_utf_8_and_nul() -> None:
    assert decode_text("Grüße\0".encode()) == "Grüße\ufffd"
    assert decode_text(b"\xff") == "\ufffd"


@pytest.mark.parametrize(
    "text", ["plain", "Grüße aus Köln " * 20 + "!", "日本語" * 50, "=?utf-8?q?a?=", "a_b=c?ö"]
)
def test_encode_text_comes_back(text: str) -> None:
    encoded = encode_text(text)
    assert decode_text(encoded) == text
    assert all(len(word) <= 75 for word in encoded.split(b" ")) or text.isascii()


@pytest.mark.parametrize("text", ["a\r\nBcc: x", "a\n", "\0"])
def test_encode_text_refuses_line_breaks(text: str) -> None:
    with pytest.raises(ValueError, match="CR, LF or NUL"):
        encode_text(text)


def test_a_message_chooses_no_codec_of_ours() -> None:
    for name in (
        "base64",
        "rot13",
        "unicode_escape",
        "raw_unicode_escape",
        "idna",
        "punycode",
        "undefined",
        "mbcs",
    ):
        assert not charsets.known(name)
        assert charsets.decode(b"a\\x41", name) == "a\\x41"
    assert charsets.decode(b"\xe4", " ISO-8859-1 ") == "ä"
    assert charsets.decode(b"+2AA-", "utf-7") == "\ufffd"


@pytest.mark.parametrize("codec", sorted(set(charsets._CODECS.values())))
def test_every_listed_codec_exists(codec: str) -> None:
    assert b"abc".decode(codec, "replace") or codec.startswith("utf-")


def test_parameters() -> None:
    parsed = parse_parameterised(
        b'Text/PLAIN; (comment; x=y) Charset="utf-8" ; name=a b.txt; name=second; q="a\\"\\\\b"'
    )
    assert parsed.value == b"text/plain"
    assert parsed.parameters == {"charset": "utf-8", "name": "a b.txt", "q": 'a"\\b'}


def test_the_example_of_rfc_2231_4_1() -> None:
    parsed = parse_parameterised(
        b'application/x-stuff; title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2="isn\'t it!";\r\n'
        b"    title*0*=us-ascii'en'This%20is%20even%20more%20"
    )
    assert parsed.parameters == {"title": "This is even more ***fun*** isn't it!"}
    assert [name for name, _ in parsed.wire] == [b"title*"]


def test_continuations_without_charset_and_a_plain_twin() -> None:
    parsed = parse_parameterised(b'attachment; filename=plain; filename*0="a b"; filename*1=c')
    assert parsed.wire == ((b"filename", b"a bc"),)
    extended = parse_parameterised(b"attachment; filename=x; filename*=UTF-8''%E2%82%AC")
    assert extended.parameters == {"filename": "€"}


def test_parameters_are_bounded() -> None:
    raw = b"a/b" + b"".join(b"; n*%d=x" % number for number in range(500))
    assert parse_parameterised(raw).parameters == {"n": "x" * PARAMETERS_PARSED}


DATES = [
    (b"Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T15:55:06", -360),
    (
        b"Thu,\r\n\t13\r\n  Feb\r\n  1969\r\n  23:32\r\n -0330 (Newfoundland Time)",
        "1969-02-14T03:02:00",
        -210,
    ),
    (b"21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06", 0),
    (b"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "1997-11-21T15:55:06", -360),
    (b"Fri, 21 Nov 2031 09:55 EST", "2031-11-21T14:55:00", -300),
    (b"Tue, 1 Jan 02 00:00:00 +0100", "2001-12-31T23:00:00", 60),
    (b"Mon Jan  5 10:00:00 2026", "2026-01-05T10:00:00", 0),
    (b"31 Feb 2026 25:61:61 +0000", "2026-02-28T23:59:59", 0),
    (b"1 Jan 2026 00:00:60 +9999", "2026-01-01T00:00:59", 0),
    (b"1 Jan 0000 00:00:00 +0000", "1900-01-01T00:00:00", 0),
    (b"1 Jan 99999 00:00:00 +0000", "9998-01-01T00:00:00", 0),
]


@pytest.mark.parametrize(("raw", "utc", "offset"), DATES, ids=lambda value: str(value)[:40])
def test_date_time(raw: bytes, utc: str, offset: int) -> None:
    moment = datetime.fromisoformat(utc).replace(tzinfo=UTC)
    assert parse_date_time(raw) == DateTime(int(moment.timestamp()), offset)


@pytest.mark.parametrize("raw", [b"", b"yesterday", b"21 Foo 1997 10:00", b"\xff" * 500, b"12:00"])
def test_no_date(raw: bytes) -> None:
    assert parse_date_time(raw) is None


def test_formats() -> None:
    assert format_date_time(880127706, -360) == "Fri, 21 Nov 1997 09:55:06 -0600"
    assert format_internal_date(1767261600) == " 1-Jan-2026 10:00:00 +0000"
    assert format_internal_date(1767261600, -210) == " 1-Jan-2026 06:30:00 -0330"


@pytest.mark.parametrize("text", [b" 1-Jan-2026 10:00:00 +0000", b"17-Jul-1996 02:44:25 -0700"])
def test_internal_date_round_trip(text: bytes) -> None:
    moment = parse_internal_date(text)
    assert moment is not None
    assert format_internal_date(*moment).encode() == text


@pytest.mark.parametrize(
    "text",
    [b"1-Jan-2026 10:00:00 +0000", b"31-Feb-2026 10:00:00 +0000", b" 1-Foo-2026 10:00:00 +0000", b"x", b""],
)
def test_no_internal_date(text: bytes) -> None:
    assert parse_internal_date(text) is None


SUBJECTS = [
    ("Re: Hello", "Hello"),
    ("RE : Fwd: [list] re[2]: Hello (fwd) (FWD) ", "Hello"),
    ("[a] [b] Hello", "Hello"),
    ("[only]", "[only]"),
    ("[a][only]", "[only]"),
    ("[Fwd: [fwd: Re: Hello]]", "Hello"),
    ("Re: [fwd: x] y", "y"),
    ("Re:", ""),
    ("Regarding", "Regarding"),
    ("a\t b  c", "a b c"),
    ("", ""),
]


@pytest.mark.parametrize(("subject", "base"), SUBJECTS)
def test_base_subject(subject: str, base: str) -> None:
    assert base_subject(subject) == base
