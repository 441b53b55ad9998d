"""What is written: the RFCs' own lines, and no way for a stored text to forge one."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.imap.wire import responses as r
from postier.imap.wire.capabilities import CAPABILITIES, Surroundings, render_capabilities
from postier.imap.wire.commands import COMMANDS, parse_command
from postier.imap.wire.grammar import Grammar
from postier.imap.wire.values import BodySection, Fetch, State


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (r.tagged(b"A1", b"OK", "LOGIN completed"), b"A1 OK LOGIN completed\r\n"),
        (r.tagged(b"A1", b"NO", "No such mailbox", b"TRYCREATE"), b"A1 NO [TRYCREATE] No such mailbox\r\n"),
        (r.untagged(b"BYE", "Autologout"), b"* BYE Autologout\r\n"),
        (r.exists(23), b"* 23 EXISTS\r\n"),
        (r.recent(5), b"* 5 RECENT\r\n"),
        (r.expunge(44), b"* 44 EXPUNGE\r\n"),
        (r.vanished([405, 407, 410, 411, 425]), b"* VANISHED 405,407,410:411,425\r\n"),
        (r.vanished([41], earlier=True), b"* VANISHED (EARLIER) 41\r\n"),
        (r.flags(["\\Answered", "$Forwarded"]), b"* FLAGS (\\Answered $Forwarded)\r\n"),
        (r.list_line("~/Mail/foo", [b"\\Noselect"]), b'* LIST (\\Noselect) "/" "~/Mail/foo"\r\n'),
        (r.list_line("INBOX", [], command=b"LSUB"), b'* LSUB () "/" INBOX\r\n'),
        (
            r.list_line("Foo", [], child_info=[b"SUBSCRIBED"]),
            b'* LIST () "/" "Foo" ("CHILDINFO" ("SUBSCRIBED"))\r\n',
        ),
        (r.list_line("Grün", []), b'* LIST () "/" "Gr&APw-n"\r\n'),
        (r.list_line("Grün", [], utf8=True), '* LIST () "/" "Grün"\r\n'.encode()),
        (
            r.status_line("blurdybloop", [("MESSAGES", 231), ("UIDNEXT", 44292)]),
            b'* STATUS "blurdybloop" (MESSAGES 231 UIDNEXT 44292)\r\n',
        ),
        (
            r.namespace("", "Other Users/", "Shared/"),
            b'* NAMESPACE (("" "/")) (("Other Users/" "/")) (("Shared/" "/"))\r\n',
        ),
        (r.id_response([("name", "Cyrus")]), b'* ID ("name" "Cyrus")\r\n'),
        (r.id_response([]), b"* ID NIL\r\n"),
        (r.enabled(["CONDSTORE"]), b"* ENABLED CONDSTORE\r\n"),
        (r.enabled([]), b"* ENABLED\r\n"),
        (r.append_uid_code(38505, [3955, 3956]), b"APPENDUID 38505 3955:3956"),
        (r.copy_uid_code(38505, [304, 319, 320], [3956, 3957, 3958]), b"COPYUID 38505 304,319:320 3956:3958"),
        (r.modified_code([7, 9]), b"MODIFIED 7,9"),
        (r.permanent_flags_code(["\\Seen"], more=True), b"PERMANENTFLAGS (\\Seen \\*)"),
        (r.permanent_flags_code([], more=False), b"PERMANENTFLAGS ()"),
    ],
    ids=repr,
)
def test_line(line: bytes, expected: bytes) -> None:
    assert line == expected


# ---------------------------------------------------------------------- one encoder

NASTY = st.text(st.sampled_from('a \r\n\0"\\()[]{}%*&é\U0001f4e7\x7f\x1f\ud800')) | st.text()
ONE_LINE: dict[str, Callable[[str], bytes]] = {
    "text": lambda s: r.tagged(b"a", b"NO", s),
    "list": lambda s: r.list_line(s, []),
    "list in UTF-8": lambda s: r.list_line(s, [], utf8=True),
    "status": lambda s: r.status_line(s, []),
    "flags": lambda s: r.flags([s]),
    "flag texts": lambda s: r.FlagTexts([s])[1 << 5] + b"\r\n",
}


@pytest.mark.parametrize("name", ONE_LINE)
@given(text=NASTY)
def test_no_text_makes_a_second_line(name: str, text: str) -> None:
    line = ONE_LINE[name](text)
    assert line.endswith(b"\r\n")
    assert not re.search(rb"[\r\n\0]", line[:-2])
    assert not re.search(rb"\{\d+\}$", line[:-2])


@given(st.text(st.characters(exclude_categories=["Cs"])) | st.text('a"\\\r\n\0é', max_size=5))
def test_strings_say_their_length(text: str) -> None:
    for encoded in (r.astring(text), r.string(text.encode())):
        g = Grammar(encoded)
        plain = re.sub(r"[\r\n\0]", " ", text).encode()
        assert g.astring() == plain
        g.end()


@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_names_come_back(name: str) -> None:
    assert Grammar(r.mailbox_name(name)).mailbox() == ("INBOX" if name.upper() == "INBOX" else name)
    if name.isprintable():
        assert Grammar(r.mailbox_name(name, utf8=True), utf8=True).mailbox().upper() == name.upper()


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(("Done", b"Done"), ("", b"Done"), ("[ALERT] x", b" [ALERT] x")),
        *(("a\r\n* BYE", b"a??* BYE"), ("é", b"?"), ("x {5}", b"x ?5}")),
    ],
)
def test_text_is_never_a_code_nor_a_literal(value: str, expected: bytes) -> None:
    assert r.text(value) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        *(("a", b"a"), ("a b", b'"a b"'), ("", b'""'), ("NIL", b'"NIL"')),
        *(("a\\", b'"a\\\\"'), (b"\xff", b"{1}\r\n\xff")),
    ],
)
def test_astring(value: str | bytes, expected: bytes) -> None:
    assert r.astring(value) == expected


def test_literal() -> None:
    assert r.literal(b"a\0\r\nb") == b"{5}\r\na\x80\r\nb"
    assert r.literal_header(5) == b"{5}\r\n"


# ---------------------------------------------------------------------- flags and dates


def test_flag_texts() -> None:
    texts = r.FlagTexts(["$Forwarded", "Work"])
    assert texts[0] == b"()"
    assert texts[1 | 2 | 8] == b"(\\Seen \\Answered \\Deleted)"
    assert texts[4 | 16 | 32 | 64 | r.RECENT] == b"(\\Flagged \\Draft $Forwarded Work \\Recent)"
    assert texts[1 << 40] == b"()"


def test_flag_texts_stay_bounded() -> None:
    texts = r.FlagTexts([f"k{n}" for n in range(58)])
    for flags in range(3 * r.FlagTexts.LIMIT):
        assert texts[flags] is texts[flags]
        assert len(texts) <= r.FlagTexts.LIMIT


def test_flag_texts_of_long_names_stay_bounded() -> None:
    texts = r.FlagTexts([f"{n:02}" + "k" * 250 for n in range(58)])
    for flags in range(1 << 50, (1 << 50) + 2000):
        assert texts[flags] is texts[flags]
        assert sum(map(len, texts.values())) <= r.FlagTexts.OCTETS


def test_internal_date() -> None:
    assert r.internal_date(837596665) == b'"17-Jul-1996 09:44:25 +0000"'
    assert r.internal_date(-1) == b'"31-Dec-1969 23:59:59 +0000"'
    assert r.internal_date(951782400) == b'"29-Feb-2000 00:00:00 +0000"'


@pytest.mark.parametrize(("epoch", "year"), [(-(10**15), b"0001"), (10**15, b"9999"), (2**63, b"9999")])
def test_internal_date_far_away(epoch: int, year: bytes) -> None:
    assert r.internal_date(epoch)[8:12] == year


@given(st.integers(-62135596800, 253402300799))
def test_internal_date_is_the_calendar(epoch: int) -> None:
    expected = datetime.fromtimestamp(epoch, UTC)
    assert r.internal_date(epoch)[8:12] == b"%04d" % expected.year
    assert r.internal_date(epoch)[13:21] == expected.strftime("%H:%M:%S").encode()


@given(st.integers(-2208988800, 253370764799))
def test_internal_date_comes_back(epoch: int) -> None:
    """For the years that message.dates reads, 1900 to 9998."""
    assert Grammar(r.internal_date(epoch)).date_time() == epoch


# ---------------------------------------------------------------------- FETCH


def test_fetch_template() -> None:
    """The listing that every client asks for, one row for each message."""
    items = ("UID", "FLAGS", "INTERNALDATE", "RFC822.SIZE", "ENVELOPE", "BODYSTRUCTURE", "BODY", "MODSEQ")
    row = (12, 7, b"(\\Seen)", b'"17-Jul-1996 09:44:25 +0000"', 4286, b"(NIL)", b"(x)", b"(y)", 624140003)
    assert r.fetch_template(items) % row == (
        b'* 12 FETCH (UID 7 FLAGS (\\Seen) INTERNALDATE "17-Jul-1996 09:44:25 +0000" RFC822.SIZE 4286 '
        b"ENVELOPE (NIL) BODYSTRUCTURE (x) BODY (y) MODSEQ (624140003))\r\n"
    )


def test_fetch_template_of_sections() -> None:
    command = parse_command(
        b'a FETCH 1 (BODY.PEEK[HEADER.FIELDS ("a%d" To)]<10.5> RFC822.HEADER BODY[1.MIME])', State.SELECTED
    )
    assert isinstance(command, Fetch)
    assert r.fetch_template(command.items) % (1, b'"x"', b'"y"', b"NIL") == (
        b'* 1 FETCH (BODY[HEADER.FIELDS ("a%d" To)]<10> "x" RFC822.HEADER "y" BODY[1.MIME] NIL)\r\n'
    )


FIELD_NAMES = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), min_size=1)


@given(st.lists(FIELD_NAMES))
def test_labels_of_sections_are_one_line_in_step(fields: list[str]) -> None:
    names = b" ".join(r.string(field.encode()) for field in [*fields, "To"])
    command = parse_command(b"a FETCH 1 BODY[HEADER.FIELDS (%b)]" % names, State.SELECTED)
    assert isinstance(command, Fetch)
    (section,) = command.items
    assert isinstance(section, BodySection)
    again = parse_command(b"a FETCH 1 " + section.label, State.SELECTED)
    assert isinstance(again, Fetch)
    assert again.items == (section,)


# ---------------------------------------------------------------------- CAPABILITY


def names(state: State, around: Surroundings) -> set[str]:
    return set(render_capabilities(state, around).decode().split(" "))


def test_capabilities_before_login() -> None:
    clear = Surroundings(tls=False, starttls=True, login_allowed=False, mechanisms=())
    assert names(State.NOT_AUTHENTICATED, clear) == {
        *("IMAP4rev1", "IMAP4rev2", "LITERAL+", "ID", "ENABLE", "SASL-IR", "STARTTLS", "LOGINDISABLED"),
    }
    secure = Surroundings(tls=True, starttls=True, mechanisms=("PLAIN", "LOGIN"))
    assert names(State.NOT_AUTHENTICATED, secure) == {
        *("IMAP4rev1", "IMAP4rev2", "LITERAL+", "ID", "ENABLE", "SASL-IR", "AUTH=PLAIN", "AUTH=LOGIN"),
    }


def test_capabilities_after_login() -> None:
    shown = names(State.AUTHENTICATED, Surroundings(tls=True, starttls=True))
    assert {"IDLE", "MOVE", "CONDSTORE", "COMPRESS=DEFLATE"} <= shown
    assert not {"STARTTLS", "LOGINDISABLED", "SASL-IR", "AUTH=PLAIN"} & shown
    assert names(State.SELECTED, Surroundings(tls=True, starttls=True)) == shown
    assert "COMPRESS=DEFLATE" not in names(State.SELECTED, Surroundings(compressed=True))
    assert "APPENDLIMIT=1000" in names(State.SELECTED, Surroundings(append_limit=1000))
    assert "APPENDLIMIT=1000" not in names(State.NOT_AUTHENTICATED, Surroundings(append_limit=1000))


def test_commands_of_extensions_are_announced() -> None:
    announced = {row.name for row in CAPABILITIES}
    families = {name.partition("=")[0] for name in announced}
    assert {row.capability for row in COMMANDS.values() if row.capability} <= announced | families
    assert len(announced) == len(CAPABILITIES)
