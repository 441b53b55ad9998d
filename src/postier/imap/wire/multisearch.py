"""The ESEARCH command, which searches several mailboxes (RFC 7377)."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.notify import one_or_more_mailbox
from postier.imap.wire.returns import PLAIN, Returns, SearchReturn, return_options
from postier.imap.wire.search import BadCharset, Searching, charset_name, search_keys

__all__ = ["Multisearch", "Source", "SourceKind", "parse_multisearch"]

MAX_SOURCES = 100


class SourceKind(enum.Enum):
    """RFC 7377 2.2, RFC 5465 6: which mailboxes are searched. The last three are followed by names."""

    SELECTED = b"SELECTED"
    INBOXES = b"INBOXES"
    PERSONAL = b"PERSONAL"
    SUBSCRIBED = b"SUBSCRIBED"
    SUBTREE = b"SUBTREE"
    SUBTREE_ONE = b"SUBTREE-ONE"
    MAILBOXES = b"MAILBOXES"


_KINDS = {kind.value: kind for kind in SourceKind}
_NAMED = (SourceKind.SUBTREE, SourceKind.SUBTREE_ONE, SourceKind.MAILBOXES)


@dataclass(frozen=True, slots=True)
class Source:
    kind: SourceKind
    names: tuple[str, ...] = ()


SELECTED = Source(SourceKind.SELECTED)


@dataclass(frozen=True, slots=True)
class Multisearch(Searching):
    """Always `by_uid`: numbers would mean nothing in mailboxes that are not selected."""

    sources: tuple[Source, ...] = (SELECTED,)
    name = "ESEARCH"

    @property
    def needs_selection(self) -> bool:
        """A mailbox must be selected: it is a source, or UPDATE is about it (RFC 7377 2.2)."""
        return SELECTED in self.sources or SearchReturn.UPDATE in self.returns


def parse_multisearch(g: Grammar, tag: bytes) -> Multisearch | BadCharset:
    """esearch = "ESEARCH" [SP "IN" SP "(" source-mbox ")"] [SP "RETURN" SP (...)] SP search-program. Without
    RETURN the answer holds ALL."""
    g.space()
    sources = _sources(g) if g.take_nocase(b"IN ") else (SELECTED,)
    returns = return_options(g)
    if returns is PLAIN:
        returns = Returns(SearchReturn.ALL)
    if SearchReturn.SAVE in returns and set(sources) != {SELECTED}:
        g.fail("SAVE for the selected mailbox alone")
    charset: str | None = "utf-8"
    if g.take_nocase(b"CHARSET "):
        charset = charset_name(g)
    if charset is None:
        return BadCharset(tag, SearchReturn.SAVE in returns)
    return Multisearch(tag, search_keys(g, charset, returns), True, returns, sources)


def _sources(g: Grammar) -> tuple[Source, ...]:
    """ "(" filter-mailboxes *(SP filter-mailboxes) ")" SP."""
    g.expect(b"(", "mailboxes to search")
    sources: list[Source] = []
    while True:
        kind = _KINDS.get(g.word())
        if kind is None:
            g.fail("mailboxes to search")
        sources.append(Source(kind, _names(g) if kind in _NAMED else ()))
        if len(sources) > MAX_SOURCES:
            g.fail(f"{MAX_SOURCES} kinds of mailboxes at most")
        if g.take(b")"):
            break
        g.space()
    g.space()
    return tuple(sources)


def _names(g: Grammar) -> tuple[str, ...]:
    g.space()
    return one_or_more_mailbox(g)
