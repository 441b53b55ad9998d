"""LIST's wildcards against a slow and obvious matcher, and at their worst."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from postier.imap.wire.patterns import Pattern, literal_prefix, matcher


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("*", ["", "a", "a/b", "INBOX"], []),
        ("%", ["", "a", "INBOX"], ["a/b", "/"]),
        ("", [""], ["a"]),
        ("a/%", ["a/", "a/b"], ["a", "a/b/c", "b/b"]),
        ("a*", ["a", "ab", "a/b/c"], ["b", "ba"]),
        ("%/b", ["a/b", "/b"], ["b", "a/c/b"]),
        ("*/b", ["a/b", "a/c/b"], ["b", "a/bc"]),
        ("a%c*e", ["ace", "abcde", "acbe", "abc/de"], ["a/ce", "abcd"]),
        ("%*", ["a/b", ""], []),
        ("a%%%b", ["ab", "axb"], ["a/b"]),
        ("inbox", ["INBOX"], ["inbox2", "INBOX/a"]),
        ("iNb%", ["INBOX"], ["INBOX/a"]),
        ("inbox/A%", ["INBOX/A", "INBOX/Ab"], ["INBOX/a"]),
        ("i*a", ["INBOX/a"], ["INBOX", "inbox2"]),
        ("Übung%", ["Übung", "Übungen"], ["übung"]),
        ("a.c", ["a.c"], ["abc"]),
    ],
)
def test_pattern(pattern: str, matching: list[str], others: list[str]) -> None:
    compiled = Pattern(pattern)
    assert [name for name in matching if not compiled(name)] == []
    assert [name for name in others if compiled(name)] == []


def test_another_separator() -> None:
    assert Pattern("a.%", separator=".")("a.b/c")
    assert not Pattern("a.%", separator=".")("a.b.c")


def test_several_patterns() -> None:
    matches = matcher(["a", "b*"])
    assert [name for name in ("a", "ab", "b", "bc", "c") if matches(name)] == ["a", "b", "bc"]


@given(st.lists(st.text("ab/*%", max_size=6), max_size=5), st.text("ab/", max_size=8))
def test_several_patterns_are_any_of_them(patterns: list[str], name: str) -> None:
    assert matcher(patterns)(name) == any(Pattern(pattern)(name) for pattern in patterns)


@given(
    st.lists(st.text("Ii/nNbBoOxX*%a", max_size=8), min_size=1, max_size=3), st.text("I/NBOXa", max_size=8)
)
def test_what_matches_begins_with_the_literal_prefix(patterns: list[str], name: str) -> None:
    for kept in (name, f"INBOX{name}", f"INBOX/{name}", f"a{name}"):
        if matcher(patterns)(kept):
            assert kept.startswith(literal_prefix(patterns))


@pytest.mark.parametrize(
    ("patterns", "prefix"),
    [
        (["Work/*"], "Work/"),
        (["Work/%", "Works"], "Work"),
        (["Work", "Play"], ""),
        (["*"], ""),
        ([], ""),
        (["INBOX/a"], "INBOX/a"),
        (["inbox/a"], ""),  # any case of INBOX is INBOX
        (["i%"], ""),
        (["I*"], "I"),
    ],
)
def test_literal_prefix(patterns: list[str], prefix: str) -> None:
    assert literal_prefix(patterns) == prefix


def test_a_pattern_longer_than_any_name_matches_nothing() -> None:
    assert Pattern("*" + "a" * 1000)("a" * 1000)
    assert not Pattern("a" * 1001)("a" * 1001)
    assert not Pattern("a*" * 1001)("a" * 2000)


def obvious(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] in "*%":
        reach = len(name) if pattern[0] == "*" or "/" not in name else name.index("/")
        return any(obvious(pattern[1:], name[i:]) for i in range(reach + 1))
    return name[:1] == pattern[0] and obvious(pattern[1:], name[1:])


@given(st.text("ab/*%", max_size=8), st.text("ab/", max_size=8))
def test_agrees_with_the_obvious(pattern: str, name: str) -> None:
    assert Pattern(pattern)(name) == obvious(pattern, name)


def test_the_worst_pattern_is_walked_once() -> None:
    """A matcher that goes back would never end here."""
    assert not Pattern("*a" * 500 + "b")("a" * 5000)
    assert not Pattern("%a" * 500 + "b")("a" * 5000)
    assert Pattern("*a%" * 500)("a" * 5000)
    assert not matcher([f"*a{number}%b" * 20 for number in range(100)])("a" * 1000)
