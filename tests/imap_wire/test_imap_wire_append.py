"""APPEND and REPLACE with parts, URLs and UTF-8 (RFC 4469, 6855, 8508): what the core tells, and in step."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.imap.wire.append import (
    ITEM_LIMIT,
    Append,
    AppendLine,
    AppendLiteral,
    AppendMessage,
    CatenateUrl,
    LiteralChunk,
    LiteralEnd,
    LiteralUse,
    Place,
    Replace,
)
from postier.imap.wire.core import ImapServer
from postier.imap.wire.url import parse_url
from postier.imap.wire.values import BadCommand, Noop, SequenceSet, State

PLAIN = AppendMessage((), None)
END = LiteralEnd(AppendLine((), None))


def server(off: frozenset[str] = frozenset()) -> ImapServer:
    core = ImapServer()
    core.state = State.SELECTED
    core.off = off
    return core


def events(core: ImapServer, data: bytes = b"") -> list[object]:
    """All that comes of `data`, literals accepted at once."""
    core.receive(data)
    found: list[object] = []
    while (event := core.next_event()) is not None:
        found.append(event)
        if isinstance(event, (Append, LiteralEnd)) and event.line.literal is not None:
            core.accept_literal()
    return found


def line(*items: object, use: LiteralUse, size: int, place: Place, binary: bool = False) -> AppendLine:
    return AppendLine(tuple(items), AppendLiteral(size, use, binary), place)  # type: ignore[arg-type]


def test_urls_and_texts_in_order() -> None:
    """RFC 4469 5, and a plain message behind the list (RFC 3502)."""
    core = server()
    found = events(
        core,
        b'a APPEND Drafts (\\Seen) CATENATE (URL "/x;UID=1" url /y TEXT {2+}\r\nhi'
        b" URL {3+}\r\n/zz URL /q) (\\Flagged) ~{1+}\r\nm\r\n",
    )
    assert found == [
        Append(
            b"a",
            "Drafts",
            line(
                AppendMessage(("\\Seen",), None),
                CatenateUrl(b"/x;UID=1"),
                CatenateUrl(b"/y"),
                use=LiteralUse.TEXT,
                size=2,
                place=Place.PART,
            ),
        ),
        LiteralChunk(b"hi"),
        LiteralEnd(line(use=LiteralUse.URL, size=3, place=Place.PART)),
        LiteralChunk(b"/zz"),
        LiteralEnd(
            line(
                CatenateUrl(b"/q"),
                AppendMessage(("\\Flagged",), None),
                use=LiteralUse.MESSAGE,
                size=1,
                place=Place.MESSAGE,
                binary=True,
            )
        ),
        LiteralChunk(b"m"),
        END,
    ]


def test_urls_alone_need_no_literal() -> None:
    core = server()
    (found,) = events(core, b"a APPEND x CATENATE (URL /1) CATENATE (URL /2 URL /3)\r\n")
    items = (PLAIN, CatenateUrl(b"/1"), PLAIN, CatenateUrl(b"/2"), CatenateUrl(b"/3"))
    assert found == Append(b"a", "x", AppendLine(items, None))
    assert events(core, b"b NOOP\r\n") == [Noop(b"b")]


def test_utf8_data() -> None:
    """RFC 6855 4."""
    core = server()
    found = events(core, b"a APPEND x UTF8 (~{1+}\r\n1) CATENATE (UTF8 (~{1+}\r\n2) TEXT {1+}\r\n3)\r\n")
    assert found == [
        Append(b"a", "x", line(PLAIN, use=LiteralUse.UTF8, size=1, place=Place.UTF8_MESSAGE, binary=True)),
        LiteralChunk(b"1"),
        LiteralEnd(line(PLAIN, use=LiteralUse.UTF8, size=1, place=Place.UTF8_PART, binary=True)),
        LiteralChunk(b"2"),
        LiteralEnd(line(use=LiteralUse.TEXT, size=1, place=Place.PART)),
        LiteralChunk(b"3"),
        END,
    ]


@pytest.mark.parametrize("uid", [b"", b"UID "])
def test_replace(uid: bytes) -> None:
    """RFC 8508 5; the mailbox's name may be a literal."""
    core = server()
    message = line(PLAIN, use=LiteralUse.MESSAGE, size=1, place=Place.MESSAGE)
    expected = Replace(b"a", "Drafts", message, SequenceSet(((4, 4),)), bool(uid))
    found = events(core, b"a " + uid + b"REPLACE 4 Drafts {1+}\r\nm\r\n")
    assert found == [expected, LiteralChunk(b"m"), END]
    found = events(core, b"a " + uid + b"replace 4 {6+}\r\nDrafts {1+}\r\nm\r\n")
    assert found == [expected, LiteralChunk(b"m"), END]
    (found_whole,) = events(core, b"a " + uid + b"REPLACE * x CATENATE (URL /1)\r\n")
    assert isinstance(found_whole, Replace)
    assert found_whole.sequence == SequenceSet(((0, 0),))


@pytest.mark.parametrize(
    "command",
    [
        b"a APPEND x CATENATE ()",
        b"a APPEND x CATENATE (TEXT)",
        b"a APPEND x CATENATE (URL /1",
        b"a APPEND x CATENATE (URL /1) ",
        b"a APPEND x CATENATE (URL /1)x",
        b"a APPEND x CATENATE (URL /1  URL /2)",
        b"a APPEND x CATENATE (FILE /1)",
        b'a APPEND x CATENATE (TEXT "x")',
        b"a APPEND x CATENATE (TEXT {1+}\r\n1",
        b"a APPEND x CATENATE (TEXT {1+}\r\n1 )",
        b"a APPEND x CATENATE (TEXT {1+}\r\n1) rubbish",
        b"a APPEND x CATENATE TEXT {1+}\r\n1",
        b"a APPEND x UTF8 ~{1+}\r\n1",
        b"a APPEND x UTF8 (~{1+}\r\n1",
        b"a APPEND x UTF8 (~{1+}\r\n1 )",
        b"a APPEND x (\\Seen) FRAGMENT {1+}\r\n1",
        b"a REPLACE 1 x {1+}\r\n1 {1+}\r\n2",
        b"a REPLACE 1 x CATENATE (URL /1) CATENATE (URL /2)",
        b"a REPLACE 1:2 x {1+}\r\n1",
        b"a REPLACE 1,2 x {1+}\r\n1",
        b"a REPLACE $ x {1+}\r\n1",
        b"a REPLACE x {1+}\r\n1",
        b"a REPLACE 1 {1+}\r\n1",
        b"a APPEND x CATENATE (" + b" ".join([b"URL /1"] * ITEM_LIMIT) + b")",
    ],
    ids=lambda command: command[:40].decode(),
)
def test_wrong_ones_leave_it_in_step(command: bytes) -> None:
    found = events(server(), command + b"\r\nb NOOP\r\n")
    *_, bad, after = found
    assert isinstance(bad, BadCommand)
    assert (bad.tag, bad.fatal) == (b"a", False)
    assert after == Noop(b"b")


def test_as_many_urls_as_there_may_be() -> None:
    (found,) = events(
        server(), b"a APPEND x CATENATE (" + b" ".join([b"URL /1"] * (ITEM_LIMIT - 1)) + b")\r\n"
    )
    assert isinstance(found, Append)


@pytest.mark.parametrize(
    ("capability", "command"),
    [
        ("BINARY", b"a APPEND x ~{1+}\r\n1"),
        ("CATENATE", b"a APPEND x CATENATE (URL /1)"),
        ("UTF8=ACCEPT", b"a APPEND x UTF8 (~{1+}\r\n1)"),
        ("MULTIAPPEND", b"a APPEND x CATENATE (URL /1) CATENATE (URL /1)"),
        ("REPLACE", b"a REPLACE 1 x {1+}\r\n1"),
    ],
)
def test_what_is_switched_off(capability: str, command: bytes) -> None:
    bad, after = events(server(frozenset((capability,))), command + b"\r\nb NOOP\r\n")
    assert isinstance(bad, BadCommand)
    assert after == Noop(b"b")


def test_a_refusal_in_every_state_of_a_literal() -> None:
    """Before it, within it, and where it is whole but what follows has not come."""
    for sent in (b"", b"12", b"1234"):
        core = server()
        core.receive(b"a APPEND x {4+}\r\n")
        assert isinstance(core.next_event(), Append)
        if sent:
            core.accept_literal()
        core.receive(sent)
        while core.next_event() is not None:
            pass
        core.refuse_literal()
        core.receive(b"1234"[len(sent) :] + b" {1+}\r\nx\r\nb NOOP\r\n")
        assert core.next_event() == Noop(b"b")


# ---------------------------------------------------------------------- URLs


def test_a_url_of_a_part() -> None:
    """RFC 4469 appendix A, RFC 5092 11."""
    found = parse_url(b"/Drafts;UIDVALIDITY=385759045/;UID=20/;section=1.MIME/;PARTIAL=5.10")
    assert found is not None
    assert (found.mailbox, found.uidvalidity, found.uid) == ("Drafts", 385759045, 20)
    section = found.section
    assert (section.path, section.specifier, section.partial) == ((1,), "MIME", (5, 10))


@pytest.mark.parametrize(
    ("url", "mailbox"),
    [
        (b"/Drafts/;UID=3002", "Drafts"),
        (b"/a/b%20c/;uid=1", "a/b c"),
        (b"/gr%C3%BC%c3%9fe/;UID=1", "gr\u00fc\u00dfe"),
        (b"/%3B/;UID=1", ";"),
        (b"/a%2F../;UID=1", "a/.."),
        (b"/a&b=c:@d/;UID=1", "a&b=c:@d"),
        (b"/x;UIDVALIDITY=1/;UID=4294967295/;SECTION=HEADER.FIELDS%20(From%20To)", "x"),
    ],
)
def test_mailboxes_of_urls(url: bytes, mailbox: str) -> None:
    found = parse_url(url)
    assert found is not None
    assert found.mailbox == mailbox


@pytest.mark.parametrize(
    "url",
    [
        b"",
        b"/",
        b"/x",
        b"/;UID=1",
        b"x/;UID=1",
        b";UID=1",
        b"//host/x/;UID=1",
        b"imap://bob@b.example/x/;UID=1",
        b"/x/;UID=0",
        b"/x/;UID=4294967296",
        b"/x/;UID=1:2",
        b"/x;UIDVALIDITY=/;UID=1",
        b"/x;UIDVALIDITY=0/;UID=1",
        b"/x;UIDVALIDITY=4294967296/;UID=1",
        b"/x/;UID=1/;SECTION=",
        b"/x/;UID=1/;SECTION=FOO",
        b"/x/;UID=1/;SECTION=1/;SECTION=2",
        b"/x/;UID=1/;PARTIAL=1.0",
        b"/x/;UID=1/;PARTIAL=a",
        b"/x/;UID=1/;PARTIAL=1/;SECTION=1",
        b"/x/;UID=1;URLAUTH=anonymous:INTERNAL:0123456789abcdef0123456789abcdef",
        b"/x/;UID=1;EXPIRE=2030-01-01T00:00:00Z",
        b"/x?SUBJECT",
        b"/x/;UID=1?x",
        b"/%zz/;UID=1",
        b"/%ff/;UID=1",
        b"/gr\xc3\xbc/;UID=1",
        b"/a/../x/;UID=1",
        b"/./;UID=1",
        b"/x y/;UID=1",
    ],
)
def test_what_is_no_url_of_ours(url: bytes) -> None:
    assert parse_url(url) is None


@given(st.binary(max_size=60) | st.text("/;UIDVALTYSECONPR=0123456789.%x", max_size=80).map(str.encode))
def test_any_octets_are_a_url_or_none(url: bytes) -> None:
    parse_url(url)
    parse_url(b"/x/;UID=1/;SECTION=" + url)
