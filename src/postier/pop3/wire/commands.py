"""The table of POP3 commands: syntax, states, lengths, and what CAPA says of them.

NOOP, UTF8 and the refusals are the core's own; every other row makes an event, LANG only where the session
has to choose the language.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Callable
from dataclasses import dataclass

from postier.base.cursor import Cursor
from postier.pop3.wire.events import (
    Auth,
    Capa,
    Dele,
    Lang,
    List,
    Pass,
    Pop3Event,
    Quit,
    Retr,
    Rset,
    Stat,
    Stls,
    Top,
    Uidl,
    User,
)
from postier.sasl.encoding import MAX_RESPONSE, decode_initial_response

__all__ = ["COMMANDS", "MAX_LINE", "USUAL", "Command", "State"]

USUAL = 253
"""Octets of a command without CRLF (RFC 2449 4)."""

WITH_SECRET = 1100
"""A password may have 1,024 octets."""

WITH_RESPONSE = MAX_RESPONSE + 40
"""RFC 5034 4 wants a long initial response as an answer of its own; programs with long tokens don't know."""

MAX_LINE = max(USUAL, WITH_SECRET, WITH_RESPONSE)

_NUMBER = re.compile(rb"[0-9]+")
_RANGE = re.compile(rb"\*|[A-Za-z0-9-]{1,80}")
_MECHANISM = re.compile(rb"[A-Za-z0-9_-]{1,20}")


class State(enum.Enum):
    """RFC 1939 3. UPDATE needs no commands: it begins with QUIT and ends with the connection."""

    AUTHORIZATION = "AUTHORIZATION"
    TRANSACTION = "TRANSACTION"


@dataclass(frozen=True, slots=True)
class Command:
    """`parse` reads what follows the keyword and raises ParseError; None marks what the core answers itself.

    `shows_secret`: not without TLS (unless clear text is allowed). `capability`: its line in CAPA, if it
    is one that never changes. `longest`: octets of the whole command without CRLF.
    """

    keyword: bytes
    parse: Callable[[Cursor], Pop3Event | None]
    allowed_in: frozenset[State]
    rfc: str
    shows_secret: bool = False
    capability: bytes = b""
    longest: int = USUAL


def _bare(event: Callable[[], Pop3Event | None]) -> Callable[[Cursor], Pop3Event | None]:
    """A command without arguments; clients may leave spaces behind it."""

    def parse(c: Cursor) -> Pop3Event | None:
        while c.take(b" "):
            pass
        c.end()
        return event()

    return parse


def _number(c: Cursor) -> int:
    c.expect(b" ", "a space")
    return int(c.require(_NUMBER, "a number"))


def _one_number(event: Callable[[int], Pop3Event]) -> Callable[[Cursor], Pop3Event | None]:
    def parse(c: Cursor) -> Pop3Event | None:
        number = _number(c)
        c.end()
        return event(number)

    return parse


def _optional_number(event: Callable[[int | None], Pop3Event]) -> Callable[[Cursor], Pop3Event | None]:
    def parse(c: Cursor) -> Pop3Event | None:
        number = None if c.at_end() else _number(c)
        c.end()
        return event(number)

    return parse


def _parse_top(c: Cursor) -> Top:
    """TOP msg n"""
    number, lines = _number(c), _number(c)
    c.end()
    return Top(number, lines)


def _text(c: Cursor) -> str:
    """The rest of the line, spaces and all, as UTF-8 without NUL."""
    c.expect(b" ", "a space")
    start = c.position
    octets = c.rest()
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        text = ""
    if not text or "\0" in text:
        c.position = start
        c.fail("UTF-8 text")
    return text


def _parse_user(c: Cursor) -> User:
    return User(_text(c).strip())


def _parse_pass(c: Cursor) -> Pass:
    """A password may hold spaces (RFC 1939 7); the core adds the name."""
    return Pass("", _text(c))


def _parse_auth(c: Cursor) -> Auth:
    """AUTH mechanism [initial-response] (RFC 5034 4)"""
    c.expect(b" ", "a space")
    mechanism = c.require(_MECHANISM, "a mechanism").decode().upper()
    if c.at_end():
        return Auth(mechanism, None)
    c.expect(b" ", "a space")
    position = c.position
    initial = decode_initial_response(c.rest())
    if initial is None:
        c.position = position
        c.fail("base64")
    return Auth(mechanism, initial)


def _parse_lang(c: Cursor) -> Lang:
    """LANG [language-range] (RFC 6856 3.2)"""
    if c.at_end():
        return Lang(None)
    c.expect(b" ", "a space")
    wanted = c.require(_RANGE, "a language range").decode()
    c.end()
    return Lang(wanted)


_AUTHORIZATION = frozenset({State.AUTHORIZATION})
_TRANSACTION = frozenset({State.TRANSACTION})
_ALWAYS = frozenset(State)

COMMANDS = {
    command.keyword: command
    for command in (
        Command(b"CAPA", _bare(Capa), _ALWAYS, "2449 5"),
        Command(b"USER", _parse_user, _AUTHORIZATION, "1939 7", shows_secret=True, longest=WITH_SECRET),
        Command(b"PASS", _parse_pass, _AUTHORIZATION, "1939 7", shows_secret=True, longest=WITH_SECRET),
        Command(b"AUTH", _parse_auth, _AUTHORIZATION, "5034 4", longest=WITH_RESPONSE),
        Command(b"STLS", _bare(Stls), _AUTHORIZATION, "2595 4"),
        Command(b"STAT", _bare(Stat), _TRANSACTION, "1939 5"),
        Command(b"LIST", _optional_number(List), _TRANSACTION, "1939 5"),
        Command(b"RETR", _one_number(Retr), _TRANSACTION, "1939 5"),
        Command(b"DELE", _one_number(Dele), _TRANSACTION, "1939 5"),
        Command(b"NOOP", _bare(lambda: None), _TRANSACTION, "1939 5"),
        Command(b"RSET", _bare(Rset), _TRANSACTION, "1939 5"),
        Command(b"TOP", _parse_top, _TRANSACTION, "1939 7", capability=b"TOP"),
        Command(b"UIDL", _optional_number(Uidl), _TRANSACTION, "1939 7", capability=b"UIDL"),
        Command(b"UTF8", _bare(lambda: None), _AUTHORIZATION, "6856 2.1", capability=b"UTF8 USER"),
        Command(b"LANG", _parse_lang, _ALWAYS, "6856 3.2", capability=b"LANG"),
        Command(b"QUIT", _bare(Quit), _ALWAYS, "1939 4 and 6"),
    )
}
