from __future__ import annotations

import pytest

from postier.message.analysis import analyse
from postier.message.parts import PartIndex
from postier.message.searched import (
    FIELD_ZONES,
    LargeText,
    MessageText,
    TextQuery,
    Zone,
    body_sections,
    has_text,
    head_text,
    mime_sections,
    section_has_text,
    section_text,
)

MESSAGE = (
    b'From: "Old \\"Q\\" Name" (a comment) <old @ name.example>\r\n'
    b"To: =?utf-8?q?Ren=C3=A9?= <rene@b.example>, team: a@b.example, c@d.example;\r\n"
    b"To: second@field.example\r\n"
    b"Subject: A long\r\n subject, =?iso-8859-1?q?gr=FC=DF?= all\r\n"
    b"X-Empty:\r\n"
    b"X-Twice: one\r\n"
    b"x-twice: =?utf-8?b?VFdP?=\r\n"
    b"Content-Type: multipart/mixed; boundary=out\r\n"
    b"\r\n"
    b"preamble\r\n"
    b"--out\r\n"
    b"Content-Type: text/plain; charset=koi8-r\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n"
    b"\r\n"
    b"=D0=D2=C9=D7=C5=D4 World\r\n"
    b"--out\r\n"
    b"Content-Type: text/csv; name==?utf-8?q?Caf=C3=A9.csv?=\r\n"
    b"Content-Disposition: attachment; filename=prices.csv\r\n"
    b"\r\n"
    b"cell;value\r\n"
    b"--out\r\n"
    b"Content-Type: message/rfc822\r\n"
    b"\r\n"
    b"Subject: Inner\r\n"
    b"\r\n"
    b"inside\r\n"
    b"--out\r\n"
    b"Content-Type: message/delivery-status\r\n"
    b"\r\n"
    b"Action: failed\r\n"
    b"--out\r\n"
    b"Content-Type: application/octet-stream\r\n"
    b"\r\n"
    b"binary\r\n"
    b"--out--\r\n"
)
PARTS = PartIndex.decode(analyse(MESSAGE).parts).parts
SECTION = MESSAGE[: PARTS[0].body_start]
HEAD = head_text(SECTION)
TEXT = MessageText(
    HEAD.fields,
    HEAD.lines,
    "\0".join(section_text(MESSAGE[start:end], part) for start, end, part in body_sections(PARTS)),
)


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (Zone.SUBJECT, "a LONG subject, GRÜSS all"),
        (Zone.FROM, 'old "q" name'),
        (Zone.FROM, 'old "q" name <old@name.example>'),
        (Zone.FROM, "old@name.example"),
        (Zone.FROM, "(a comment)"),
        (Zone.TO, "rene <RENE@"),
        (Zone.TO, "team: a@b.example, c@d"),
        (Zone.TO, "second@"),
        (Zone.HEAD, "x-twice: two"),
        (Zone.BODY, "ПРИВЕТ world"),
        (Zone.BODY, "cell;value"),
        (Zone.BODY, "subject: inner"),
        (Zone.BODY, "inside"),
        (Zone.BODY, "action: FAILED"),
    ],
)
def test_what_stands_in_a_zone(zone: Zone, text: str) -> None:
    assert has_text(TEXT, TextQuery.of(text, zone))


@pytest.mark.parametrize(
    ("zone", "text"),
    [
        (Zone.SUBJECT, "inner"),
        (Zone.SUBJECT, "=?"),
        (Zone.TO, "field.example team"),
        (Zone.CC, ""),
        (Zone.BODY, "preamble"),
        (Zone.BODY, "binary"),
        (Zone.BODY, "prices"),
        (Zone.BODY, "world cell"),
        (Zone.HEAD, "inner"),
    ],
)
def test_what_does_not(zone: Zone, text: str) -> None:
    assert not has_text(TEXT, TextQuery.of(text, zone))


@pytest.mark.parametrize(
    ("field", "text", "expected"),
    [
        ("X-Twice", "one", True),
        ("X-TWICE", "Two", True),
        ("x-twice", "", True),
        ("x-empty", "", True),
        ("x-empty", "x", False),
        ("x-missing", "", False),
        ("twice", "", False),
        ("x-twice", "x-twice", False),
        ("x-twice", "one\nx", False),
    ],
)
def test_fields_by_name(field: str, text: str, expected: bool) -> None:
    query = TextQuery.of(text, Zone.HEAD, field=field)
    assert has_text(TEXT, query) is expected
    assert section_has_text(SECTION, query) is expected


@pytest.mark.parametrize("zone", FIELD_ZONES)
@pytest.mark.parametrize("text", ["", "old", "old <q@", '"old', "rene", "Q", "grüss", "a@b", "none of it"])
@pytest.mark.parametrize(
    "section",
    [SECTION, b"From: old\n <q@b.example>\nSubject: r\rene\n", b'From: "Old" <q@b.example>\r\n', b""],
)
def test_a_header_section_alone_gives_the_same_answer(zone: Zone, text: str, section: bytes) -> None:
    head = head_text(section)
    query = TextQuery.of(text, zone)
    assert section_has_text(section, query) is has_text(MessageText(head.fields, head.lines, ""), query)


def test_headers_of_parts_are_header_fields() -> None:
    texts = [MESSAGE[start:end] for start, end in mime_sections(PARTS)]
    assert len(texts) == 5
    assert b"prices.csv" in texts[1]
    assert not any(b"Inner" in text for text in texts)


@pytest.mark.parametrize(
    ("head", "content"),
    [
        (b"Content-Type: text/plain; charset=utf-8", "Zeile\r\nžlutý kůň\r\n".encode() * 3000),
        (b"Content-Type: text/plain; charset=utf-8", "ž".encode() * 200_000),
        (b"Content-Type: text/plain; charset=utf-16-le", "Zeile\r\n".encode("utf-16-le") * 3000),
        (b"Content-Type: text/html", b"<p>some <b>mark</b>up</p>\r\n" * 5000),
        (b"Content-Transfer-Encoding: base64", b"WmVpbGUNCnp3ZWkNCg==\r\n"),
        (b"Content-Transfer-Encoding: quoted-printable", b"soft =\r\nbreak\r\n" * 5000),
    ],
)
@pytest.mark.parametrize("window", [1021, 65_536])
def test_a_large_part_in_pieces(head: bytes, content: bytes, window: int) -> None:
    message = head + b"\r\n\r\n" + content
    part = PartIndex.decode(analyse(message).parts).parts[0]
    text = LargeText(part)
    pieces = [text.feed(content[start : start + window]) for start in range(0, len(content), window)]
    assert "".join((*pieces, text.finish())).split() == section_text(content, part).split()
