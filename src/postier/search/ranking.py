"""Fuzzy search of a mailbox: which messages are like what is looked for, and how much."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Sequence

from postier.base.log import Log
from postier.blobs.api import BlobUnreadable
from postier.message.searched import MessageText, Zone
from postier.search.api import IndexUnavailable, Segment, TextIndex
from postier.search.fuzzy import FuzzyQuery
from postier.search.message_text import read_text
from postier.search.text_search import TextSearch
from postier.store.api import Uid

__all__ = ["EXACT", "Ranking"]

EXACT = 0.5
"""What a message gets beside all else for having the text as it was asked for."""
_AT_ONCE = 64
_REMEMBERED = 8
"""Segments and queries whose scores are kept: the next slice of the mailbox asks again."""

_log = Log("search")
Scores = dict[int, float]


class Ranking:
    """For one search of a mailbox; `texts` searches the same one exactly."""

    def __init__(self, texts: TextSearch) -> None:
        self._texts = texts
        self._of_segment: dict[tuple[int, int], Scores] = {}

    async def scores(self, query: FuzzyQuery, uids: Sequence[int]) -> Scores:
        """Of those of `uids`, ascending, that are like the query or have its text."""
        found: Scores = {}
        if query.terms and not query.exact.field and uids:
            found = await self._alike(query, uids)
        for uid in await self._texts.matching(query.exact, uids):
            found[uid] = found.get(uid, 0.0) + EXACT
        return found

    async def _alike(self, query: FuzzyQuery, uids: Sequence[int]) -> Scores:
        found: Scores = {}
        unknown: Sequence[int] = uids
        if self._texts.index is not None:
            try:
                found, unknown = await self._in_segments(self._texts.index, query, uids)
            except IndexUnavailable as error:
                _log.fault("ranking without the index", why=error)
                found, unknown = {}, uids
        for start in range(0, len(unknown), _AT_ONCE):
            for uid, text in (await self._read(unknown[start : start + _AT_ONCE])).items():
                if score := query.score(query.likeness(text)):
                    found[uid] = score
            await asyncio.sleep(0)
        return found

    async def _in_segments(
        self, index: TextIndex, query: FuzzyQuery, uids: Sequence[int]
    ) -> tuple[Scores, list[int]]:
        """Scores, and the UIDs that are in no segment."""
        found: Scores = {}
        unknown: list[int] = []
        place = 0
        for segment in await index.segments(self._texts.place, Uid(uids[0]), Uid(uids[-1])):
            start, end = bisect_left(uids, segment.first, place), bisect_right(uids, segment.last, place)
            unknown += uids[place:start]
            place = end
            scores = await self._segment(index, segment, query)
            if scores is None:
                unknown += uids[start:end]
            else:
                found.update((uid, scores[uid]) for uid in uids[start:end] if uid in scores)
        return found, unknown + list(uids[place:])

    async def _segment(self, index: TextIndex, segment: Segment, query: FuzzyQuery) -> Scores | None:
        key = segment.segment_id, id(query)
        known = self._of_segment.get(key)
        if known is not None:
            return known
        alike: list[dict[Zone, Scores]] = []
        for term in query.terms:
            by_zone: dict[Zone, Scores] = {}
            for zone, _ in query.weights:
                likeness = await index.alike(segment, zone, term)
                if likeness is None:
                    return None
                by_zone[zone] = likeness
                await asyncio.sleep(0)
            alike.append(by_zone)
        uids = set.intersection(*(set().union(*by_zone.values()) for by_zone in alike))
        scores = {
            uid: query.score(
                [{zone: found.get(uid, 0.0) for zone, found in by_zone.items()} for by_zone in alike]
            )
            for uid in uids
        }
        while len(self._of_segment) >= _REMEMBERED:
            del self._of_segment[next(iter(self._of_segment))]
        self._of_segment[key] = scores
        return scores

    async def _read(self, uids: Sequence[int]) -> dict[int, MessageText]:
        """The texts that are kept, and of other messages as much as would be."""
        texts = await self._texts.kept(uids)
        for uid, message in (await self._texts.messages([uid for uid in uids if uid not in texts])).items():
            try:
                texts[uid] = await read_text(message)
            except BlobUnreadable as error:
                _log.error("a message is left out of a fuzzy search", exception=error)
        return texts
