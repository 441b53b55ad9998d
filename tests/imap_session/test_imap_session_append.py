"""APPEND and REPLACE beside what a dialogue can say: quotas, limits, ends in the middle."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from postier.store.api import Tx

MESSAGE = b"Subject: s\r\n\r\n" + b"x" * 86  # 100 octets


async def set_quota(world: Any, octets: int) -> None:
    async def work(tx: Tx) -> None:
        await tx.set_quota(world.account_id, octets=octets, messages=0, mailboxes=0)

    await world.store.transact(work)


def test_only_growth_counts_when_a_message_is_replaced(in_world: Callable[..., None]) -> None:
    """RFC 8508 3.4."""

    async def test(world: Any) -> None:
        client = await world.client()
        await client.command(b"APPEND Drafts {100+}\r\n" + MESSAGE)
        await client.command(b"SELECT Drafts")
        await set_quota(world, 150)
        refused = await client.attempt(b"APPEND Drafts {100}")  # before the octets are asked for
        assert b" NO [OVERQUOTA] " in refused
        assert b"+ " not in refused
        assert b" NO [OVERQUOTA] " in await client.attempt(b"REPLACE 1 Drafts {151}")
        assert b" NO [OVERQUOTA] " in await client.attempt(b"APPEND Drafts {20+}\r\n%b {31}" % MESSAGE[:20])
        assert b"* 2 EXISTS" in await client.command(b"REPLACE 1 Drafts {150+}\r\n" + MESSAGE + b"y" * 50)
        found = await client.command(b"UID FETCH 1:* RFC822.SIZE")
        assert found == b"* 1 FETCH (UID 2 RFC822.SIZE 150)\r\n"

    in_world(test)


def test_messages_that_are_too_much_together(in_world: Callable[..., None]) -> None:
    async def test(world: Any) -> None:
        client = await world.client()
        one = b" {400+}\r\n" + b"x" * 400
        assert b" OK " in await client.attempt(b"APPEND Drafts" + one * 2)
        assert b" NO [LIMIT] " in await client.attempt(b"APPEND Drafts" + one * 3)
        assert b" NO [TOOBIG] " in await client.attempt(
            b"APPEND Drafts" + one + b" {1001+}\r\n" + b"x" * 1001
        )
        assert b"(MESSAGES 2)" in await client.command(b"STATUS Drafts (MESSAGES)")

    in_world(test, max_message_size=1000)


def test_as_many_messages_as_there_may_be(in_world: Callable[..., None]) -> None:
    async def test(world: Any) -> None:
        client = await world.client()
        await client.command(b"APPEND Drafts" + b" {1+}\r\nx" * 1000)
        assert b" NO [LIMIT] " in await client.attempt(b"APPEND Drafts" + b" {1+}\r\nx" * 1001)
        urls = b" CATENATE (URL /Drafts/;UID=1)"
        await client.command(b"APPEND Sent" + urls * 500)
        assert b" BAD " in await client.attempt(b"APPEND Sent" + urls * 501)
        assert b"(MESSAGES 500)" in await client.command(b"STATUS Sent (MESSAGES)")

    in_world(test)


def test_a_session_that_is_cut_off_within_an_append_ends(in_world: Callable[..., None]) -> None:
    """In every state of the literal; `in_world` waits for the sessions."""

    async def test(world: Any) -> None:
        for sent in (b"", b"x", b"xyz", b"xyz CATENATE (TEXT {1}\r\n"):
            client = await world.client()
            await client.send(b"a APPEND Drafts {3+}\r\n" + sent)

    in_world(test)


def test_a_line_without_end_behind_a_message_ends_the_session(in_world: Callable[..., None]) -> None:
    async def test(world: Any) -> None:
        client = await world.client()
        answer = await client.send(b"a APPEND INBOX {3+}\r\nabc" + b"x" * 70000)
        assert answer == b"a BAD Line too long\r\n* BYE Too many errors\r\n"
        assert client.connection.closed

    in_world(test)


def test_a_store_that_fails_before_the_command_leaves_it_in_step(in_world: Callable[..., None]) -> None:
    """The literal that waits for a decision is refused, whoever fails."""

    async def test(world: Any) -> None:
        client = await world.client(b"ENABLE UIDONLY", b"SELECT INBOX")
        answer = await client.attempt(b"REPLACE 1 Drafts {3+}\r\nxyz\r\nd NOOP")
        assert b" BAD [UIDREQUIRED] " in answer
        assert b"d OK" in answer

    in_world(test)


def test_what_is_catenated_is_what_fetch_shows(in_world: Callable[..., None]) -> None:
    """Large messages and their parts, piece by piece; \\Seen stays as it is."""

    async def test(world: Any) -> None:
        body = b"".join(b"line %d\r\n" % number for number in range(200_000))
        await world.deliver(b"Subject: large\r\n\r\n" + body)
        client = await world.client()
        await client.command(b"APPEND Sent CATENATE (TEXT {2+}\r\na: URL /INBOX/;UID=1/;SECTION=TEXT)")
        await client.command(b"APPEND Sent CATENATE (URL /INBOX/;UID=1/;SECTION=TEXT/;PARTIAL=700000.900000)")
        await client.command(b"SELECT Sent")
        answer = await client.command(b"FETCH 1 BODY.PEEK[]")
        assert answer == b"* 1 FETCH (BODY[] {%d}\r\na:%b)\r\n" % (len(body) + 2, body)
        answer = await client.command(b"FETCH 2 BODY.PEEK[]")
        assert answer == b"* 2 FETCH (BODY[] {900000}\r\n%b)\r\n" % body[700000:1600000]
        assert b"(UNSEEN 1)" in await client.command(b"STATUS INBOX (UNSEEN)")

    in_world(test)


def test_a_url_that_is_too_long(in_world: Callable[..., None]) -> None:
    """Written in the line it has the bound of one in a literal, and is not sent back."""

    async def test(world: Any) -> None:
        client = await world.client()
        answer = await client.attempt(b"APPEND Sent CATENATE (URL /%b)" % (b"u" * 9000))
        assert answer.startswith(b"c2 NO [LIMIT] ")
        assert len(answer) < 100
        answer = await client.attempt(b"APPEND Sent CATENATE (URL /%b)" % (b"u" * 8000))
        assert answer.startswith(b"c3 NO [BADURL ")

    in_world(test)
