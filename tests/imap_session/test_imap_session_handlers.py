"""The table of handlers against the table of commands and the grammar's search keys."""

from __future__ import annotations

import asyncio
from typing import Any

from postier.accounts.mailboxes import BadMailboxName
from postier.blobs.api import BlobUnreadable
from postier.imap.session.errors import REFUSALS, Bad, No, refusal
from postier.imap.session.fetch import ITEMS
from postier.imap.session.flags import parse_flags
from postier.imap.session.handlers import HANDLERS, News
from postier.imap.session.mailboxes import STATUS_SUMS, STATUS_VALUES
from postier.imap.session.search_keys import COMBINATIONS, LEAVES
from postier.imap.session.view import NoSuchSequence
from postier.imap.wire import fetch, mailboxes, search_keys, values
from postier.imap.wire.commands import COMMANDS
from postier.imap.wire.search import BadCharset
from postier.imap.wire.values import BadCommand, Command
from postier.store import api as store


def test_every_command_of_the_table_has_a_handler() -> None:
    named = {kind.name.encode() for kind in HANDLERS}
    assert named == set(COMMANDS)


def test_every_event_that_is_a_command_has_a_handler() -> None:
    kinds = {kind for kind in vars(values).values() if isinstance(kind, type) and issubclass(kind, Command)}
    assert kinds - set(HANDLERS) == {Command, BadCommand}


def test_commands_that_count_in_sequence_numbers_never_expunge() -> None:
    for kind, handler in HANDLERS.items():
        command = kind.__new__(kind)
        if kind.name in ("FETCH", "STORE", "SEARCH", "SORT", "THREAD") and kind is not BadCharset:
            object.__setattr__(command, "by_uid", False)
            assert handler.news(command) is News.NO_EXPUNGE
            object.__setattr__(command, "by_uid", True)
            assert handler.news(command) is News.ALL


def test_every_item_and_key_of_the_grammar_has_a_meaning() -> None:
    assert {item for item in fetch._ITEMS.values() if isinstance(item, str)} == set(ITEMS)
    assert set(STATUS_VALUES) | set(STATUS_SUMS) >= mailboxes.STATUS_ITEMS
    keys = {name.decode() for name in search_keys._KEYS} | {"SEQUENCE", "UID"}
    assert keys == set(LEAVES)
    assert set(COMBINATIONS) == {"AND", "OR", "NOT", "FUZZY"}


def test_every_store_error_is_told_with_a_code() -> None:
    kinds = [
        kind for kind in vars(store).values() if isinstance(kind, type) and issubclass(kind, store.StoreError)
    ]
    for kind in kinds:
        if kind is not store.StoreError:
            line = refusal(kind("secret detail"))
            assert line is not None
            assert line.startswith(b"NO [" + REFUSALS[kind][0].encode() + b"] ")
            assert b"secret" not in line


def test_refusals() -> None:
    assert refusal(No("LIMIT", "Enough")) == b"NO [LIMIT] Enough"
    assert refusal(No("", "Enough")) == b"NO Enough"
    assert refusal(Bad("Wrong")) == b"BAD Wrong"
    assert refusal(Bad("Wrong", code="UIDREQUIRED")) == b"BAD [UIDREQUIRED] Wrong"
    assert refusal(BadMailboxName("Bad")) == b"NO [CANNOT] Bad"
    assert refusal(BlobUnreadable("/data/packs/1")) == b"NO [CORRUPTION] A message cannot be read"
    assert refusal(NoSuchSequence()) is not None
    assert refusal(ValueError("a fault of ours")) is None


def test_flags_by_name() -> None:
    assert parse_flags(("\\seen", "\\Deleted", "$Junk", "\\Recent", "\\Unknown")) == (9, ("$Junk",))


def test_a_fault_in_a_handler_is_told_with_the_session_and_survived(in_world: Any, monkeypatch: Any) -> None:
    async def test(world: Any) -> None:
        async def broken(*_: object) -> object:
            raise ZeroDivisionError

        client = await world.client()
        monkeypatch.setattr(type(world.store.reader), "mailboxes", broken)
        answer = await client.attempt(b'LIST "" *')
        assert answer == b"c2 NO [SERVERBUG] Internal error, session %b\r\n" % client.connection.id.encode()
        assert await client.command(b"NOOP") == b""

    in_world(test)


def test_a_store_that_is_not_available_is_told_and_survived(in_world: Any, monkeypatch: Any) -> None:
    async def test(world: Any) -> None:
        async def down(*_: object, **__: object) -> object:
            raise store.StoreUnavailable("disk full: /data")

        await world.fill()
        client = await world.client(b"SELECT INBOX")
        with monkeypatch.context() as patched:
            patched.setattr(type(world.store), "transact", down)
            assert (await client.attempt(b"STORE 1 +FLAGS \\Deleted")).startswith(b"c3 NO [UNAVAILABLE] ")
            answer = await client.attempt(b"APPEND INBOX {5+}\r\nhello")
            assert answer.startswith(b"c4 NO [UNAVAILABLE] ")
            assert b"/data" not in answer
        assert b"\\Deleted" not in await client.command(b"FETCH 1 FLAGS")
        assert await client.command(b"STATUS INBOX (MESSAGES)") == b"* STATUS INBOX (MESSAGES 3)\r\n"

    in_world(test)


def test_a_disk_that_is_full_while_a_message_comes_in(in_world: Any, monkeypatch: Any) -> None:
    async def test(world: Any) -> None:
        async def full(self: object, chunk: bytes) -> None:
            raise OSError(28, "No space left on device")

        client = await world.client()
        monkeypatch.setattr(type(world.services.blobs.spool()), "write", full)
        body = b"x" * 200_000
        answer = await client.attempt(b"APPEND INBOX {%d+}\r\n%b" % (len(body), body))
        assert answer.startswith(b"c2 NO [UNAVAILABLE] ")
        assert await client.command(b"NOOP") == b""

    in_world(test)


def test_the_time_before_login_is_short(in_world: Any) -> None:
    async def test(world: Any) -> None:
        client = world.connect()
        await client.greeting()
        await client.connection.elapse(61)
        assert client.connection.output().startswith(b"* BYE ")
        patient = await world.client()
        await patient.connection.elapse(1700)
        assert patient.connection.output() == b""
        await asyncio.sleep(0)

    in_world(test)
