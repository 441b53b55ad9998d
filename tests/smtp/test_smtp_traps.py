"""Traps that other servers fell into, on the receiving side: each test names one."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace

import pytest

from postier.accounts.people import remove_person, set_password
from postier.base.address import Address
from postier.base.networks import Networks
from postier.net.api import ConnectionLost
from postier.smtp.inbound import incoming
from postier.smtp.inbound.dialogue import InboundServices, InboundSettings, Role
from postier.smtp.inbound.session import inbound_session
from postier.testing.connection import MemoryConnection

EHLO = b"EHLO a.example\r\n"
LOGIN = b"AUTH PLAIN AGJvYkBiLmV4YW1wbGUAY29ycmVjdCBob3JzZQ==\r\n"
ENVELOPE = b"MAIL FROM:<a@a.example>\r\nRCPT TO:<bob@b.example>\r\n"
MESSAGE = b"From: a@a.example\r\n\r\n.one dot\r\n..\r\n\r\n.\r\nend\r\n"
STUFFED = b"From: a@a.example\r\n\r\n..one dot\r\n...\r\n\r\n..\r\nend\r\n.\r\n"
TRUST = {"trust_loopback": True}


def converse(world, *said: bytes, role: Role = Role.MX, **settings):
    return asyncio.run(world.converse(list(said), role, **{**TRUST, **settings}))


def test_dots_across_packets_at_every_octet(world):
    """A final dot, or a stuffed one, cut by a segment or a TLS record anywhere."""

    async def play() -> None:
        for cut in range(len(STUFFED)):
            said = [EHLO, ENVELOPE + b"DATA\r\n", STUFFED[:cut], STUFFED[cut:] + b"QUIT\r\n"]
            output, stored = await world.converse(said, **TRUST)
            assert output.endswith("221 2.0.0 Bye\r\n"), cut
            assert [one.data.endswith(b"\r\n" + MESSAGE) for one in stored] == [True], cut

    asyncio.run(play())


@pytest.mark.parametrize("role", [Role.MX, Role.LMTP])
@pytest.mark.parametrize("breaks", [False, True], ids=["closes", "breaks"])
def test_a_client_that_leaves_at_any_octet_of_the_text_has_sent_nothing(world, role: Role, breaks: bool):
    """RFC 5321 4.1.1.10, 6.1: what has no end was never taken."""
    hello = EHLO if role is Role.MX else b"LHLO a.example\r\n"
    ways: list[str] = []

    async def look(services: InboundServices) -> None:
        settings = InboundSettings("mx.b.example", lmtp_from=Networks(["0.0.0.0/0"]), trust_loopback=True)
        for cut in range(len(STUFFED)):
            connection = MemoryConnection()
            connection.start(inbound_session(settings, services, role))
            for packet in (hello, ENVELOPE + b"DATA\r\n", STUFFED[:cut]):
                await connection.quiet()
                connection.feed(packet)
            await connection.quiet()
            try:
                if breaks:
                    connection.reset()
                output = connection.output() + await connection.finish()
            except ConnectionLost:
                output = b""
            ways.append(output.decode())

    said = [hello, ENVELOPE + b"DATA\r\n", STUFFED]
    _, stored = asyncio.run(world.converse(said, role, after=look, **TRUST))
    assert len(ways) == len(STUFFED)
    assert not any("accepted" in output for output in ways)
    assert len(stored) == 1  # the one that had its end


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r.\r\n", b"\r\n.\r", b"\r\n\0.\r\n"]
)
@pytest.mark.parametrize("role", [Role.MX, Role.SUBMISSION, Role.LMTP])
def test_smuggling_is_the_same_at_every_door(world, end: bytes, role: Role):
    """What ends a message elsewhere ends none here, and nothing behind it is a command."""
    hello = EHLO if role is not Role.LMTP else b"LHLO a.example\r\n"
    login = [LOGIN] if role is Role.SUBMISSION else []
    evil = b"MAIL FROM:<bob@b.example>\r\nRCPT TO:<carol@b.example>\r\nDATA\r\n"
    evil += b"From: bob@b.example\r\n\r\nevil\r\n.\r\n"
    mail = b"MAIL FROM:<bob@b.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n"
    said = [hello, *login, mail, b"From: bob@b.example\r\n\r\nhello" + end + evil]
    output, stored = converse(world, *said, role=role, tls=True)
    assert all("carol" not in one.where for one in stored)
    if end == b"\r\n\0.\r\n":  # a line of two octets is text
        assert output.count(" accepted ") == 1
    else:
        assert "554 5.5.2" in output
        assert stored == []


@pytest.mark.parametrize(
    "failure",
    [
        b"MAIL FROM:<b@b.example> SIZE=99999999999\r\n",
        b"MAIL FROM:<a@a.example> SMTPUTF8 BODY=8BITMIME ENVID=X\r\nRCPT TO:<carol@b.example>\r\nRSET\r\n",
        b"MAIL FROM:<a@a.example>\r\nRCPT TO:<carol@b.example>\r\nEHLO a.example\r\n",
        b"MAIL FROM:<> RET=HDRS\r\nRCPT TO:<carol@b.example>\r\nRCPT TO:<no@b.example>\r\nRSET\r\n",
        b"MAIL FROM:<a@a.example>\r\nBDAT 4 LAST\r\nabcdRSET\r\n",
        b"MAIL FROM:<a@a.example> BODY=BINARYMIME\r\nRCPT TO:<carol@b.example>\r\nBDAT 4\r\n\r\n\0\nRSET\r\n",
        b"MAIL FROM:<a@a.example> ENVID=X\r\nRCPT TO:<full@b.example>\r\nDATA\r\nRSET\r\n",
        b"MAIL FROM:<a@a.example>\r\nRCPT TO:<carol@b.example>\r\nDATA\r\n"
        + b"Received: x\r\n" * 60
        + b"\r\n.\r\n",
    ],
)
def test_nothing_of_a_failed_envelope_is_in_the_next(world, failure: bytes):
    """State that survived an error: recipients, parameters and text of a transaction end with it."""
    output, stored = converse(world, EHLO, failure, ENVELOPE + b"DATA\r\n", STUFFED)
    assert " accepted " in output
    (only,) = stored
    assert only.where == "bob@b.example/INBOX"
    assert only.data.endswith(b"\r\n" + MESSAGE)
    assert b"UTF8SMTP" not in only.data


@pytest.mark.parametrize(
    ("said", "codes"),
    [
        (b"BDAT 6\r\nNOOP\r\nBDAT 4 LAST\r\nabcd", ["503", "503"]),
        (b"MAIL FROM:<>\r\nBDAT 6\r\nNOOP\r\nBDAT 6 LAST\r\nQUIT\r\n", ["250", "554", "503"]),
        (b"BDAT\r\nQUIT\r\n", ["501"]),
        (b"BDAT x\r\nQUIT\r\n", ["501"]),
        (b"BDAT -1 LAST\r\nQUIT\r\n", ["501"]),
        (b"BDAT 99999999999999999999\r\nQUIT\r\n", ["503"]),
        (b"BDAT 6 FIRST\r\nQUIT\r\n", ["501"]),
    ],
)
def test_octets_of_a_chunk_that_is_refused_are_no_commands(world, said: bytes, codes: list[str]):
    """After any error the octets are read past, or the connection ends."""
    output, stored = converse(world, EHLO, said)
    answers = [line[:3] for line in output.splitlines() if line[3:4] == " "][2:]
    assert answers == codes
    assert stored == []


@pytest.mark.slow
def test_a_hundred_thousand_recipients_are_refused_in_bounded_memory(world):
    rcpt = b"RCPT TO:<bob@b.example>\r\n" * 1000
    output, stored = converse(world, EHLO, b"MAIL FROM:<a@a.example>\r\n", *[rcpt] * 100, max_recipients=100)
    assert output.count("250 2.1.5") == 100
    assert output.count("\r\n452 4.5.3 ") == 10_000
    assert output.splitlines()[-1].startswith("421 4.5.3 Too many recipients were put off, closing")
    assert stored == []


def test_recipients_that_are_put_off_end_the_dialogue_some_time(world):
    """452 was answered without end; what was put off before a message that was taken does not count."""
    limits = {"max_recipients": 2, "max_deferred_recipients": 5}
    mail, rcpt = b"MAIL FROM:<a@a.example>\r\n", b"RCPT TO:<bob@b.example>\r\n"
    whole = [mail + rcpt * 7 + b"DATA\r\n", STUFFED]
    output, stored = converse(world, EHLO, *whole, *whole, mail + rcpt * 8 + b"DATA\r\n", **limits)
    assert output.count("452 4.5.3") == 15
    assert output.count(" accepted ") == len(stored) == 2
    assert output.count("\r\n421 4.5.3 ") == output.count("closing") == 1


def test_a_message_must_not_come_octet_by_octet_for_ever(world, monkeypatch):
    now = [0.0]
    monkeypatch.setattr(incoming, "time", SimpleNamespace(monotonic=lambda: now[0]))

    async def play(size: int, seconds: float) -> str:
        async with world.opened(**TRUST) as (settings, services):
            connection = MemoryConnection()
            connection.start(inbound_session(settings, services, Role.MX))
            connection.feed(EHLO)
            await connection.quiet()
            connection.feed(ENVELOPE + b"DATA\r\n")
            await connection.quiet()
            connection.feed(b"From: a@a.example\r\n\r\n".ljust(size - 3, b"x"))
            await connection.quiet()
            connection.output()
            now[0] += seconds
            connection.feed(b"x")
            await connection.quiet()
            connection.feed(b"y\r\n.\r\n")
            await connection.quiet()
            return (connection.output() + await connection.finish()).decode()

    slowest, patience = incoming.SLOWEST, incoming.PATIENCE
    assert " accepted " in asyncio.run(play(100, patience))
    assert asyncio.run(play(100, patience + 1)).startswith("421 4.4.2 The message comes too slowly")
    assert " accepted " in asyncio.run(play(int(slowest * (patience + 1)) + 3, patience + 1))


@pytest.mark.parametrize(
    ("header", "reply"),
    [
        (b"From: %b", "250 2.0.0"),
        (b"From: " + b"%b," * 99 + b"carol@b.example", "550 5.7.1 The From address is not one of"),
        (b"From: " + b"%b," * 99 + b"%b", "250 2.0.0"),
        (b"From: " + b"%b," * 100 + b"%b", "554 5.6.0 The From address lists too many"),
        (b"From: " + b"%b," * 5000 + b"carol@b.example", "554 5.6.0 The From address lists too many"),
        (b"From: %b\r\nSender: " + b"%b," * 5000 + b"carol@b.example", "554 5.6.0 The Sender lists too many"),
        (b"From: %b\r\nResent-From: %b" * 101, "554 5.6.0 The "),
        (b"From: %b\r\nFrom\0: carol@b.example", "554 5.6.0 The header has a NUL"),
    ],
)
def test_an_author_behind_the_last_that_is_read_is_not_let_through(world, header: bytes, reply: str):
    mail = b"MAIL FROM:<bob@b.example>\r\nRCPT TO:<x@else.example>\r\nDATA\r\n"
    text = header.replace(b"%b", b"bob@b.example") + b"\r\n\r\nhi\r\n.\r\n"
    output, _ = converse(world, EHLO, LOGIN, mail, text, role=Role.SUBMISSION, tls=True)
    assert output.splitlines()[-1].startswith(reply)


def test_at_the_mx_neither(world):
    text = b"From: " + b"a@a.example," * 5000 + b"ceo@b.example\r\n\r\nhi\r\n.\r\n"
    output, stored = converse(world, EHLO, ENVELOPE + b"DATA\r\n", text)
    assert output.splitlines()[-1].startswith("550 5.7.1 The From field names more than one domain")
    assert stored == []


@pytest.mark.parametrize("change", ["password", "off", "removed"])
def test_a_session_does_not_outlive_its_login(world, change: str):
    """Who stole a password must stop when it is changed, not when he likes to hang up."""
    mail = b"MAIL FROM:<bob@b.example>\r\nRCPT TO:<x@else.example>\r\nDATA\r\n"
    text = b"From: bob@b.example\r\n\r\nspam\r\n.\r\n"

    async def revoke(services: InboundServices) -> None:
        bob = Address.parse("bob@b.example")
        account = await services.store.reader.account_named("bob@b.example")
        assert account is not None
        if change == "password":
            await set_password(services.store, bob, "other")
        elif change == "off":
            await services.store.transact(lambda tx: tx.set_account_enabled(account.account_id, False))
        else:
            await remove_person(services.store, bob)

    async def play() -> str:
        async with world.opened() as (settings, services):
            connection = MemoryConnection(tls=True)
            connection.start(inbound_session(settings, services, Role.SUBMISSION))
            for packet in (EHLO, LOGIN, mail, text):
                await connection.quiet()
                connection.feed(packet)
            await connection.quiet()
            assert b" accepted " in connection.output()
            await revoke(services)
            connection.feed(mail)
            await connection.quiet()
            connection.feed(text)
            return (connection.output() + await connection.finish()).decode()

    output = asyncio.run(play())
    assert output.startswith("421 4.7.0 Log in again")
    assert output.count("\r\n") == 1


@pytest.mark.parametrize(
    "junk",
    [
        b"AUTH PLAIN !!!!\r\n",
        b"AUTH PLAIN\r\n=====\r\n",
        b"AUTH PLAIN AAA\r\n",
        b"AUTH LOGIN\r\n\xff\xfe\r\n",
    ],
)
def test_junk_in_auth_is_refused_and_counted(world, junk: bytes):
    output, _ = converse(world, EHLO, junk * 10, role=Role.SUBMISSION, tls=True, max_errors=5)
    assert "\r\n501 5.5.2 " in output
    assert output.rstrip().rpartition("\r\n")[2].startswith("421 4.7.0 ")
    assert "\r\n235 " not in output
