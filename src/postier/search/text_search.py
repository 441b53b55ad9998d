"""Which messages of a mailbox have a text: exact, whatever the index knows of them.

What the index does not know yet is read: named fields from what the store keeps for listings, everything else
from the message itself.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import NamedTuple, cast

from postier.base.log import Log
from postier.blobs.api import Blobs
from postier.message.searched import FIELD_ZONES, GAP, MessageText, TextQuery, has_text, section_has_text
from postier.search.api import IndexUnavailable, Place, Segment, TextIndex
from postier.search.message_text import StoredMessage, occurs
from postier.store.api import Reader, Uid

__all__ = ["TextSearch"]

_AT_ONCE = 64
"""Messages read before the other connections get their turn."""
_ANSWERS = 500_000
_NEAR = 16

_log = Log("search")
Look = Callable[[TextQuery, Sequence[int]], Awaitable[list[int]]]


class _Answer(NamedTuple):
    found: frozenset[int]
    unsure: frozenset[int]


class TextSearch:
    """Searches of one mailbox. `listed`: names (lower case) of the fields in Facts.header."""

    def __init__(
        self, reader: Reader, blobs: Blobs, index: TextIndex | None, place: Place, listed: Collection[str]
    ) -> None:
        self._reader = reader
        self._blobs = blobs
        self.index = index
        self.place = place
        self._listed = listed
        self._answers: dict[tuple[int, TextQuery], _Answer] = {}
        self._held = 0

    async def matching(self, query: TextQuery, uids: Sequence[int]) -> list[int]:
        """Those of `uids`, ascending, whose message has what the query looks for."""
        if not uids or GAP in query.text:
            return []
        found: list[int] = []
        unknown = uids
        if self.index is not None:
            try:
                found, unsure, unknown = await self._ask(self.index, query, uids)
                found += await self._in_stretches(self._in_texts, query, unsure)
            except IndexUnavailable as error:
                _log.fault("searching without the index", why=error)
                found, unknown = [], uids
        if self._is_listed(query):
            found += await self._in_stretches(self._in_listing, query, unknown)
        else:
            found += await self._in_stretches(self._in_texts, query, unknown)
        return sorted(found)

    # ------------------------------------------------------------------ what the index says

    async def _ask(
        self, index: TextIndex, query: TextQuery, uids: Sequence[int]
    ) -> tuple[list[int], list[int], Sequence[int]]:
        """(those that match, those whose text decides, those that are in no segment)"""
        found: list[int] = []
        unsure: list[int] = []
        place = 0
        unknown: list[int] = []
        for segment in await index.segments(self.place, Uid(uids[0]), Uid(uids[-1])):
            start, end = bisect_left(uids, segment.first, place), bisect_right(uids, segment.last, place)
            unknown += uids[place:start]
            place = end
            answer = await self._answer(index, segment, query)
            if answer is None:
                unknown += uids[start:end]
            else:
                found += filter(answer.found.__contains__, uids[start:end])
                unsure += filter(answer.unsure.__contains__, uids[start:end])
            await asyncio.sleep(0)
        unknown += uids[place:]
        return found, unsure, unknown

    async def _answer(self, index: TextIndex, segment: Segment, query: TextQuery) -> _Answer | None:
        """The next slice of the mailbox asks again: answers are kept, up to _ANSWERS UIDs together."""
        known = self._answers.get((segment.segment_id, query))
        if known is None:
            answer = await index.ask(segment, query)
            if answer is None:
                return None
            known = _Answer(frozenset(answer.found), frozenset(answer.unsure))
            self._held += len(known.found) + len(known.unsure) + 1
            if self._held > _ANSWERS:
                self._answers.clear()
                self._held = 0
            self._answers[segment.segment_id, query] = known
        return known

    # ------------------------------------------------------------------ what messages say

    async def _in_stretches(self, look: Look, query: TextQuery, uids: Sequence[int]) -> list[int]:
        found: list[int] = []
        for start in range(0, len(uids), _AT_ONCE):
            found += await look(query, uids[start : start + _AT_ONCE])
            await asyncio.sleep(0)
        return found

    async def _in_texts(self, query: TextQuery, uids: Sequence[int]) -> list[int]:
        """By the texts that the index keeps, and the messages of which it keeps none, or not all."""
        texts = await self.kept(uids)
        found = [uid for uid, text in texts.items() if has_text(text, query)]
        known = {uid for uid, text in texts.items() if text.whole}.union(found)
        return found + await self._in_messages(query, [uid for uid in uids if uid not in known])

    async def kept(self, uids: Sequence[int]) -> dict[int, MessageText]:
        """The texts of messages that the index keeps, as far as it can be asked."""
        try:
            return await self.index.texts(self.place, uids) if self.index is not None else {}
        except IndexUnavailable:
            return {}

    async def header(self, uid: int) -> bytes:
        """The header section of a message; b"" if it is gone."""
        found = await self.messages((uid,))
        return await found[uid].header() if uid in found else b""

    def _is_listed(self, query: TextQuery) -> bool:
        if query.field:
            return query.field in self._listed
        return all(zone in FIELD_ZONES for zone in query.zones)

    async def _in_listing(self, query: TextQuery, uids: Sequence[int]) -> list[int]:
        headers = await self._facts(uids, "header")
        found = [uid for uid, header in headers.items() if header and section_has_text(header, query)]
        return found + await self._in_texts(query, [uid for uid, header in headers.items() if not header])

    async def _in_messages(self, query: TextQuery, uids: Sequence[int]) -> list[int]:
        messages = await self.messages(uids)
        return [uid for uid, message in messages.items() if await occurs(message, query)]

    async def messages(self, uids: Sequence[int]) -> dict[int, StoredMessage]:
        """Those that are still there, in the order of `uids`."""
        if not uids:
            return {}
        refs = await self._reader.blob_refs(
            self.place.account_id, self.place.mailbox_id, [Uid(uid) for uid in uids]
        )
        parts = await self._facts(uids, "parts")
        return {
            uid: StoredMessage(self._blobs, refs[Uid(uid)], encoded)
            for uid, encoded in parts.items()
            if Uid(uid) in refs
        }

    async def _facts(self, uids: Sequence[int], column: str) -> dict[int, bytes]:
        account_id, mailbox_id, _ = self.place
        rows = await self._reader.facts(account_id, mailbox_id, _ranges(uids), (column,))
        known = cast(dict[int, bytes], dict(cast(list[tuple[int, bytes]], rows)))
        return {uid: known[uid] for uid in uids if uid in known}


def _ranges(uids: Iterable[int]) -> list[tuple[int, int]]:
    """Closed ranges that hold `uids` (ascending) and few others."""
    found: list[tuple[int, int]] = []
    for uid in uids:
        if found and uid <= found[-1][1] + _NEAR:
            found[-1] = (found[-1][0], uid)
        else:
            found.append((uid, uid))
    return found
