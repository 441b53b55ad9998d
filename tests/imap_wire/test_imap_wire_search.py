"""SEARCH: every key of RFC 3501 6.4.4, what the extensions add, and trees that stay shallow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.imap.wire.commands import parse_command
from postier.imap.wire.multisearch import Multisearch, Source, SourceKind
from postier.imap.wire.returns import PLAIN, Returns, SearchReturn
from postier.imap.wire.search import BadCharset, Search
from postier.imap.wire.search_keys import has_key
from postier.imap.wire.values import BadCommand, PartialRange, SearchKey, SequenceSet, State


def parse(arguments: bytes) -> object:
    return parse_command(b"a SEARCH " + arguments, State.SELECTED)


def key(arguments: bytes) -> SearchKey:
    command = parse(arguments)
    assert isinstance(command, Search), command
    return command.key


def k(name: str, *arguments: SearchKey | SequenceSet | str | int) -> SearchKey:
    return SearchKey(name, arguments)


R = SearchReturn
A, B, C = k("SEEN"), k("DRAFT"), k("NEW")
WITHOUT_ARGUMENTS = (
    "ALL ANSWERED DELETED DRAFT FLAGGED NEW OLD RECENT SEEN SAVEDATESUPPORTED"
    " UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN"
)


@pytest.mark.parametrize("name", WITHOUT_ARGUMENTS.split())
def test_keys_without_arguments(name: str) -> None:
    assert key(name.lower().encode()) == k(name)


@pytest.mark.parametrize("name", ["BCC", "BODY", "CC", "FROM", "SUBJECT", "TEXT", "TO"])
def test_keys_of_text(name: str) -> None:
    assert key(name.encode() + b' "a b"') == k(name, "a b")


@pytest.mark.parametrize(
    "name", [f"{kind}{when}" for kind in ("", "SENT", "SAVED") for when in ("BEFORE", "ON", "SINCE")]
)
def test_keys_of_dates(name: str) -> None:
    assert key(name.encode() + b" 1-Feb-1994") == k(name, 8797)
    assert key(name.encode() + b' "31-dec-1969"') == k(name, -1)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (b"1:3,*", k("SEQUENCE", SequenceSet(((1, 3), (0, 0))))),
        (b"$", k("SEQUENCE", SequenceSet((), saved=True))),
        (b"UID 7:*", k("UID", SequenceSet(((7, 0),)))),
        (b"HEADER Message-ID <x@y>", k("HEADER", "MESSAGE-ID", "<x@y>")),
        (b'HEADER date ""', k("HEADER", "DATE", "")),
        (b"KEYWORD $Junk", k("KEYWORD", "$Junk")),
        (b"UNKEYWORD a", k("UNKEYWORD", "a")),
        (b"LARGER 10", k("LARGER", 10)),
        (b"SMALLER 0", k("SMALLER", 0)),
        (b"OLDER 259200", k("OLDER", 259200)),
        (b"YOUNGER 1", k("YOUNGER", 1)),
        (b"MODSEQ 620162338", k("MODSEQ", 620162338)),
        (b'MODSEQ "/flags/\\\\draft" all 620162338', k("MODSEQ", 620162338)),
        (b'MODSEQ "/flags/$Junk" Shared 1', k("MODSEQ", 1)),
        (b"EMAILID M6d99ac3275bb4e", k("EMAILID", "M6d99ac3275bb4e")),
        (b"OR EMAILID a-b_C THREADID 7", k("OR", k("EMAILID", "a-b_C"), k("THREADID", "7"))),
        (b"EMAILID " + b"x" * 255, k("EMAILID", "x" * 255)),
        (b"FUZZY (SUBJECT a) SEEN", k("AND", k("FUZZY", k("SUBJECT", "a")), A)),
        (b"NOT FUZZY OR SEEN DRAFT", k("NOT", k("FUZZY", k("OR", A, B)))),
        (b"FUZZY FUZZY SEEN", k("FUZZY", A)),
        (b"SEEN DRAFT", k("AND", A, B)),
        (b"OR SEEN DRAFT", k("OR", A, B)),
        (b"NOT SEEN", k("NOT", A)),
        (b"(SEEN)", A),
        (b"((SEEN DRAFT) NEW)", k("AND", A, B, C)),
        (b"NOT (SEEN DRAFT) NEW", k("AND", k("NOT", k("AND", A, B)), C)),
        (b"NOT NOT NOT SEEN", k("NOT", A)),
        (b"OR (SEEN DRAFT) NOT NEW", k("OR", k("AND", A, B), k("NOT", C))),
        (b"OR SEEN (OR DRAFT NEW) ALL", k("AND", k("OR", k("OR", A, B), C), k("ALL"))),
        (b"NOT OR SEEN DRAFT", k("NOT", k("OR", A, B))),
    ],
    ids=repr,
)
def test_keys(arguments: bytes, expected: SearchKey) -> None:
    assert key(arguments) == expected


def test_examples_of_rfc_3501() -> None:
    assert key(b'FLAGGED SINCE 1-Feb-1994 NOT FROM "Smith"') == k(
        "AND", k("FLAGGED"), k("SINCE", 8797), k("NOT", k("FROM", "Smith"))
    )
    assert key(b'TEXT "string not in mailbox"') == k("TEXT", "string not in mailbox")
    assert key(b"CHARSET UTF-8 TEXT {6}\r\n\xd0\x96\xd0\x96\xd0\x96") == k("TEXT", "ЖЖЖ")


def test_by_uid() -> None:
    command = parse_command(b"a UID SEARCH 1", State.SELECTED)
    assert command == Search(b"a", k("SEQUENCE", SequenceSet(((1, 1),))), by_uid=True)


@pytest.mark.parametrize(
    ("options", "returns"),
    [
        (b"", PLAIN),
        (b"RETURN () ", Returns(R.ALL)),
        (b"RETURN (MIN COUNT) ", Returns(R.MIN | R.COUNT)),
        (b"RETURN (MIN MIN) ", Returns(R.MIN)),
        (b"return (all max save) ", Returns(R.ALL | R.MAX | R.SAVE)),
        (b"RETURN (MIN) CHARSET us-ascii ", Returns(R.MIN)),
        (b"RETURN (UPDATE CONTEXT COUNT) ", Returns(R.UPDATE | R.CONTEXT | R.COUNT)),
        (b"RETURN (PARTIAL 1:500) ", Returns(R.PARTIAL, PartialRange(1, 500))),
        (b"RETURN (COUNT PARTIAL 500:400) ", Returns(R.PARTIAL | R.COUNT, PartialRange(400, 500))),
        (b"RETURN (PARTIAL -100:-1 MIN) ", Returns(R.PARTIAL | R.MIN, PartialRange(1, 100, True))),
        (b"RETURN (PARTIAL 1:4294967295) ", Returns(R.PARTIAL, PartialRange(1, 2**32 - 1))),
    ],
)
def test_return_options(options: bytes, returns: Returns) -> None:
    assert parse(options + b"SEEN") == Search(b"a", A, returns=returns)


@pytest.mark.parametrize(
    "options",
    [
        *(b"MIN,MAX", b"MIN  MAX", b" MIN", b"MIN ", b"SHOES", b"MIN MAX COUNT SHOES", b"(MIN)"),
        *(b"ALL ALL", b"ALL PARTIAL 1:2", b"PARTIAL 1:2 ALL", b"PARTIAL 1:2 PARTIAL 3:4"),
        *(b"PARTIAL", b"PARTIAL 1", b"PARTIAL 0:1", b"PARTIAL 1:*", b"PARTIAL *:1", b"PARTIAL -1:2"),
        *(b"PARTIAL 1:-2", b"PARTIAL 1:4294967296", b'PARTIAL "1:2"', b"PARTIAL (1:2)", b"PARTIAL 1:2:3"),
        b"RELEVANCY",
    ],
)
def test_wrong_return_options_are_bad(options: bytes) -> None:
    assert isinstance(parse(b"RETURN (" + options + b") SEEN"), BadCommand)


def test_relevancy_needs_a_fuzzy_key() -> None:
    command = parse(b"RETURN (RELEVANCY ALL) FUZZY TEXT Helo")
    assert command == Search(b"a", k("FUZZY", k("TEXT", "Helo")), returns=Returns(R.RELEVANCY | R.ALL))
    assert has_key(command.key, "TEXT")
    assert not has_key(command.key, "BODY")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 7, 8, 9])
def test_partial_ranges(count: int) -> None:
    results = list(range(1, count + 1))
    for first in range(1, 10):
        for last in range(first, 10):
            wanted = [n for n in results if first <= n <= last]
            assert results[PartialRange(first, last).of(count)] == wanted
            from_end = [n for n in results if first <= count + 1 - n <= last]
            assert results[PartialRange(first, last, True).of(count)] == from_end


@pytest.mark.parametrize(
    ("charset", "octets"),
    [
        (b"utf-8", "Grün".encode()),
        (b'"ISO-8859-1"', "Grün".encode("latin-1")),
        (b"windows-1252", "Grün".encode("cp1252")),
        (b"UTF-16", "Grün".encode("utf-16")),
    ],
)
def test_charsets(charset: bytes, octets: bytes) -> None:
    if b"\0" in octets:
        assert isinstance(parse(b"CHARSET %b FROM {%d}\r\n%b" % (charset, len(octets), octets)), BadCommand)
    else:
        assert key(b"CHARSET %b FROM {%d}\r\n%b" % (charset, len(octets), octets)) == k("FROM", "Grün")


def test_text_without_charset_is_utf8() -> None:
    assert key(b"FROM {2}\r\n\xc3\xa4") == k("FROM", "ä")
    assert isinstance(parse(b"FROM {1}\r\n\xe4"), BadCommand)


def test_unknown_charset() -> None:
    assert parse(b"CHARSET x-unknown FROM a") == BadCharset(b"a")
    assert parse(b"RETURN (MIN) CHARSET x-unknown FROM a") == BadCharset(b"a")
    assert parse(b"RETURN (SAVE) CHARSET x-unknown FROM a") == BadCharset(b"a", save=True)


@pytest.mark.parametrize(
    "arguments",
    [
        *(b"", b"(", b")", b"()", b"(SEEN", b"SEEN)", b"SEEN  DRAFT", b"OR SEEN", b"OR (SEEN DRAFT)", b"NOT"),
        *(b"NOT)", b"(OR SEEN) DRAFT", b"(NOT) SEEN", b"SHOES", b"UID", b"UID x", b"FROM", b"HEADER a"),
        *(b"BEFORE 30-Feb-2020", b"BEFORE x", b"ON 1-Jan-99", b'ON "1-Jan-2000', b"LARGER x", b"YOUNGER 0"),
        *(
            b"LARGER 99999999999999999999",
            b"KEYWORD (",
            b'MODSEQ "x" none 1',
            b"MODSEQ",
            b'MODSEQ "/flags/\\\\recent" all 1',
            b'MODSEQ "/flags/" all 1',
            b'MODSEQ "/flags/a" any 1',
            b"MODSEQ 9223372036854775808",
        ),
        *(b"RETURN (MIN)", b"CHARSET UTF-8", b"SEEN ", b"(SEEN )", b"OR SEEN DRAFT)"),
        *(b"EMAILID", b"EMAILID a.b", b"THREADID " + b"x" * 256, b"FUZZY", b"FUZZY )", b"(FUZZY) SEEN"),
    ],
)
def test_wrong_searches_are_bad(arguments: bytes) -> None:
    assert isinstance(parse(arguments), BadCommand)


def depth(tree: SearchKey) -> int:
    return 1 + max((depth(part) for part in tree.arguments if isinstance(part, SearchKey)), default=0)


def leaves(tree: SearchKey) -> list[SearchKey]:
    parts = [part for part in tree.arguments if isinstance(part, SearchKey)]
    return [leaf for part in parts for leaf in leaves(part)] if parts else [tree]


@pytest.mark.parametrize("count", [1, 2, 3, 1000, 9999])
def test_a_long_chain_of_ors_is_a_shallow_tree(count: int) -> None:
    uids = [b"UID %d" % n for n in range(1, count + 2)]
    to_the_right = key(b"OR " + b" OR ".join(uids[:-1]) + b" " + uids[-1])
    to_the_left = key(b"OR " * count + b" ".join(uids))
    for tree in (to_the_right, to_the_left):
        assert len(leaves(tree)) == count + 1
        assert depth(tree) <= count.bit_length() + 2
    assert set(leaves(to_the_right)) == set(leaves(to_the_left))


def test_number_of_keys() -> None:
    assert len(leaves(key(b" ".join([b"SEEN"] * 20_000)))) == 20_000
    for count in (20_001, 150_000):
        assert isinstance(parse(b" ".join([b"SEEN"] * count)), BadCommand)
        assert isinstance(parse(b"NOT " * count + b"SEEN"), BadCommand)
        assert isinstance(parse(b"OR " * count + b"SEEN"), BadCommand)


def test_nesting() -> None:
    assert key(b"(" * 25 + b"SEEN" + b")" * 25) == A
    for count in (26, 25_000):
        assert isinstance(parse(b"(" * count + b"SEEN" + b")" * count), BadCommand)
    worst = b"SEEN"
    for _ in range(25):
        worst = b"(" + b"OR SEEN NOT (SEEN DRAFT) " * 5 + b"OR NOT " + worst + b" SEEN NEW)"
    assert isinstance(parse(worst), BadCommand)  # 26 levels
    worst = b"SEEN"
    for _ in range(24):
        worst = b"(NEW " + b"OR SEEN " * 400 + b"NOT " + worst + b")"
    assert depth(key(worst)) <= 200


@pytest.mark.parametrize("link", [b"OR SEEN NOT ", b"FUZZY NOT ", b"OR SEEN FUZZY "])
def test_levels_without_parentheses(link: bytes) -> None:
    """What no rule makes shallow may be 200 levels deep, and whoever walks it may recurse."""
    tree = key(link * 99 + b"OR SEEN NEW")
    assert depth(tree) == 200
    assert not has_key(tree, "MODSEQ")
    for count in (100, 101, 5000):
        assert isinstance(parse(link * count + b"SEEN"), BadCommand)


# ---------------------------------------------------------------------- ESEARCH (RFC 7377)


def multisearch(arguments: bytes, state: State = State.AUTHENTICATED) -> object:
    return parse_command(b"a ESEARCH " + arguments, state)


@pytest.mark.parametrize(
    ("arguments", "sources", "returns"),
    [
        (b"SEEN", (Source(SourceKind.SELECTED),), Returns(R.ALL)),
        (b"RETURN (COUNT) SEEN", (Source(SourceKind.SELECTED),), Returns(R.COUNT)),
        (b"IN (personal) SEEN", (Source(SourceKind.PERSONAL),), Returns(R.ALL)),
        (
            b'in (MAILBOXES "folder1" subtree-one (a "b c" &ANw-)) return () seen',
            (
                Source(SourceKind.MAILBOXES, ("folder1",)),
                Source(SourceKind.SUBTREE_ONE, ("a", "b c", "Ü")),
            ),
            Returns(R.ALL),
        ),
        (
            b"IN (selected subscribed inboxes subtree inbox) RETURN (MIN) CHARSET UTF-8 SEEN",
            (
                Source(SourceKind.SELECTED),
                Source(SourceKind.SUBSCRIBED),
                Source(SourceKind.INBOXES),
                Source(SourceKind.SUBTREE, ("INBOX",)),
            ),
            Returns(R.MIN),
        ),
    ],
)
def test_multisearch(arguments: bytes, sources: tuple[Source, ...], returns: Returns) -> None:
    assert multisearch(arguments) == Multisearch(b"a", A, True, returns, sources)


@pytest.mark.parametrize(
    "arguments",
    [
        *(b"", b"IN SEEN", b"IN () SEEN", b"IN (shoes) SEEN", b"IN (personal)", b"IN (personal (x 1)) SEEN"),
        *(
            b"IN (mailboxes) SEEN",
            b"IN (mailboxes ()) SEEN",
            b"IN (mailboxes (a)",
            b"IN (mailboxes (a b) SEEN",
        ),
        *(b"RETURN (MIN) IN (personal) SEEN", b"IN (personal) RETURN (SAVE) SEEN"),
        b"IN (" + b"personal " * 100 + b"personal) SEEN",
        b"IN (mailboxes (" + b"a " * 1000 + b"a)) SEEN",
    ],
    ids=lambda value: repr(value)[:60],
)
def test_wrong_multisearches(arguments: bytes) -> None:
    assert isinstance(multisearch(arguments), BadCommand)


# ---------------------------------------------------------------------- the tree means what was written

KEYWORDS = "abcdef"
written = st.recursive(
    st.sampled_from(KEYWORDS),
    lambda inner: (
        st.tuples(st.just("NOT"), inner)
        | st.tuples(st.just("OR"), inner, inner)
        | st.lists(inner, min_size=1, max_size=4).map(lambda keys: ("AND", *keys))
    ),
    max_leaves=40,
)
Written = str | tuple[object, ...]


def as_text(tree: Written) -> str:
    if isinstance(tree, str):
        return f"KEYWORD {tree}"
    operator, *keys = tree
    text = " ".join(as_text(key) for key in keys)  # type: ignore[arg-type]
    return f"({text})" if operator == "AND" else f"{operator} {text}"


def as_written(tree: Written, keywords: set[str]) -> bool:
    if isinstance(tree, str):
        return tree in keywords
    operator, *keys = tree
    values = [as_written(key, keywords) for key in keys]  # type: ignore[arg-type]
    return not values[0] if operator == "NOT" else any(values) if operator == "OR" else all(values)


def as_read(tree: SearchKey, keywords: set[str]) -> bool:
    if tree.name == "KEYWORD":
        return tree.arguments[0] in keywords
    values = [as_read(key, keywords) for key in tree.arguments if isinstance(key, SearchKey)]
    assert tree.name == "AND" or len(values) == {"NOT": 1, "OR": 2}[tree.name]
    return not values[0] if tree.name == "NOT" else any(values) if tree.name == "OR" else all(values)


@given(written, st.sets(st.sampled_from(KEYWORDS)))
def test_the_tree_means_what_was_written(tree: Written, keywords: set[str]) -> None:
    assert as_read(key(as_text(tree).encode()), keywords) == as_written(tree, keywords)
