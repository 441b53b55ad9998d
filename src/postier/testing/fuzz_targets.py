"""What random bytes are thrown at, and what must hold whatever they are: one function for each grammar.

A target takes bytes and raises if a promise is broken; what the code may refuse is caught here. The same
functions are driven by hypothesis in every test run, by a corpus of their own, and by atheris in `make fuzz`.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import TypeVar

from postier.base.cursor import ParseError
from postier.imap.wire import utf7
from postier.imap.wire.append import Append, AppendLine, AppendLiteral, LiteralEnd
from postier.imap.wire.commands import parse_command
from postier.imap.wire.core import ImapEvent, ImapServer
from postier.imap.wire.deflate import MAX_GROWTH, Deflate
from postier.imap.wire.grammar import Grammar
from postier.imap.wire.patterns import Pattern
from postier.imap.wire.pieces import mailbox_name
from postier.imap.wire.url import parse_url
from postier.imap.wire.values import Authenticate, AuthenticateResponse, BadCommand, Idle, State
from postier.message.analysis import Analyser, analyse
from postier.message.body_structure import body_from_body_structure
from postier.message.parts import PartIndex, section_range
from postier.testing.fuzz_mailauth import MAILAUTH_TARGETS
from postier.testing.fuzz_net import NET_TARGETS
from postier.testing.fuzz_reports import REPORT_TARGETS
from postier.testing.fuzz_smtp import SMTP_TARGETS
from postier.testing.imap_answers import read_answer
from postier.testing.imap_body import BodyPart, read_body, read_envelope, sections
from postier.testing.imap_words import Words

__all__ = ["TARGETS", "AnyClient", "Target"]

Target = Callable[[bytes], None]
Tree = TypeVar("Tree")
STATES = (State.NOT_AUTHENTICATED, State.AUTHENTICATED, State.SELECTED)


class AnyClient:
    """A session that says yes to everything, or no to every other message."""

    def __init__(self, state: State, *, refuses: bool) -> None:
        self.core = ImapServer()
        self.core.state = state
        self.refuses = refuses
        self.events: list[ImapEvent] = []
        self.said = b""
        self.messages = 0

    def feed(self, pieces: Iterable[bytes]) -> None:
        for piece in pieces:
            self.core.receive(piece)
            while (event := self.core.next_event()) is not None:
                self.events.append(event)
                self.answer(event)
        self.core.eof()
        assert self.core.next_event() is None
        self.said += self.core.outgoing()

    def answer(self, event: ImapEvent) -> None:
        match event:
            case Append(line=AppendLine(literal=AppendLiteral())) | LiteralEnd(
                AppendLine(literal=AppendLiteral())
            ):
                self.messages += 1
                if self.refuses and self.messages % 2:
                    self.core.refuse_literal()
                else:
                    self.core.accept_literal()
            case Authenticate():
                self.core.challenge(b"more")
            case AuthenticateResponse(data) if data == b"hi":
                self.core.challenge(b"even more")
            case Idle():
                self.core.continue_idle()
            case BadCommand(tag, text):
                assert text.isprintable()
                read_answer(b"%b BAD %b\r\n" % (tag if tag != b"*" else b"*", text.encode("ascii")))


def _played(pieces: Iterable[bytes], state: State, *, refuses: bool) -> tuple[list[ImapEvent], bytes]:
    client = AnyClient(state, refuses=refuses)
    client.feed(pieces)
    return client.events, client.said


# ---------------------------------------------------------------------- commands


def commands(data: bytes) -> None:
    """A connection's input: the same events and words however it is cut, and nothing behind a fatal answer.
    The first octet chooses state and temper, the second where to cut."""
    state, refuses = STATES[data[0] % 3 if data else 0], bool(data[:1] and data[0] & 64)
    step = (data[1] if len(data) > 1 else 0) % 97 + 1
    stream = data[2:]
    whole = _played([stream], state, refuses=refuses)
    edges = [*range(0, len(stream), step), len(stream)]
    assert _played([stream[a:b] for a, b in pairwise(edges)], state, refuses=refuses) == whole
    fatal = [isinstance(event, BadCommand) and event.fatal for event in whole[0]]
    assert not any(fatal[:-1])
    for line in whole[1].splitlines(keepends=True):
        assert line.startswith(b"+ ")
        assert line.endswith(b"\r\n")


def command(data: bytes) -> None:
    """One whole command: a value, or a word of why not that may be shown."""
    for state in STATES:
        for utf8 in (False, True):
            event = parse_command(data, state, utf8=utf8)
            if isinstance(event, BadCommand):
                read_answer(b"%b BAD %b\r\n" % (event.tag, event.text.encode("ascii")))


def search(data: bytes) -> None:
    command(b"a SEARCH " + data)
    command(b"a UID SORT (" + data)
    command(b"a THREAD REFERENCES UTF-8 " + data)


def fetch(data: bytes) -> None:
    command(b"a FETCH 1:* " + data)
    command(b"a UID STORE 1:* " + data)


def sequence_set(data: bytes) -> None:
    """Resolved, the ranges ascend, are disjoint, and end with what there is."""
    try:
        found = Grammar(data).sequence_set()
    except ParseError:
        return
    for largest in (0, 1, 7, 2**32 - 1):
        spans = found.resolve(largest)
        assert all(0 < low <= high for low, high in spans)
        assert all(before[1] + 1 < after[0] for before, after in pairwise(spans))


# ---------------------------------------------------------------------- names


def modified_utf7(data: bytes) -> None:
    """What is read is written the same, and nothing else is taken for it (RFC 3501 5.1.3)."""
    try:
        name = utf7.decode(data)
    except ValueError:
        return
    assert utf7.encode(name) == data
    quoted = Words(mailbox_name(name)).mailbox()
    assert quoted == (b"INBOX" if data.upper() == b"INBOX" else bytes(data)) or not name.isprintable()


def pattern(data: bytes) -> None:
    """LIST's wildcards match as the plainest way of matching them does."""
    text, _, name = data.decode("utf-8", "replace").partition("\n")
    matches = Pattern(text)
    plain = text[:200]
    if len(text) <= 200 and len(name) <= 200 and not name.upper().startswith("INBOX"):
        assert matches(name) == _matches_plainly(plain, name)
    else:
        matches(name)


def _matches_plainly(text: str, name: str) -> bool:
    """By a table of which beginnings match, a row for each character of the pattern."""
    row = [True] + [False] * len(name)
    for sign in text:
        after = [row[0] and sign in "*%"]
        for place, character in enumerate(name, 1):
            if sign == "*" or (sign == "%" and character != "/"):
                after.append(row[place] or after[place - 1])
            elif sign == "%":
                after.append(row[place])
            else:
                after.append(row[place - 1] and sign == character)
        row = after
    return row[-1]


def url(data: bytes) -> None:
    """RFC 5092, as CATENATE takes it."""
    found = parse_url(data)
    assert found is None or 0 < found.uid < 2**32


# ---------------------------------------------------------------------- messages


def message(data: bytes) -> None:
    """ENVELOPE, BODYSTRUCTURE and BODY are what the grammar says, whatever the message; every part that they
    name has its octets inside the message, as many as they tell; and pieces change nothing."""
    found = analyse(data)
    step = len(data) % 61 + 1
    analyser = Analyser(step)
    for start in range(0, len(data), step):
        analyser.feed(data[start : start + step])
    assert analyser.finish() == found
    _read_whole(found.envelope, lambda w: read_envelope(w))
    tree = _read_whole(found.body_structure, lambda w: read_body(w, extended=True))
    plain = _read_whole(
        body_from_body_structure(found.body_structure), lambda w: read_body(w, extended=False)
    )
    assert [part.media for _, part in sections(tree)] == [part.media for _, part in sections(plain)]
    index = PartIndex.decode(found.parts)
    for number, part in sections(tree):
        _check_part(index, tuple(map(int, number.split("."))), part, len(data))


def _read_whole(text: bytes, read: Callable[[Words], Tree]) -> Tree:
    w = Words(text)
    tree = read(w)
    w.end()
    return tree


def _check_part(index: PartIndex, number: tuple[int, ...], part: BodyPart, size: int) -> None:
    found = section_range(index, number)
    if found is None:  # a multipart without parts, whose grammar wants one all the same
        assert (part.media, part.size) == ("text/plain", 0), number
        return
    start, end = found
    assert 0 <= start <= end <= size
    if not part.media.startswith("multipart/"):
        assert end - start == part.size, number


# ---------------------------------------------------------------------- compression


def deflate(data: bytes) -> None:
    """What comes out is bounded, or the stream is refused; what we write a client can read."""
    inflate = Deflate()
    try:
        for start in range(0, len(data), 64):
            assert len(inflate.decode(data[start : start + 64])) < MAX_GROWTH
    except ValueError:
        pass  # not DEFLATE, or a bomb
    assert zlib.decompressobj(-15).decompress(Deflate().encode(data)) == data


TARGETS: dict[str, Target] = {
    "commands": commands,
    "command": command,
    "search": search,
    "fetch": fetch,
    "sequence_set": sequence_set,
    "modified_utf7": modified_utf7,
    "pattern": pattern,
    "url": url,
    "message": message,
    "deflate": deflate,
    **SMTP_TARGETS,
    **MAILAUTH_TARGETS,
    **REPORT_TARGETS,
    **NET_TARGETS,
}
