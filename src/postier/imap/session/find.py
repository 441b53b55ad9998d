"""Which messages of a mailbox match: the one door to the engine of SEARCH, SORT, THREAD and their kin.

The mailbox is looked at in slices of some thousand messages, so that memory stays bounded and the other
connections get their turn; what is found is exact. What the keys mean is in search_keys.py.
"""

from __future__ import annotations

import asyncio
from array import array
from collections import deque
from collections.abc import Sequence

from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.session.fetch import resolve
from postier.imap.session.limits import newest, refuse_more
from postier.imap.session.progress import Progress
from postier.imap.session.scope import Scope
from postier.imap.session.search_keys import count_keys, match, reads_texts, with_fuzzy_texts
from postier.imap.session.search_leaf import Search
from postier.imap.session.slices import Slice
from postier.imap.session.view import Span, batches
from postier.imap.wire.values import SearchKey, SequenceSet

__all__ = ["SLICE", "find", "find_among", "relevancy"]

SLICE = 5000
"""Messages looked at before the other connections get their turn; fewer where texts are read."""
TEXT_SLICE = 1000


async def find(
    context: Context,
    scope: Scope,
    key: SearchKey,
    progress: Progress | None = None,
    *,
    whole: bool = False,
) -> array[int]:
    """The UIDs that match, ascending. Raises No where the key has too many keys inside, and where `whole`
    more messages would have to be looked at than one command may (RFC 9738)."""
    if count_keys(key) > context.settings.max_search_keys:
        raise No("LIMIT", "Too many search keys")
    spans = _looked_at(scope, key)
    if whole:
        refuse_more(context.settings.message_limit, sum(stop - start for start, stop in spans))
    spans, context.lowest_done = newest(context, scope.view, spans)
    return await _find(Search(context, scope), with_fuzzy_texts(key), spans, progress)


def _looked_at(scope: Scope, key: SearchKey) -> list[Span]:
    """Where the messages are that the sets among the keys leave."""
    spans = [(0, len(scope.view))] if len(scope.view) else []
    parts = key.arguments if key.name == "AND" else (key,)
    for part in parts:
        if isinstance(part, SearchKey) and part.name in ("SEQUENCE", "UID"):
            (sequence,) = part.arguments
            assert isinstance(sequence, SequenceSet)
            named = resolve(scope, sequence, by_uid=part.name == "UID", lenient=True)
            spans = _overlap(spans, named)
    return spans


def _overlap(first: Sequence[Span], second: Sequence[Span]) -> list[Span]:
    """What both of two ascending lists of spans cover."""
    found: list[Span] = []
    left, right = deque(first), deque(second)
    while left and right:
        start, stop = max(left[0][0], right[0][0]), min(left[0][1], right[0][1])
        if start < stop:
            found.append((start, stop))
        (left if left[0][1] < right[0][1] else right).popleft()
    return found


async def find_among(context: Context, scope: Scope, key: SearchKey, uids: Sequence[int]) -> array[int]:
    """The same among some messages, which ascend."""
    return await _find(Search(context, scope), with_fuzzy_texts(key), scope.view.spans_of(uids), None)


async def relevancy(context: Context, scope: Scope, key: SearchKey, uids: Sequence[int]) -> dict[int, int]:
    """How relevant each of `uids` is that `find` found: from 1 to 100, which the best has (RFC 6203 4).

    What no FUZZY key looked at is as good as the least; where none did at all, everything has 100.
    """
    search = Search(context, scope)
    await _find(search, with_fuzzy_texts(key), scope.view.spans_of(sorted(uids)), None)
    best = max((search.scores.get(uid, 0.0) for uid in uids), default=0.0)
    if not best:
        return dict.fromkeys(uids, 100)
    return {uid: max(1, round(100 * search.scores.get(uid, 0.0) / best)) for uid in uids}


async def _find(
    search: Search, key: SearchKey, spans: Sequence[Span], progress: Progress | None
) -> array[int]:
    found = array("I")
    for batch in batches(search.scope.view, spans, TEXT_SLICE if reads_texts(key) else SLICE):
        slice_ = Slice.of(batch)
        found.extend(await match(search, slice_, key, slice_.uids))
        await asyncio.sleep(0)
        if progress is not None:
            await progress.advance(batch.size)
    return found
