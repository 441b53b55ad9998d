"""What is changed in a message that people send (RFC 6409 8), and what never is."""

from __future__ import annotations

import re

import pytest

from postier.smtp.inbound.submission import mend_header

DATE = b"Date: Tue, 10 Nov 2026 12:00:00 +0000\r\n"
MESSAGE_ID = b"Message-ID: <1@b.example>\r\n"
FROM = b"From: bob@b.example\r\n"
TO = b"To: x@else.example\r\n"
WHOLE = DATE + MESSAGE_ID + FROM + TO
SIGNED = b"DKIM-Signature: v=1; d=b.example; h=date:to\r\n"


def mended(header: bytes, login: str = "bob@b.example") -> bytes:
    found = mend_header(header + b"\r\n", domain="b.example", login=login, now=1_794_312_000)
    return re.sub(rb"<[a-z0-9]{10,}@", b"<new@", found.removesuffix(b"\r\n"))


@pytest.mark.parametrize(
    "header",
    [
        WHOLE,
        DATE + MESSAGE_ID + FROM + b"Cc: x@else.example\r\n",
        DATE + MESSAGE_ID + FROM + b"To: friends:;\r\n",
        WHOLE.replace(b"Tue, 10 Nov 2026 12:00:00 +0000", b"10 Nov 26 12:00 EST"),
        WHOLE.replace(b"<1@b.example>", b"\r\n <1@b.example>"),
        WHOLE + b"Content-Type: text/html\r\n",
        WHOLE.replace(b"bob@b.example", b'"Bob, B." <bob@b.example>'),
        WHOLE.replace(b"bob@b.example", b"bob@b.example, b2@b.example") + b"Sender: b2@b.example\r\n",
        SIGNED + WHOLE.replace(b"<1@b.example>", b"1").replace(b"Tue, 10 Nov", b"some day"),
        SIGNED + WHOLE.replace(TO, b""),
    ],
)
def test_what_is_there_and_can_be_read_stays(header):
    assert mended(header) == header


@pytest.mark.parametrize(
    ("header", "after"),
    [
        (MESSAGE_ID + FROM + TO, DATE + MESSAGE_ID + FROM + TO),
        (b"Date:\r\n" + MESSAGE_ID + FROM + TO, DATE + MESSAGE_ID + FROM + TO),
        (b"Date: some\r\n day\r\n" + MESSAGE_ID + FROM + TO, DATE + MESSAGE_ID + FROM + TO),
        (DATE + FROM + TO, b"Message-ID: <new@b.example>\r\n" + DATE + FROM + TO),
        (DATE + FROM + b"Message-ID: abc\r\n" + TO, b"Message-ID: <new@b.example>\r\n" + DATE + FROM + TO),
        (DATE + FROM + b"Message-Id: <>\r\n" + TO, b"Message-ID: <new@b.example>\r\n" + DATE + FROM + TO),
        (WHOLE + b"Bcc: y@else.example,\r\n z@else.example\r\nResent-BCC : q@else.example\r\n", WHOLE),
        (b"Return-Path: <x@else.example>\r\n" + WHOLE, WHOLE),
        (DATE + MESSAGE_ID + FROM, b"To: undisclosed-recipients:;\r\n" + DATE + MESSAGE_ID + FROM),
        (
            DATE + MESSAGE_ID + FROM + b"Bcc: y@else.example\r\n",
            b"To: undisclosed-recipients:;\r\n" + DATE + MESSAGE_ID + FROM,
        ),
        (SIGNED + FROM + TO, DATE + b"Message-ID: <new@b.example>\r\n" + SIGNED + FROM + TO),
        (SIGNED + WHOLE + b"Bcc: y@else.example\r\n", SIGNED + WHOLE),
    ],
)
def test_what_is_missing_is_added_and_what_is_hidden_goes(header, after):
    assert mended(header) == after


def test_a_message_from_several_says_who_sent_it():
    header = WHOLE.replace(b"bob@b.example", b"Bob <bob@b.example>, us: carol@b.example;")
    assert mended(header) == b"Sender: bob@b.example\r\n" + header
    assert mended(header, "bób@b.example") == header


def test_many_fields_are_mended_in_one_pass():
    header = b"Bcc: y@else.example\r\n" * 900 + WHOLE
    assert mended(header) == WHOLE
