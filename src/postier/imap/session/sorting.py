"""Messages in the order of sort criteria (RFC 5256 3).

The last criterion is applied first, by sorts that keep the order of equals, so that what remains equal stays
in the order of the mailbox, also where a criterion is reversed. One column of keys is held at a time. Long
lists are sorted in pieces that are then merged two by two, each step short enough for the other connections.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, cast

from postier.imap.session.context import Context
from postier.imap.session.find import relevancy
from postier.imap.session.progress import Progress
from postier.imap.session.scope import Scope
from postier.imap.session.view import batches
from postier.imap.wire.sort import SortCriterion
from postier.imap.wire.values import SearchKey
from postier.message.collation import unicode_casemap
from postier.message.first_address import display_text, mailbox_text

__all__ = ["SORTERS", "put_in_order"]

BATCH = 2000
"""Messages whose keys are read at once."""
RUN = 20_000
"""Messages that are sorted at once."""


Key = int | str
Keys = list[Key]


class Sorter(NamedTuple):
    """What a criterion compares: of a message's `column` (a name of store.api.Facts) `keys` makes what has an
    order. `missing` stands for a message that vanished meanwhile."""

    column: str
    keys: Callable[[list[object]], Keys]
    missing: Key


def _numbers(values: list[object]) -> Keys:
    return cast(Keys, values)


def _subjects(values: list[object]) -> Keys:
    return [unicode_casemap(cast(str, value)) for value in values]


def _texts(text_of: Callable[[bytes, str], str], field: str) -> Callable[[list[object]], Keys]:
    return lambda envelopes: [unicode_casemap(text_of(cast(bytes, value), field)) for value in envelopes]


SORTERS: dict[str, Sorter] = {
    "ARRIVAL": Sorter("internal_date", _numbers, 0),
    "DATE": Sorter("sent_date", _numbers, 0),
    "SIZE": Sorter("size", _numbers, 0),
    "SUBJECT": Sorter("base_subject", _subjects, ""),
    "FROM": Sorter("envelope", _texts(mailbox_text, "from"), ""),
    "TO": Sorter("envelope", _texts(mailbox_text, "to"), ""),
    "CC": Sorter("envelope", _texts(mailbox_text, "cc"), ""),
    "DISPLAYFROM": Sorter("envelope", _texts(display_text, "from"), ""),
    "DISPLAYTO": Sorter("envelope", _texts(display_text, "to"), ""),
}
"""Every sort key that the store knows; RELEVANCY is the search's."""


async def put_in_order(
    context: Context,
    scope: Scope,
    key: SearchKey,
    criteria: Sequence[SortCriterion],
    uids: array[int],
    progress: Progress | None = None,
) -> Sequence[int]:
    """`uids`, which ascend and were found by `key`, in the order of `criteria`. `progress`: of the command
    that asks for it."""
    if progress is not None:
        progress.expect(len(uids) * len(criteria))
    order: list[int] = list(range(len(uids)))
    for criterion in reversed(criteria):
        if criterion.key == "RELEVANCY":  # RFC 6203 6: the highest comes first
            scores = await relevancy(context, scope, key, uids)
            keys: Keys = [-scores[uid] for uid in uids]
        else:
            keys = await _keys(context, scope, SORTERS[criterion.key], uids, progress)
        order = await _sorted(order, keys, reverse=criterion.reverse)
    return array("I", [uids[place] for place in order])


async def _keys(
    context: Context, scope: Scope, sorter: Sorter, uids: array[int], progress: Progress | None
) -> Keys:
    """The key of each, in their order. Equal texts are kept once: threads share a subject."""
    keys: Keys = []
    once: dict[Key, Key] = {}
    for batch in batches(scope.view, scope.view.spans_of(uids), BATCH):
        rows = await context.reader.facts(scope.account_id, scope.mailbox_id, batch.ranges, (sorter.column,))
        found = sorter.keys([row[1] for row in rows])
        if sorter.missing == "":
            found = list(map(once.setdefault, found, found))
        if len(found) < batch.size:
            known = dict(zip([row[0] for row in rows], found, strict=True))
            found = [known.get(uid, sorter.missing) for uid in batch.uids()]
        keys += found
        await asyncio.sleep(0)
        if progress is not None:
            await progress.advance(batch.size)
    return keys


async def _sorted(order: list[int], keys: Keys, *, reverse: bool) -> list[int]:
    """`order`, places in `keys`, by their keys. Merging two sorted runs is what list.sort does in linear
    time."""
    runs = [order[start : start + RUN] for start in range(0, len(order), RUN)]
    key = cast("Callable[[int], int]", keys.__getitem__)
    for run in runs:
        run.sort(key=key, reverse=reverse)
        await asyncio.sleep(0)
    while len(runs) > 1:
        merged = []
        for left, right in _pairs(runs):
            both = left + right
            both.sort(key=key, reverse=reverse)
            merged.append(both)
            await asyncio.sleep(0)
        runs = merged
    return runs[0] if runs else []


def _pairs(runs: list[list[int]]) -> Iterable[tuple[list[int], list[int]]]:
    """Neighbours; an odd one at the end stands beside nothing."""
    for start in range(0, len(runs), 2):
        yield runs[start], runs[start + 1] if start + 1 < len(runs) else []
