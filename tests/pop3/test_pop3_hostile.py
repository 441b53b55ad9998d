"""Clients that send too much, read nothing, or come while the store fails."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from postier.net.connection import FEED_LIMIT, READ_LIMIT, WRITE_LIMIT
from postier.pop3.wire.server import ENOUGH, MAX_ERRORS
from postier.testing.connection import MemoryConnection

HELLO = b"USER tim\r\nPASS tan staaf\r\n"
MESSAGE = b"Subject: x\r\n\r\n" + b".line\r\n" * 400


async def logged_in(world: Any, **settings: Any) -> MemoryConnection:
    connection = MemoryConnection()
    connection.start(world.session(allow_plaintext=True, **settings))
    connection.feed(HELLO)
    await connection.quiet()
    connection.output()
    return connection


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"NOOP", b"+OK\r\n"),
        (b"CAPA", b".\r\n"),
        (b"UIDL", b".\r\n"),
        (b"RETR 1", b"\r\n.\r\n"),
        (b"LANG", b".\r\n"),
        (b"DELE 9", b"-ERR No such message\r\n"),
    ],
)
def test_ten_thousand_pipelined_commands(make_world: Any, command: bytes, answer: bytes) -> None:
    """All are answered in order; a client that reads nothing meanwhile holds a bounded amount."""
    world = make_world({1: MESSAGE, 2: b"x\r\n"}, chunk=4096)

    async def dialogue() -> None:
        connection = await logged_in(world)
        connection.stall()
        connection.feed((command + b"\r\n") * 10_000)
        await connection.quiet()
        held = connection.wire.get_write_buffer_size()
        assert held < WRITE_LIMIT + ENOUGH + FEED_LIMIT * 20 + READ_LIMIT
        connection.flow()
        output = await connection.finish()
        assert output.count(answer) >= 10_000

    asyncio.run(dialogue())


COMMANDS = ["RETR 1", "TOP 1 1", "QUIT", "LANG *"]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_store_that_fails_in_the_middle(make_world: Any, command: str) -> None:
    """The command is refused for now, the session goes on, and nothing is deleted."""
    world = make_world({1: MESSAGE, 2: b"x\r\n"})

    async def dialogue() -> bytes:
        connection = await logged_in(world)
        connection.feed(b"DELE 2\r\n")
        await connection.quiet()
        connection.output()
        world.store_down = True
        connection.feed(f"{command}\r\n".encode())
        await connection.quiet()
        first = connection.output()
        world.store_down = False
        connection.feed(b"STAT\r\nRSET\r\nRETR 1\r\n")
        return first + b"|" + await connection.finish()

    first, _, rest = asyncio.run(dialogue()).partition(b"|")
    assert first == b"-ERR [SYS/TEMP] Temporary failure, try later\r\n"
    assert command == "QUIT" or rest.startswith(b"+OK 1 2814\r\n+OK\r\n+OK 2814 octets\r\n")
    assert world.expunged == []


def test_what_needs_no_store_is_answered_without_it(make_world: Any) -> None:
    world = make_world({1: MESSAGE, 2: b"x\r\n"})

    async def dialogue() -> bytes:
        connection = await logged_in(world)
        world.store_down = True
        connection.feed(b"STAT\r\nLIST\r\nUIDL 2\r\nDELE 2\r\nRSET\r\nNOOP\r\nCAPA\r\n")
        return await connection.finish()

    assert asyncio.run(dialogue()).count(b"+OK") == 7


def test_capa_before_the_login_needs_no_store(make_world: Any) -> None:
    world = make_world({})
    world.store_down = True

    async def dialogue() -> bytes:
        connection = MemoryConnection()
        connection.start(world.session(allow_plaintext=True))
        connection.feed(b"CAPA\r\n")
        return await connection.finish()

    assert b"\r\nEXPIRE NEVER\r\n" in asyncio.run(dialogue())


JUNK = [
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" * 5,
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(256)) * 40 + b"\r\n" * 12,
    b"\x00\r\n" * 12,
    b"EHLO a\r\nMAIL FROM:<>\r\nRCPT TO:<b@c>\r\nDATA\r\n" * 3,
    b"AUTH PLAIN ====\r\n" * 12,
    b"AUTH PLAIN\r\n\xff\xfe\r\n" * 12,
    b"AUTH\r\n" * 12,
    b"AUTH \r\n" * 12,
    b"AUTH " + b"X" * 12_000 + b"\r\n" + b"AUTH X " * 1000 + b"\r\n" + b"\r\n" * 12,
    b"USER " + b"\xff" * 50 + b"\r\n" + b"PASS\r\n" * 12,
    b"LANG \x1b[2J\r\n" * 12,
]


@pytest.mark.parametrize("junk", JUNK, ids=range(len(JUNK)))
def test_junk_ends_the_connection_and_nothing_of_it_comes_back(make_world: Any, junk: bytes) -> None:
    world = make_world({})

    async def dialogue() -> tuple[bytes, bool]:
        connection = MemoryConnection()
        connection.start(world.session(allow_plaintext=True))
        connection.feed(junk)
        await connection.quiet()
        return connection.output(), connection.closed

    output, closed = asyncio.run(dialogue())
    assert closed
    assert output.endswith(b"-ERR Too many errors, goodbye\r\n") or b"[AUTH]" in output
    assert output.isascii()
    assert b"\x1b" not in output
    assert output.count(b"-ERR") <= MAX_ERRORS + 1
