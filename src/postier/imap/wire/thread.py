"""THREAD: the command and its response (RFC 5256 3 and 4)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.returns import PLAIN
from postier.imap.wire.search import BadCharset, Searching, charset_name, search_keys

__all__ = ["ALGORITHMS", "Thread", "parse_thread", "thread_list"]

ALGORITHMS = ("ORDEREDSUBJECT", "REFERENCES", "REFS")


@dataclass(frozen=True, slots=True)
class Thread(Searching):
    """`algorithm`: one of ALGORITHMS."""

    algorithm: str = "REFERENCES"
    name = "THREAD"


def parse_thread(g: Grammar, tag: bytes, *, by_uid: bool = False) -> Thread | BadCharset:
    """thread = "THREAD" SP thread-alg SP charset SP search-key *(SP search-key)."""
    g.space()
    algorithm = g.word().decode()
    if algorithm not in ALGORITHMS:
        g.fail("a threading algorithm")
    g.needs(f"THREAD={algorithm}")
    g.space()
    charset = charset_name(g)
    if charset is None:
        return BadCharset(tag)
    return Thread(tag, search_keys(g, charset, PLAIN), by_uid, algorithm=algorithm)


def thread_list(top: int, below: Mapping[int, Sequence[int]], numbers: Sequence[int]) -> bytes:
    """One thread in parentheses: `(3 6 (4 23)(44 7 96))`. `below`: the children of those that have any;
    `numbers[n]` is what is written for n; a dummy is below 0 and only at the top."""
    pieces = ["("]
    waiting: list[int | str] = [")", top]  # the last one comes next
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            pieces.append(item)
            continue
        children = below.get(item, ())
        if item >= 0:
            pieces.append(f"{numbers[item]} " if children else str(numbers[item]))
        if len(children) == 1:
            waiting.append(children[0])
            continue
        for child in reversed(children):
            waiting += (")", child, "(")
    return "".join(pieces).encode()
