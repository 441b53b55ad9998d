"""SEARCH, and what all searching commands share (RFC 3501 6.4.4, RFC 9051 6.4.4)."""

from __future__ import annotations

from dataclasses import dataclass, field

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.returns import PLAIN, Returns, SearchReturn, return_options
from postier.imap.wire.search_keys import has_key, parse_keys
from postier.imap.wire.values import Command, SearchKey
from postier.message import charsets

__all__ = ["BadCharset", "Search", "Searching", "charset_name", "parse_search", "search_keys"]


@dataclass(frozen=True, slots=True)
class BadCharset(Command):
    """A searching command in a charset that is not ours: answer `tag NO [BADCHARSET (...)] text` (RFC 3501
    6.4.4), see `search_responses.bad_charset_code`. `save`: it wanted its result saved."""

    save: bool = False
    name = "SEARCH"


@dataclass(frozen=True, slots=True)
class Searching(Command):
    """What SEARCH, SORT and the like have in common: RFC 5267 calls them searching commands.

    Text in `key` is decoded already.
    """

    key: SearchKey
    by_uid: bool = False
    returns: Returns = PLAIN


@dataclass(frozen=True, slots=True)
class Search(Searching):
    """`names_charset`: whatever it was, it is applied."""

    names_charset: bool = field(default=False, compare=False)
    name = "SEARCH"


def parse_search(g: Grammar, tag: bytes, *, by_uid: bool = False) -> Search | BadCharset:
    """search = "SEARCH" [SP "RETURN" SP (...)] SP ["CHARSET" SP astring SP] search-key *(SP search-key).

    Without CHARSET text is read as UTF-8, of which US-ASCII is a part.
    """
    g.space()
    returns = return_options(g)
    charset: str | None = "utf-8"
    names_charset = g.take_nocase(b"CHARSET ")
    if names_charset:
        charset = charset_name(g)
    if charset is None:
        return BadCharset(tag, SearchReturn.SAVE in returns)
    return Search(tag, search_keys(g, charset, returns), by_uid, returns, names_charset)


def charset_name(g: Grammar) -> str | None:
    """charset SP; None for one that is not known, whose text cannot be read."""
    name = g.astring().decode("ascii", "replace").lower()
    g.space()
    return name if charsets.known(name) else None


def search_keys(g: Grammar, charset: str, returns: Returns) -> SearchKey:
    """search-key *(SP search-key), for which `returns` was asked."""
    key = parse_keys(g, charset)
    if SearchReturn.RELEVANCY in returns and not has_key(key, "FUZZY"):
        g.fail("FUZZY beside RELEVANCY")  # RFC 6203 4
    return key
