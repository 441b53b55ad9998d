"""What the keys of one search share: what is looked at, and what a key without keys inside is."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from postier.accounts.delivery import LISTING_FIELDS
from postier.imap.session.context import Context
from postier.imap.session.fetch import resolve
from postier.imap.session.scope import Scope
from postier.imap.session.slices import Slice, Uids
from postier.imap.wire.values import SearchKey, SequenceSet
from postier.message.searched import TextQuery
from postier.search.api import Place
from postier.search.fuzzy import FuzzyQuery
from postier.search.ranking import Ranking
from postier.search.text_search import TextSearch

__all__ = ["AT_A_STRETCH", "Leaf", "Search", "Test", "number_of", "text_of"]

AT_A_STRETCH = 8
"""Keys that are looked at in a slice before the other connections get their turn: some 30 ms."""


class Search:
    """One search over one mailbox; `now` is the same for all its slices. `scores`: what messages got that
    matched fuzzily. Keys are told apart by where they are: whoever searches holds them."""

    __slots__ = (
        "_asked",
        "_fuzzy",
        "_queries",
        "_ranges",
        "context",
        "now",
        "ranking",
        "scope",
        "scores",
        "texts",
    )

    def __init__(self, context: Context, scope: Scope) -> None:
        self.context = context
        self.scope = scope
        self.now = int(context.services.clock.now())
        place = Place(scope.account_id, scope.mailbox_id, scope.uidvalidity)
        services = context.services
        self.texts = TextSearch(context.reader, services.blobs, services.index, place, LISTING_FIELDS)
        self.ranking = Ranking(self.texts)
        self.scores: dict[int, float] = {}
        self._asked = 0
        self._fuzzy: dict[int, FuzzyQuery] = {}
        self._ranges: dict[int, list[tuple[int, int]]] = {}
        self._queries: dict[int, TextQuery] = {}

    async def take_turns(self) -> None:
        """Before the store is asked for a key: after some of them the other connections have their turn."""
        self._asked += 1
        if self._asked % AT_A_STRETCH == 0:
            await asyncio.sleep(0)

    def query(self, key: SearchKey, make: Callable[[SearchKey], TextQuery]) -> TextQuery:
        """What a key about texts looks for, made once."""
        known = self._queries.get(id(key))
        if known is None:
            known = self._queries[id(key)] = make(key)
        return known

    def fuzzy_query(self, key: SearchKey, make: Callable[[SearchKey], FuzzyQuery]) -> FuzzyQuery:
        """The same for a key that matches fuzzily."""
        known = self._fuzzy.get(id(key))
        if known is None:
            known = self._fuzzy[id(key)] = make(key)
        return known

    def ranges(self, key: SearchKey, *, by_uid: bool) -> list[tuple[int, int]]:
        """The UID ranges of a set, resolved once. Numbers past the last message match nothing: clients ask
        for `SEARCH n:*` to learn whether there is a message n."""
        known = self._ranges.get(id(key))
        if known is None:
            sequence = key.arguments[0]
            assert isinstance(sequence, SequenceSet)
            spans = resolve(self.scope, sequence, by_uid=by_uid, lenient=True)
            known = self._ranges[id(key)] = self.scope.view.ranges(spans)
        return known


Test = Callable[[Search, Slice, SearchKey, Uids], Awaitable[Uids]]
"""Those of some UIDs of a slice that match a key, ascending."""


class Leaf(NamedTuple):
    """A key without keys inside. `cost`: 0 nothing is read, 1 flags, 2 facts, 3 headers, 4 bodies."""

    cost: int
    test: Test


def text_of(key: SearchKey, position: int = 0) -> str:
    value = key.arguments[position]
    assert isinstance(value, str)
    return value


def number_of(key: SearchKey) -> int:
    value = key.arguments[0]
    assert isinstance(value, int)
    return value
