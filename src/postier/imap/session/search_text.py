"""Keys about texts (RFC 3501 6.4.4, RFC 9051 6.4.4): what they look for, and where. How is postier.search's
business.
"""

from __future__ import annotations

from collections.abc import Callable

from postier.imap.session.search_leaf import Search, text_of
from postier.imap.session.slices import Slice, Uids
from postier.imap.wire.values import SearchKey
from postier.message.searched import FIELD_ZONES, TextQuery, Zone
from postier.search.fuzzy import FuzzyQuery

__all__ = ["QUERIES", "fuzzy_text", "text"]

_ZONES = {zone.name: zone for zone in FIELD_ZONES}


def _in_zones(*zones: Zone) -> Callable[[SearchKey], TextQuery]:
    return lambda key: TextQuery.of(text_of(key), *zones)


def _in_field(key: SearchKey) -> TextQuery:
    """HEADER: of the fields that have keys of their own the same is looked at."""
    name, text = text_of(key), text_of(key, 1)
    zone = _ZONES.get(name.upper())
    return TextQuery.of(text, zone) if zone is not None else TextQuery.of(text, Zone.HEAD, field=name)


QUERIES: dict[str, Callable[[SearchKey], TextQuery]] = {
    **{name: _in_zones(zone) for name, zone in _ZONES.items()},
    "HEADER": _in_field,
    "BODY": _in_zones(Zone.BODY),
    "TEXT": _in_zones(Zone.HEAD, Zone.BODY),
}


async def text(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    return await search.texts.matching(search.query(key, QUERIES[key.name]), uids)


async def fuzzy_text(search: Search, slice_: Slice, key: SearchKey, uids: Uids) -> Uids:
    """FUZZY with one key about texts inside (RFC 6203 3): what is like it, and its score."""
    scores = await search.ranking.scores(search.fuzzy_query(key, _fuzzy_query), uids)
    for uid, score in scores.items():
        search.scores[uid] = search.scores.get(uid, 0.0) + score
    return sorted(scores)


def _fuzzy_query(key: SearchKey) -> FuzzyQuery:
    inner = key.arguments[0]
    assert isinstance(inner, SearchKey)
    return FuzzyQuery.of(text_of(inner, -1), QUERIES[inner.name](inner))
