"""LIST and LSUB: RFC 3501 6.3.8 and 6.3.9, RFC 5258 (extended), RFC 5819 (STATUS), RFC 6154 (SPECIAL-USE),
RFC 8440 (MYRIGHTS), RFC 9590 (METADATA)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.mailboxes import status_items
from postier.imap.wire.metadata import Entry, metadata_entries
from postier.imap.wire.values import Command

__all__ = ["List", "ListReturn", "ListSelection", "Lsub", "parse_list", "parse_lsub"]

PATTERN_LIMIT = 100
PATTERN_CHARACTERS = 10_000
"""Of all patterns of a command, which bounds what matching a name costs."""


class ListSelection(enum.Flag):
    """RFC 5258 3.1 selection options."""

    NONE = 0
    SUBSCRIBED = enum.auto()
    REMOTE = enum.auto()
    RECURSIVEMATCH = enum.auto()
    SPECIAL_USE = enum.auto()


@dataclass(frozen=True, slots=True)
class ListReturn:
    """RFC 5258 3.2 return options; `status` holds the items of RFC 5819, upper case, `metadata` the
    entries of RFC 9590."""

    subscribed: bool = False
    children: bool = False
    special_use: bool = False
    status: tuple[str, ...] = ()
    my_rights: bool = False
    metadata: tuple[Entry, ...] = ()


@dataclass(frozen=True, slots=True)
class List(Command):
    """RFC 3501 6.3.8 and RFC 5258. `extended` is False for the plain form."""

    reference: str
    patterns: tuple[str, ...]
    selection: ListSelection = ListSelection.NONE
    returns: ListReturn = ListReturn()
    extended: bool = False
    name = "LIST"


@dataclass(frozen=True, slots=True)
class Lsub(Command):
    reference: str
    pattern: str
    name = "LSUB"


_SELECTION = {
    b"SUBSCRIBED": ListSelection.SUBSCRIBED,
    b"REMOTE": ListSelection.REMOTE,
    b"RECURSIVEMATCH": ListSelection.RECURSIVEMATCH,
    b"SPECIAL-USE": ListSelection.SPECIAL_USE,
}
_RETURN = {
    b"SUBSCRIBED": "subscribed",
    b"CHILDREN": "children",
    b"SPECIAL-USE": "special_use",
    b"MYRIGHTS": "my_rights",
}
_CAPABILITY_OF = {
    b"SPECIAL-USE": "SPECIAL-USE",
    b"STATUS": "LIST-STATUS",
    b"MYRIGHTS": "LIST-MYRIGHTS",
    b"METADATA": "LIST-METADATA",
}
"""Options of extensions that can be switched off."""

_BASES = ListSelection.SUBSCRIBED | ListSelection.SPECIAL_USE


def parse_list(g: Grammar, tag: bytes) -> List:
    """list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]."""
    g.space()
    selection, extended = ListSelection.NONE, False
    if g.peek() == 0x28:  # "("
        selection, extended = _selection(g), True
        g.space()
    reference = g.name_of(g.astring())
    g.space()
    if g.peek() == 0x28:
        patterns, extended = _patterns(g), True
    else:
        patterns = (g.list_mailbox(),)
    returns = ListReturn()
    if g.take(b" "):
        g.expect_nocase(b"RETURN ", "RETURN")
        returns, extended = _returns(g), True
    if extended:
        g.needs("LIST-EXTENDED")
    g.end()
    return List(tag, reference, patterns, selection, returns, extended)


def _selection(g: Grammar) -> ListSelection:
    g.expect(b"(")
    selection = ListSelection.NONE
    while not g.take(b")"):
        if selection:
            g.space()
        name = g.word()
        option = _SELECTION.get(name)
        if option is None:
            g.fail("a selection option")
        g.needs(_CAPABILITY_OF.get(name, ""))
        selection |= option
    if ListSelection.RECURSIVEMATCH in selection and not selection & _BASES:
        g.fail("RECURSIVEMATCH with another option")  # RFC 5258 3.1
    return selection


def _patterns(g: Grammar) -> tuple[str, ...]:
    g.expect(b"(")
    patterns = [g.list_mailbox()]
    while g.take(b" "):
        patterns.append(g.list_mailbox())
        if len(patterns) > PATTERN_LIMIT or sum(map(len, patterns)) > PATTERN_CHARACTERS:
            g.fail(f"{PATTERN_LIMIT} patterns and {PATTERN_CHARACTERS} characters at most")
    g.expect(b")")
    return tuple(patterns)


def _returns(g: Grammar) -> ListReturn:
    """An option that is given twice counts once (RFC 5258 3)."""
    g.expect(b"(", "return options")
    options: dict[str, bool] = {}
    status: dict[str, None] = {}
    metadata: dict[tuple[bool, str], Entry] = {}
    while not g.take(b")"):
        if options or status or metadata:
            g.space()
        name = g.word()
        g.needs(_CAPABILITY_OF.get(name, ""))
        if name == b"STATUS":
            g.space()
            status.update(dict.fromkeys(status_items(g)))
        elif name == b"METADATA":
            g.space()
            for entry in metadata_entries(g):
                metadata.setdefault((entry.private, entry.path), entry)
        elif name in _RETURN:
            options[_RETURN[name]] = True
        else:
            g.fail("a return option")
    return ListReturn(**options, status=tuple(status), metadata=tuple(metadata.values()))


def parse_lsub(g: Grammar, tag: bytes) -> Lsub:
    g.space()
    reference = g.name_of(g.astring())
    g.space()
    pattern = g.list_mailbox()
    g.end()
    return Lsub(tag, reference, pattern)
