"""What EHLO offers beyond RFC 5321, and what becomes of it."""

from __future__ import annotations

import asyncio

import pytest

from postier.base.networks import Networks
from postier.smtp.inbound.dialogue import Role
from postier.smtp.wire.commands import COMMANDS
from postier.smtp.wire.events import MailFrom
from postier.smtp.wire.server import SmtpServer

EHLO = b"EHLO a.example\r\n"
LOGIN = b"AUTH PLAIN AGJvYkBiLmV4YW1wbGUAY29ycmVjdCBob3JzZQ==\r\n"
SUBMITTED = b"From: Bob <bob@b.example>\r\nTo: x@else.example\r\nSubject: Hi\r\n\r\nHello\r\n.\r\n"


@pytest.mark.parametrize(
    ("param", "date"),
    [
        ("HOLDFOR=1", (1, None)),
        ("holdfor=999999999", (999_999_999, None)),
        ("HOLDUNTIL=2026-11-11T12:00:00Z", (None, "2026-11-11T12:00:00Z")),
        ("HOLDUNTIL=2026-11-11T12:00:00.5+01:00", (None, "2026-11-11T12:00:00.5+01:00")),
    ],
)
def test_how_long_a_message_is_to_be_held(param: str, date: tuple[int | None, str | None]):
    """RFC 4865 3."""
    mail = mail_of(f"MAIL FROM:<a@a.example> {param}")
    assert isinstance(mail, MailFrom)
    assert (mail.hold_for, mail.hold_until) == date


@pytest.mark.parametrize(
    "params",
    [
        "HOLDFOR",
        "HOLDFOR=0",
        "HOLDFOR=-1",
        "HOLDFOR=1000000000",
        "HOLDFOR=1 HOLDFOR=2",
        "HOLDFOR=1 HOLDUNTIL=2026-11-11T12:00:00Z",
        "HOLDUNTIL=2026-11-11",
        "HOLDUNTIL=2026-11-11T12:00:00",
        "HOLDUNTIL=1794312000",
        "HOLDUNTIL=2026-11-11T12:00:00.1234567890Z",
    ],
)
def test_holding_a_message_that_is_not_to_be_understood(params: str):
    """RFC 4865 4.2: 501 5.5.4."""
    assert mail_of(f"MAIL FROM:<a@a.example> {params}") == "501 5.5.4"


def mail_of(line: str) -> MailFrom | str:
    """What the core makes of it: the event, or the codes of its refusal."""
    core = SmtpServer("mx.example")
    core.offer(["FUTURERELEASE 1 2026-11-11T12:00:00Z"])
    core.receive(b"EHLO a.example\r\n")
    core.next_event()
    core.welcome()
    core.outgoing()
    core.receive(line.encode() + b"\r\n")
    event = core.next_event()
    return event if isinstance(event, MailFrom) else core.outgoing()[:9].decode()


def test_future_release_is_offered_on_submission_only_and_where_messages_are_held(world):
    for role, settings, is_there in (
        (Role.SUBMISSION, {"future_release": 86_400}, True),
        (Role.SUBMISSION, {}, False),
        (Role.MX, {"future_release": 86_400}, False),
    ):
        output, _ = asyncio.run(world.converse([EHLO], role, tls=True, **settings))
        assert ("FUTURERELEASE 86400 2026-11-11T12:00:00Z\r\n" in output) == is_there


def test_a_demand_for_tls_is_taken_under_tls_only_and_reaches_the_queue(world):
    """RFC 8689 2: announced in a session that is secured already; 4.1: the message is tagged."""
    found = []

    async def look(services):
        found.extend(await services.store.reader.queue_entries())

    asked = b"MAIL FROM:<bob@b.example> REQUIRETLS\r\n"
    rest = [b"RCPT TO:<x@else.example>\r\nDATA\r\n", SUBMITTED]
    output, _ = asyncio.run(
        world.converse([EHLO, LOGIN, asked, *rest], Role.SUBMISSION, tls=True, after=look)
    )
    assert "250-REQUIRETLS\r\n" in output
    assert [entry.requiretls for entry in found] == [True]
    output, _ = asyncio.run(world.converse([EHLO, asked], trust_loopback=True))
    assert "250-REQUIRETLS\r\n" not in output
    assert "\r\n555 5.5.4 " in output


def test_a_binary_message_reaches_mailbox_and_queue_as_it_is(world):
    """RFC 3030 3: by BDAT, with whatever octets, and the next host must know it too."""
    found = []

    async def look(services):
        found.extend(await services.store.reader.queue_entries())

    body = b"a\nb\rc\0\xff\r\n.\r\n"
    message = b"From: a@a.example\r\n\r\n" + body
    chunk = b"BDAT %d LAST\r\n" % len(message) + message
    envelope = b"MAIL FROM:<a@a.example> BODY=BINARYMIME\r\nRCPT TO:<away@b.example>\r\n"
    output, held = asyncio.run(world.converse([EHLO, envelope, chunk], trust_loopback=True, after=look))
    assert "\r\n250 2.0.0 accepted " in output
    assert [one.where for one in held] == ["bob@b.example/INBOX", "queue"]
    assert all(one.data.endswith(b"\r\n\r\n" + body) for one in held)
    assert [entry.body for entry in found] == ["BINARYMIME"]


XCLIENT = b"XCLIENT ADDR=198.51.100.7 HELO=client.example PROTO=SMTP\r\n"
PROXIED = {"xclient_from": Networks(["192.0.2.1"])}


def test_checks_and_trace_know_the_client_that_a_proxy_introduces(world):
    """The SPF record names the proxy's address and not the client's, so only the former would pass."""
    world.zone = {"a.example": [("TXT", "v=spf1 ip4:192.0.2.1 -all")]}
    said = [
        XCLIENT,
        EHLO,
        b"MAIL FROM:<a@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n",
        b"From: a@a.example\r\n\r\nHi\r\n.\r\n",
    ]
    output, stored = asyncio.run(world.converse(said, **PROXIED))
    assert "\r\n250 2.0.0 accepted " in output
    assert b"Received: from client.example ([198.51.100.7])\r\n" in stored[0].data
    assert b"with SMTP id " in stored[0].data
    assert b"spf=fail" in stored[0].data


def test_who_is_introduced_is_not_logged_in_and_loses_the_login_of_before(world):
    said = [EHLO, LOGIN, XCLIENT, b"EHLO a.example\r\n", b"XCLIENT LOGIN=bob@b.example\r\n", EHLO]
    said += [b"MAIL FROM:<bob@b.example>\r\n"]
    output, _ = asyncio.run(world.converse(said, Role.SUBMISSION, tls=True, **PROXIED))
    assert "\r\n235 " in output
    assert output.count("220 mx.b.example ESMTP") == 3
    assert output.endswith("\r\n530 5.7.0 Authentication required\r\n")


@pytest.mark.parametrize("role", list(Role))
def test_ehlo_names_every_command_that_not_every_server_has(world, role: Role):
    """RFC 5321 4.1.1.1: all but those of 4.5.1. EXPN is none of ours: it is answered with 502."""
    required = {b"EHLO", b"HELO", b"LHLO", b"MAIL", b"RCPT", b"DATA", b"RSET", b"NOOP", b"QUIT", b"VRFY"}
    hello = b"LHLO a.example\r\n" if role is Role.LMTP else EHLO
    output, _ = asyncio.run(world.converse([hello, b"HELP\r\n"], role))
    *offered, shown = output.splitlines()
    named = {line[4:].partition(" ")[0] for line in offered}
    verbs = {verb.encode() for verb in shown.partition("Commands: ")[2].split()}
    assert verbs > {b"HELP", b"BDAT"}
    for verb in verbs - required - {b"EXPN"}:
        assert {verb.decode(), COMMANDS[verb].extension} & named, verb
