"""What the keys of SEARCH mean (RFC 3501 6.4.4): each key takes some messages and leaves those that match.

Keys look at what is cheapest to read: UIDs and flags, then what the store keeps beside a message, then its
text. AND asks its cheap keys first, so a text is searched only in messages that everything else lets
through.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from postier.accounts.delivery import LISTING_FIELDS
from postier.imap.session.objectid import email_number, thread_number
from postier.imap.session.search_leaf import Leaf, Search, text_of
from postier.imap.session.search_numbers import (
    MOST,
    after,
    before,
    day,
    everything,
    flag,
    in_set,
    keyword,
    number,
    object_id,
    recent,
    sent,
)
from postier.imap.session.search_text import QUERIES, fuzzy_text, text
from postier.imap.session.slices import Slice, Uids
from postier.imap.wire.values import SearchKey
from postier.store.api import Flag

__all__ = ["COMBINATIONS", "LEAVES", "cost", "count_keys", "match", "reads_texts", "with_fuzzy_texts"]

Combination = Callable[[Search, Slice, SearchKey, Uids], Awaitable[Uids]]


async def match(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    """Those of `uids` that match, ascending."""
    if not uids:
        return uids
    combine = COMBINATIONS.get(key.name)
    if combine is not None:
        return await combine(search, slice_, key, uids)
    leaf = LEAVES[key.name]
    if leaf.cost:
        await search.take_turns()
    return await leaf.test(search, slice_, key, uids)


# ---------------------------------------------------------------------- combinations


def _keys(key: SearchKey) -> list[SearchKey]:
    return [argument for argument in key.arguments if isinstance(argument, SearchKey)]


async def _and(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    for part in sorted(_keys(key), key=cost):
        uids = await match(search, slice_, part, uids)
    return uids


async def _or(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    first, second = sorted(_keys(key), key=cost)
    found = await match(search, slice_, first, uids)
    if len(found) == len(uids):
        return found
    return sorted(found + await match(search, slice_, second, _without(uids, found)))


async def _not(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    return _without(uids, await match(search, slice_, _keys(key)[0], uids))


def _without(uids: Uids, others: Uids) -> Uids:
    if not others:
        return uids
    gone = set(others)
    return [uid for uid in uids if uid not in gone]


COMBINATIONS: dict[str, Combination] = {"AND": _and, "OR": _or, "NOT": _not, "FUZZY": fuzzy_text}


def cost(key: SearchKey) -> int:
    """The most expensive thing that has to be read for `key`."""
    if key.name in COMBINATIONS:
        return max(map(cost, _keys(key)))
    if key.name == "HEADER" and text_of(key).lower() not in LISTING_FIELDS:
        return LEAVES["TEXT"].cost
    return LEAVES[key.name].cost


def with_fuzzy_texts(key: SearchKey) -> SearchKey:
    """FUZZY moved inwards to the keys about texts. For all others it means nothing, as RFC 6203 5 allows."""
    if key.name == "FUZZY":
        return _fuzzy(_keys(key)[0])
    return _of_parts(key, with_fuzzy_texts)


def _fuzzy(key: SearchKey) -> SearchKey:
    if key.name in QUERIES:
        return SearchKey("FUZZY", (key,))
    return _fuzzy(_keys(key)[0]) if key.name == "FUZZY" else _of_parts(key, _fuzzy)


def _of_parts(key: SearchKey, change: Callable[[SearchKey], SearchKey]) -> SearchKey:
    if key.name not in COMBINATIONS:
        return key
    return SearchKey(key.name, tuple(map(change, _keys(key))))


def count_keys(key: SearchKey) -> int:
    """How many keys there are, those inside others included."""
    return 1 + sum(map(count_keys, _keys(key)))


def reads_texts(key: SearchKey) -> bool:
    return cost(key) >= LEAVES["SUBJECT"].cost


LEAVES: dict[str, Leaf] = {
    "ALL": Leaf(0, everything),
    "SEQUENCE": Leaf(0, in_set(by_uid=False)),
    "UID": Leaf(0, in_set(by_uid=True)),
    "RECENT": Leaf(0, recent(True)),
    "OLD": Leaf(0, recent(False)),
    "SAVEDATESUPPORTED": Leaf(0, everything),
    "NEW": Leaf(1, recent(True, unseen=True)),
    **{bit.name or "": Leaf(1, flag(bit, True)) for bit in Flag},
    **{f"UN{bit.name}": Leaf(1, flag(bit, False)) for bit in Flag},
    "KEYWORD": Leaf(1, keyword(True)),
    "UNKEYWORD": Leaf(1, keyword(False)),
    "MODSEQ": Leaf(1, number("modseq", lambda least, now: (least, MOST))),
    "LARGER": Leaf(2, number("size", lambda limit, now: (limit + 1, MOST))),
    "SMALLER": Leaf(2, number("size", lambda limit, now: (0, limit - 1))),
    "BEFORE": Leaf(2, number("internal_date", before)),
    "ON": Leaf(2, number("internal_date", day)),
    "SINCE": Leaf(2, number("internal_date", after)),
    "OLDER": Leaf(2, number("internal_date", lambda seconds, now: (-MOST, now - seconds))),
    "YOUNGER": Leaf(2, number("internal_date", lambda seconds, now: (now - seconds, MOST))),
    "SAVEDBEFORE": Leaf(2, number("saved_date", before)),
    "SAVEDON": Leaf(2, number("saved_date", day)),
    "SAVEDSINCE": Leaf(2, number("saved_date", after)),
    "EMAILID": Leaf(2, object_id("email_id", email_number)),
    "THREADID": Leaf(2, object_id("thread_id", thread_number)),
    "SENTBEFORE": Leaf(2, sent(lambda written, asked: written < asked)),
    "SENTON": Leaf(2, sent(lambda written, asked: written == asked)),
    "SENTSINCE": Leaf(2, sent(lambda written, asked: written >= asked)),
    **{name: Leaf(3, text) for name in ("BCC", "CC", "FROM", "SUBJECT", "TO", "HEADER")},
    "BODY": Leaf(4, text),
    "TEXT": Leaf(4, text),
}
"""Every key that the grammar knows and that has no keys inside."""
