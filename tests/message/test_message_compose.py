"""What we write is correct, and nobody can write more into it than they should."""

from __future__ import annotations

import email
import email.policy

import pytest

from postier.base.address import Address
from postier.message.addresses import Mailbox
from postier.message.analysis import analyse
from postier.message.compose import DataPart, HeaderValue, MultiPart, TextPart, compose, format_mailbox
from postier.message.dsn import (
    Action,
    MessageStatus,
    RecipientStatus,
    delivery_report,
    delivery_status,
    xtext_decode,
)

BOB = Address.parse("bob@harbor.test")


def check_lines(data: bytes) -> None:
    assert data.count(b"\r\n") == data.count(b"\n") == data.count(b"\r")
    assert max(map(len, data.split(b"\r\n"))) <= 998


def test_text_comes_back() -> None:
    text = "Grüße =\nZeile zwei  \r\n.Punkt\r" + "lang" * 500
    data = compose([("From", [BOB]), ("Subject", "Über " * 40)], TextPart(text))
    check_lines(data)
    assert data.isascii()
    assert max(map(len, data.split(b"\r\n"))) <= 78
    read = email.message_from_bytes(data, policy=email.policy.default)
    assert read["Subject"].strip() == ("Über " * 40).strip()
    assert read.get_content().splitlines() == text.splitlines()


def test_parts_come_back() -> None:
    content = bytes(range(256)) * 3
    parts = (
        TextPart("plain"),
        TextPart("<p>é" * 3000, "html"),
        DataPart("application/pdf", content, 'Bericht für "x".pdf'),
    )
    data = compose(
        [("To", [Mailbox("Müller, J.", "j", "x.test"), Mailbox("A, B", "a b", "y.test")])],
        MultiPart("mixed", parts),
    )
    check_lines(data)
    read = email.message_from_bytes(data, policy=email.policy.default)
    assert [part.get_content_type() for part in read.iter_parts()] == [
        "text/plain",
        "text/html",
        "application/pdf",
    ]
    attachment = list(read.iter_attachments())[-1]
    assert attachment.get_filename() == 'Bericht für "x".pdf'
    assert attachment.get_content() == content
    assert [address.display_name for address in read["To"].addresses] == ["Müller, J.", "A, B"]
    assert [address.username for address in read["To"].addresses] == ["j", "a b"]
    assert analyse(data).has_attachment


def test_the_same_message_has_the_same_octets() -> None:
    body = MultiPart("mixed", (TextPart("a"), TextPart("b")))
    assert compose([("Subject", "x")], body) == compose([("Subject", "x")], body)


@pytest.mark.parametrize("value", ["a\r\nBcc: evil@x.test", "a\nb", "a\rb", "a\0b", "a\x1bb"])
def test_no_value_brings_a_field(value: str) -> None:
    for fields in ([("Subject", value)], [("Message-ID", value)], [("X-" + value, "x")]):
        with pytest.raises(ValueError):
            compose(fields, TextPart(""))
    for mailbox in (Mailbox(value, "a", "b.test"), Mailbox("", value, "b.test"), Mailbox("", "a", value)):
        with pytest.raises(ValueError):
            compose([("From", [mailbox])], TextPart(""))
    for part in (DataPart("a/b", b"", value), DataPart(value, b""), DataPart("a/b", b"", description=value)):
        with pytest.raises(ValueError):
            compose([], part)
    with pytest.raises(ValueError):
        compose([], DataPart("a/b", b"", parameters=((value, "x"),)))


def test_what_cannot_be_written_is_refused() -> None:
    refused: list[tuple[str, HeaderValue]] = [("From", []), ("Sub ject", "x"), ("", "x"), ("Message-ID", "é")]
    for field in refused:
        with pytest.raises(ValueError):
            compose([field], TextPart(""))
    with pytest.raises(ValueError):
        compose([("To", [Mailbox("", "é", "x.test")])], TextPart(""))
    with pytest.raises(ValueError):
        compose([], MultiPart("mixed", ()))


def test_utf8_mode() -> None:
    data = compose([("To", [Mailbox("Jörg", "jörg", "x.test")]), ("Subject", "é")], TextPart(""), utf8=True)
    assert 'To: "Jörg" <jörg@x.test>\r\nSubject: é\r\n'.encode() in data
    assert format_mailbox(Mailbox("Jo", "jo", "x.test")) == b"Jo <jo@x.test>"


STATUS = RecipientStatus(
    BOB, Action.FAILED, "5.1.1", original_recipient="rfc822;bob@harbor.test", remote_mta="mx.harbor.test",
    diagnostic_code="550 5.1.1 no\r\nStatus: 2.0.0", last_attempt_date=1767261600,
)  # fmt: skip


def test_delivery_status() -> None:
    held = delivery_status(MessageStatus("mx", 1767261600, held_until=1767265200), [STATUS])
    assert b"\r\nFuture-Release-Request: until;2026-01-01T11:00:00Z\r\n\r\n" in held
    assert delivery_status(MessageStatus("mx.orchard.test", 1767261600, "QQ314159"), [STATUS]) == (
        b"Original-Envelope-Id: QQ314159\r\nReporting-MTA: dns; mx.orchard.test\r\n"
        b"Arrival-Date: Thu, 1 Jan 2026 10:00:00 +0000\r\n\r\n"
        b"Original-Recipient: rfc822;bob@harbor.test\r\nFinal-Recipient: rfc822; bob@harbor.test\r\n"
        b"Action: failed\r\nStatus: 5.1.1\r\nRemote-MTA: dns; mx.harbor.test\r\n"
        b"Diagnostic-Code: smtp; 550 5.1.1 no Status: 2.0.0\r\n"
        b"Last-Attempt-Date: Thu, 1 Jan 2026 10:00:00 +0000\r\n"
    )
    with pytest.raises(ValueError):
        delivery_status(MessageStatus("x.test"), [])
    with pytest.raises(ValueError):
        RecipientStatus(BOB, Action.FAILED, "550")


ORIGINAL = b"From: a@b.test\r\nSubject: x\r\n\r\n--body\r\n"


@pytest.mark.parametrize(
    ("original", "whole", "types"),
    [
        (ORIGINAL, False, ["message/delivery-status", "text/rfc822-headers"]),
        (ORIGINAL, True, ["message/delivery-status", "message/rfc822"]),
        ("Subject: é\r\n\r\n".encode(), False, ["message/delivery-status", "message/global-headers"]),
        (b"Subject: x\n\nbare", True, ["message/delivery-status", "application/octet-stream"]),
        (b"Subject: \xff\r\n\r\n", False, ["message/delivery-status", "application/octet-stream"]),
        (ORIGINAL + b"\xff", True, ["message/delivery-status", "message/rfc822"]),
    ],
)
def test_delivery_report(original: bytes, whole: bool, types: list[str]) -> None:
    fields: list[tuple[str, HeaderValue]] = [
        ("From", [Mailbox("Mail Delivery", "mailer-daemon", "orchard.test")]),
        ("Subject", "Not delivered"),
    ]
    data = delivery_report(
        fields, "Sorry é\n", MessageStatus("mx.orchard.test"), [STATUS], original, whole=whole
    )
    check_lines(data)
    read = email.message_from_bytes(data, policy=email.policy.default)
    assert read.get_content_type() == "multipart/report"
    assert read["Content-Type"].params["report-type"] == "delivery-status"
    parts = list(read.iter_parts())
    assert parts[0].get_content().rstrip() == "Sorry é"
    assert [part.get_content_type() for part in parts[1:]] == types
    if whole and types[1] == "message/rfc822":
        assert original in data


def test_report_about_an_utf8_address_to_who_takes_smtputf8() -> None:
    """RFC 6533 3, 4: the form of the ORCPT parameter is undone, too."""
    status = RecipientStatus(
        Address.parse("jörg@x.test"), Action.FAILED, "5.6.7", original_recipient="utf-8;j\\x{F6}rg@x.test"
    )
    original = "Subject: é\r\n\r\n".encode()
    data = delivery_report([], "x", MessageStatus("mx.orchard.test"), [status], original, utf8=True)
    assert b"Content-Type: message/global-delivery-status\r\n" in data
    assert "Final-Recipient: utf-8; jörg@x.test\r\n".encode() in data
    assert "Original-Recipient: utf-8;jörg@x.test\r\n".encode() in data
    assert original.rstrip() in data


def test_report_about_an_utf8_address_to_who_takes_none() -> None:
    """RFC 6533 3 (3), 4.5: all of it is ASCII."""
    status = RecipientStatus(
        Address.parse("j+ö@x.test"),
        Action.FAILED,
        "5.6.7",
        original_recipient="utf-8;j+ö@x.test",
        diagnostic_code="550 jö?",
    )
    original = "Subject: é\r\n\r\n".encode()
    data = delivery_report([], "x", MessageStatus("mx.orchard.test"), [status], original)
    check_lines(data)
    assert data.isascii()
    assert b"Content-Type: message/delivery-status\r\n" in data
    assert b"Final-Recipient: utf-8; j\\x{2B}\\x{F6}@x.test\r\n" in data
    assert b"Original-Recipient: utf-8;j\\x{2B}\\x{F6}@x.test\r\n" in data
    assert b"Diagnostic-Code: smtp; 550 j\\x{F6}?\r\n" in data
    returned = email.message_from_bytes(data).get_payload()[2]
    assert returned.get_content_type() == "message/global-headers"
    assert returned["Content-Transfer-Encoding"] == "base64"


@pytest.mark.parametrize("point", ["D800", "110000", "FFFFFF"])
def test_what_is_no_character_stays_as_it_was_written(point: str) -> None:
    status = RecipientStatus(BOB, Action.FAILED, "5.1.1", original_recipient=f"utf-8;a\\x{{{point}}}@x.test")
    assert f"a\\x{{{point}}}@x.test".encode() in delivery_status(MessageStatus("mx"), [status])


def test_xtext() -> None:
    assert xtext_decode(b"bob+2Bx+3Dy+") == "bob+x=y+"
