"""Which messages of a mailbox match: the one door to the engine of SEARCH, SORT, THREAD and their kin.

The mailbox is looked at in slices of some thousand messages, so that memory stays bounded and the other
connections get their turn; what is found is exact. What the keys mean is in search_keys.py.
"""

from __future__ import annotations

import asyncio
from array import array

from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.session.progress import Progress
from postier.imap.session.scope import Scope
from postier.imap.session.search_keys import count_keys, match, reads_texts
from postier.imap.session.search_leaf import Search
from postier.imap.session.slices import Slice
from postier.imap.session.view import batches
from postier.imap.wire.values import SearchKey

__all__ = ["SLICE", "find"]

SLICE = 5000
"""Messages looked at before the other connections get their turn; fewer where texts are read."""
TEXT_SLICE = 1000


async def find(
    context: Context, scope: Scope, key: SearchKey, progress: Progress | None = None
) -> array[int]:
    """The UIDs that match, ascending. Raises No where the key has too many keys inside."""
    if count_keys(key) > context.settings.max_search_keys:
        raise No("LIMIT", "Too many search keys")
    view = scope.view
    search = Search(context, scope)
    found = array("I")
    spans = [(0, len(view))] if len(view) else []
    for batch in batches(view, spans, TEXT_SLICE if reads_texts(key) else SLICE):
        slice_ = Slice.of(batch)
        found.extend(await match(search, slice_, key, slice_.uids))
        await asyncio.sleep(0)
        if progress is not None:
            await progress.advance(batch.size)
    return found
