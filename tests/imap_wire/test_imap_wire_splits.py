"""Whatever comes in and however it is cut: no exception, the same events, the same words back."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from postier.imap.wire.core import ImapEvent
from postier.imap.wire.values import BadCommand, State
from postier.testing.fuzz_targets import AnyClient

WORDS = (
    *(b"a", b"b1", b"NOOP", b"LOGIN", b"AUTHENTICATE", b"PLAIN", b"IDLE", b"DONE", b"APPEND", b"INBOX", b"x"),
    *(b"UID", b"FETCH", b"SEARCH", b"STORE", b"SELECT", b"LIST", b"STATUS", b"ID", b"1:*", b"5", b"(FLAGS)"),
    *(b"(", b")", b'"', b'"quoted"', b'""', b"\\Seen", b"*", b"%", b"[", b"]", b"OR", b"NOT", b"CHARSET"),
    *(b"{0}", b"{1}", b"{3+}", b"{10+}", b"~{2+}", b"{70000+}", b"{99999999999999999999+}", b"}", b"BODY["),
    *(b" ", b" ", b" ", b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b"\0", b"\xff", b"aGk=", b"&", b"&AOQ-"),
)
COMMAND_LINES = (
    *(
        b"a NOOP\r\n",
        b"a IDLE\r\nDONE\r\n",
        b"a LOGIN {1+}\r\nx {2}\r\nyy\r\n",
        b"a APPEND x {5+}\r\nhello\r\n",
    ),
    *(
        b"a APPEND x {3}\r\nabc {2+}\r\nde\r\n",
        b"a AUTHENTICATE PLAIN\r\naGk=\r\n",
        b"a SEARCH OR SEEN NOT 1\r\n",
    ),
    *(b"a CREATE {70000+}\r\n" + b"z" * 70000 + b"\r\n", b"a APPEND y {70000+}\r\n" + b"m" * 70000 + b"\r\n"),
    *(b"a FETCH 1:* (BODY.PEEK[1.HEADER.FIELDS (A B)]<0.5>)\r\n", b"x" * 9000 + b"\r\n"),
)
streams = st.one_of(
    st.binary(max_size=200),
    st.lists(st.sampled_from(WORDS), max_size=40).map(b"".join),
    st.lists(st.sampled_from(COMMAND_LINES) | st.sampled_from(WORDS), max_size=8).map(b"".join),
)


def played(pieces: Iterable[bytes], state: State, refuses: bool) -> tuple[list[ImapEvent], bytes]:
    client = AnyClient(state, refuses=refuses)
    client.feed(pieces)
    return client.events, client.said


@settings(max_examples=300, deadline=None)
@given(streams, st.sampled_from(State), st.booleans(), st.data())
def test_cuts_change_nothing(stream: bytes, state: State, refuses: bool, data: st.DataObject) -> None:
    whole = played([stream], state, refuses)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    edges = [0, *cuts, len(stream)]
    pieces = [stream[a:b] for a, b in pairwise(edges)]
    assert played(pieces, state, refuses) == whole
    if len(stream) < 2000:
        assert played([stream[i : i + 1] for i in range(len(stream))], state, refuses) == whole


def test_every_cut_of_every_kind_of_line() -> None:
    for line in COMMAND_LINES:
        if len(line) > 1000:
            continue
        stream = line + b"z NOOP\r\n"
        whole = played([stream], State.SELECTED, False)
        assert whole[0][-1].tag == b"z"  # type: ignore[union-attr]
        for cut in range(len(stream)):
            assert played([stream[:cut], stream[cut:]], State.SELECTED, False) == whole


@settings(max_examples=50, deadline=None)
@given(st.lists(streams, max_size=4))
def test_a_fatal_answer_is_the_last_one(pieces: list[bytes]) -> None:
    found, _ = played(pieces, State.NOT_AUTHENTICATED, False)
    fatal = [isinstance(event, BadCommand) and event.fatal for event in found]
    assert not any(fatal[:-1])
