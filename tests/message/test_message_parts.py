"""Sections of RFC 3501 6.4.5 as byte ranges; text and transfer encodings; what an analysis says."""

from __future__ import annotations

import base64

import pytest

from postier.message.analysis import analyse
from postier.message.body_structure import body_from_body_structure
from postier.message.html import html_text
from postier.message.parts import PartIndex, section_range, shift_parts
from postier.message.searched import body_sections, section_text
from postier.message.transfer import TransferDecoder, decode_transfer, is_known

INNER = (
    b"From: inner@x.example\r\nSubject: inner\r\nContent-Type: multipart/alternative; boundary=in\r\n\r\n"
    b"--in\r\nContent-Type: text/plain\r\n\r\nplain\r\n"
    b"--in\r\nContent-Type: text/html\r\n\r\n<b>bold</b>\r\n--in--"
)
MESSAGE = (
    b"From: Alice <alice@orchard.test>\r\nTo: bob@harbor.test, c@d.test\r\nSubject: Re: outer\r\n"
    b"Date: Thu, 1 Jan 2026 11:00:00 +0100\r\nMessage-ID: <1@x>\r\nIn-Reply-To: <0@x>\r\n"
    b"References: <a@x>\r\n <0@x>\r\nReceived: x\r\nReceived: y\r\n"
    b"Content-Type: multipart/mixed; boundary=out\r\n\r\npreamble\r\n"
    b"--out\r\nContent-Type: text/plain; charset=iso-8859-1\r\n"
    b"Content-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"Gr=FC=DFe, =\r\nAlice\r\n"
    b"--out  \r\nContent-Type: message/rfc822\r\n\r\n" + INNER + b"\r\n"
    b"--out\r\n\r\nno header\r\n--out\r\nContent-Type: message/rfc822\r\n\r\nSubject: single\r\n\r\nleaf"
    b"\r\n--out--\r\nepilogue"
)
SECTIONS: list[tuple[tuple[int, ...], str, bytes | None]] = [
    ((), "", MESSAGE),
    ((), "HEADER", MESSAGE[: MESSAGE.index(b"preamble")]),
    ((), "TEXT", MESSAGE[MESSAGE.index(b"preamble") :]),
    ((), "MIME", None),
    ((1,), "", b"Gr=FC=DFe, =\r\nAlice"),
    ((1,), "MIME", MESSAGE[MESSAGE.index(b"Content-Type: text/plain; charset") : MESSAGE.index(b"Gr=FC")]),
    ((1,), "HEADER", None),
    ((1,), "TEXT", None),
    ((1, 1), "", None),
    ((2,), "", INNER),
    ((2,), "MIME", b"Content-Type: message/rfc822\r\n\r\n"),
    ((2,), "HEADER", INNER[: INNER.index(b"--in")]),
    ((2,), "TEXT", INNER[INNER.index(b"--in") :]),
    ((2, 1), "", b"plain"),
    ((2, 2), "", b"<b>bold</b>"),
    ((2, 2), "MIME", b"Content-Type: text/html\r\n\r\n"),
    ((2, 3), "", None),
    ((3,), "", b"no header"),
    ((3,), "MIME", b"\r\n"),
    ((4,), "HEADER", b"Subject: single\r\n\r\n"),
    ((4, 1), "", b"leaf"),
    ((4, 1), "MIME", b"Subject: single\r\n\r\n"),
    ((5,), "", None),
]


@pytest.mark.parametrize(("number", "specifier", "expected"), SECTIONS, ids=lambda value: str(value)[:20])
def test_sections(number: tuple[int, ...], specifier: str, expected: bytes | None) -> None:
    found = section_range(PartIndex.decode(analyse(MESSAGE).parts), number, specifier)
    assert (None if found is None else MESSAGE[slice(*found)]) == expected


def test_a_message_without_parts_has_part_one() -> None:
    data = b"Subject: x\r\n\r\nbody\r\n"
    index = PartIndex.decode(analyse(data).parts)
    assert section_range(index, (1,)) == (14, 20)
    assert section_range(index, (1,), "MIME") == (0, 14)
    assert section_range(index, (2,)) is None
    part = index.part((1,))
    assert part is not None
    assert (part.content_type, part.encoding, part.size) == ("text/plain", "7bit", 6)


@pytest.mark.parametrize(
    ("before", "number"), [(b"", (1,)), (b"Content-Type: message/rfc822\r\n\r\n", (1, 1))]
)
def test_a_multipart_without_parts_has_the_one_that_body_structure_shows(
    before: bytes, number: tuple[int, ...]
) -> None:
    message = before + b"Content-Type: multipart/mixed; boundary=q\r\n\r\nno delimiter\r\n"
    analysis = analyse(message)
    assert b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 0 0' in analysis.body_structure
    index = PartIndex.decode(analysis.parts)
    assert section_range(index, number) == (len(message), len(message))
    assert section_range(index, (*number[:-1], 2)) is None
    assert section_range(index, (*number, 1)) is None
    assert section_range(index, number, "TEXT") is None


def test_a_message_that_is_a_message() -> None:
    data = b"Content-Type: message/rfc822\r\n\r\nSubject: in\r\n\r\nbody"
    index = PartIndex.decode(analyse(data).parts)
    assert section_range(index, (1,), "HEADER") == (32, 47)
    assert section_range(index, (1, 1)) == (47, 51)


def test_shifted_parts_are_those_of_the_message_with_our_fields_on_top() -> None:
    prefix = b"Return-Path: <>\r\nReceived: here\r\n"
    assert shift_parts(analyse(MESSAGE).parts, len(prefix)) == analyse(prefix + MESSAGE).parts


def test_body_structure() -> None:
    analysis = analyse(MESSAGE)
    assert analysis.body_structure == (
        b'(("text" "plain" ("charset" "iso-8859-1") NIL NIL "quoted-printable" 19 1 NIL NIL NIL NIL)'
        b'("message" "rfc822" NIL NIL NIL "7bit" %d (NIL "inner" ((NIL NIL "inner" "x.example")) '
        b'((NIL NIL "inner" "x.example")) ((NIL NIL "inner" "x.example")) NIL NIL NIL NIL NIL) '
        b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0 NIL NIL NIL NIL)'
        b'("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 11 0 NIL NIL NIL NIL) '
        b'"alternative" ("boundary" "in") NIL NIL NIL) 12 NIL NIL NIL NIL)'
        b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 9 0 NIL NIL NIL NIL)'
        b'("message" "rfc822" NIL NIL NIL "7bit" 23 (NIL "single" NIL NIL NIL NIL NIL NIL NIL NIL) '
        b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 4 0 NIL NIL NIL NIL) 2 NIL NIL NIL NIL) '
        b'"mixed" ("boundary" "out") NIL NIL NIL)' % len(INNER)
    )
    assert body_from_body_structure(analysis.body_structure) == (
        b'(("text" "plain" ("charset" "iso-8859-1") NIL NIL "quoted-printable" 19 1)'
        b'("message" "rfc822" NIL NIL NIL "7bit" %d (NIL "inner" ((NIL NIL "inner" "x.example")) '
        b'((NIL NIL "inner" "x.example")) ((NIL NIL "inner" "x.example")) NIL NIL NIL NIL NIL) '
        b'(("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 5 0)'
        b'("text" "html" ("charset" "us-ascii") NIL NIL "7bit" 11 0) "alternative") 12)'
        b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 9 0)'
        b'("message" "rfc822" NIL NIL NIL "7bit" 23 (NIL "single" NIL NIL NIL NIL NIL NIL NIL NIL) '
        b'("text" "plain" ("charset" "us-ascii") NIL NIL "7bit" 4 0) 2) "mixed")' % len(INNER)
    )


def test_the_rest_of_the_analysis() -> None:
    analysis = analyse(MESSAGE)
    assert analysis.envelope == (
        b'("Thu, 1 Jan 2026 11:00:00 +0100" "Re: outer" (("Alice" NIL "alice" "orchard.test")) '
        b'(("Alice" NIL "alice" "orchard.test")) (("Alice" NIL "alice" "orchard.test")) '
        b'((NIL NIL "bob" "harbor.test")(NIL NIL "c" "d.test")) NIL NIL "<0@x>" "<1@x>")'
    )
    assert MESSAGE.startswith(analysis.header + b"\r\n")
    assert (analysis.message_id, analysis.in_reply_to, analysis.references) == (
        "1@x",
        ("0@x",),
        ("a@x", "0@x"),
    )
    assert (analysis.subject, analysis.base_subject) == ("Re: outer", "outer")
    assert (analysis.sent_date, analysis.sent_offset) == (1767261600, 60)
    assert analysis.from_first == analysis.author_mailboxes[0]
    assert analysis.to_first is not None
    assert analysis.to_first.address == "bob@harbor.test"
    assert analysis.cc_first is None
    assert analysis.preview == "Grüße, Alice"
    assert analysis.has_attachment is False
    assert (analysis.eight_bit, analysis.utf8_headers, analysis.received_count) == (False, False, 2)
    sections = body_sections(PartIndex.decode(analysis.parts).parts)
    assert [section_text(MESSAGE[start:end], part) for start, end, part in sections] == [
        "grusse, alice",
        "from: inner@x.example\nsubject: inner\ncontent-type: multipart/alternative; boundary=in",
        "plain",
        "bold",
        "no header",
        "subject: single",
        "leaf",
    ]


def test_eight_bit_and_line_breaks_in_envelope() -> None:
    analysis = analyse('Subject: Gr\0ü\rß "x\\"\r\nFrom: "a\0\\"b" <x@y>\r\n\r\n'.encode())
    assert analysis.envelope.startswith('(NIL {13}\r\nGr ü ß "x\\" (("a \\"b" NIL "x" "y"))'.encode())
    assert (analysis.eight_bit, analysis.utf8_headers) == (True, True)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"Content-Type: application/pdf; name=x.pdf\r\n", True),
        (b"Content-Disposition: attachment\r\n", True),
        (b"Content-Type: image/png; name=x.png\r\nContent-Disposition: inline; filename=x.png\r\n", False),
        (b"Content-Type: text/plain; name=x.txt\r\n", False),
        (b"Content-Type: application/pgp-signature\r\n", False),
    ],
)
def test_has_attachment(head: bytes, expected: bool) -> None:
    data = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n" + head + b"\r\nx\r\n--b--\r\n"
    assert analyse(data).has_attachment is expected


def test_digest_defaults_and_odd_delimiters() -> None:
    data = (
        b'Content-Type: multipart/digest; boundary="d "\r\nContent-Type: text/html\r\n\r\n'
        b"--d\r\n\r\nSubject: one\r\n\r\nbody\r\n--d \t\r\nContent-Type: text/plain\r\n\r\nx\n--d"
    )
    kinds = [part.content_type for part in PartIndex.decode(analyse(data).parts)]
    assert kinds == [
        "multipart/digest",
        "message/rfc822",
        "text/plain",
        "text/plain",
        "message/rfc822",
        "text/plain",
    ]


def test_outer_delimiter_ends_what_was_not_closed() -> None:
    data = (
        b"Content-Type: multipart/mixed; boundary=out\r\n\r\n"
        b"--out\r\nContent-Type: multipart/mixed; boundary=in\r\n\r\n"
        b"--in\r\n\r\none\r\n--out\r\n\r\ntwo\r\n--in\r\n\r\nnot a part\r\n--out--\r\n--out\r\n\r\nepilogue"
    )
    index = PartIndex.decode(analyse(data).parts)
    assert sorted(index.numbers()) == [(1,), (1, 1), (2,)]
    part = index.part((2,))
    assert part is not None
    assert data[part.body_start : part.end] == b"two\r\n--in\r\n\r\nnot a part"


def test_preview_prefers_own_words_and_folds_space() -> None:
    assert analyse(b"\r\n> quoted\r\n\r\n own\r\n\twords \r\n").preview == "own words"
    assert analyse(b"\r\n> only quoted\r\n").preview == "> only quoted"
    page = b"Content-Type: text/html\r\n\r\n<style>x</style><p>Fish &amp; chips<!-- no --></p>"
    assert analyse(page).preview == "Fish & chips"
    assert len(analyse(b"\r\n" + b"word " * 1000).preview) == 199


def test_html_text() -> None:
    markup = "<head><title>t</title></head>a<br>b<script>1<2</script >c &lt;d&gt; &#99999999999; <unclosed"
    assert html_text(markup).split() == ["a", "bc", "<d>", "\ufffd"]


QP = b"a=3Db=\r\nc =  \r\nd \t\r\n=C3=A9=\n=zz"
ENCODED = [
    ("base64", b"aGVs\r\nbG8=", b"hello"),
    ("base64", b"aGV!s*bG8", b"hello"),
    ("base64", b"aGVsbG8=ignored", b"hello"),
    ("base64", b"a", b""),
    ("quoted-printable", QP, b"a=bc d\r\n\xc3\xa9=zz"),
    ("7bit", b"as it is\r\n", b"as it is\r\n"),
    ("x-unknown", b"as it is", b"as it is"),
]


@pytest.mark.parametrize(("encoding", "encoded", "content"), ENCODED)
@pytest.mark.parametrize("piece", [1, 2, 3, 5, 1000])
def test_transfer(encoding: str, encoded: bytes, content: bytes, piece: int) -> None:
    assert decode_transfer(encoded, encoding) == content
    decoder = TransferDecoder(encoding)
    pieces = [decoder.feed(encoded[n : n + piece]) for n in range(0, len(encoded), piece)]
    assert b"".join(pieces) + decoder.finish() == content


def test_long_content_in_pieces() -> None:
    content = bytes(range(256)) * 4000
    decoder = TransferDecoder("base64")
    encoded = base64.encodebytes(content)
    assert b"".join(decoder.feed(encoded[n : n + 1000]) for n in range(0, len(encoded), 1000)) == content
    line = b"=C3=A9" * 30_000
    decoder = TransferDecoder("quoted-printable")
    pieces = [decoder.feed(line[n : n + 777]) for n in range(0, len(line), 777)]
    assert b"".join(pieces) + decoder.finish() == "é".encode() * 30_000


def test_known_encodings() -> None:
    assert is_known("base64")
    assert not is_known("x-uuencode")


@pytest.mark.parametrize(
    ("text", "preview"),
    [
        (b"On Monday Bob wrote:\r\n> old\r\n> older\r\n\r\nMy answer.\r\n\r\n-- \r\nAnn\r\n", "My answer."),
        (b"My answer.\r\n\r\nOn Monday, Bob wrote:\r\n\r\n> old\r\n", "My answer."),
        (b"Note this: one\r\ntwo\r\n", "Note this: one two"),
        (b"-- \r\nAnn\r\n", "-- Ann"),
        (b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n-----END PGP MESSAGE-----\r\n", ""),
        (
            b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\nThe words\r\n"
            b"-----BEGIN PGP SIGNATURE-----\r\n\r\niQ==\r\n",
            "The words",
        ),
    ],
)
def test_preview_of_mail_as_people_write_it(text: bytes, preview: str) -> None:
    assert analyse(b"\r\n" + text).preview == preview


def test_preview_of_what_is_attached_comes_last() -> None:
    attached = b"Content-Disposition: attachment\r\n\r\nattached\r\n"
    head = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n"
    assert analyse(head + b"--b\r\n" + attached + b"--b\r\n\r\nthe body\r\n--b--\r\n").preview == "the body"
    assert analyse(head + b"--b\r\n" + attached + b"--b--\r\n").preview == "attached"
