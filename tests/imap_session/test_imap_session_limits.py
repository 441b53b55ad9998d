"""MESSAGELIMIT and SAVELIMIT (RFC 9738): at the limit, and past it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from postier.imap.session.limits import with_limit_code

Test = Callable[[Any], Awaitable[None]]


@pytest.fixture
def limited(in_world: Any) -> Callable[[Test], None]:
    """Five messages in INBOX, of which a command works on two."""

    def run(test: Test) -> None:
        async def filled(world: Any) -> None:
            for _ in range(5):
                await world.deliver(world.plain)
            await test(world)

        in_world(filled, message_limit=2, save_limit=3)

    return run


def test_they_are_announced(limited: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client()
        assert b" MESSAGELIMIT=2 SAVELIMIT=3\r\n" in await one.command(b"CAPABILITY")

    limited(test)


def test_fetch_answers_for_the_newest(limited: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client(b"SELECT INBOX")
        assert (await one.attempt(b"FETCH 1:* UID")).splitlines() == [
            b"* 4 FETCH (UID 4)",
            b"* 5 FETCH (UID 5)",
            b"c3 OK [MESSAGELIMIT 2 4] Done for the newest of the messages",
        ]
        answer = await one.attempt(b"UID FETCH 1,3:4 UID")
        assert answer.splitlines()[-1] == b"c4 OK [MESSAGELIMIT 2 3] Done for the newest of the messages"
        assert (await one.attempt(b"UID FETCH 1:2 UID")).endswith(b"c5 OK Done\r\n")
        assert (await one.attempt(b"UID FETCH 1:* UID (PARTIAL 1:2)")).endswith(b"c6 OK Done\r\n")
        answer = await one.attempt(b"UID FETCH 1:* UID (PARTIAL 1:3)")
        assert answer == b"c7 NO [MESSAGELIMIT 2] Too many messages, try fewer of them\r\n"

    limited(test)


def test_store_changes_the_newest(limited: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client(b"SELECT INBOX (CONDSTORE)")
        answer = await one.attempt(b"STORE 1:* +FLAGS.SILENT \\Seen")
        assert answer.splitlines() == [
            b"* 4 FETCH (UID 4 MODSEQ (8))",
            b"* 5 FETCH (UID 5 MODSEQ (8))",
            b"c3 OK [MESSAGELIMIT 2 4] Done for the newest of the messages",
        ]
        answer = await one.attempt(b"UID STORE 3:5 (UNCHANGEDSINCE 7) +FLAGS.SILENT \\Draft")
        assert (
            b"* NO [MESSAGELIMIT 2 4] Done for the newest of the messages\r\nc4 OK [MODIFIED 4:5]" in answer
        )
        answer = await one.send(b"a STORE 1:3 +FLAGS.SILENT \\Seen\r\nb STORE 1 +FLAGS.SILENT \\Draft\r\n")
        assert b"a OK [MESSAGELIMIT 2 2] " in answer
        assert answer.endswith(b"b OK Done\r\n")

    limited(test)


def test_copy_is_all_or_nothing_and_move_is_not(limited: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client(b"SELECT INBOX")
        answer = await one.attempt(b"COPY 1:3 Sent")
        assert answer == b"c3 NO [MESSAGELIMIT 2 2] Too many messages, try fewer of them\r\n"
        answer = await one.attempt(b"COPY 1:4 Sent")
        assert answer == b"c4 NO [MESSAGELIMIT 3] Too many messages, try fewer of them\r\n"
        assert b"(MESSAGES 0)" in await one.command(b"STATUS Sent (MESSAGES)")
        assert b"OK [COPYUID" in await one.attempt(b"COPY 1:2 Sent")
        answer = await one.attempt(b"MOVE 1:* Sent")
        assert answer.splitlines()[0] == b"* OK [COPYUID 1700000004 4:5 3:4] Moved"
        assert answer.splitlines()[-1] == b"c7 OK [MESSAGELIMIT 2 4] Done for the newest of the messages"
        await one.command(b"ENABLE QRESYNC")
        answer = await one.attempt(b"UID MOVE 1:3 Sent")
        assert b"* NO [MESSAGELIMIT 2 2] " in answer
        assert b"c9 OK [HIGHESTMODSEQ " in answer

    limited(test)


def test_expunge_by_uid(limited: Any) -> None:
    """The \\Deleted ones count; EXPUNGE itself has no limit."""

    async def test(world: Any) -> None:
        one = await world.client(b"SELECT INBOX")
        for uids in (b"1", b"3", b"5"):
            await one.command(b"UID STORE %b +FLAGS.SILENT \\Deleted" % uids)
        answer = await one.attempt(b"UID EXPUNGE 1:*")
        assert [line for line in answer.splitlines() if b"EXPUNGE" in line] == [
            b"* 5 EXPUNGE",
            b"* 3 EXPUNGE",
        ]
        assert answer.splitlines()[-1] == b"c6 OK [MESSAGELIMIT 2 3] Done for the newest of the messages"
        await one.command(b"UID STORE 2,4 +FLAGS.SILENT \\Deleted")
        assert (await one.attempt(b"EXPUNGE")).endswith(b"c8 OK Expunged\r\n")
        assert b"* 0 EXISTS" in await one.command(b"SELECT INBOX")

    limited(test)


def test_search_looks_at_the_newest_that_the_sets_leave(limited: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client(b"SELECT INBOX")
        assert (await one.attempt(b"SEARCH ALL")).splitlines() == [
            b"* SEARCH 4 5",
            b"c3 OK [MESSAGELIMIT 2 4] Done for the newest of the messages",
        ]
        assert (await one.attempt(b"UID SEARCH UIDBEFORE 4 UNSEEN")).splitlines() == [
            b"* SEARCH 2 3",
            b"c4 OK [MESSAGELIMIT 2 2] Done for the newest of the messages",
        ]
        assert await one.command(b"UID SEARCH UIDBEFORE 2") == b"* SEARCH 1\r\n"
        assert await one.command(b"SEARCH UID 2:4 3:5") == b"* SEARCH 3 4\r\n"
        assert await one.command(b"UID SEARCH UIDAFTER 5") == b"* SEARCH\r\n"
        assert await one.command(b"UID SEARCH UIDBEFORE 1") == b"* SEARCH\r\n"
        await one.command(b"UID SEARCH RETURN (SAVE) ALL")
        assert await one.command(b"FETCH $ UID") == b"* 4 FETCH (UID 4)\r\n* 5 FETCH (UID 5)\r\n"
        for command in (b"SORT (DATE) UTF-8 ALL", b"THREAD REFERENCES UTF-8 ALL"):
            answer = await one.attempt(command)
            assert b" NO [MESSAGELIMIT 2] Too many messages" in answer
        assert await one.command(b"SORT (ARRIVAL) UTF-8 UID 1:2") == b"* SORT 1 2\r\n"

    limited(test)


def test_append(limited: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client()
        answer = await one.send(b"a APPEND Sent {1+}\r\nx {1+}\r\ny {1+}\r\nz\r\n")
        assert answer == b"a NO [MESSAGELIMIT 2] Too many messages, try fewer of them\r\n"
        assert b"a OK [APPENDUID" in await one.send(b"a APPEND Sent {1+}\r\nx {1+}\r\ny\r\n")

    limited(test)


def test_a_code_is_told_once() -> None:
    class Said:
        lowest_done = 7
        settings = type("S", (), {"message_limit": 9})
        said = b""

        def say(self, data: bytes) -> None:
            self.said += data

    context: Any = Said()
    assert (
        with_limit_code(context, b"OK Done") == b"OK [MESSAGELIMIT 9 7] Done for the newest of the messages"
    )
    assert with_limit_code(context, b"OK Done") == b"OK Done"
