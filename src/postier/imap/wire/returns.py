"""RETURN: what the answer of a searching command is to hold (RFC 4466 2.6.1, RFC 4731, RFC 5182, RFC 5267,
RFC 6203, RFC 9394)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.values import PartialRange

__all__ = ["PLAIN", "Returns", "SearchReturn", "partial_range", "return_options"]


class SearchReturn(enum.Flag):
    """Result options. NONE means a response without options, such as plain SEARCH."""

    NONE = 0
    MIN = enum.auto()
    MAX = enum.auto()
    ALL = enum.auto()
    COUNT = enum.auto()
    SAVE = enum.auto()
    PARTIAL = enum.auto()
    CONTEXT = enum.auto()
    UPDATE = enum.auto()
    RELEVANCY = enum.auto()


_OPTIONS = {option.name.encode(): option for option in SearchReturn if option.name}
_CAPABILITY_OF = {
    SearchReturn.SAVE: "SEARCHRES",
    SearchReturn.PARTIAL: "PARTIAL",
    SearchReturn.CONTEXT: "CONTEXT",
    SearchReturn.UPDATE: "CONTEXT",
    SearchReturn.RELEVANCY: "SEARCH=FUZZY",
}
_ALL_OR_PARTIAL = SearchReturn.ALL | SearchReturn.PARTIAL


@dataclass(frozen=True, slots=True)
class Returns:
    """`partial` is there exactly if `options` hold PARTIAL."""

    options: SearchReturn = SearchReturn.NONE
    partial: PartialRange | None = None

    def __contains__(self, option: SearchReturn) -> bool:
        return option in self.options


PLAIN = Returns()
"""No RETURN at all."""


def return_options(g: Grammar, capability: str = "ESEARCH") -> Returns:
    """["RETURN" SP "(" [option *(SP option)] ")" SP]. An empty list asks for ALL (RFC 4731 3.1).
    `capability`: the one that lets RETURN stand here."""
    if not g.take_nocase(b"RETURN "):
        return PLAIN
    g.needs(capability)
    g.expect(b"(", "result options")
    options, partial = SearchReturn.NONE, None
    while not g.take(b")"):
        if options:
            g.space()
        option = _OPTIONS.get(g.word())
        if option is None:
            g.fail("a result option")
        g.needs(_CAPABILITY_OF.get(option, ""))
        if option in _ALL_OR_PARTIAL and options & _ALL_OR_PARTIAL:
            g.fail("one ALL or one PARTIAL")  # RFC 9394 3.1
        if option is SearchReturn.PARTIAL:
            g.space()
            partial = partial_range(g)
        options |= option
    g.space()
    return Returns(options or SearchReturn.ALL, partial)


def partial_range(g: Grammar) -> PartialRange:
    """nz-number ":" nz-number, or both with a minus; 500:400 is the same as 400:500 (RFC 9394 4)."""
    from_end = g.take(b"-")
    first = g.nz_number()
    g.expect(b":")
    if from_end:
        g.expect(b"-")
    last = g.nz_number()
    return PartialRange(min(first, last), max(first, last), from_end)
