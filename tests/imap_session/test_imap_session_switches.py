"""Capabilities that are switched off while the server runs, as clients see it."""

from __future__ import annotations

from typing import Any

import pytest

from postier.accounts.switches import Switch, add_switches, remove_switches
from postier.imap.session import find, progress
from postier.store import api as store


async def capabilities(client: Any) -> set[bytes]:
    return set((await client.command(b"CAPABILITY")).split())


def test_for_one_account(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await add_switches(
            world.store, [Switch("LITERAL+", world.account_id), Switch("IDLE", world.account_id)]
        )
        client = world.connect()
        assert b" LITERAL+ " in await client.greeting()
        answer = await client.attempt(b"LOGIN bob@b.example secret")
        assert b" LITERAL- " in answer
        assert b" LITERAL+ " not in answer
        assert b"IDLE" not in await capabilities(client)
        assert (await client.attempt(b"IDLE")).startswith(b"c3 BAD Unknown command")
        assert await client.attempt(b"STATUS {5+}\r\nINBOX (MESSAGES)") == (
            b"* STATUS INBOX (MESSAGES 0)\r\nc4 OK Done\r\n"
        )
        answer = await client.attempt(b"CREATE {5000+}\r\n%b" % (b"m" * 5000))
        assert answer.startswith(b"c5 BAD [TOOBIG] ")
        assert await client.command(b"NOOP") == b""

    in_world(test)


def test_for_everybody_from_the_greeting_on(in_world: Any) -> None:
    async def test(world: Any) -> None:
        switches = [Switch("UNAUTHENTICATE"), Switch("SASL-IR"), Switch("ENABLE")]
        await add_switches(world.store, switches)
        client = world.connect()
        greeting = await client.greeting()
        assert b" IMAP4rev1 " in greeting
        assert not [name for name in (b"SASL-IR", b"IMAP4rev2", b"ENABLE") if name in greeting]
        assert b"BAD" in await client.attempt(b"AUTHENTICATE PLAIN AGJvYkBiLmV4YW1wbGUAc2VjcmV0")
        await client.command(b"LOGIN bob@b.example secret")
        assert (await client.attempt(b"UNAUTHENTICATE")).startswith(b"c3 BAD ")
        assert (await client.attempt(b"ENABLE QRESYNC")).startswith(b"c4 BAD ")
        assert await remove_switches(world.store, switches)
        client = await world.client()
        assert b"UNAUTHENTICATE" in await capabilities(client)

    in_world(test)


def test_for_a_program_that_says_who_it_is(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await add_switches(world.store, [Switch("QRESYNC", None, "old*", "1.*")])
        client = await world.client()
        assert b"QRESYNC" in await capabilities(client)
        answer = await client.command(b'ID ("Name" "OldMail" "version" "1.9")')
        id_line, capability_line = answer.splitlines()
        assert id_line.startswith(b"* ID (")
        assert capability_line.startswith(b"* CAPABILITY IMAP4rev1 ")
        assert b"QRESYNC" not in capability_line
        assert await client.command(b"ENABLE QRESYNC CONDSTORE") == b"* ENABLED CONDSTORE\r\n"
        assert (await client.attempt(b"SELECT INBOX (QRESYNC (1 1))")).startswith(b"c5 BAD ")
        assert b"CAPABILITY" not in await client.command(b'ID ("name" "OldMail" "version" "1.9")')
        assert b"QRESYNC" in await client.command(b'ID ("name" "OldMail" "version" "2.0")')

    in_world(test)


def test_a_program_that_says_so_before_login(in_world: Any) -> None:
    async def test(world: Any) -> None:
        await add_switches(
            world.store, [Switch("LITERAL+", None, "old*"), Switch("MOVE", world.account_id, "oldmail")]
        )
        client = world.connect()
        await client.greeting()
        assert b" LITERAL- " in await client.command(b'ID ("name" "OldMail")')
        answer = await client.attempt(b"LOGIN bob@b.example secret")
        assert b" LITERAL- " in answer
        assert b" MOVE " not in answer
        await client.command(b"UNAUTHENTICATE")
        assert b"LITERAL-" in await capabilities(client)

    in_world(test)


def test_a_store_that_is_not_available_is_greeted_for_and_told_at_login(
    in_world: Any, monkeypatch: Any
) -> None:
    async def test(world: Any) -> None:
        async def down(*_: object) -> object:
            raise store.StoreUnavailable("disk full")

        with monkeypatch.context() as patched:
            patched.setattr(type(world.store.reader), "meta", down)
            client = world.connect()
            assert (await client.greeting()).startswith(b"* OK [CAPABILITY ")
            answer = await client.attempt(b"LOGIN bob@b.example secret")
            assert answer.startswith(b"c1 NO [UNAVAILABLE] ")
            assert (await client.attempt(b"SELECT INBOX")).startswith(b"c2 BAD ")
            assert (await client.command(b"ID NIL")).startswith(b"* ID ")
        await client.command(b"LOGIN bob@b.example secret")

    in_world(test)


def test_what_is_off_is_not_told_either(in_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(world: Any) -> None:
        await world.fill()
        await add_switches(world.store, [Switch("INPROGRESS"), Switch("CONDSTORE")])
        monkeypatch.setattr(find, "SLICE", 1)
        monkeypatch.setattr(progress, "EVERY", 0.0)
        client = await world.client()
        assert b"HIGHESTMODSEQ" not in await client.command(b"SELECT INBOX")
        assert await client.command(b"SEARCH ALL") == b"* SEARCH 1 2 3\r\n"

    in_world(test)
