"""NOTIFY=SUCCESS (RFC 3461): who hears of success, from whom, and in the same transaction."""

from __future__ import annotations

import asyncio

import pytest

from postier.smtp.inbound.dialogue import Role

EHLO = b"EHLO a.example\r\n"
LOGIN = b"AUTH PLAIN AGJvYkBiLmV4YW1wbGUAY29ycmVjdCBob3JzZQ==\r\n"
SUBMITTED = b"From: Bob <bob@b.example>\r\nTo: x@else.example\r\nSubject: Plums\r\n\r\nSecret body\r\n"
FOREIGN = b"From: A <a@a.example>\r\nTo: bob@b.example\r\nSubject: Plums\r\n\r\nSecret body\r\n"
TRUST = {"trust_loopback": True}


def rcpt(path: str, *parameters: str) -> bytes:
    return " ".join((f"RCPT TO:<{path}>", *parameters)).encode() + b"\r\n"


def submit(world, *rcpts: bytes, mail: bytes = b"", sender: bytes = b"bob@b.example", message=SUBMITTED):
    envelope = b"MAIL FROM:<%b>%b\r\n" % (sender, mail) + b"".join(rcpts) + b"DATA\r\n"
    said = [EHLO, LOGIN, envelope, message + b".\r\n"]
    output, stored = asyncio.run(world.converse(said, Role.SUBMISSION, tls=True))
    assert "250 2.0.0 accepted" in output
    return stored


def receive(world, *rcpts: bytes, sender: bytes = b"a@a.example", message=FOREIGN, **settings):
    envelope = b"MAIL FROM:<%b>\r\n" % sender + b"".join(rcpts) + b"DATA\r\n"
    output, stored = asyncio.run(world.converse([EHLO, envelope, message + b".\r\n"], **settings))
    assert "250 2.0.0 accepted" in output
    return stored


def reports(stored) -> list:
    return [each for each in stored if b"report-type=delivery-status" in each.data]


def test_the_sender_hears_of_a_delivery_here(world):
    stored = submit(
        world,
        rcpt("carol@b.example", "NOTIFY=SUCCESS,FAILURE", "ORCPT=rfc822;Carol+2B@b.example"),
        mail=b" RET=FULL ENVID=QQ+2B1",
    )
    [report] = reports(stored)
    assert report.where == "bob@b.example/INBOX"
    assert report.data.startswith(b"Return-Path: <>\r\n")
    for line in (
        b"Subject: Delivered: Plums",
        b"Auto-Submitted: auto-replied",
        b"Original-Envelope-Id: QQ+1",
        b"Reporting-MTA: dns; mx.b.example",
        b"Original-Recipient: rfc822;Carol+@b.example",
        b"Final-Recipient: rfc822; carol@b.example",
        b"Action: delivered",
        b"Status: 2.1.5",
        b"Content-Description: The message",
    ):
        assert b"\r\n" + line + b"\r\n" in report.data, line
    assert b"Secret body" not in report.data  # RFC 3461 4.3: RET=FULL is for failures
    assert [each.where for each in stored if each is not report] == ["carol@b.example/INBOX"]


def test_one_report_tells_of_all_who_asked_and_of_nobody_else(world):
    stored = submit(
        world,
        rcpt("carol@b.example", "NOTIFY=SUCCESS"),
        rcpt("bob+x@b.example", "NOTIFY=FAILURE"),
        rcpt("postmaster", "NOTIFY=SUCCESS"),
        rcpt("x@else.example", "NOTIFY=SUCCESS"),
    )
    [report] = reports(stored)
    assert report.data.count(b"Final-Recipient:") == 2
    assert b"Final-Recipient: rfc822; carol@b.example\r\n" in report.data
    assert b"Final-Recipient: rfc822; postmaster@mx.b.example\r\n" in report.data


def test_a_sender_elsewhere_gets_the_report_through_the_queue(world):
    stored = receive(world, rcpt("bob@b.example", "NOTIFY=SUCCESS"), **TRUST)
    [report] = reports(stored)
    assert (report.where, report.destination, report.recipients) == (
        "queue",
        "a.example",
        ("a@a.example",),
    )


@pytest.mark.parametrize("notify", [(), ("NOTIFY=NEVER",), ("NOTIFY=FAILURE,DELAY",)])
def test_nobody_hears_of_success_unasked(world, notify):
    assert reports(receive(world, rcpt("bob@b.example", *notify), **TRUST)) == []


def test_the_null_path_is_never_told(world):
    assert reports(receive(world, rcpt("bob@b.example", "NOTIFY=SUCCESS"), sender=b"", **TRUST)) == []


def test_an_automatic_message_is_never_told(world):
    message = b"Auto-Submitted: auto-generated\r\n" + FOREIGN
    stored = receive(world, rcpt("bob@b.example", "NOTIFY=SUCCESS"), message=message, **TRUST)
    assert [each.where for each in stored] == ["bob@b.example/INBOX"]


@pytest.mark.parametrize(
    ("record", "told"), [("ip4:192.0.2.1 -all", True), ("-all", False), ("~all", False), ("?all", True)]
)
def test_a_forged_sender_is_not_troubled(world, record: str, told: bool):
    world.zone = {"a.example": [("TXT", f"v=spf1 {record}")]}
    assert bool(reports(receive(world, rcpt("bob@b.example", "NOTIFY=SUCCESS")))) is told


def test_an_alias_that_leads_here_and_elsewhere_is_expanded(world):
    found = []

    async def look(services):
        found.extend(await services.store.reader.queue_entries())

    said = [
        EHLO,
        b"MAIL FROM:<a@a.example>\r\n" + rcpt("away@b.example", "NOTIFY=SUCCESS,FAILURE") + b"DATA\r\n",
        FOREIGN + b".\r\n",
    ]
    _, stored = asyncio.run(world.converse(said, after=look, **TRUST))
    [report] = reports(stored)
    assert b"\r\nAction: expanded\r\n" in report.data
    forward = next(entry for entry in found if entry.destination == "else.example")
    assert [each.notify for each in forward.recipients] == ["FAILURE"]


def test_a_full_sender_loses_the_report_and_not_the_mail(world):
    credentials = b"AUTH PLAIN AGZ1bGxAYi5leGFtcGxlAGNvcnJlY3QgaG9yc2U=\r\n"
    said = [
        EHLO,
        credentials,
        b"MAIL FROM:<full@b.example>\r\n" + rcpt("carol@b.example", "NOTIFY=SUCCESS") + b"DATA\r\n",
        SUBMITTED.replace(b"bob@", b"full@") + b".\r\n",
    ]
    output, stored = asyncio.run(world.converse(said, Role.SUBMISSION, tls=True))
    assert "250 2.0.0 accepted" in output
    assert [each.where for each in stored] == ["carol@b.example/INBOX"]
