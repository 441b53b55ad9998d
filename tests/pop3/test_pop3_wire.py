"""The core and the multi-line responses by themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.pop3.wire.commands import COMMANDS, State
from postier.pop3.wire.events import AuthCancelled, Pass, Pop3Event, TooManyErrors
from postier.pop3.wire.multiline import DotStuffer, TopOfMessage
from postier.pop3.wire.server import MAX_LINE, MAX_SKIPPED, Pop3Server

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


@pytest.mark.parametrize("extra", [0, 1, 1000, MAX_SKIPPED - MAX_LINE - 1])
def test_the_line_limit(extra: int) -> None:
    core = make_core()
    core.receive(b"USER a\r\n")
    core.next_event()
    core.receive(b"PASS " + b"x" * (MAX_LINE - 5 + extra) + b"\r\n")
    event = core.next_event()
    assert isinstance(event, Pass) is (extra == 0)
    core.receive(b"USER b\r\n")  # in step again
    assert core.next_event() is not None


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
        assert command.rfc.split()[0] in {"1939", "2449", "2595", "5034"}
