"""What the keys of SEARCH mean (RFC 3501 6.4.4): each key takes some messages and leaves those that match.

Keys look at what is cheapest to read: UIDs and flags, then what the store keeps beside a message, then its
bytes. AND asks its cheap keys first, so a text is searched only in messages that everything else lets
through. Text matches without regard to case, as casefolded substrings of decoded text.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from postier.accounts.delivery import LISTING_FIELDS
from postier.imap.session.context import Context
from postier.imap.session.fetch import resolve
from postier.imap.session.flags import keyword_bit
from postier.imap.session.objectid import email_number, thread_number
from postier.imap.session.scope import Scope
from postier.imap.session.search_text import Needle, contains_in_body, contains_in_header, contains_in_text
from postier.imap.session.slices import Slice
from postier.imap.wire.values import SearchKey, SequenceSet
from postier.message.dates import parse_date_time
from postier.message.headers import HeaderFields
from postier.store.api import AccountId, Flag

__all__ = ["Matcher", "cost", "count_keys", "reads_bodies"]

DAY = 86400
Uids = list[int]
Test = Callable[["Matcher", Slice, SearchKey, Uids], Awaitable[Uids]]


class Leaf(NamedTuple):
    """A key without keys inside. `cost`: 0 nothing is read, 1 flags, 2 facts, 3 headers, 4 bodies."""

    cost: int
    test: Test


def _text(key: SearchKey, position: int = 0) -> str:
    value = key.arguments[position]
    assert isinstance(value, str)
    return value


def _number(key: SearchKey) -> int:
    value = key.arguments[0]
    assert isinstance(value, int)
    return value


class Matcher:
    """One search over one mailbox; `now` is the same for all its slices."""

    __slots__ = ("_ranges", "context", "needles", "now", "scope")

    def __init__(self, context: Context, scope: Scope) -> None:
        self.context = context
        self.scope = scope
        self.now = int(context.services.clock.now())
        self.needles: dict[str, Needle] = {}
        self._ranges: dict[int, list[tuple[int, int]]] = {}

    async def match(self, key: SearchKey, slice_: Slice, uids: Uids) -> Uids:
        """Those of `uids`, ascending."""
        if not uids:
            return uids
        combine = COMBINATIONS.get(key.name)
        if combine is not None:
            return await combine(self, slice_, key, uids)
        return await LEAVES[key.name].test(self, slice_, key, uids)

    def needle(self, text: str) -> Needle:
        found = self.needles.get(text)
        if found is None:
            found = self.needles[text] = Needle(text)
        return found

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


# ---------------------------------------------------------------------- combinations


def _keys(key: SearchKey) -> list[SearchKey]:
    return [argument for argument in key.arguments if isinstance(argument, SearchKey)]


async def _and(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    for part in sorted(_keys(key), key=cost):
        uids = await matcher.match(part, slice_, uids)
    return uids


async def _or(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    first, second = sorted(_keys(key), key=cost)
    found = await matcher.match(first, slice_, uids)
    if len(found) == len(uids):
        return found
    rest = _without(uids, found)
    return sorted(found + await matcher.match(second, slice_, rest))


async def _not(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    return _without(uids, await matcher.match(_keys(key)[0], slice_, uids))


def _without(uids: Uids, others: Uids) -> Uids:
    if not others:
        return uids
    gone = set(others)
    return [uid for uid in uids if uid not in gone]


async def _fuzzy(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    """RFC 6203 5 leaves it to the server what fuzzy means: here what matches exactly."""
    return await matcher.match(_keys(key)[0], slice_, uids)


COMBINATIONS: dict[str, Test] = {"AND": _and, "OR": _or, "NOT": _not, "FUZZY": _fuzzy}


def cost(key: SearchKey) -> int:
    """The most expensive thing that has to be read for `key`."""
    if key.name in COMBINATIONS:
        return max(map(cost, _keys(key)))
    if key.name == "HEADER" and _text(key).lower() not in LISTING_FIELDS:
        return LEAVES["TEXT"].cost
    return LEAVES[key.name].cost


def count_keys(key: SearchKey) -> int:
    """How many keys there are, those inside others included."""
    return 1 + sum(map(count_keys, _keys(key)))


def reads_bodies(key: SearchKey) -> bool:
    return cost(key) >= LEAVES["TEXT"].cost


# ---------------------------------------------------------------------- numbers and flags


async def _all(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    return uids


def _in_set(by_uid: bool) -> Test:
    async def test(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        found: Uids = []
        for low, high in matcher.ranges(key, by_uid=by_uid):
            found += uids[bisect_left(uids, low) : bisect_right(uids, high)]
        return found

    return test


def _flag(bit: Flag, wanted: bool) -> Test:
    async def test(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        flags, mask = await slice_.flags(), int(bit)  # an IntFlag's own & costs a microsecond
        value = mask if wanted else 0
        if len(flags) == len(uids):
            return [uid for uid, held in flags.items() if held & mask == value]
        return [uid for uid in uids if uid in flags and flags[uid] & mask == value]

    return test


def _keyword(wanted: bool) -> Test:
    async def test(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        bit = keyword_bit(matcher.scope.keywords, _text(key))
        if not bit:
            return [] if wanted else uids
        flags = await slice_.flags()
        return [uid for uid in uids if uid in flags and bool(flags[uid] & bit) is wanted]

    return test


def _recent(wanted: bool, unseen: bool = False) -> Test:
    async def test(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        first = bisect_left(uids, matcher.scope.first_recent)
        found = uids[first:] if wanted else uids[:first]
        return await _UNSEEN(matcher, slice_, key, found) if unseen else found

    return test


_UNSEEN = _flag(Flag.SEEN, False)


async def _modseq(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    modseqs = await slice_.modseqs()
    least = _number(key)
    return [uid for uid in uids if modseqs.get(uid, -1) >= least]


# ---------------------------------------------------------------------- facts


def _fact(column: str, holds: Callable[[int, int, int], bool]) -> Test:
    """`holds(value, argument, now)`"""

    async def test(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        values, argument, now = await slice_.facts(column), _number(key), matcher.now
        return [uid for uid in uids if uid in values and holds(values[uid], argument, now)]

    return test


def _object_id(column: str, number_of: Callable[[AccountId, str], int | None]) -> Test:
    """RFC 8474 6: exactly that identifier; one that we never gave matches nothing."""

    async def test(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        number = number_of(matcher.scope.account_id, _text(key))
        if number is None:
            return []
        values = await slice_.facts(column)
        return [uid for uid in uids if values.get(uid) == number]

    return test


def _sent(holds: Callable[[int, int], bool]) -> Test:
    """The date as the sender wrote it, whatever the time zone. The store keeps the moment in UTC: it decides
    but for messages within a day of the border, whose Date field is read again."""

    async def test(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        sent, day = await slice_.facts("sent_date"), _number(key)
        found: Uids = []
        for uid in uids:
            if uid not in sent:
                continue
            sent_day = sent[uid] // DAY
            if abs(sent_day - day) <= 1:
                sent_day = await _written_day(slice_, uid, sent_day)
            if holds(sent_day, day):
                found.append(uid)
        return found

    return test


async def _written_day(slice_: Slice, uid: int, otherwise: int) -> int:
    written = HeaderFields(await slice_.listing_header(uid)).first(b"date")
    moment = parse_date_time(written) if written is not None else None
    return otherwise if moment is None else (moment.epoch + 60 * moment.offset) // DAY


# ---------------------------------------------------------------------- text


def _header(name: str = "") -> Test:
    """A named field, or the one that the key's first argument names."""

    async def test(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        field = name or _text(key).lower()
        needle = matcher.needle(_text(key, -1))
        octets = field.encode()
        if field in LISTING_FIELDS:
            return [
                uid for uid in uids if contains_in_header(await slice_.listing_header(uid), octets, needle)
            ]
        await slice_.find_contents(uids)
        return [uid for uid in uids if contains_in_header(await slice_.header(uid), octets, needle)]

    return test


def _content(contains: Callable[[Slice, int, Needle], Awaitable[bool]]) -> Test:
    async def test(matcher: Matcher, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
        needle = matcher.needle(_text(key))
        await slice_.find_contents(uids)
        return [uid for uid in uids if await contains(slice_, uid, needle)]

    return test


LEAVES: dict[str, Leaf] = {
    "ALL": Leaf(0, _all),
    "SEQUENCE": Leaf(0, _in_set(by_uid=False)),
    "UID": Leaf(0, _in_set(by_uid=True)),
    "RECENT": Leaf(0, _recent(True)),
    "OLD": Leaf(0, _recent(False)),
    "NEW": Leaf(1, _recent(True, unseen=True)),
    **{bit.name or "": Leaf(1, _flag(bit, True)) for bit in Flag},
    **{f"UN{bit.name}": Leaf(1, _flag(bit, False)) for bit in Flag},
    "KEYWORD": Leaf(1, _keyword(True)),
    "UNKEYWORD": Leaf(1, _keyword(False)),
    "MODSEQ": Leaf(1, _modseq),
    "LARGER": Leaf(2, _fact("size", lambda size, limit, now: size > limit)),
    "SMALLER": Leaf(2, _fact("size", lambda size, limit, now: size < limit)),
    "BEFORE": Leaf(2, _fact("internal_date", lambda at, day, now: at // DAY < day)),
    "ON": Leaf(2, _fact("internal_date", lambda at, day, now: at // DAY == day)),
    "SINCE": Leaf(2, _fact("internal_date", lambda at, day, now: at // DAY >= day)),
    "OLDER": Leaf(2, _fact("internal_date", lambda at, seconds, now: at <= now - seconds)),
    "YOUNGER": Leaf(2, _fact("internal_date", lambda at, seconds, now: at >= now - seconds)),
    "SAVEDBEFORE": Leaf(2, _fact("saved_date", lambda at, day, now: at // DAY < day)),
    "SAVEDON": Leaf(2, _fact("saved_date", lambda at, day, now: at // DAY == day)),
    "SAVEDSINCE": Leaf(2, _fact("saved_date", lambda at, day, now: at // DAY >= day)),
    "SAVEDATESUPPORTED": Leaf(0, _all),
    "EMAILID": Leaf(2, _object_id("email_id", email_number)),
    "THREADID": Leaf(2, _object_id("thread_id", thread_number)),
    "SENTBEFORE": Leaf(2, _sent(lambda sent, day: sent < day)),
    "SENTON": Leaf(2, _sent(lambda sent, day: sent == day)),
    "SENTSINCE": Leaf(2, _sent(lambda sent, day: sent >= day)),
    **{name: Leaf(3, _header(name.lower())) for name in ("BCC", "CC", "FROM", "SUBJECT", "TO")},
    "HEADER": Leaf(3, _header()),
    "BODY": Leaf(4, _content(contains_in_body)),
    "TEXT": Leaf(4, _content(contains_in_text)),
}
"""Every key that the grammar knows and that has no keys inside."""
