"""The core and the multi-line responses by themselves."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import postier.pop3
from postier.pop3.authorization import REFUSALS, TOO_SOON
from postier.pop3.wire.commands import COMMANDS, MAX_LINE, Command, State
from postier.pop3.wire.events import AuthCancelled, Pass, Pop3Event, Retr, TooManyErrors, Top
from postier.pop3.wire.multiline import DotStuffer, TopOfMessage
from postier.pop3.wire.server import MAX_SKIPPED, Pop3Server
from postier.pop3.wire.words import LANGUAGES, WORDS

MESSAGE_BYTES = st.lists(
    st.sampled_from([b".", b"\r\n", b"\n", b"\r", b"a", b"..", b"\r\n.\r\n", b"\r\n\r\n"]), max_size=30
).map(b"".join)
CUTS = st.lists(st.integers(1, 5), min_size=1, max_size=20)


def pieces(data: bytes, cuts: list[int]) -> list[bytes]:
    found, start, index = [], 0, 0
    while start < len(data):
        found.append(data[start : start + cuts[index % len(cuts)]])
        start += cuts[index % len(cuts)]
        index += 1
    return found


def make_core(*, offers_stls: bool = False) -> Pop3Server:
    return Pop3Server(confidential=True, offers_stls=offers_stls, mechanisms=lambda: ("PLAIN", "LOGIN"))


def events(core: Pop3Server) -> list[Pop3Event]:
    found = []
    while (event := core.next_event()) is not None:
        found.append(event)
    return found


def unstuffed(wire: bytes) -> bytes:
    """As a client reads a multi-line response (RFC 1939 3)."""
    lines = wire.split(b"\r\n")
    end = lines.index(b".")
    assert lines[end + 1 :] == [b""], "bytes behind the end"
    return b"".join(line.removeprefix(b".") + b"\r\n" for line in lines[:end])


@given(MESSAGE_BYTES, CUTS)
def test_stuffing_is_undone_by_the_client(message: bytes, cuts: list[int]) -> None:
    stuffer = DotStuffer()
    wire = b"".join(map(stuffer.feed, pieces(message, cuts))) + stuffer.finish()
    whole = DotStuffer()
    assert wire == whole.feed(message) + whole.finish()
    expected = message if not message or message.endswith(b"\r\n") else message + b"\r\n"
    if message.replace(b"\r\n", b"").count(b"\n") == 0:
        assert unstuffed(wire) == expected
    assert b"\n.\r\n" not in wire[:-3] or wire == b".\r\n"


@given(MESSAGE_BYTES, CUTS, st.integers(0, 8))
def test_top_does_not_depend_on_cuts(message: bytes, cuts: list[int], lines: int) -> None:
    top = TopOfMessage(lines)
    assert b"".join(map(top.feed, pieces(message, cuts))) == TopOfMessage(lines).feed(message)


def test_top_counts_lines_without_a_loop_over_them() -> None:
    body = b"line\r\n" * 300_000
    top = TopOfMessage(299_999)
    assert top.feed(b"A: b\r\n\r\n" + body) == b"A: b\r\n\r\n" + body[: 6 * 299_999]
    assert top.done


@given(st.binary(max_size=200), CUTS)
def test_nothing_a_client_sends_raises_or_depends_on_cuts(data: bytes, cuts: list[int]) -> None:
    whole = make_core(offers_stls=True)
    whole.receive(data)
    parted = make_core(offers_stls=True)
    found = []
    for piece in pieces(data, cuts):
        parted.receive(piece)
        found += events(parted)
    assert events(whole) == found
    assert whole.outgoing() == parted.outgoing()


@pytest.mark.parametrize("command", COMMANDS.values(), ids=lambda command: command.keyword.decode())
@pytest.mark.parametrize("extra", [-1, 0, 1, 1000, MAX_SKIPPED - MAX_LINE - 2])
def test_each_command_has_its_longest_line(command: Command, extra: int) -> None:
    """RFC 2449 4: 255 octets with CRLF, or what a password and a SASL response need."""
    core = make_core()
    if command.allowed_in == {State.TRANSACTION}:
        core.enter_transaction()
    line = (command.keyword + b" ").ljust(command.longest + extra, b"x")
    core.receive(line + b"\r\n")
    core.next_event()
    assert (core.outgoing() == b"-ERR Line too long\r\n") is (extra > 0)


def test_a_password_may_have_1024_octets() -> None:
    core = make_core()
    core.receive(b"USER a\r\nPASS " + b"x" * 1024 + b"\r\n")
    assert events(core)[1:] == [Pass("a", "x" * 1024)]


def test_numbers() -> None:
    """Leading zeros are digits, and no number is too large to be nobody's; signs are none."""
    core = make_core()
    core.enter_transaction()
    core.receive(b"RETR 007\r\nRETR 18446744073709551616\r\nTOP 1 " + b"9" * 200 + b"\r\n")
    assert events(core) == [Retr(7), Retr(2**64), Top(1, int("9" * 200))]
    core.receive(b"RETR -1\r\nRETR +1\r\nRETR 1 2\r\nDELE 0x1\r\nDELE 1\0\r\nRETR \xd9\xa1\r\n")
    assert events(core) == []
    assert core.outgoing().count(b"-ERR Syntax error") == 6


def _texts(node: ast.expr) -> set[str]:
    """Of a text, or of a choice of two."""
    match node:
        case ast.Constant(str() as text):
            return {text}
        case ast.IfExp(_, one, other):
            return _texts(one) | _texts(other)
    return set()


def test_every_text_is_said_in_every_language() -> None:
    """The first argument of everything that speaks, in all of the room, is a key of WORDS."""
    said = set()
    for file in (Path(postier.pop3.__file__).parent).rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            match node:
                case ast.Call(ast.Attribute(ast.Name("log"))):
                    pass
                case ast.Call(ast.Attribute(attr="ok" | "error" | "_refuse" | "_end"), [text, *_]):
                    said |= _texts(text)
    assert len(said) > 15
    said |= {text for text, _ in REFUSALS.values()} | {"English is spoken", TOO_SOON}
    for tag, words in WORDS.items():
        assert tag in LANGUAGES
        assert tag == "en" or said == set(words)
        for text, translated in words.items():
            assert set(re.findall(r"{\w+}", translated)) <= set(re.findall(r"{\w+}", text))
            assert len(translated.encode()) < 400  # RFC 2449 4: a response line has 512 octets


def test_a_line_without_end_is_not_kept() -> None:
    core = make_core()
    for _ in range(100):
        core.receive(b"x" * 10_000)
        assert core.next_event() is None
        assert len(core._buffer) <= MAX_LINE + 1
    assert core.has_buffered_input()


@pytest.mark.parametrize("piece", [1000, 65536, MAX_SKIPPED + 1])
@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_an_endless_line_ends_the_connection(piece: int, end: bytes) -> None:
    core = make_core()
    for start in range(0, MAX_SKIPPED, piece):
        assert core.next_event() is None
        core.receive(b"x" * min(piece, MAX_SKIPPED - start))
    core.receive(b"x" + end + b"QUIT\r\n")
    assert events(core) == [TooManyErrors()]
    assert core.outgoing() == b"-ERR Line too long, goodbye\r\n"


def test_a_response_that_is_too_long_is_told_so() -> None:
    core = make_core()
    core.receive(b"AUTH PLAIN\r\n")
    core.next_event()
    core.challenge(b"")
    core.receive(b"A" * 100_000 + b"\r\n")
    assert core.next_event() == AuthCancelled()
    assert core.outgoing() == b"+ \r\n-ERR Line too long\r\n"


def test_a_flood_of_short_lines_takes_linear_time() -> None:
    core = make_core()
    core.enter_transaction()
    core.receive(b"NOOP\r\n" * 200_000 + b"STAT\r\n")
    assert len(events(core)) == 1
    assert core.outgoing() == b"+OK\r\n" * 200_000


def test_errors_are_counted_in_exchanges_too() -> None:
    core = make_core()
    for _ in range(9):
        core.receive(b"AUTH PLAIN\r\n")
        core.next_event()
        core.challenge(b"")
        core.receive(b"*\r\n")
        core.next_event()
    core.receive(b"NOOP\r\n")
    assert isinstance(core.next_event(), TooManyErrors)


def test_every_command_is_allowed_somewhere_and_says_where_it_is_from() -> None:
    for command in COMMANDS.values():
        assert command.allowed_in <= frozenset(State)
        assert command.allowed_in
        assert command.rfc.split()[0] in {"1939", "2449", "2595", "5034", "6856"}
