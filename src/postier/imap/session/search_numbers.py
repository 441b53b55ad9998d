"""Keys about numbers: places in the mailbox, flags, sizes, dates (RFC 3501 6.4.4, RFC 5032, RFC 7162,
RFC 8474, RFC 8514). The store chooses by them; only UIDs come back.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Callable
from typing import cast

from postier.imap.session.flags import keyword_bit
from postier.imap.session.search_leaf import Search, Test, number_of, text_of
from postier.imap.session.slices import Slice, Uids
from postier.imap.wire.values import SearchKey
from postier.message.dates import parse_date_time
from postier.message.headers import HeaderFields
from postier.store.api import AccountId, Flag

__all__ = [
    "MOST",
    "after",
    "before",
    "day",
    "everything",
    "flag",
    "in_set",
    "keyword",
    "number",
    "object_id",
    "recent",
    "sent",
]  # fmt: skip

DAY = 86400
LEAST, MOST = -(2**63), 2**63 - 1

Bounds = Callable[[int, int], tuple[int, int]]
"""From a key's argument and the time now to the least and the greatest value that match."""


async def everything(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    return uids


def in_set(*, by_uid: bool) -> Test:
    async def test(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        found: Uids = []
        for low, high in search.ranges(key, by_uid=by_uid):
            found += uids[bisect_left(uids, low) : bisect_right(uids, high)]
        return found

    return test


# ---------------------------------------------------------------------- flags


async def _with_flags(search: Search, slice_: Slice, uids: Uids, mask: int, flags: int) -> Uids:
    scope = search.scope
    found = await search.context.reader.uids_with_flags(
        scope.account_id, scope.mailbox_id, slice_.first, slice_.last, mask, flags
    )
    return slice_.narrow(uids, found)


def flag(bit: Flag, wanted: bool) -> Test:
    mask = int(bit)

    async def test(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        return await _with_flags(search, slice_, uids, mask, mask if wanted else 0)

    return test


def keyword(wanted: bool) -> Test:
    async def test(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        bit = keyword_bit(search.scope.keywords, text_of(key))
        if not bit:
            return [] if wanted else uids
        return await _with_flags(search, slice_, uids, bit, bit if wanted else 0)

    return test


def recent(wanted: bool, *, unseen: bool = False) -> Test:
    async def test(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        found = search.scope.recents.choose(uids, wanted=wanted)
        return await _with_flags(search, slice_, found, int(Flag.SEEN), 0) if unseen and found else found

    return test


# ---------------------------------------------------------------------- numbers


def number(column: str, bounds: Bounds) -> Test:
    async def test(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        least, most = bounds(number_of(key), search.now)
        return await _between(search, slice_, uids, column, least, most)

    return test


async def _between(search: Search, slice_: Slice, uids: Uids, column: str, least: int, most: int) -> Uids:
    scope = search.scope
    if least > MOST or most < LEAST:
        return []
    found = await search.context.reader.uids_with_number(
        scope.account_id,
        scope.mailbox_id,
        slice_.first,
        slice_.last,
        column,
        max(least, LEAST),
        min(most, MOST),
    )
    return slice_.narrow(uids, found)


def object_id(column: str, number_in: Callable[[AccountId, str], int | None]) -> Test:
    """RFC 8474 6: exactly that identifier; one that we never gave matches nothing."""

    async def test(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        wanted = number_in(search.scope.account_id, text_of(key))
        return [] if wanted is None else await _between(search, slice_, uids, column, wanted, wanted)

    return test


# ---------------------------------------------------------------------- days


def before(argument: int, now: int) -> tuple[int, int]:
    """Days since 1970, disregarding time and time zone."""
    return LEAST, argument * DAY - 1


def day(argument: int, now: int) -> tuple[int, int]:
    return argument * DAY, argument * DAY + DAY - 1


def after(argument: int, now: int) -> tuple[int, int]:
    return argument * DAY, MOST


def sent(holds: Callable[[int, int], bool]) -> Test:
    """`holds(day of the message, day asked for)`. The date as the sender wrote it, whatever the time zone.
    The store keeps the moment in UTC: it decides but for messages within a day of the border, whose Date
    field is read again."""

    async def test(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        asked = number_of(key)
        border = (asked - 1) * DAY
        found: Uids = []
        if holds(asked - 2, asked):
            found += await _between(search, slice_, uids, "sent_date", LEAST, border - 1)
        if holds(asked + 2, asked):
            found += await _between(search, slice_, uids, "sent_date", border + 3 * DAY, MOST)
        unsure = await _between(search, slice_, uids, "sent_date", border, border + 3 * DAY - 1)
        days = await _written_days(search, unsure)
        return sorted(found + [uid for uid in unsure if uid in days and holds(days[uid], asked)])

    return test


async def _written_days(search: Search, uids: Uids) -> dict[int, int]:
    scope = search.scope
    ranges = scope.view.ranges(scope.view.spans_of(uids))
    rows = await search.context.reader.facts(
        scope.account_id, scope.mailbox_id, ranges, ("sent_date", "header")
    )
    days: dict[int, int] = {}
    for uid, moment, header in cast(list[tuple[int, int, bytes]], rows):
        written = HeaderFields(header or await search.texts.header(uid)).first(b"date")
        parsed = parse_date_time(written) if written is not None else None
        days[uid] = (moment if parsed is None else parsed.epoch + 60 * parsed.offset) // DAY
    return days
