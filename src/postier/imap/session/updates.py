"""UPDATE and CANCELUPDATE (RFC 5267 4.3): results of searches are kept up to date while their mailbox is
selected.

What happened since the last time comes from the store's feed. Messages that changed are asked for the search
key again; those that went are taken out right before their EXPUNGE is told, while their numbers still count.
"""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence

from postier.imap.session.context import Context
from postier.imap.session.contexts import LONGEST_SORTED, MOST_CONTEXTS, Kept, Updates
from postier.imap.session.errors import Bad
from postier.imap.session.fetch import resolve
from postier.imap.session.find import find_among
from postier.imap.session.selected import Selected
from postier.imap.session.sorting import put_in_order
from postier.imap.wire.returns import SearchReturn
from postier.imap.wire.search import Searching
from postier.imap.wire.search_responses import Correlator
from postier.imap.wire.sort import Sort
from postier.imap.wire.updates import CancelUpdate, Change, context_change, no_update
from postier.imap.wire.values import SearchKey, SequenceSet

__all__ = ["begin_update", "cancel_update", "refuse_tag_again", "tell_updates"]


def refuse_tag_again(context: Context, command: Searching) -> None:
    """Raises Bad where UPDATE names a context that there is (RFC 5267 4.3)."""
    updates = context.mailbox.updates if context.selected is not None else None
    if SearchReturn.UPDATE in command.returns and updates is not None and command.tag in updates.contexts:
        raise Bad("That tag names a context already", "CLIENTBUG")


def begin_update(
    selected: Selected, command: Searching, correlator: Correlator, found: Sequence[int]
) -> bytes:
    """Keep the result up to date from now on, or say that it will not be (RFC 5267 4.3.1)."""
    criteria = command.criteria if isinstance(command, Sort) else ()
    if selected.updates is None:
        selected.updates = Updates(selected.modseq)
    contexts = selected.updates.contexts
    if len(contexts) >= MOST_CONTEXTS or (criteria and len(found) > LONGEST_SORTED):
        return no_update(command.tag)
    key = _as_of_now(selected, command.key)
    contexts[command.tag] = Kept(correlator, command.by_uid, key, criteria, array("I", found))
    return b""


def _as_of_now(selected: Selected, key: SearchKey) -> SearchKey:
    """Sequence numbers, and "$", mean the messages that they name when the command comes (RFC 5267 4.3)."""
    (first, *_) = (*key.arguments, None)
    if key.name in ("SEQUENCE", "UID") and isinstance(first, SequenceSet):
        if key.name == "UID" and not first.saved:
            return key
        spans = resolve(selected, first, by_uid=False, lenient=True)
        return SearchKey("UID", (SequenceSet(tuple(selected.view.ranges(spans)) or _NOTHING),))
    parts = tuple(
        _as_of_now(selected, part) if isinstance(part, SearchKey) else part for part in key.arguments
    )
    return SearchKey(key.name, parts)


_NOTHING = ((2**32 - 1, 2**32 - 1),)
"""A UID that no message has: the highest is never given."""


async def cancel_update(context: Context, command: CancelUpdate) -> bytes:
    """A tag that names no context, or none any more, has nothing to cancel."""
    updates = context.mailbox.updates
    if updates is not None:
        for tag in command.tags:
            updates.contexts.pop(tag, None)
    return b"OK No further updates"


# ---------------------------------------------------------------------- telling


async def tell_updates(context: Context) -> None:
    """ADDTO and REMOVEFROM for what happened to messages that the client knows of."""
    selected = context.selected
    updates = None if selected is None else selected.updates
    if selected is None or updates is None or not updates.contexts or context.ending:
        return
    changes = await context.reader.changes_since(selected.account_id, selected.mailbox_id, updates.modseq)
    touched = updates.waiting.union(message.uid for message in changes.changed)
    if not touched and not selected.gone:
        return
    await selected.load(context.reader)
    context.say(updates.expunged(selected.view, selected.gone))
    updates.modseq = changes.mailbox.modseq
    updates.waiting = {uid for uid in touched if uid > selected.highest}
    gone = set(selected.gone)
    known = [uid for uid in sorted(touched) if uid not in gone and selected.view.place(uid) >= 0]
    for kept in list(updates.contexts.values()):
        context.say(await _change(context, selected, kept, known))
        await asyncio.sleep(0)


async def _change(context: Context, selected: Selected, kept: Kept, touched: list[int]) -> bytes:
    matching = set(await find_among(context, selected, kept.key, touched))
    before = set(touched).intersection(kept.found)
    removed = kept.take_out(selected.view, before - matching)
    new = sorted(matching - before)
    added: list[Change] = []
    if new:
        order: Sequence[int] = sorted((*kept.found, *new))
        if kept.criteria:
            everything = array("I", order)
            order = await put_in_order(context, selected, kept.key, kept.criteria, everything)
        added = kept.put_in(selected.view, new, order)
    if not (removed or added):
        return b""
    return context_change(kept.correlator, by_uid=kept.by_uid, removed=removed, added=added)
