"""The transcript player must accept what is right and refuse what is wrong."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from postier.net.api import Connection, IdleTimeout, Wake
from postier.testing.connection import MemoryConnection
from postier.testing.transcript import TranscriptError, play


class Lines:
    """A core whose events are CRLF lines."""

    def __init__(self) -> None:
        self.buffer = b""
        self.out = b""

    def receive(self, data: bytes) -> None:
        self.buffer += data

    def next_event(self) -> bytes | None:
        line, crlf, rest = self.buffer.partition(b"\r\n")
        if not crlf:
            return None
        self.buffer = rest
        return line

    def eof(self) -> None:
        self.out += b"eof\r\n"

    def outgoing(self) -> bytes:
        data, self.out = self.out, b""
        return data

    def has_buffered_input(self) -> bool:
        return bool(self.buffer)


async def session(connection: Connection) -> None:
    core = Lines()
    core.out = b"220 hello\r\n"
    while True:
        try:
            line = await connection.event(core, 300)
        except IdleTimeout:
            connection.write(b"421 idle\r\n")
            return
        if line is None:
            await connection.flush(core)
            return
        if isinstance(line, Wake):
            core.out += b"* woken\r\n"
        elif line == b"STARTTLS":
            core.out += b"220 go\r\n"
            await connection.start_tls(core)
        elif line == b"QUIT":
            core.out += b"221 bye\r\n"
            await connection.flush(core)
            return
        elif line == b"EHLO":
            core.out += b"250-a.example\r\n250-SIZE 10\r\n250 HELP\r\n"
        else:
            core.out += b"250 " + line + (b" tls" if connection.tls else b"") + b"\r\n"


GOOD = {
    "prefix": "S: 220\nC: a\nS: 250 a",
    "whole": "S: 220 hello$\nC: a\nS: 250 a$",
    "wildcard": "S: 220\nC: abcdef\nS: 250 a...c...f$",
    "two lines": "S: 220\nC: a\nC: b\nS: 250 a$\nS: 250 b$",
    "multi-line reply": "S: 220\nC: EHLO\nS: 250",
    "continuation": "S: 220\nC: EHLO\nS: <ANY>\nS: 250-SIZE ...\nS: 250 HELP$",
    "tls": "S: 220\nC: STARTTLS\nS: 220 go\nC: <TLS>\nC: a\nS: 250 a tls$",
    "quit": "S: 220\nC: QUIT\nS: 221\nS: <EOF>",
    "eof": "S: 220\nC: <EOF>\nS: eof\nS: <EOF>",
    "idle": "S: 220\nC: <WAIT 299>\nC: a\nS: 250\nC: <WAIT 300>\nS: 421\nS: <EOF>",
    "wake": "S: 220\nC: <WAKE>\nS: * woken$",
    "escapes": r"S: 220" + "\n" + r"C: \x41\{ab*3}\\ \Seen" + "\n" + r"S: 250 Aababab\x5c \Seen$",
    "no crlf": "S: 220\nC: ab\\\nC: cd\nS: 250 abcd$",
    "comment": "# first\nS: 220   # greeting\nC: a#b  # RFC\nS: 250 a#b$",
}

BAD = {
    "other reply": "S: 220\nC: a\nS: 500",
    "more of it": "S: 220\nC: a\nS: 250 ab",
    "not the whole line": "S: 220\nC: abc\nS: 250 ab$",
    "an answer nobody expects": "S: 220\nC: a\nC: b\nS: 250 a",
    "an answer that never came": "S: 220\nC: a\nS: 250\nS: 250",
    "still open": "S: 220\nC: a\nS: 250\nS: <EOF>",
    "closed before the end": "S: 220\nC: QUIT\nS: 221\nC: a\nS: 250",
    "pipelined behind STARTTLS": "S: 220\nC: STARTTLS\nC: a\nS: 220 go\nS: 250",
}


@pytest.mark.parametrize("name", GOOD)
def test_what_is_right_passes(name: str) -> None:
    play(GOOD[name], lambda: session)


@pytest.mark.parametrize("name", BAD)
def test_what_is_wrong_fails(name: str) -> None:
    with pytest.raises(TranscriptError):
        play(BAD[name], lambda: session)


def test_a_session_that_fails_fails_its_transcript() -> None:
    async def broken(connection: Connection) -> None:
        await connection.event(Lines(), 5)
        raise KeyError("broken")

    with pytest.raises(KeyError):
        play("C: a", lambda: broken)


def test_sessions_that_depend_on_packets_are_found_out() -> None:
    class Packets(Lines):
        def next_event(self) -> bytes | None:
            packet, self.buffer = self.buffer, b""
            return packet.strip() or None

    async def careless(connection: Connection) -> None:
        core = Packets()
        while line := await connection.event(core, 5):
            assert isinstance(line, bytes)
            connection.write(line + b"\r\n")

    with pytest.raises(TranscriptError, match="byte by byte"):
        play("C: abc\nS: abc", lambda: careless)


def test_each_round_gets_its_own_world() -> None:
    opened: list[str] = []

    @asynccontextmanager
    async def world() -> AsyncIterator[object]:
        opened.append("open")
        yield session
        opened.append("close")

    play("S: 220", world, connect=lambda: MemoryConnection(tls=True))  # type: ignore[arg-type]
    assert opened == ["open", "close"] * 3


def test_lines_that_are_neither_side_are_refused() -> None:
    with pytest.raises(ValueError, match="line 2"):
        play("S: 220\nX: a", lambda: session)
