"""SEARCH where a dialogue cannot say it: what was enabled, failures, and commands that take long."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from postier.imap.session import find
from postier.imap.session.context import Context
from postier.imap.session.search_leaf import AT_A_STRETCH
from postier.store.api import StoreUnavailable

Enable = Callable[..., None]


@pytest.fixture
def enabled(monkeypatch: Any) -> Enable:
    """`enabled("UIDONLY")`: every session has it from the start."""

    def enable(*names: str) -> None:
        made = Context.__init__

        def with_names(self: Context, *arguments: Any) -> None:
            made(self, *arguments)
            self.enabled |= frozenset(names)

        monkeypatch.setattr(Context, "__init__", with_names)

    return enable


def test_uid_only_takes_no_sequence_numbers(in_world: Any, enabled: Enable) -> None:
    enabled("UIDONLY")

    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"SELECT INBOX")
        for wrong in (
            b"SEARCH ALL",
            b"UID SEARCH 1:2",
            b"UID SEARCH NOT (SEEN OR 1 UNSEEN)",
            b"SEARCH UID 1",
        ):
            assert b"BAD [UIDREQUIRED] " in await client.attempt(wrong)
        assert await client.command(b"UID SEARCH RETURN (SAVE) UID 2:*") == b""
        assert await client.command(b"UID SEARCH $ UNSEEN") == b"* SEARCH 2 3\r\n"

    in_world(test)


def test_a_search_that_is_refused_leaves_nothing_saved(in_world: Any, monkeypatch: Any) -> None:
    async def test(world: Any) -> None:
        async def down(*_: object, **__: object) -> object:
            raise StoreUnavailable

        await world.fill()
        client = await world.client(b"SELECT INBOX")
        many = b"RETURN (SAVE) " + b"SEEN " * 1000
        for refused in (many + b"SEEN", b"RETURN (SAVE) CHARSET KLINGON TEXT x", b"RETURN (SAVE) LARGER 1"):
            assert await client.command(b"SEARCH RETURN (SAVE) ALL") == b""
            assert await client.command(b"SEARCH $") == b"* SEARCH 1 2 3\r\n"
            with monkeypatch.context() as patched:
                patched.setattr(type(world.store.reader), "uids_with_number", down)
                assert b" NO [" in await client.attempt(b"SEARCH " + refused)
            assert await client.command(b"SEARCH $") == b"* SEARCH\r\n"

    in_world(test)


def test_a_search_that_is_bad_or_saves_nothing_leaves_what_was_saved(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"SELECT INBOX", b"SEARCH RETURN (SAVE) 2:3")
        for other in (b"SHOES", b"CHARSET KLINGON TEXT x", b"ALL", b"RETURN (MIN) ALL", b"RETURN (SAVE) x"):
            await client.attempt(b"SEARCH " + other)
            assert await client.command(b"SEARCH $") == b"* SEARCH 2 3\r\n"
        await client.command(b"EXAMINE INBOX")
        assert await client.command(b"SEARCH $") == b"* SEARCH\r\n"

    in_world(test)


@pytest.fixture
def hurried(monkeypatch: Any) -> Callable[[Any], None]:
    """`hurried(world)`: a search looks at one message at a time, and each look at the clock takes three
    seconds."""

    def hurry(world: Any) -> None:
        clock, seconds = world.services.clock, iter(range(0, 10**6, 3))
        monkeypatch.setattr(type(clock), "monotonic", lambda self: float(next(seconds)))
        monkeypatch.setattr(find, "SLICE", 1)

    return hurry


def test_a_long_search_tells_how_far_it_is(in_world: Any, hurried: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"SELECT INBOX", b"COPY 1:3 INBOX")
        hurried(world)
        answer = await client.command(b"SEARCH ALL")
        reports = [b'* OK [INPROGRESS ("c4" %d 6)] Still working\r\n' % done for done in (2, 4)]
        assert answer == b"".join(reports) + b"* SEARCH 1 2 3 4 5 6\r\n"

    in_world(test)


def test_what_was_saved_has_lost_what_others_expunged(in_world: Any) -> None:
    """RFC 5182 2.1: also before this client may be told."""

    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"SELECT INBOX", b"SEARCH RETURN (SAVE) ALL")
        other = await world.client(b"SELECT INBOX", b"STORE 1 +FLAGS.SILENT (\\Deleted)", b"EXPUNGE")
        answer = await client.command(b"FETCH $ RFC822.SIZE")
        assert [line.split()[1] for line in answer.splitlines()] == [b"2", b"3"]
        assert b"* 1 FETCH" not in await client.command(b"STORE $ +FLAGS (\\Flagged)")
        assert b"* 1 EXPUNGE\r\n" in await client.command(b"COPY $ Sent")
        await client.command(b"SELECT Sent")
        assert await client.command(b"SEARCH ALL") == b"* SEARCH 1 2\r\n"
        await other.command(b"NOOP")

    in_world(test)


def test_sets_of_64_kib_and_many_keys_take_bounded_time(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"SELECT INBOX")
        odd = b",".join(b"%d" % n for n in range(1, 24_000, 2))[: 60 * 1024].rpartition(b",")[0]
        back = b",".join(b"%d:%d" % (n + 1, n) for n in range(9_000, 0, -3))
        ors = b"OR 2 " * 400 + b"2"
        start = time.process_time()
        for verb in (b"SEARCH ", b"SORT (DATE) UTF-8 ", b"THREAD REFS UTF-8 ", b"UID SEARCH RETURN (COUNT) "):
            for key in (odd, back, b"UID " + odd, b"NOT " + back, ors, b"NOT " * 900 + b"2"):
                await client.command(verb + key)
            refused = await client.attempt(verb + b"OR 2 " * 9_000 + b"2")
            assert b" NO [LIMIT] " in refused
            assert b" BAD " in await client.attempt(verb + b"OR 2 " * 10_000 + b"2")
            assert b" BAD " in await client.attempt(verb + b"(" * 20_000 + b"2" + b")" * 20_000)
        assert time.process_time() - start < 30
        assert await client.command(b"SEARCH " + odd) == b"* SEARCH 1 3\r\n"

    in_world(test)


def test_the_selected_mailbox_is_searched_whatever_it_is_called(in_world: Any) -> None:
    """Another session renames it, and another mailbox gets its name (RFC 7377)."""

    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"CREATE one", b"SELECT INBOX", b"COPY 1:2 one", b"SELECT one")
        await world.client(b"RENAME one two", b"CREATE one")
        answer = await client.command(b"ESEARCH IN (selected) ALL")
        assert b' MAILBOX "two" ' in answer
        assert answer.endswith(b" UID ALL 1:2\r\n")

    in_world(test)


def test_many_keys_leave_turns_to_others(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also within one slice of the mailbox."""

    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"SELECT INBOX")
        reader, turn, looks = type(world.store.reader), 0, Counter[int]()
        ask = reader.uids_with_number

        async def counting(self: Any, *arguments: Any) -> Any:
            looks[turn] += 1
            return await ask(self, *arguments)

        async def clockwork() -> None:
            nonlocal turn
            while True:
                turn += 1
                await asyncio.sleep(0)

        monkeypatch.setattr(reader, "uids_with_number", counting)
        others = asyncio.create_task(clockwork())
        answer = await client.command(b"SEARCH " + b"OR LARGER 1000000 " * 99 + b"SMALLER 1000000")
        others.cancel()
        assert answer == b"* SEARCH 1 2 3\r\n"
        assert sum(looks.values()) == 100
        assert max(looks.values()) <= AT_A_STRETCH

    in_world(test)


def test_keys_that_are_deep_are_refused_or_searched(in_world: Any) -> None:
    """And the session goes on."""

    async def test(world: Any) -> None:
        await world.fill()
        client = await world.client(b"SELECT INBOX")
        found = await client.command(b"UID SEARCH " + b"OR UID 9 NOT " * 99 + b"UID 1")
        assert found == b"* SEARCH 2 3\r\n"
        for verb in (b"SEARCH", b"UID SEARCH", b"SORT (DATE) UTF-8", b"UID THREAD REFS UTF-8", b"ESEARCH"):
            for link in (b"OR ALL NOT ", b"FUZZY NOT "):
                answer = await client.attempt(verb + b" " + link * 3000 + b"ALL")
                assert b" BAD " in answer
                assert b"SERVERBUG" not in answer
        assert await client.command(b"NOOP") == b""

    in_world(test)
