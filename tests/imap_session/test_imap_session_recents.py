"""\\Recent is shown by the first session that is told of a message, and by no other (RFC 3501 2.3.2)."""

from __future__ import annotations

from typing import Any

from postier.imap.session.recents import Recents
from postier.store import api as store


def test_ranges() -> None:
    recents = Recents()
    assert (5 in recents, recents.count([5]), recents.choose([5], wanted=False)) == (False, 0, [5])
    recents.add(3, 4)
    recents.add(5, 5)
    recents.add(9, 8)
    recents.add(9, 9)
    assert recents.first == 3
    assert [uid for uid in range(1, 12) if uid in recents] == [3, 4, 5, 9]
    assert recents.count([1, 4, 5, 6, 9, 10]) == 3
    assert recents.choose([1, 4, 6, 9], wanted=True) == [4, 9]
    assert recents.choose([1, 4, 6, 9], wanted=False) == [1, 6]


def test_of_two_sessions_the_first_to_hear_shows_it(in_world: Any) -> None:
    async def test(world: Any) -> None:
        one = await world.client(b"SELECT INBOX")
        two = await world.client(b"SELECT INBOX")
        other = await world.client()
        await one.command(b"APPEND INBOX {3+}\r\nabc")
        assert b" 1 EXISTS\r\n* 0 RECENT\r\n" in await two.command(b"NOOP")
        assert b"(RECENT 0)" in await other.command(b"STATUS INBOX (RECENT)")
        assert b"\\Recent" in await one.command(b"FETCH * FLAGS")
        assert b"\\Recent" not in await two.command(b"FETCH * FLAGS")
        await other.command(b"APPEND INBOX {3+}\r\nabc")
        assert b" 2 EXISTS\r\n* 1 RECENT\r\n" in await two.command(b"NOOP")
        assert b" 2 EXISTS\r\n* 1 RECENT\r\n" in await one.command(b"NOOP")
        assert b"* SEARCH 2\r\n" in await two.command(b"SEARCH RECENT")
        assert b"* SEARCH 1\r\n" in await one.command(b"SEARCH RECENT")
        assert b"* SEARCH 2\r\n" in await one.command(b"SEARCH OLD")
        assert b"* 1 FETCH (FLAGS (\\Recent))\r\n* 2 FETCH (FLAGS ())" in await one.command(
            b"FETCH 1:2 FLAGS"
        )

    in_world(test)


def test_who_only_looks_takes_it_from_nobody(in_world: Any) -> None:
    async def test(world: Any) -> None:
        looking = await world.client(b"EXAMINE INBOX")
        other = await world.client()
        await other.command(b"APPEND INBOX {3+}\r\nabc")
        assert b" 1 EXISTS\r\n* 1 RECENT\r\n" in await looking.command(b"NOOP")
        assert b"(RECENT 1)" in await other.command(b"STATUS INBOX (RECENT)")
        assert b"* 1 RECENT\r\n" in await other.command(b"SELECT INBOX")

    in_world(test)


def test_with_imap4rev2_nobody_takes_it(in_world: Any) -> None:
    async def test(world: Any) -> None:
        new = await world.client(b"ENABLE IMAP4rev2", b"SELECT INBOX")
        other = await world.client()
        await other.command(b"APPEND INBOX {3+}\r\nabc")
        assert b"RECENT" not in await new.command(b"NOOP")
        assert b"* 1 RECENT\r\n" in await other.command(b"SELECT INBOX")

    in_world(test)


def test_where_nothing_can_be_written_news_are_told_all_the_same(in_world: Any, monkeypatch: Any) -> None:
    async def test(world: Any) -> None:
        async def down(*_: object, **__: object) -> object:
            raise store.StoreUnavailable("disk full")

        client = await world.client(b"SELECT INBOX")
        await world.deliver(world.plain)
        monkeypatch.setattr(type(world.store), "transact", down)
        assert b"* 1 EXISTS\r\n* 0 RECENT\r\n" in await client.command(b"NOOP")
        assert b"* 0 RECENT\r\n" in await client.command(b"SELECT INBOX")

    in_world(test)
