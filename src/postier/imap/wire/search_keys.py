"""What SEARCH and its kin look for: the keys of RFC 3501 6.4.4 and RFC 9051 6.4.4, with those of RFC 5032
(WITHIN), RFC 6203 (FUZZY), RFC 7162 (MODSEQ), RFC 8474 (OBJECTID), RFC 8514 (SAVEDATE), RFC 9738 (UIDAFTER,
UIDBEFORE).

The keys are prefix notation, so an OR of ten thousand keys is ten thousand levels deep as written. They are
read with a stack of our own, and the tree that comes out is shallow whatever came in: ANDs within ANDs are
one AND, NOT NOT is nothing, and a chain of ORs is a balanced tree. What is deep all the same (`OR ALL NOT OR
ALL NOT ...`) is refused. So whoever walks it may recurse.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable

from postier.imap.wire.grammar import NUMBER_LIMIT, Grammar
from postier.imap.wire.values import SearchKey, SequenceSet
from postier.message import charsets

__all__ = ["has_key", "parse_keys"]

KEY_LIMIT = 20_000
NESTING_LIMIT = 25
"""Levels of parentheses."""
DEPTH_LIMIT = 200
"""Levels of the tree. Walking it takes two frames of Python for each, of a thousand."""

_OBJECT_ID = re.compile(rb"[A-Za-z0-9_-]{1,255}+")
_FLAG_ENTRY = re.compile(rb"/flags/(?!\\Recent\Z)\\?[!#$&'+,./0-9:;<=>?@A-Z\[^_`a-z|}~-]++", re.IGNORECASE)

_Argument = Callable[[Grammar, str], tuple[str | int, ...]]


def _text(g: Grammar, charset: str) -> tuple[str | int, ...]:
    g.space()
    return (_decode(g, g.astring(), charset),)


def _header(g: Grammar, charset: str) -> tuple[str | int, ...]:
    g.space()
    name = _decode(g, g.astring(), "us-ascii").upper()
    return (name, *_text(g, charset))


def _keyword(g: Grammar, charset: str) -> tuple[str | int, ...]:
    g.space()
    return (g.flag(),)


def _date(g: Grammar, charset: str) -> tuple[str | int, ...]:
    g.space()
    return (g.date(),)


def _number(g: Grammar, charset: str) -> tuple[str | int, ...]:
    g.space()
    return (g.number64(),)


def _interval(g: Grammar, charset: str) -> tuple[str | int, ...]:
    """RFC 5032: seconds, at least one."""
    g.space()
    return (g.nz_number(),)


def _modseq(g: Grammar, charset: str) -> tuple[str | int, ...]:
    """RFC 7162 3.1.5: ["/flags/\\\\Seen" SP ("priv" / "shared" / "all")] SP modseq. Entries are not kept
    apart here, so the number alone counts, as the RFC allows."""
    g.space()
    if g.peek() == 0x22:  # DQUOTE
        if _FLAG_ENTRY.fullmatch(g.quoted()) is None:
            g.fail("the name of a flag's entry")
        g.space()
        if g.word() not in (b"PRIV", b"SHARED", b"ALL"):
            g.fail("an entry type")
        g.space()
    return (g.number64(),)


def _object_id(g: Grammar, charset: str) -> tuple[str | int, ...]:
    """RFC 8474 7: objectid."""
    g.space()
    return (g.require(_OBJECT_ID, "an object identifier").decode(),)


def _nothing(g: Grammar, charset: str) -> tuple[str | int, ...]:
    return ()


_KEYS: dict[bytes, _Argument] = {
    name.encode(): argument
    for argument, names in (
        (_nothing, "ALL ANSWERED DELETED DRAFT FLAGGED NEW OLD RECENT SEEN"),
        (_nothing, "UNANSWERED UNDELETED UNDRAFT UNFLAGGED UNSEEN SAVEDATESUPPORTED"),
        (_text, "BCC BODY CC FROM SUBJECT TEXT TO"),
        (_header, "HEADER"),
        (_keyword, "KEYWORD UNKEYWORD"),
        (_date, "BEFORE ON SINCE SENTBEFORE SENTON SENTSINCE SAVEDBEFORE SAVEDON SAVEDSINCE"),
        (_number, "LARGER SMALLER"),
        (_interval, "OLDER YOUNGER"),
        (_modseq, "MODSEQ"),
        (_object_id, "EMAILID THREADID"),
    )
    for name in names.split()
}


_CAPABILITY_OF = {
    b"OLDER": "WITHIN",
    b"YOUNGER": "WITHIN",
    b"MODSEQ": "CONDSTORE",
    b"EMAILID": "OBJECTID",
    b"THREADID": "OBJECTID",
    b"SAVEDBEFORE": "SAVEDATE",
    b"SAVEDON": "SAVEDATE",
    b"SAVEDSINCE": "SAVEDATE",
    b"SAVEDATESUPPORTED": "SAVEDATE",
    b"FUZZY": "SEARCH=FUZZY",
}


def _uids(first: int, last: int) -> SearchKey:
    return SearchKey("UID", (SequenceSet(((first, last),)),)) if first <= last else _NO_MESSAGE


_NO_MESSAGE = SearchKey("NOT", (SearchKey("ALL"),))
_PAST_UID: dict[bytes, Callable[[int], SearchKey]] = {
    b"UIDAFTER": lambda uid: _uids(uid + 1, NUMBER_LIMIT),
    b"UIDBEFORE": lambda uid: _uids(1, uid - 1),
}
"""RFC 9738 3.3: neither means the message of that UID."""


def _decode(g: Grammar, octets: bytes, charset: str) -> str:
    """Strict where we can be: what is not in the charset it claims would never match anything."""
    if octets.isascii() and charset in ("us-ascii", "utf-8"):
        return octets.decode()
    if charset != "utf-8":
        return charsets.decode(octets, charset)
    try:
        return octets.decode()
    except UnicodeDecodeError:
        g.fail("text in the charset of the search")


def parse_keys(g: Grammar, charset: str) -> SearchKey:
    """search-key *(SP search-key) up to the end of the command. `charset`: one that message.charsets knows,
    in lower case."""
    return _Keys(g, charset).parse()


class _Alternatives:
    """An OR of any number of keys while it is being read."""

    __slots__ = ("keys",)

    keys: deque[SearchKey]

    def __init__(self, first: _Node, second: _Node) -> None:
        """Merges the smaller side into the larger one, so a chain of n ORs costs n log n at most."""
        left = first.keys if isinstance(first, _Alternatives) else deque((first,))
        right = second.keys if isinstance(second, _Alternatives) else deque((second,))
        if len(left) >= len(right):
            left.extend(right)
            self.keys = left
        else:
            right.extendleft(reversed(left))
            self.keys = right


_Node = SearchKey | _Alternatives


class _Frame:
    """What waits for keys: NOT and FUZZY for one, OR for two, AND (parentheses, or the whole) for its end."""

    __slots__ = ("kind", "nodes")

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.nodes: list[_Node] = []


class _Keys:
    """Reads search-keys with a stack of frames instead of recursion."""

    __slots__ = ("charset", "count", "frames", "g", "nesting")

    def __init__(self, g: Grammar, charset: str) -> None:
        self.g = g
        self.charset = charset
        self.frames = [_Frame("AND")]
        self.nesting = 0
        self.count = 0

    def parse(self) -> SearchKey:
        """search-key *(SP search-key) up to the end of the command."""
        g = self.g
        while True:
            self._one()
            while self.frames[-1].kind == "AND" and self.nesting and g.take(b")"):
                self.nesting -= 1
                self._add(_conjunction(self.frames.pop().nodes))
            if g.at_end():
                break
            g.space()
        if len(self.frames) > 1:
            g.fail("another search key")
        key = _closed(_conjunction(self.frames[0].nodes))
        if _is_deep(key):
            g.fail(f"search keys of {DEPTH_LIMIT} levels at most")
        return key

    def _one(self) -> None:
        """Read up to a complete key, opening frames for what comes before it."""
        g = self.g
        while g.take(b"("):
            self.nesting += 1
            if self.nesting > NESTING_LIMIT:
                g.fail(f"{NESTING_LIMIT} levels of parentheses at most")
            self.frames.append(_Frame("AND"))
        self.count += 1
        if self.count > KEY_LIMIT:
            g.fail(f"{KEY_LIMIT} search keys at most")
        first = g.peek()
        if 0x30 <= first <= 0x39 or first in (0x24, 0x2A):  # a digit, "$", "*"
            self._add(SearchKey("SEQUENCE", (g.sequence_set(),)))
            return
        name = g.word()
        g.needs(_CAPABILITY_OF.get(name, ""))
        if name in (b"OR", b"NOT", b"FUZZY"):
            self.frames.append(_Frame(name.decode()))
        elif name == b"UID":
            g.space()
            self._add(SearchKey("UID", (g.sequence_set(),)))
        elif name in _PAST_UID:
            g.space()
            self._add(_PAST_UID[name](g.nz_number()))
        elif name in _KEYS:
            self._add(SearchKey(name.decode(), _KEYS[name](g, self.charset)))
        else:
            g.fail("a search key")

    def _add(self, node: _Node) -> None:
        """Give a complete key to the frame that waits for it, and so on upwards."""
        while True:
            frame = self.frames[-1]
            frame.nodes.append(node)
            if frame.kind == "NOT":
                node = _negation(node)
            elif frame.kind == "FUZZY":
                node = _fuzzy(node)
            elif frame.kind == "OR" and len(frame.nodes) == 2:
                node = _Alternatives(*frame.nodes)
            else:
                return
            self.frames.pop()


def _negation(node: _Node) -> SearchKey:
    key = _closed(node)
    if key.name == "NOT" and isinstance(key.arguments[0], SearchKey):
        return key.arguments[0]
    return SearchKey("NOT", (key,))


def _fuzzy(node: _Node) -> SearchKey:
    """RFC 6203 3. FUZZY FUZZY is FUZZY."""
    key = _closed(node)
    return key if key.name == "FUZZY" else SearchKey("FUZZY", (key,))


def _conjunction(nodes: list[_Node]) -> _Node:
    if len(nodes) == 1:
        return nodes[0]
    keys: list[SearchKey] = []
    for node in nodes:
        key = _closed(node)
        if key.name == "AND":
            keys.extend(part for part in key.arguments if isinstance(part, SearchKey))
        else:
            keys.append(key)
    return SearchKey("AND", tuple(keys))


def _closed(node: _Node) -> SearchKey:
    """A node as a value; alternatives as a balanced tree of ORs."""
    if isinstance(node, SearchKey):
        return node
    level = list(node.keys)
    while len(level) > 1:
        pairs = [SearchKey("OR", (a, b)) for a, b in zip(level[::2], level[1::2], strict=False)]
        level = pairs + level[len(pairs) * 2 :]
    return level[0]


def _is_deep(key: SearchKey) -> bool:
    """The tree has more than DEPTH_LIMIT levels."""
    level = [key]
    for _ in range(DEPTH_LIMIT):
        level = [part for one in level for part in one.arguments if isinstance(part, SearchKey)]
        if not level:
            return False
    return True


def has_key(key: SearchKey, name: str) -> bool:
    """`key` is called `name`, or one inside it is."""
    return key.name == name or any(
        has_key(part, name) for part in key.arguments if isinstance(part, SearchKey)
    )
