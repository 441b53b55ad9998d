"""What becomes of mail that comes in: what is stored, where, and what never is."""

from __future__ import annotations

import asyncio
import dataclasses
import re

import pytest

from postier.mailauth.dkim.keys import txt_record
from postier.smtp.inbound.dialogue import Role
from postier.smtp.inbound.session import EVENTS_AT_ONCE, inbound_session
from postier.store.api import StoreUnavailable
from postier.testing.connection import MemoryConnection

EHLO = b"EHLO a.example\r\n"
ENVELOPE = b"MAIL FROM:<a@a.example>\r\nRCPT TO:<bob@b.example>\r\nDATA\r\n"
MESSAGE = b"From: A <a@a.example>\r\nTo: bob@b.example\r\nSubject: Hi\r\n\r\nHello\r\n.dot\r\n"
LOGIN = b"AUTH PLAIN AGJvYkBiLmV4YW1wbGUAY29ycmVjdCBob3JzZQ==\r\n"
SUBMITTED = b"From: Bob <bob@b.example>\r\nTo: x@else.example\r\nSubject: Hi\r\n\r\nHello\r\n"
TRUST = {"trust_loopback": True}


def text(message: bytes) -> bytes:
    return message.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def to(*recipients: str, sender: str = "a@a.example") -> bytes:
    rcpt = "".join(f"RCPT TO:<{recipient}>\r\n" for recipient in recipients)
    return f"MAIL FROM:<{sender}>\r\n{rcpt}DATA\r\n".encode()


def receive(world, message=MESSAGE, *recipients: str, sender: str = "a@a.example", **settings):
    said = [EHLO, to(*(recipients or ("bob@b.example",)), sender=sender), text(message)]
    return asyncio.run(world.converse(said, **settings))


def submit(world, message=SUBMITTED, *recipients: str, **settings):
    said = [EHLO, LOGIN, to(*(recipients or ("x@else.example",)), sender="bob@b.example"), text(message)]
    return asyncio.run(world.converse(said, Role.SUBMISSION, tls=True, **settings))


# ---------------------------------------------------------------------- port 25


def test_mail_is_stored_byte_for_byte_behind_our_trace(world):
    output, [message] = receive(world, **TRUST)
    trace_id = re.search(r"250 2\.0\.0 accepted (\w+)", output)[1]
    assert message.where == "bob@b.example/INBOX"
    assert message.data == (
        b"Return-Path: <a@a.example>\r\n"
        b"Received: from a.example ([192.0.2.1])\r\n"
        b"\tby mx.b.example with ESMTP id " + trace_id.encode() + b"\r\n"
        b"\tfor <bob@b.example>;\r\n"
        b"\tTue, 10 Nov 2026 12:00:00 +0000\r\n" + MESSAGE
    )


def test_one_copy_each_however_many_recipients_lead_there(world):
    _, stored = receive(
        world, MESSAGE, "team@b.example", "bob@b.example", "bob+x@b.example", "away@b.example", **TRUST
    )
    assert [(each.where, each.destination, each.recipients) for each in stored] == [
        ("bob@b.example/INBOX", "", ()),
        ("carol@b.example/INBOX", "", ()),
        ("queue", "else.example", ("bob@else.example",)),
    ]
    assert b"for <" not in stored[0].data.partition(b"From:")[0]  # nobody learns of the others
    assert len({each.data for each in stored}) == 1


@pytest.mark.parametrize(
    "message",
    [b"", b"\r\n", b"no header at all\r\n", b"\r\nonly a body\r\n", b"Subject: no body\r\n", b"A: b\r\n\r\n"],
)
def test_odd_messages_are_stored_as_they_are(world, message: bytes):
    _, [stored] = receive(world, message, **TRUST)
    assert stored.data.partition(b"+0000\r\n")[2] == message


def test_a_message_larger_than_memory_streams_through(world):
    message = MESSAGE + b"0123456789" * 7 * 40_000 + b"\r\n"
    _, [stored] = receive(world, message, **TRUST)
    assert stored.data.endswith(message)


def test_bdat_and_data_store_the_same(world):
    bdat = ENVELOPE.removesuffix(b"DATA\r\n")
    for cut in (0, 1, 60, len(MESSAGE)):
        chunks = b"BDAT %d\r\n%sBDAT %d LAST\r\n%s" % (cut, MESSAGE[:cut], len(MESSAGE) - cut, MESSAGE[cut:])
        _, [stored] = asyncio.run(world.converse([EHLO, bdat + chunks], **TRUST))
        assert stored.data.partition(b"+0000\r\n")[2] == MESSAGE


def test_nothing_is_stored_before_the_end(world):
    said = [EHLO, ENVELOPE, MESSAGE]
    assert asyncio.run(world.converse(said, **TRUST))[1] == []


def test_a_smuggled_message_is_not_stored(world):
    said = [EHLO, ENVELOPE, MESSAGE + b"\n.\n" + ENVELOPE + MESSAGE + b".\r\n"]
    output, stored = asyncio.run(world.converse(said, **TRUST))
    assert stored == []
    assert output.endswith("554 5.5.2 A CR or LF stands alone: lines end in CRLF\r\n")


@pytest.mark.parametrize(("hops", "refused"), [(49, False), (50, True), (990, True)])
def test_a_loop_ends_at_fifty_hops(world, hops: int, refused: bool):
    output, stored = receive(world, b"Received: from x by y; z\r\n" * hops + MESSAGE, **TRUST)
    assert ("\r\n554 5.4.6 " in output) == refused
    assert len(stored) == (not refused)


class NoSpools:
    """Blobs that have no place for a new message, once."""

    def __init__(self, blobs) -> None:
        self._blobs = blobs
        self._failed = False

    def __getattr__(self, name: str):
        return getattr(self._blobs, name)

    def spool(self):
        if self._failed:
            return self._blobs.spool()
        self._failed = True
        raise OSError(28, "No space left on device")


@pytest.mark.parametrize("begin", [b"DATA\r\n", b"BDAT 80\r\n"])
def test_no_place_for_the_beginning_is_no_message_without_its_beginning(world, begin: bytes):
    def full(services):
        return dataclasses.replace(services, blobs=NoSpools(services.blobs))

    said = [EHLO, ENVELOPE.removesuffix(b"DATA\r\n") + begin, MESSAGE[:10], MESSAGE * 2 + b".\r\n"]
    output, stored = asyncio.run(world.converse(said, change=full, **TRUST))
    assert re.search(r"\r\n4[25][12] 4\.3\.[01] ", output)
    assert stored == []


@pytest.mark.slow
@pytest.mark.parametrize("begin", [b"DATA\r\n", b"BDAT 99999999999999999999 LAST\r\n"])
def test_a_message_without_end_is_cut_off(world, begin: bytes):
    """A little past the limit its refusal still comes; far past it, we hang up with it."""
    piece = b"0123456789abcd\r\n" * 65536
    said = [EHLO, ENVELOPE.removesuffix(b"DATA\r\n") + begin, *[piece] * 66]
    output, stored = asyncio.run(world.converse(said, max_message_size=100_000, **TRUST))
    assert output.splitlines()[-1].startswith("552 5.3.4 The message is too big [trace ")
    assert stored == []


def test_nothing_of_a_refused_transaction_survives(world):
    said = [
        EHLO,
        to("carol@b.example", "bob@b.example"),
        text(b"Received: x\r\n" * 60 + MESSAGE),
        to("bob@b.example", sender="c@c.example"),
        text(MESSAGE),
    ]
    _, [stored] = asyncio.run(world.converse(said, **TRUST))
    assert stored.where == "bob@b.example/INBOX"
    assert stored.data.startswith(b"Return-Path: <c@c.example>\r\n")


class Broken:
    """A store whose transactions fail so often before they work."""

    def __init__(self, store, error: Exception, times: int) -> None:
        self._store = store
        self._error = error
        self._times = times

    def __getattr__(self, name: str):
        return getattr(self._store, name)

    async def transact(self, work, *, durable: bool = True):
        if self._times:
            self._times -= 1
            raise self._error
        return await self._store.transact(work, durable=durable)


@pytest.mark.parametrize(
    ("error", "reply"), [(StoreUnavailable("locked"), "451 4.3.0"), (OSError(28, "disk full"), "452 4.3.1")]
)
def test_a_store_that_fails_is_told_and_nothing_is_doubled(world, error: Exception, reply: str):
    def broken(services):
        return dataclasses.replace(services, store=Broken(services.store, error, 1))

    said = [EHLO, ENVELOPE, text(MESSAGE), ENVELOPE, text(MESSAGE)]
    output, stored = asyncio.run(world.converse(said, change=broken, **TRUST))
    assert f"\r\n{reply} " in output
    assert output.count("250 2.0.0 accepted") == 1
    assert len(stored) == 1
    assert "disk" not in output.partition("354")[2]


class FullSpools:
    def __init__(self, blobs) -> None:
        self._blobs = blobs

    def __getattr__(self, name: str):
        return getattr(self._blobs, name)

    def spool(self):
        return FullSpool(self._blobs.spool())


class FullSpool:
    def __init__(self, spool) -> None:
        self._spool = spool

    def __getattr__(self, name: str):
        return getattr(self._spool, name)

    async def write(self, chunk: bytes) -> None:
        raise OSError(28, "No space left on device")


def test_a_full_disk_while_the_message_comes(world):
    def full(services):
        return dataclasses.replace(services, blobs=FullSpools(services.blobs))

    said = [EHLO, ENVELOPE, MESSAGE * 10, MESSAGE * 10, text(b"QUIT\r\n"), b"NOOP\r\n"]
    output, stored = asyncio.run(world.converse(said, change=full, **TRUST))
    output = re.sub(r" \[trace \w{16}\]", "", output)
    assert output.endswith("452 4.3.1 Not enough storage at the moment, try again later\r\n250 2.0.0 OK\r\n")
    assert stored == []


# ---------------------------------------------------------------------- sender authentication

HONEST = {
    "a.example": [("TXT", "v=spf1 ip4:192.0.2.1 -all"), ("A", "192.0.2.1")],
    "_dmarc.a.example": [("TXT", "v=DMARC1; p=reject")],
}
FORGED = {
    "a.example": [("TXT", "v=spf1 ip4:198.51.100.7 -all")],
    "_dmarc.a.example": [("TXT", "v=DMARC1; p=reject")],
    "lenient.example": [("TXT", "v=spf1 -all")],
    "_dmarc.lenient.example": [("TXT", "v=DMARC1; p=quarantine")],
}


def test_what_the_dns_says_stands_on_top(world):
    world.zone = HONEST
    _, [stored] = receive(world)
    assert stored.where == "bob@b.example/INBOX"
    head = stored.data.partition(b"\r\nReceived:")[0].decode()
    assert head.startswith("Return-Path: <a@a.example>\r\nAuthentication-Results: mx.b.example;\r\n")
    assert "spf=pass" in head
    assert "dmarc=pass" in head
    assert "header.from=a.example" in head


def test_a_forgery_is_refused_and_not_stored(world):
    world.zone = FORGED
    output, stored = receive(world)
    assert "\r\n550 5.7.26 " in output
    assert stored == []


def test_quarantine_is_the_junk_folder(world):
    world.zone = FORGED
    _, [stored] = receive(world, MESSAGE.replace(b"a@a.", b"a@lenient."), sender="a@lenient.example")
    assert stored.where == "bob@b.example/Junk"


def test_a_dns_that_fails_loses_no_mail(world):
    world.zone = {"a.example": ["TIMEOUT"], "_dmarc.a.example": ["TIMEOUT"]}
    _, [stored] = receive(world)
    assert stored.where == "bob@b.example/INBOX"
    assert b"spf=temperror" in stored.data


def test_two_authors_are_one_too_many(world):
    output, stored = receive(world, b"From: a@a.example, b@c.example\r\n\r\n")
    assert "\r\n550 5.7.1 " in output
    assert stored == []


def test_a_forged_result_in_our_name_is_cut_out(world):
    lie = b"Authentication-Results: mx.b.example; dmarc=pass\r\n"
    other = b"Authentication-Results: other.example; dmarc=fail\r\n"
    for settings in ({}, TRUST):
        _, [stored] = receive(world, lie + other + MESSAGE + lie, **settings)
        assert stored.data.partition(b"+0000\r\n")[2] == other + MESSAGE + lie


@pytest.mark.parametrize(
    "hidden", [b"From: b@c.example\r\n", b"Authentication-Results: mx.b.example; x=1\r\n"]
)
def test_nothing_hides_behind_the_last_field_we_read(world, hidden: bytes):
    output, stored = receive(world, b"From: a@a.example\r\n" + b"X-A: b\r\n" * 1000 + hidden + b"\r\nHi\r\n")
    assert "\r\n554 5.6.0 " in output
    assert stored == []
    _, [stored] = receive(world, b"From: a@a.example\r\n" + b"X-A: b\r\n" * 900 + b"\r\nHi\r\n")
    assert stored.where == "bob@b.example/INBOX"


# ---------------------------------------------------------------------- submission


def test_submitted_mail_is_mended_signed_and_queued(world):
    message = SUBMITTED.replace(b"Subject", b"Bcc: secret@else.example,\r\n hidden@else.example\r\nSubject")
    output, stored = submit(
        world, message, "x@else.example", "y@else.example", "z@third.example", "carol@b.example"
    )
    assert "250 2.0.0 accepted" in output
    assert [(each.where, each.recipients) for each in stored] == [
        ("carol@b.example/INBOX", ()),
        ("queue", ("x@else.example", "y@else.example")),
        ("queue", ("z@third.example",)),
    ]
    data = stored[1].data
    assert b"secret" not in data
    assert b"hidden" not in data
    assert data.startswith(b"Return-Path: <bob@b.example>\r\nDKIM-Signature: v=1;")
    assert b"with ESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384) id " in data
    assert b"\r\nDate: Tue, 10 Nov 2026 12:00:00 +0000\r\nMessage-ID: <" in data
    assert data.endswith(SUBMITTED)


def test_nobody_learns_where_our_people_are(world):
    _, [hidden] = submit(world)
    _, [told] = submit(world, hides_client=False)
    assert b"\r\nReceived: from unknown\r\n\tby mx.b.example with ESMTPSA" in hidden.data
    assert b"a.example" not in hidden.data
    assert b"192.0.2.1" not in hidden.data
    assert b"\r\nReceived: from a.example ([192.0.2.1])\r\n\tby mx.b.example with ESMTPSA" in told.data


def test_the_line_of_a_login_names_its_tls(world, capfd):
    submit(world)
    [line] = [line for line in capfd.readouterr().err.splitlines() if " info login login " in line]
    assert 'tls="TLSv1.3 TLS_AES_256_GCM_SHA384"' in line


def test_our_signature_verifies_at_the_receiver(world):
    _, [queued] = submit(world)
    sent = queued.data.partition(b"\r\n")[2]
    world.zone = {
        "s1._domainkey.b.example": [("TXT", txt_record(world.key))],
        "_dmarc.b.example": [("TXT", "v=DMARC1; p=reject")],
    }
    _, [received] = receive(world, sent, sender="bob@b.example")
    assert b"dkim=pass" in received.data
    assert b"dmarc=pass" in received.data


def test_a_date_and_a_message_id_that_are_there_stay(world):
    message = b"date: Mon, 09 Nov 2026 12:00:00 +0000\r\nMESSAGE-ID: <1@b.example>\r\n" + SUBMITTED
    _, [queued] = submit(world, message)
    assert queued.data.endswith(b"+0000\r\n" + message)


def test_hidden_from_addresses_are_found(world):
    for hidden in (
        b"From: Bob <bob@b.example>\r\nFrom: Carol <carol@b.example>\r\n",
        b"From: group: Bob <bob@b.example>, carol@b.example;\r\n",
        b"From: bob@b.example (x), <carol@b.example>\r\n",
        b"From: carol@b.example\r\nFrom: bob@b.example\r\n",
        b"From: bob@b.example <carol@b.example>\r\n",
        b"From: <bob@b.example\r\n",
        b"From: \r\n",
        b"From: bob@b.example\r\n" + b"X-A: b\r\n" * 1000 + b"From: carol@b.example\r\n",
        b"From: bob@b.example, (" + b"c\r\n " * 26_000 + b"), carol@b.example\r\n",
        b"From: bob@b.example\r\nSender: Carol <carol@b.example>\r\n",
        b"From: bob@b.example\r\nsender : bob@b.example\r\nSender: carol@b.example\r\n",
        b"From: bob@b.example\r\nResent-From: carol@b.example\r\n",
        b"From: bob@b.example\r\nRESENT-FROM : bob@b.example, carol@b.example\r\n",
        b"From: bob@b.example\r\nResent-From: bob@b.example\r\nResent-Sender: carol@b.example\r\n",
        b"From: bob@b.example\r\nResent-From: bob@b.example\r\nResent-From: carol@b.example\r\n",
        b"From: bob@b.example\r\nResent-From: <carol\r\n",
        b"From: a@a.example\r\nResent-From: bob@b.example\r\n",
    ):
        output, stored = submit(world, hidden + b"\r\nHello\r\n")
        assert re.search(r"\r\n(550 5\.7\.1|554 5\.6\.0) ", output), hidden
        assert stored == []


def test_what_a_client_asked_of_the_queue_reaches_it(world):
    found = []

    async def look(services):
        found.extend(await services.store.reader.queue_entries())

    said = [
        EHLO,
        LOGIN,
        b"MAIL FROM:<bob@b.example> RET=HDRS ENVID=QQ1 BODY=8BITMIME SMTPUTF8\r\n"
        b"RCPT TO:<x@else.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@else.example\r\n"
        b"RCPT TO:<jos\xc3\xa9@else.example>\r\nRCPT TO:<z@[192.0.2.9]>\r\nDATA\r\n",
        text(SUBMITTED + b"\xe9\r\n"),
    ]
    asyncio.run(world.converse(said, Role.SUBMISSION, tls=True, after=look))
    domain, literal = found
    assert (domain.destination, literal.destination) == ("else.example", "[192.0.2.9]")
    assert (domain.ret, domain.envid, domain.body) == ("HDRS", "QQ1", "8BITMIME")
    assert (domain.smtputf8, literal.smtputf8) == (True, False)
    assert [recipient.forward_path for recipient in domain.recipients] == [
        "x@else.example",
        "josé@else.example",
    ]
    assert domain.recipients[0].notify == "SUCCESS,DELAY"
    assert domain.recipients[0].orcpt == "rfc822;x@else.example"
    assert domain.account_id is not None


def test_a_plain_message_asks_for_no_smtputf8(world):
    found = []

    async def look(services):
        found.extend(await services.store.reader.queue_entries())

    said = [
        EHLO,
        LOGIN,
        b"MAIL FROM:<bob@b.example> SMTPUTF8\r\nRCPT TO:<x@else.example>\r\nDATA\r\n",
        text(SUBMITTED),
    ]
    asyncio.run(world.converse(said, Role.SUBMISSION, tls=True, after=look))
    assert [(entry.smtputf8, entry.body) for entry in found] == [(False, "7BIT")]


@pytest.mark.parametrize(
    "author",
    [
        b"From: John Q. Public <bob@b.example>",
        b'from: "Bob, B." <BOB@B.Example>',
        b"From: =?utf-8?q?B=C3=B6b?= <bob+tag@b.example>",
        b"From: Us: bob@b.example, team@b.example;",
        b"From:\r\n bob@b.example",
        b"From: bob@b.example\r\nSender: bob+phone@b.example",
        b"From: bob@b.example\r\nResent-From: team@b.example\r\nResent-Sender: B <bob@b.example>",
        b"From: bob@b.example, team@b.example\r\nSender: bob@b.example",
    ],
)
def test_ones_own_addresses_in_their_many_forms(world, author: bytes):
    output, [queued] = submit(world, author + b"\r\n\r\nHello\r\n")
    assert "250 2.0.0 accepted" in output
    assert queued.where == "queue"


# ---------------------------------------------------------------------- manners


def test_who_talks_before_the_greeting_is_sent_away(world):
    async def talk() -> str:
        async with world.opened() as (found, services):
            connection = MemoryConnection()
            connection.feed(b"EHLO a.example\r\n")
            connection.start(inbound_session(found, services, Role.MX))
            return (await connection.finish()).decode()

    assert asyncio.run(talk()) == "554 Wait for the greeting\r\n"


def test_pipelining_behind_ehlo_is_for_junk_senders_only(world):
    said = [EHLO + ENVELOPE]
    assert asyncio.run(world.converse(said))[0].endswith("\r\n554 Wait for the reply (RFC 2920)\r\n")
    assert "554" not in asyncio.run(world.converse(said, **TRUST))[0]


@pytest.mark.parametrize("early", [b"x", MESSAGE, b"RSET\r\n", text(MESSAGE)])
def test_text_before_354_is_for_junk_senders_only(world, early: bytes):
    """Nothing of what came is read as a command, and nothing is stored."""
    said = [EHLO, ENVELOPE + early, b"NOOP\r\n"]
    output, stored = asyncio.run(world.converse(said))
    assert output.endswith("250 2.1.5 Recipient OK\r\n554 5.5.0 Wait for the reply (RFC 2920)\r\n")
    assert stored == []


def test_what_follows_quit_is_never_read(world):
    output, stored = asyncio.run(world.converse([EHLO, b"QUIT\r\n" + ENVELOPE + text(MESSAGE)]))
    assert output.endswith("250 STARTTLS\r\n221 2.0.0 Bye\r\n")
    assert stored == []


@pytest.mark.parametrize("verb", [b"GET / HTTP/1.1", b"POST /x HTTP/1.1", b"get /", b"CONNECT b:25 HTTP/1.0"])
def test_a_browser_is_sent_away_at_once(world, verb: bytes):
    output, stored = asyncio.run(world.converse([verb + b"\r\nHost: b\r\n\r\n" + EHLO + ENVELOPE]))
    assert output == "220 mx.b.example ESMTP Postier\r\n554 5.5.1 This is SMTP\r\n"
    assert stored == []


def test_ten_thousand_recipients_are_bounded(world):
    said = [
        EHLO,
        b"MAIL FROM:<a@a.example>\r\n" + b"RCPT TO:<bob@b.example>\r\n" * 10_000 + b"DATA\r\n",
        text(MESSAGE),
    ]
    output, stored = asyncio.run(world.converse(said, max_recipients=100, **TRUST))
    assert output.count("250 2.1.5") == 100
    assert output.count("452 4.5.3") == 9_900
    assert len(stored) == 1


def test_a_long_batch_lets_others_have_their_turn(world):
    """5,000 commands in one packet, and whoever waits meanwhile."""
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def talk() -> None:
        async with world.opened(max_recipients=100, **TRUST) as (found, services):
            connection = MemoryConnection()
            connection.start(inbound_session(found, services, Role.MX))
            await connection.quiet()
            connection.feed(EHLO + b"MAIL FROM:<>\r\n" + b"RCPT TO:<bob@b.example>\r\n" * 5000)
            waiting = asyncio.create_task(others())
            await connection.quiet()
            waiting.cancel()
            await connection.finish()

    asyncio.run(talk())
    assert turns >= 5000 // EVENTS_AT_ONCE


def test_commands_that_wait_behind_starttls_end_the_connection(world):
    said = [EHLO, b"STARTTLS\r\nMAIL FROM:<evil@a.example>\r\n", b"RCPT TO:<bob@b.example>\r\n"]
    output, _ = asyncio.run(world.converse(said))
    assert output.endswith("554 5.5.1 Wait for the reply to STARTTLS\r\n")
