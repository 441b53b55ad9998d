"""SORT and THREAD: their grammar."""

from __future__ import annotations

import pytest

from postier.imap.wire.commands import parse_command
from postier.imap.wire.returns import PLAIN, Returns, SearchReturn
from postier.imap.wire.search import BadCharset
from postier.imap.wire.sort import SORT_KEYS, Sort, SortCriterion
from postier.imap.wire.thread import ALGORITHMS, Thread
from postier.imap.wire.values import BadCommand, PartialRange, SearchKey, State

R = SearchReturn
ALL = SearchKey("ALL")


def sort(arguments: bytes, verb: bytes = b"SORT ") -> object:
    return parse_command(b"a " + verb + arguments, State.SELECTED)


@pytest.mark.parametrize("name", sorted(SORT_KEYS - {"RELEVANCY"}))
def test_sort_keys(name: str) -> None:
    assert sort(b"(%b) UTF-8 ALL" % name.encode()) == Sort(b"a", ALL, criteria=(SortCriterion(name),))


@pytest.mark.parametrize(
    ("arguments", "returns", "criteria"),
    [
        (b"(SUBJECT REVERSE DATE) UTF-8 ALL", PLAIN, ("SUBJECT", "-DATE")),
        (b"(reverse subject reverse date) us-ascii ALL", PLAIN, ("-SUBJECT", "-DATE")),
        (b'(SUBJECT) "UTF-8" ALL', PLAIN, ("SUBJECT",)),
        (b"RETURN () (REVERSE DATE) UTF-8 ALL", Returns(R.ALL), ("-DATE",)),
        (
            b"RETURN (MIN MAX COUNT SAVE) (DATE) UTF-8 ALL",
            Returns(R.MIN | R.MAX | R.COUNT | R.SAVE),
            ("DATE",),
        ),
        (b"RETURN (PARTIAL 1:10) (CC) UTF-8 ALL", Returns(R.PARTIAL, PartialRange(1, 10)), ("CC",)),
        (b"(CC) UTF-8 RETURN (PARTIAL 1:10) ALL", Returns(R.PARTIAL, PartialRange(1, 10)), ("CC",)),
        # what comes again decides nothing
        (b"(DATE FROM REVERSE DATE FROM) UTF-8 ALL", PLAIN, ("DATE", "FROM")),
        (b"(" + b" ".join([b"DATE", b"REVERSE DATE"] * 5000) + b") UTF-8 ALL", PLAIN, ("DATE",)),
    ],
    ids=lambda value: repr(value)[:60],
)
def test_sort(arguments: bytes, returns: Returns, criteria: tuple[str, ...]) -> None:
    wanted = tuple(SortCriterion(name.removeprefix("-"), name.startswith("-")) for name in criteria)
    assert sort(arguments) == Sort(b"a", ALL, returns=returns, criteria=wanted)
    assert sort(arguments, b"UID SORT ") == Sort(b"a", ALL, by_uid=True, returns=returns, criteria=wanted)


@pytest.mark.parametrize(
    "arguments",
    [
        *(b"", b"()", b"() UTF-8 ALL", b"DATE UTF-8 ALL", b"(DATE)", b"(DATE) UTF-8", b"(DATE) ALL ALL "),
        *(b"(DATE,FROM) UTF-8 ALL", b"(DATE ) UTF-8 ALL", b"( DATE) UTF-8 ALL", b"(SHOES) UTF-8 ALL"),
        *(b"(REVERSE) UTF-8 ALL", b"(REVERSE REVERSE DATE) UTF-8 ALL", b"(REVERSE  DATE) UTF-8 ALL"),
        *(b"RETURN (SHOES) (DATE) UTF-8 ALL", b"RETURN (ALL PARTIAL 1:2) (DATE) UTF-8 ALL"),
        *(b"(DATE) CHARSET UTF-8 ALL", b"(DATE) UTF-8 SHOES", b"(DATE) (UTF-8) ALL"),
    ],
)
def test_wrong_sorts(arguments: bytes) -> None:
    assert isinstance(sort(arguments), (BadCommand, BadCharset))


def test_sort_in_an_unknown_charset() -> None:
    assert sort(b"(DATE) KLINGON TEXT x") == BadCharset(b"a")
    assert sort(b"RETURN (SAVE) (DATE) KLINGON TEXT x") == BadCharset(b"a", save=True)
    assert sort(b"(DATE) ALL ALL") == BadCharset(b"a")
    assert isinstance(sort(b"(DATE) ALL"), BadCommand)  # the charset is not optional


# ---------------------------------------------------------------------- THREAD


def thread(arguments: bytes, verb: bytes = b"THREAD ") -> object:
    return parse_command(b"a " + verb + arguments, State.SELECTED)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_thread(name: str) -> None:
    assert thread(b"%b UTF-8 ALL" % name.lower().encode()) == Thread(b"a", ALL, algorithm=name)
    by_uid = Thread(b"a", ALL, by_uid=True, algorithm=name)
    assert thread(b'%b "us-ascii" ALL' % name.encode(), b"UID THREAD ") == by_uid


@pytest.mark.parametrize(
    "arguments",
    [
        *(b"", b"REFERENCES", b"REFERENCES UTF-8", b"REFERENCES UTF-8 ", b"SHOES UTF-8 ALL"),
        *(b'"REFERENCES" UTF-8 ALL', b"(REFERENCES) UTF-8 ALL", b"RETURN () REFERENCES UTF-8 ALL"),
        b"REFERENCES UTF-8 RETURN () ALL",
    ],
)
def test_wrong_threads(arguments: bytes) -> None:
    assert isinstance(thread(arguments), BadCommand)


def test_thread_in_an_unknown_charset() -> None:
    assert thread(b"REFS KLINGON TEXT x") == BadCharset(b"a")
    assert isinstance(thread(b"REFS ALL"), BadCommand)
