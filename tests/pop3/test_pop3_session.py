"""The POP3 door: dialogues in transcripts/, and what a dialogue cannot show."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from postier.testing.connection import MemoryConnection
from postier.testing.transcript import play, play_file

TRANSCRIPTS = sorted((Path(__file__).parent / "transcripts").glob("*.txt"))
MESSAGES = {
    3: b"Subject: one\r\n\r\nHello\r\n",
    5: b".Subject: two\r\n\r\n.\r\n..two\r\nlast line without end",
    9: b"Subject: three\r\n\r\n1\r\n2\r\n3\r\n",
}
LOGIN = "S: +OK\nC: USER tim\nS: +OK\nC: PASS tan staaf\nS: +OK 3 messages$\n"


@pytest.mark.parametrize("path", TRANSCRIPTS, ids=lambda path: path.stem)
def test_transcript(path: Path, make_world: Any) -> None:
    settings: dict[str, Any] = {"allow_plaintext": path.stem.startswith("plaintext")}
    play_file(path, lambda: make_world(dict(MESSAGES)).session(**settings))


def run(world: Any, text: str, **settings: Any) -> None:
    """One dialogue in a world that can be looked at afterwards."""
    play(text, lambda: world.session(allow_plaintext=True, **settings))


def once(world: Any, *steps: bytes) -> bytes:
    """The steps in one go, each as a packet; all that came back."""

    async def dialogue() -> bytes:
        connection = MemoryConnection()
        connection.start(world.session(allow_plaintext=True))
        for step in steps:
            connection.feed(step)
            await connection.quiet()
        return await connection.finish()

    return asyncio.run(dialogue())


HELLO = b"USER tim\r\nPASS tan staaf\r\n"


def test_dele_takes_effect_at_quit_only(make_world: Any) -> None:
    world = make_world(dict(MESSAGES))
    once(world, HELLO, b"DELE 1\r\nDELE 3\r\n")
    assert world.expunged == []
    once(world, HELLO, b"DELE 1\r\nRSET\r\nDELE 2\r\nQUIT\r\n")
    assert world.expunged == [5]


def test_commands_behind_quit_are_not_executed(make_world: Any) -> None:
    world = make_world(dict(MESSAGES))
    output = once(world, HELLO, b"DELE 1\r\nQUIT\r\nDELE 2\r\nQUIT\r\n")
    assert world.expunged == [3]
    assert output.endswith(b"+OK Goodbye\r\n")


def test_the_maildrop_is_a_snapshot(make_world: Any) -> None:
    """Another session expunges and delivers; numbers and UIDL stay."""
    world = make_world(dict(MESSAGES))

    async def dialogue() -> bytes:
        connection = MemoryConnection()
        connection.start(world.session(allow_plaintext=True))
        connection.feed(HELLO)
        await connection.quiet()
        del world.messages[5]
        world.messages[10] = b"new\r\n"
        connection.output()
        connection.feed(b"STAT\r\nRETR 2\r\nUIDL 3\r\nRETR 4\r\n")
        return await connection.finish()

    assert asyncio.run(dialogue()).splitlines() == [
        b"+OK 3 98",
        b"-ERR The message was removed meanwhile",
        b"+OK 3 0000123400000009",
        b"-ERR No such message",
    ]


def test_a_store_that_is_down_is_temporary_and_tells_no_path(make_world: Any) -> None:
    world = make_world(dict(MESSAGES))
    world.store_down = True
    run(world, "S: +OK\nC: USER tim\nS: +OK\nC: PASS tan staaf\nS: -ERR [SYS/TEMP] Temporary failure")

    world.store_down = False

    async def dialogue() -> bytes:
        connection = MemoryConnection()
        connection.start(world.session(allow_plaintext=True))
        connection.feed(HELLO + b"DELE 1\r\n")
        await connection.quiet()
        connection.output()
        world.store_down = True
        connection.feed(b"RETR 2\r\nQUIT\r\n")
        return await connection.finish()

    output = asyncio.run(dialogue())
    assert output.count(b"-ERR [SYS/TEMP]") == 2
    assert b"secret" not in output
    assert world.expunged == []


def test_an_unreadable_message_does_not_end_the_session(make_world: Any) -> None:
    world = make_world(dict(MESSAGES))
    world.unreadable.add(5)
    run(world, LOGIN + "C: RETR 2\nC: TOP 2 0\nC: STAT\nS: -ERR [SYS/PERM]\nS: -ERR [SYS/PERM]\nS: +OK 3")


def test_a_message_that_breaks_halfway_ends_the_connection(make_world: Any) -> None:
    """There is no other way to say that the message is not whole."""
    world = make_world(dict(MESSAGES))
    world.broken_after = 28

    async def dialogue() -> tuple[bytes, bool]:
        connection = MemoryConnection()
        connection.start(world.session(allow_plaintext=True))
        connection.feed(HELLO)
        await connection.quiet()
        connection.output()
        connection.feed(b"RETR 2\r\nQUIT\r\n")
        await connection.quiet()
        return connection.output(), connection.wire.aborted

    assert asyncio.run(dialogue()) == (b"+OK 48 octets\r\n..Subject: two\r\n\r\n..\r\n...two\r\nl", True)


def test_who_failed_too_often_is_told_to_come_back_later(make_world: Any) -> None:
    world = make_world({})
    world.refused = True
    run(world, "S: +OK\nC: AUTH PLAIN AHRpbQB0YW4gc3RhYWY=\nS: -ERR [SYS/TEMP] Too many failures\nS: <EOF>")


def test_many_messages_in_pages(make_world: Any) -> None:
    world = make_world(dict.fromkeys(range(2, 12003), b"x\r\n"))
    output = once(world, HELLO, b"LIST\r\nUIDL\r\nSTAT\r\n")
    listing, uids, stat = output.split(b"\r\n.\r\n")
    assert listing.endswith(b"\r\n12001 3")
    assert uids.endswith(b"\r\n12001 0000123400002ee2")
    assert stat == b"+OK 12001 36003\r\n"


def test_three_failures_end_the_connection(make_world: Any) -> None:
    world = make_world({})
    text = "S: +OK\n" + "C: USER tim\nS: +OK\nC: PASS wrong\nS: -ERR [AUTH]\n" * 3 + "S: <EOF>"
    run(world, text)
    assert world.logins == [("tim", "192.0.2.1")] * 9


def test_an_idle_client_deletes_nothing(make_world: Any) -> None:
    world = make_world(dict(MESSAGES))
    run(world, LOGIN + "C: DELE 1\nS: +OK\nC: <WAIT 600>\nS: <EOF>")
    assert world.expunged == []


def test_the_input_before_tls_is_forgotten(make_world: Any) -> None:
    """RFC 2595 4, and STARTTLS injection: what is pipelined behind STLS ends the connection."""
    world = make_world(dict(MESSAGES))

    async def dialogue() -> bytes:
        connection = MemoryConnection()
        connection.start(world.session())
        connection.feed(b"STLS\r\nCAPA\r\n")
        await connection.quiet()
        assert connection.closed
        return connection.output()

    assert b"Begin TLS" not in asyncio.run(dialogue())


def test_implicit_tls_offers_no_stls(make_world: Any) -> None:
    world = make_world(dict(MESSAGES))
    play(
        "S: +OK\nC: STLS\nS: -ERR TLS is on already\nC: USER tim\nS: +OK\nC: PASS tan staaf\nS: +OK 3",
        world.session,
        connect=lambda: MemoryConnection(tls=True),
    )


def test_header_fields_in_utf8_go_to_who_asked_for_them(make_world: Any) -> None:
    """RFC 6856 2.1 and RFC 6858; the octets of the body, and of old 8-bit mail, are nobody's business."""
    new = "Subject: été\r\nFrom: Zoë <zoë@a.example>\r\n\r\nOù ?\r\n".encode()
    old = b"Subject: \xe9t\xe9\r\n\r\nO\xf9 ?\r\n"
    bare = "Subject: été".encode()
    world = make_world({1: new, 2: old, 3: bare})
    asked = b"RETR 1\r\nRETR 2\r\nRETR 3\r\nTOP 1 0\r\n"
    as_is = once(world, b"UTF8\r\n" + HELLO, asked)
    for message in (new, old, bare):
        assert message in as_is
    plain = once(world, HELLO, asked)
    assert old in plain
    assert "\r\n\r\nOù ?\r\n.\r\n".encode() in plain
    assert plain.count(b"Subject: =?utf-8?b?w6l0w6k=?=\r\n") == 3
    assert plain.count(b"From: =?utf-8?q?Zo=C3=AB?= <invalid@internationalized-address.invalid>\r\n\r\n") == 2
