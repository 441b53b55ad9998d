"""Capabilities that are switched off: neither announced nor taken, and what a literal may be then."""

from __future__ import annotations

import pytest

from postier.imap.wire.append import Append, AppendLine, LiteralChunk, LiteralEnd
from postier.imap.wire.capabilities import (
    CAPABILITIES,
    Surroundings,
    can_be_switched_off,
    render_capabilities,
    switched_off,
)
from postier.imap.wire.commands import COMMANDS, parse_command
from postier.imap.wire.core import ImapEvent, ImapServer
from postier.imap.wire.values import BadCommand, Noop, State, Status


def shown(off: frozenset[str], state: State = State.AUTHENTICATED) -> set[str]:
    around = Surroundings(tls=True, append_limit=9, mechanisms=("PLAIN", "LOGIN"), off=off)
    return set(render_capabilities(state, around).decode().split(" "))


def test_what_needs_another_goes_with_it() -> None:
    assert switched_off(["condstore"]) == {"CONDSTORE", "QRESYNC"}
    assert switched_off(["QRESYNC"]) == {"QRESYNC"}
    assert {"IMAP4REV2", "UTF8=ACCEPT"} <= switched_off(["ENABLE"])
    assert switched_off([]) == frozenset()


def test_the_part_before_the_equals_sign_stands_for_all_of_them() -> None:
    assert "COMPRESS=DEFLATE" in switched_off(["COMPRESS"])
    assert not {"AUTH=PLAIN", "AUTH=LOGIN"} & shown(switched_off(["AUTH"]), State.NOT_AUTHENTICATED)
    plain = shown(switched_off(["AUTH=PLAIN"]), State.NOT_AUTHENTICATED)
    assert {"AUTH=PLAIN", "AUTH=LOGIN"} & plain == {"AUTH=LOGIN"}
    assert "APPENDLIMIT=9" not in shown(switched_off(["APPENDLIMIT"]))


@pytest.mark.parametrize("row", [row for row in CAPABILITIES if not row.fixed], ids=lambda row: row.name)
def test_what_is_off_is_not_announced(row: object) -> None:
    name = row.name  # type: ignore[attr-defined]
    assert can_be_switched_off(name.lower())
    for state in State:
        assert name not in shown(switched_off([name]), state)


def test_what_cannot_be_switched_off() -> None:
    for name in ("IMAP4rev1", "STARTTLS", "LOGINDISABLED", "X-NONSENSE", "", "="):
        assert not can_be_switched_off(name)
    assert can_be_switched_off("AUTH=LOGIN")


@pytest.mark.parametrize(
    "row", [row for row in COMMANDS.values() if row.capability], ids=lambda row: row.name.decode()
)
def test_a_command_that_is_off_is_unknown(row: object) -> None:
    off = switched_off([row.capability])  # type: ignore[attr-defined]
    name = row.name  # type: ignore[attr-defined]
    for state in State:
        assert parse_command(b"a " + name, state, off=off) == BadCommand(b"a", "Unknown command")


@pytest.mark.parametrize(
    ("capability", "line"),
    [
        ("CONDSTORE", b"SELECT INBOX (CONDSTORE)"),
        ("CONDSTORE", b"FETCH 1 FLAGS (CHANGEDSINCE 1)"),
        ("CONDSTORE", b"FETCH 1 (FLAGS MODSEQ)"),
        ("CONDSTORE", b"STORE 1 (UNCHANGEDSINCE 1) FLAGS ()"),
        ("CONDSTORE", b"STATUS INBOX (HIGHESTMODSEQ)"),
        ("QRESYNC", b"SELECT INBOX (QRESYNC (1 1))"),
        ("QRESYNC", b"UID FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)"),
        ("UIDPLUS", b"UID EXPUNGE 1"),
        ("CREATE-SPECIAL-USE", b"CREATE a (USE (\\Sent))"),
        ("LIST-EXTENDED", b'LIST (SUBSCRIBED) "" *'),
        ("LIST-EXTENDED", b'LIST "" (a b)'),
        ("LIST-EXTENDED", b'LIST "" * RETURN (CHILDREN)'),
        ("LIST-STATUS", b'LIST "" * RETURN (STATUS (MESSAGES))'),
        ("SPECIAL-USE", b'LIST (SPECIAL-USE) "" *'),
        ("SPECIAL-USE", b'LIST "" * RETURN (SPECIAL-USE)'),
        ("STATUS=SIZE", b"STATUS INBOX (SIZE)"),
        ("ESEARCH", b"SEARCH RETURN () ALL"),
        ("SEARCHRES", b"SEARCH RETURN (SAVE) ALL"),
        ("PARTIAL", b"SEARCH RETURN (PARTIAL 1:2) ALL"),
        ("PARTIAL", b"UID FETCH 1 FLAGS (PARTIAL 1:2)"),
        ("WITHIN", b"SEARCH YOUNGER 1"),
        ("CONDSTORE", b"SEARCH MODSEQ 1"),
        ("OBJECTID", b"SEARCH EMAILID M1"),
        ("THREAD=REFS", b"THREAD REFS UTF-8 ALL"),
        ("ESORT", b"SORT RETURN () (DATE) UTF-8 ALL"),
        ("SORT=DISPLAY", b"SORT (DISPLAYFROM) UTF-8 ALL"),
        ("SAVEDATE", b"SEARCH SAVEDATESUPPORTED"),
    ],
)
def test_words_of_what_is_off_are_bad(capability: str, line: bytes) -> None:
    assert not isinstance(parse_command(b"a " + line, State.SELECTED), BadCommand)
    answer = parse_command(b"a " + line, State.SELECTED, off=switched_off([capability]))
    assert isinstance(answer, BadCommand)
    assert answer.text.startswith("Syntax: ")


def test_an_initial_response_where_sasl_ir_is_off() -> None:
    line, off = b"a AUTHENTICATE PLAIN AGEAYg==", switched_off(["SASL-IR"])
    assert isinstance(parse_command(line, State.NOT_AUTHENTICATED, off=off), BadCommand)
    assert not isinstance(parse_command(line[:20], State.NOT_AUTHENTICATED, off=off), BadCommand)


# ---------------------------------------------------------------------- literals (RFC 7888 5)


def server(*off: str) -> ImapServer:
    core = ImapServer()
    core.state = State.AUTHENTICATED
    core.off = switched_off(off)
    return core


def events(core: ImapServer, data: bytes) -> list[ImapEvent]:
    core.receive(data)
    found = []
    while (event := core.next_event()) is not None:
        found.append(event)
    return found


def test_never_both() -> None:
    assert {"LITERAL+", "LITERAL-"} & shown(frozenset()) == {"LITERAL+"}
    assert {"LITERAL+", "LITERAL-"} & shown(switched_off(["LITERAL+"])) == {"LITERAL-"}
    assert not {"LITERAL+", "LITERAL-"} & shown(switched_off(["LITERAL+", "LITERAL-"]))


def status(size: int, plus: bytes = b"+") -> bytes:
    return b"a STATUS {%d%b}\r\n%b (MESSAGES)\r\nb NOOP\r\n" % (size, plus, b"m" * size)


def is_taken(core: ImapServer, size: int) -> bool:
    first, second = events(core, status(size))
    assert second == Noop(b"b")
    if isinstance(first, Status):
        return True
    assert isinstance(first, BadCommand)
    assert (first.tag, first.code) == (b"a", "TOOBIG")
    return False


def test_how_long_a_literal_may_be_that_does_not_wait() -> None:
    assert is_taken(server(), 4097)
    assert is_taken(server("LITERAL+"), 4096)
    assert not is_taken(server("LITERAL+"), 4097)
    assert not is_taken(server("LITERAL+"), 60_000)
    assert not is_taken(server("LITERAL+", "LITERAL-"), 1)


def test_a_literal_that_waits_may_be_longer() -> None:
    core = server("LITERAL+", "LITERAL-")
    assert isinstance(events(core, status(5000, b""))[0], Status)
    assert core.outgoing() == b"+ OK\r\n"


def append(*sizes: int) -> bytes:
    messages = b"".join(b" {%d+}\r\n%b" % (size, b"m" * size) for size in sizes)
    return b"a APPEND x" + messages + b"\r\nb NOOP\r\n"


def test_an_append_that_should_have_waited() -> None:
    bad, after = events(server("LITERAL+"), append(4097))
    assert isinstance(bad, BadCommand)
    assert (bad.tag, bad.code, after) == (b"a", "TOOBIG", Noop(b"b"))
    core = server("LITERAL+")
    (first,) = events(core, append(4096, 4097))
    assert isinstance(first, Append)
    core.accept_literal()
    chunk, bad, after = events(core, b"")
    assert isinstance(chunk, LiteralChunk)
    assert isinstance(bad, BadCommand)
    assert (bad.tag, bad.code, after) == (b"a", "TOOBIG", Noop(b"b"))


def test_one_message_only_where_multiappend_is_off() -> None:
    core = server("MULTIAPPEND")
    assert isinstance(events(core, append(3, 3))[0], Append)
    core.accept_literal()
    _, bad, after = events(core, b"")
    assert isinstance(bad, BadCommand)
    assert (bad.tag, after) == (b"a", Noop(b"b"))
    core = server("MULTIAPPEND")
    assert isinstance(events(core, append(3))[0], Append)
    core.accept_literal()
    assert events(core, b"")[1:] == [LiteralEnd(AppendLine((), None)), Noop(b"b")]
