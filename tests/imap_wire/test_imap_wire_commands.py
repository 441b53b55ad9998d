"""Each command of RFC 3501 section 6 and of the extensions, as its RFC shows it, read to its value."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from postier.accounts.mailboxes import BadMailboxName, canonical_name
from postier.imap.wire import acl, metadata, quota
from postier.imap.wire.access import Unauthenticate
from postier.imap.wire.commands import COMMANDS, parse_command
from postier.imap.wire.listing import List, ListReturn, ListSelection, Lsub
from postier.imap.wire.patterns import matcher
from postier.imap.wire.values import (
    Authenticate,
    BadCommand,
    BodySection,
    Capability,
    Check,
    Close,
    Command,
    Compress,
    Copy,
    Create,
    Delete,
    Enable,
    Examine,
    Expunge,
    Fetch,
    FetchItem,
    Id,
    Idle,
    Login,
    Logout,
    Move,
    Namespace,
    Noop,
    Rename,
    Select,
    SequenceSet,
    StarttlsCommand,
    State,
    Status,
    Store,
    StoreOperation,
    Subscribe,
    Unselect,
    Unsubscribe,
)

AFTER = State.AUTHENTICATED | State.SELECTED
FAST: tuple[FetchItem, ...] = ("FLAGS", "INTERNALDATE", "RFC822.SIZE")


def numbers(*ranges: tuple[int, int]) -> SequenceSet:
    return SequenceSet(ranges)


def section(
    label: bytes,
    specifier: str = "",
    *,
    path: tuple[int, ...] = (),
    fields: tuple[bytes, ...] = (),
    partial: tuple[int, int] | None = None,
    peek: bool = False,
) -> BodySection:
    return BodySection(path, specifier, fields, partial, peek, label)


def parse(line: bytes) -> Command | None:
    """In the first state where its row allows it."""
    name = line.upper().split(b" ")[1]
    row = COMMANDS[line.upper().split(b" ")[2] if name == b"UID" else name]
    state = next(state for state in State if state & row.states)
    return parse_command(line, state)


SHARED_COMMENT = metadata.Entry(False, "/comment", "/shared/comment")
PRIVATE_COMMENT = metadata.Entry(True, "/comment", "/private/comment")

EXAMPLES: list[tuple[bytes, Command]] = [
    # RFC 3501 6.1 and 6.2
    (b"abcd CAPABILITY", Capability(b"abcd")),
    (b"a002 noop", Noop(b"a002")),
    (b"A023 LOGOUT", Logout(b"A023")),
    (b"a002 STARTTLS", StarttlsCommand(b"a002")),
    (b"a UNAUTHENTICATE", Unauthenticate(b"a")),  # RFC 8437
    (b"A001 AUTHENTICATE GSSAPI", Authenticate(b"A001", "GSSAPI", None)),
    (b"C01 AUTHENTICATE plain dGVzdAB0ZXN0AHRlc3Q=", Authenticate(b"C01", "PLAIN", b"test\0test\0test")),
    (b"C01 AUTHENTICATE EXTERNAL =", Authenticate(b"C01", "EXTERNAL", b"")),
    (b"a001 LOGIN SMITH SESAME", Login(b"a001", "SMITH", "SESAME")),
    (b'a LOGIN "a\\"b" {6}\r\nsecret', Login(b"a", 'a"b', "secret")),
    (b'a LOGIN {2}\r\n\xc3\xa4 ""', Login(b"a", "ä", "")),
    # RFC 3501 6.3
    (b"A142 SELECT INBOX", Select(b"A142", "INBOX")),
    (b"A142 SELECT inBox (CONDSTORE)", Select(b"A142", "INBOX", condstore=True)),
    (b"A932 EXAMINE blurdybloop", Examine(b"A932", "blurdybloop")),
    (b'a SELECT "~peter/mail/&U,BTFw-/&ZeVnLIqe-"', Select(b"a", "~peter/mail/台北/日本語")),
    (b"A004 CREATE owatagusiam/blurdybloop", Create(b"A004", "owatagusiam/blurdybloop")),
    (b"A683 DELETE blurdybloop", Delete(b"A683", "blurdybloop")),
    (b"A682 RENAME blurdybloop sarasoop", Rename(b"A682", "blurdybloop", "sarasoop")),
    (b"A002 SUBSCRIBE #news.comp.mail.mime", Subscribe(b"A002", "#news.comp.mail.mime")),
    (b"A002 UNSUBSCRIBE #news.comp.mail.mime", Unsubscribe(b"A002", "#news.comp.mail.mime")),
    (b'A101 LIST "" ""', List(b"A101", "", ("",))),
    (b'A202 LIST ~/Mail/ "%"', List(b"A202", "~/Mail/", ("%",))),
    (b"A202 LIST ~/Mail/ %", List(b"A202", "~/Mail/", ("%",))),
    (b'A002 LSUB "#news." "comp.mail.*"', Lsub(b"A002", "#news.", "comp.mail.*")),
    (
        b"A042 STATUS blurdybloop (UIDNEXT messages UIDNEXT)",
        Status(b"A042", "blurdybloop", ("UIDNEXT", "MESSAGES")),
    ),
    # RFC 3501 6.4
    (b"FXXZ CHECK", Check(b"FXXZ")),
    (b"A341 CLOSE", Close(b"A341")),
    (b"A202 EXPUNGE", Expunge(b"A202")),
    (
        b"A654 FETCH 2:4 (FLAGS BODY[HEADER.FIELDS (DATE FROM)])",
        Fetch(
            b"A654",
            numbers((2, 4)),
            (
                "FLAGS",
                section(
                    b"BODY[HEADER.FIELDS (DATE FROM)]",
                    "HEADER.FIELDS",
                    fields=(b"DATE", b"FROM"),
                ),
            ),
        ),
    ),
    (b"a FETCH 1 fast", Fetch(b"a", numbers((1, 1)), FAST)),
    (b"a FETCH 1,5:7,10:* ALL", Fetch(b"a", numbers((1, 1), (5, 7), (10, 0)), (*FAST, "ENVELOPE"))),
    (b"a FETCH * FULL", Fetch(b"a", numbers((0, 0)), (*FAST, "ENVELOPE", "BODY"))),
    (b"a FETCH 1 BODY", Fetch(b"a", numbers((1, 1)), ("BODY",))),
    (b"a FETCH 1 (BODYSTRUCTURE MODSEQ)", Fetch(b"a", numbers((1, 1)), ("BODYSTRUCTURE", "MODSEQ"))),
    (b"a FETCH 1 BODY[]<0.2048>", Fetch(b"a", numbers((1, 1)), (section(b"BODY[]", partial=(0, 2048)),))),
    (
        b"a UID FETCH 4827313:4828442 FLAGS",
        Fetch(b"a", numbers((4827313, 4828442)), ("FLAGS",), by_uid=True),
    ),
    (
        b"a FETCH 1 (body.peek[4.2.2.1] Body[4.2.HEADER] BODY[4.1.mime] BODY[TEXT])",
        Fetch(
            b"a",
            numbers((1, 1)),
            (
                section(b"BODY[4.2.2.1]", path=(4, 2, 2, 1), peek=True),
                section(b"BODY[4.2.HEADER]", "HEADER", path=(4, 2)),
                section(b"BODY[4.1.MIME]", "MIME", path=(4, 1)),
                section(b"BODY[TEXT]", "TEXT"),
            ),
        ),
    ),
    (
        b'a FETCH 1 BODY.PEEK[2.HEADER.FIELDS.NOT ("x(y" Date {3+}\r\na:b "")]<1.1>',
        Fetch(
            b"a",
            numbers((1, 1)),
            (
                section(
                    b'BODY[2.HEADER.FIELDS.NOT ("x(y" Date "a:b" "")]',
                    "HEADER.FIELDS.NOT",
                    path=(2,),
                    fields=(b"x(y", b"Date", b"a:b", b""),
                    partial=(1, 1),
                    peek=True,
                ),
            ),
        ),
    ),
    (
        b"a FETCH 1 (RFC822 RFC822.HEADER RFC822.TEXT)",
        Fetch(
            b"a",
            numbers((1, 1)),
            (
                section(b"RFC822"),
                section(b"RFC822.HEADER", "HEADER", peek=True),
                section(b"RFC822.TEXT", "TEXT"),
            ),
        ),
    ),
    (
        b"A003 STORE 2:4 +FLAGS (\\Deleted)",
        Store(b"A003", numbers((2, 4)), StoreOperation.ADD, False, ("\\Deleted",)),
    ),
    (
        b"a UID STORE 7 -flags.silent \\seen $Junk \\SEEN",
        Store(b"a", numbers((7, 7)), StoreOperation.REMOVE, True, ("\\Seen", "$Junk"), by_uid=True),
    ),
    (b"a STORE 1 FLAGS ()", Store(b"a", numbers((1, 1)), StoreOperation.REPLACE, False, ())),
    (b"A003 COPY 2:4 MEETING", Copy(b"A003", numbers((2, 4)), "MEETING")),
    (b"A003 UID COPY 2:4 MEETING", Copy(b"A003", numbers((2, 4)), "MEETING", by_uid=True)),
    # extensions
    (
        b'a023 ID ("name" "sodr" "version" "19.34" "vendor" NIL)',
        Id(b"a023", (("name", "sodr"), ("version", "19.34"), ("vendor", None))),
    ),
    (b"a042 ID NIL", Id(b"a042", None)),
    (b"a042 ID ()", Id(b"a042", ())),
    (b"A001 IDLE", Idle(b"A001")),
    (b"A001 NAMESPACE", Namespace(b"A001")),
    (
        b"A002 SetAcl INBOX/Drafts David lrswida",
        acl.SetAcl(b"A002", "INBOX/Drafts", "David", acl.RightsChange.REPLACE, "lrswitea"),
    ),
    (
        b'A002 SETACL INBOX/Drafts "Chris" "+cda"',
        acl.SetAcl(b"A002", "INBOX/Drafts", "Chris", acl.RightsChange.ADD, "kxtea"),
    ),
    (b'A1 SETACL INBOX -Fred ""', acl.SetAcl(b"A1", "INBOX", "-Fred", acl.RightsChange.REPLACE, "")),
    (b"A1 SETACL INBOX Fred -ttd", acl.SetAcl(b"A1", "INBOX", "Fred", acl.RightsChange.REMOVE, "te")),
    (b"B002 DeleteAcl INBOX Fred", acl.DeleteAcl(b"B002", "INBOX", "Fred")),
    (b"A002 getAcl INBOX/Drafts", acl.GetAcl(b"A002", "INBOX/Drafts")),
    (b"a001 LISTRIGHTS ~/Mail/saved smith", acl.ListRights(b"a001", "~/Mail/saved", "smith")),
    (b"A003 MYRIGHTS INBOX", acl.MyRights(b"A003", "INBOX")),
    (b'G0001 GETQUOTA "!partition/sda4"', quota.GetQuota(b"G0001", "!partition/sda4")),
    (b"G0002 GETQUOTAROOT INBOX", quota.GetQuotaRoot(b"G0002", "INBOX")),
    (
        b'S0001 SETQUOTA "#user/alice" (STORAGE 510 message 42 storage 511)',
        quota.SetQuota(b"S0001", "#user/alice", (("STORAGE", 511), ("MESSAGE", 42))),
    ),
    (b'S0001 SETQUOTA "" ()', quota.SetQuota(b"S0001", "", ())),
    (b'a GETMETADATA "" /shared/comment', metadata.GetMetadata(b"a", "", (SHARED_COMMENT,))),
    (
        b'a GETMETADATA "INBOX" (/shared/comment /private/comment /SHARED/comment)',
        metadata.GetMetadata(
            b"a", "INBOX", (metadata.Entry(False, "/comment", "/SHARED/comment"), PRIVATE_COMMENT)
        ),
    ),
    (
        b'a GETMETADATA "INBOX" (MAXSIZE 1024) (/shared/comment /private/comment)',
        metadata.GetMetadata(b"a", "INBOX", (SHARED_COMMENT, PRIVATE_COMMENT), 1024),
    ),
    (
        b'a GETMETADATA (DEPTH 1 MAXSIZE 9) "INBOX" (/private)',
        metadata.GetMetadata(b"a", "INBOX", (metadata.Entry(True, "", "/private"),), 9, 1),
    ),
    (
        b"a GETMETADATA (DEPTH infinity) INBOX /shared/comment",
        metadata.GetMetadata(b"a", "INBOX", (SHARED_COMMENT,), None, None),
    ),
    (
        b"a SETMETADATA INBOX (/private/comment {33}\r\nMy new comment across\r\ntwo lines.)",
        metadata.SetMetadata(b"a", "INBOX", ((PRIVATE_COMMENT, b"My new comment across\r\ntwo lines."),)),
    ),
    (
        b'a SETMETADATA INBOX (/private/comment "x" /shared/comment ~{2+}\r\n\0\n /private/comment nil)',
        metadata.SetMetadata(b"a", "INBOX", ((PRIVATE_COMMENT, None), (SHARED_COMMENT, b"\0\n"))),
    ),
    (
        b'A01 LIST "" % RETURN (METADATA (/shared/comment) MYRIGHTS)',
        List(
            b"A01", "", ("%",), returns=ListReturn(my_rights=True, metadata=(SHARED_COMMENT,)), extended=True
        ),
    ),
    (b"A202 UNSELECT", Unselect(b"A202")),
    (b"t1 ENABLE CONDSTORE X-GOOD-IDEA", Enable(b"t1", ("CONDSTORE", "X-GOOD-IDEA"))),
    (b"a ENABLE utf8=accept", Enable(b"a", ("UTF8=ACCEPT",))),
    (b"a COMPRESS DEFLATE", Compress(b"a", "DEFLATE")),
    (b"a UID EXPUNGE 3000:3002", Expunge(b"a", numbers((3000, 3002)))),
    (b"a UID MOVE 42:69 foo", Move(b"a", numbers((42, 69)), "foo", by_uid=True)),
    (b"t2 CREATE MySpecial (USE (\\Drafts \\Sent))", Create(b"t2", "MySpecial", ("\\Drafts", "\\Sent"))),
    (
        b"B01 UID STORE 2 (UNCHANGEDSINCE 12121230045) +FLAGS.SILENT (\\Deleted)",
        Store(
            b"B01",
            numbers((2, 2)),
            StoreOperation.ADD,
            True,
            ("\\Deleted",),
            True,
            unchanged_since=12121230045,
        ),
    ),
    (
        b"s100 UID FETCH 300:500 (FLAGS) (CHANGEDSINCE 12345 VANISHED)",
        Fetch(b"s100", numbers((300, 500)), ("FLAGS",), True, changed_since=12345, vanished=True),
    ),
    (
        b"A02 SELECT INBOX (QRESYNC (67890007 20050715194045000 41,43:211,214:541))",
        Select(
            b"A02",
            "INBOX",
            False,
            (67890007, 20050715194045000, numbers((41, 41), (43, 211), (214, 541)), None),
        ),
    ),
    (
        b"a SELECT INBOX (QRESYNC (1 2 (1,4 2,9)) CONDSTORE)",
        Select(b"a", "INBOX", True, (1, 2, None, (numbers((1, 1), (4, 4)), numbers((2, 2), (9, 9))))),
    ),
    (b"a EXAMINE x (QRESYNC (1 2))", Examine(b"a", "x", False, (1, 2, None, None))),
    (
        b'A02 LIST (SUBSCRIBED RECURSIVEMATCH) "" "*"',
        List(
            b"A02",
            "",
            ("*",),
            ListSelection.SUBSCRIBED | ListSelection.RECURSIVEMATCH,
            extended=True,
        ),
    ),
    (
        b'A03 LIST () "" "%" RETURN (CHILDREN)',
        List(b"A03", "", ("%",), returns=ListReturn(children=True), extended=True),
    ),
    (
        b'BBB LIST "" ("INBOX" "Drafts" Sent/%)',
        List(b"BBB", "", ("INBOX", "Drafts", "Sent/%"), extended=True),
    ),
    (
        b'A01 LIST "" % RETURN (STATUS (MESSAGES UNSEEN) SPECIAL-USE SUBSCRIBED)',
        List(
            b"A01",
            "",
            ("%",),
            returns=ListReturn(True, False, True, ("MESSAGES", "UNSEEN")),
            extended=True,
        ),
    ),
]


@pytest.mark.parametrize(("line", "value"), EXAMPLES, ids=lambda example: str(example)[:60])
def test_example(line: bytes, value: Command) -> None:
    assert parse(line) == value


def test_every_command_has_an_example() -> None:
    elsewhere = {
        *("APPEND", "NOTIFY", "REPLACE"),  # test_imap_wire_framing, _notify, _append
        *("SEARCH", "SORT", "THREAD", "UIDBATCHES", "ESEARCH"),
        "CANCELUPDATE",  # test_imap_wire_search, test_imap_wire_sort
    }
    assert {value.name for _, value in EXAMPLES} == {name.decode() for name in COMMANDS} - elsewhere


BAD = [
    b"a NOOP ",
    b"a NOOP x",
    b"a LOGIN a",
    b"a LOGIN a b c",
    b'a LOGIN "a',
    b'a LOGIN "a\\b" c',
    b'a LOGIN "\xc3\xa4" c',
    b'a LOGIN "a\0" c',
    b'a LOGIN "a\r" c',
    b'a LOGIN "a {3}\r\n"bc c',
    b"a LOGIN {1}\r\n\xff b",
    b"a LOGIN {1}\r\n\0 b",
    b"a LOGIN ~{1}\r\na b",
    b"a AUTHENTICATE PLAIN !",
    b"a AUTHENTICATE PLAIN ==",
    b"a ENABLE",
    b"a ID x",
    b'a ID ("name")',
    b'a ID ("' + b"n" * 31 + b'" NIL)',
    b'a ID ("n" "' + b"v" * 1025 + b'")',
    b"a ID (" + b" ".join([b'"a" NIL'] * 31) + b")",
    b"a SELECT x (FOO)",
    b"a SELECT x (QRESYNC (0 2))",
    b"a SELECT x (QRESYNC (1 2 1:*))",
    b"a SELECT gr\xc3\xbcn",
    b"a CREATE x (USE (Sent))",
    b"a STATUS x ()",
    b"a STATUS x (SHOES)",
    b"a LIST (RECURSIVEMATCH) a b",
    b"a LIST (SHOES) a b",
    b'a LIST "" ()',
    b'a LIST "" % RETURN (SHOES)',
    b'a LIST "" (' + b" ".join([b"x"] * 101) + b")",
    b"a FETCH 0 FLAGS",
    b"a FETCH 4294967296 FLAGS",
    b"a FETCH 1,,2 FLAGS",
    b"a FETCH 1:2:3 FLAGS",
    b"a FETCH 1: FLAGS",
    b"a FETCH 1 ()",
    b"a FETCH 1 (FAST)",
    b"a FETCH 1 SHOES",
    b"a FETCH 1 BODY[MIME]",
    b"a FETCH 1 BODY[0]",
    b"a FETCH 1 BODY[1.]",
    b"a FETCH 1 BODY[HEADER.FIELDS]",
    b"a FETCH 1 BODY[HEADER.FIELDS ()]",
    b"a FETCH 1 BODY[HEADER.FIELDS ({2}\r\n\r\n)]",
    b"a FETCH 1 BODY[]<0.0>",
    b"a FETCH 1 BODY[]<0>",
    b"a FETCH 1 BODY[" + b"1." * 100 + b"1]",
    b"a FETCH 1 (" + b" ".join(b"BODY[%d]" % n for n in range(1, 502)) + b")",
    b"a FETCH 1 BODY[HEADER.FIELDS (" + b" ".join([b"x"] * 501) + b")]",
    b"a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775808)",
    b"a FETCH 1 FLAGS (CHANGEDSINCE 1 VANISHED)",
    b"a UID FETCH 1 FLAGS (VANISHED)",
    b"a STORE 1 FLAGS",
    b"a STORE 1 *FLAGS (x)",
    b"a STORE 1 FLAGS (a  b)",
    b"a STORE 1 FLAGS (a",
    b"a STORE 1 FLAGS \\*",
    b"a STORE 1 FLAGS " + b"k" * 256,
    b"a EXPUNGE 1",
    b"a UID EXPUNGE",
    b"a UID CHECK",
    b"a APPEND x",
    b"a APPEND x (\\Seen) abc",
]


@pytest.mark.parametrize("line", BAD, ids=lambda line: repr(line[:40]))
def test_wrong_arguments_are_bad_and_keep_the_tag(line: bytes) -> None:
    answer = parse(line)
    assert isinstance(answer, BadCommand)
    assert answer.tag == b"a"
    assert not answer.fatal
    assert answer.text.isprintable()


@pytest.mark.parametrize(
    "line",
    [b"", b" ", b"+ NOOP", b'"a" NOOP', b"a+b NOOP", b"(a NOOP", b"\xff NOOP", b"a" * 256 + b" NOOP"],
)
def test_without_a_tag_the_answer_is_untagged(line: bytes) -> None:
    answer = parse_command(line, State.SELECTED)
    assert isinstance(answer, BadCommand)
    assert answer.tag == b"*"


@pytest.mark.parametrize(
    "line", [b"a FROB", b"a UID", b"a UID FROB", b"a UID NOOP", b"a  NOOP", b"a XLIST a b"]
)
def test_unknown_commands(line: bytes) -> None:
    assert isinstance(parse_command(line, State.SELECTED), BadCommand)


@pytest.mark.parametrize("row", COMMANDS.values(), ids=lambda row: row.name.decode())
def test_states(row: object) -> None:
    assert isinstance(row, type(next(iter(COMMANDS.values()))))
    for state in State:
        answer = parse_command(b"a " + row.name, state)
        refused = answer == BadCommand(b"a", "Command not allowed in this state", code="CLIENTBUG")
        assert refused is not bool(row.states & state)


@pytest.mark.parametrize("line", [b"a", b"a "])
def test_a_tag_alone_is_answered(line: bytes) -> None:
    assert parse_command(line, State.SELECTED) == BadCommand(
        b"a", f"Syntax: expected a name at position {len(line)}"
    )


@pytest.mark.parametrize("name", [b"a&b", b"&AGE-", b"&Jjo!", b'"&U,BTFw-&ZeVnLIqe-"', b"{2}\r\n\xc3\xa9"])
def test_what_is_no_utf7_is_the_name_of_nothing(name: bytes) -> None:
    """RFC 3501 5.1.3: it may be refused, but as a name, not as wrong syntax; patterns match nothing."""
    command = parse(b"a SELECT " + name)
    assert isinstance(command, Select)
    with pytest.raises(BadMailboxName):
        canonical_name(command.mailbox)
    listed = parse(b'a LIST "" ' + name)
    assert isinstance(listed, List)
    assert not matcher(listed.patterns)("a&b")
    assert isinstance(parse_command(b"a SELECT {1}\r\n\xff", State.SELECTED, utf8=True), Select)


def test_quoted_utf8_after_utf8_accept() -> None:
    assert parse_command('a SELECT "Grün"'.encode(), State.SELECTED, utf8=True) == Select(b"a", "Grün")
    assert parse_command(b"a SELECT Gr&APw-n", State.SELECTED, utf8=True) == Select(b"a", "Gr&APw-n")
    assert isinstance(parse_command(b'a SELECT "\xff"', State.SELECTED, utf8=True), BadCommand)


def test_limits_at_their_edge() -> None:
    assert isinstance(parse(b"a STORE 1 FLAGS " + b"k" * 255), Store)
    assert isinstance(parse(b"a FETCH 1 BODY[" + b"1." * 99 + b"1]"), Fetch)
    assert isinstance(parse(b"a FETCH 4294967295 FLAGS"), Fetch)
    assert isinstance(parse(b"a FETCH 1 FLAGS (CHANGEDSINCE 9223372036854775807)"), Fetch)
    assert isinstance(parse(b"a ID (" + b" ".join([b'"a" NIL'] * 30) + b")"), Id)
    assert isinstance(parse(b"a FETCH 1 (" + b" ".join(b"BODY[%d]" % n for n in range(1, 501)) + b")"), Fetch)


@settings(deadline=None, max_examples=300)
@given(
    st.sampled_from([line for line, _ in EXAMPLES]),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 3), st.binary(max_size=3)), min_size=1, max_size=3),
    st.sampled_from(State),
    st.booleans(),
)
def test_a_damaged_command_is_a_command_or_bad(
    line: bytes, damages: list[tuple[int, int, bytes]], state: State, utf8: bool
) -> None:
    for at, gone, instead in damages:
        line = line[:at] + instead + line[at + gone :]
    answer = parse_command(line, state, utf8=utf8)
    assert isinstance(answer, Command)
    assert line.startswith(answer.tag) or answer.tag == b"*"
    if isinstance(answer, BadCommand):
        assert answer.text.isascii()
        assert answer.text.isprintable()
