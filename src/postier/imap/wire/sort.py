"""SORT (RFC 5256) with RETURN (RFC 5267) and the keys of RFC 5957 (SORT=DISPLAY)."""

from __future__ import annotations

from dataclasses import dataclass

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.returns import PLAIN, SearchReturn, return_options
from postier.imap.wire.search import BadCharset, Searching, charset_name, search_keys
from postier.imap.wire.search_keys import has_key

__all__ = ["SORT_KEYS", "Sort", "SortCriterion", "parse_sort"]

SORT_KEYS = frozenset(
    ("ARRIVAL", "CC", "DATE", "DISPLAYFROM", "DISPLAYTO", "FROM", "RELEVANCY", "SIZE", "SUBJECT", "TO")
)
_CAPABILITY_OF = {
    "DISPLAYFROM": "SORT=DISPLAY",
    "DISPLAYTO": "SORT=DISPLAY",
    "RELEVANCY": "SEARCH=FUZZY",
}


@dataclass(frozen=True, slots=True)
class SortCriterion:
    """`key`: one of SORT_KEYS."""

    key: str
    reverse: bool = False


@dataclass(frozen=True, slots=True)
class Sort(Searching):
    """`criteria`: the first counts most; none stands there twice."""

    criteria: tuple[SortCriterion, ...] = ()
    name = "SORT"


def parse_sort(g: Grammar, tag: bytes, *, by_uid: bool = False) -> Sort | BadCharset:
    """sort = "SORT" [SP "RETURN" SP (...)] SP sort-criteria SP charset SP search-key *(SP search-key).

    Some clients write RETURN behind the charset.
    """
    g.space()
    returns = return_options(g, "ESORT")
    criteria = _criteria(g)
    g.space()
    charset = charset_name(g)
    if charset is None:
        return BadCharset(tag, SearchReturn.SAVE in returns)
    if returns is PLAIN:
        returns = return_options(g, "ESORT")
    key = search_keys(g, charset, returns)
    if any(criterion.key == "RELEVANCY" for criterion in criteria) and not has_key(key, "FUZZY"):
        g.fail("FUZZY beside RELEVANCY")  # RFC 6203 6
    return Sort(tag, key, by_uid, returns, criteria)


def _criteria(g: Grammar) -> tuple[SortCriterion, ...]:
    """ "(" ["REVERSE" SP] sort-key *(SP ["REVERSE" SP] sort-key) ")". A key that comes again decides nothing
    that the first one left open."""
    g.expect(b"(", "sort criteria")
    found: dict[str, SortCriterion] = {}
    while True:
        reverse = g.take_nocase(b"REVERSE ")
        key = g.word().decode()
        if key not in SORT_KEYS:
            g.fail("a sort key")
        g.needs(_CAPABILITY_OF.get(key, ""))
        found.setdefault(key, SortCriterion(key, reverse))
        if g.take(b")"):
            return tuple(found.values())
        g.space()
