"""The ESEARCH command (RFC 7377): one search over several mailboxes, an answer for each with a match."""

from __future__ import annotations

import asyncio

from postier.accounts.mailboxes import HIERARCHY_SEPARATOR, canonical_names, parents
from postier.accounts.rights import Place, find_any, place_of, visible
from postier.imap.session.context import Context
from postier.imap.session.errors import Bad
from postier.imap.session.find import find
from postier.imap.session.progress import Progress
from postier.imap.session.results import esearch_of, highest_modseq, reported, save, scores_of
from postier.imap.session.scope import Scope, StoredScope
from postier.imap.session.updates import begin_update, refuse_tag_again
from postier.imap.wire.multisearch import Multisearch, Source, SourceKind
from postier.imap.wire.returns import SearchReturn
from postier.imap.wire.search_keys import has_key
from postier.imap.wire.search_responses import Correlator
from postier.store.api import NoSuchMailbox

__all__ = ["multisearch"]


async def multisearch(context: Context, command: Multisearch) -> bytes:
    """What is selected stays so; mailboxes that may not be read are passed over as if they were not there."""
    if command.needs_selection and context.selected is None:
        raise Bad("No mailbox is selected", "CLIENTBUG")
    refuse_tag_again(context, command)
    if has_key(command.key, "MODSEQ"):
        context.become_modseq_aware()
    if SearchReturn.SAVE in command.returns:
        save(context.mailbox, ())
    places = await _places(context, command)
    progress = Progress(context, command.tag, sum(place.mailbox.messages for place in places))
    for place in places:
        try:
            await _search(context, command, place, progress)
        except NoSuchMailbox:  # deleted meanwhile
            continue
        await asyncio.sleep(0)
    return b"OK Done"


async def _search(context: Context, command: Multisearch, place: Place, progress: Progress) -> None:
    """One mailbox: an answer only where something matches (RFC 7377 2.1)."""
    scope = await _scope(context, place)
    found = await find(context, scope, command.key, progress)
    chosen = reported(command.returns, found)
    if SearchReturn.SAVE in command.returns:
        save(context.mailbox, chosen)
    correlator = Correlator(command.tag, place.name, scope.uidvalidity, context.core.utf8)
    if found:
        modseq = await highest_modseq(context, scope, command.key, chosen)
        scores = await scores_of(context, scope, command.key, command.returns, found)
        context.say(esearch_of(correlator, command.returns, found, modseq, by_uid=True, scores=scores))
    if SearchReturn.UPDATE in command.returns and scope is context.selected:
        context.say(begin_update(context.mailbox, command, correlator, found))
    await context.write([])


async def _scope(context: Context, place: Place) -> Scope:
    """The selected mailbox is searched as the session counts it."""
    selected = context.selected
    if selected is not None and selected.is_at(place):
        await selected.load(context.reader)
        return selected
    return await StoredScope.read(context.reader, place.mailbox)


# ---------------------------------------------------------------------- which mailboxes


async def _places(context: Context, command: Multisearch) -> list[Place]:
    """Each once, in the order of the sources. "r" is needed for all of them (RFC 7377 2.2)."""
    chosen: dict[tuple[int, int], Place] = {}
    seen: list[Place] = []
    if any(source.kind in _AMONG for source in command.sources):
        seen = await visible(context.reader, context.viewer)
    for source in command.sources:
        await asyncio.sleep(0)
        for place in await _of_source(context, source, seen):
            if "r" in place.rights and place.mailbox.selectable:
                chosen.setdefault((place.account_id, place.mailbox_id), place)
    return list(chosen.values())


async def _of_source(context: Context, source: Source, seen: list[Place]) -> list[Place]:
    if source.kind is SourceKind.SELECTED:
        return await _selected(context)
    if source.kind is SourceKind.MAILBOXES:
        return await _named(context, source.names)
    if source.kind is SourceKind.SUBSCRIBED:
        subscribed = set(await context.reader.subscriptions(context.account_id))
        return [place for place in seen if "l" in place.rights and place.name in subscribed]
    names = canonical_names(source.names)
    return [place for place in seen if "l" in place.rights and _AMONG[source.kind](place, names)]


async def _selected(context: Context) -> list[Place]:
    """As it is called now, which another session may have changed."""
    selected, reader = context.mailbox, context.reader
    try:
        mailbox = await reader.mailbox(selected.account_id, selected.mailbox_id)
    except NoSuchMailbox:
        return []
    return [await place_of(reader, context.viewer, await reader.account(selected.account_id), mailbox)]


async def _named(context: Context, names: tuple[str, ...]) -> list[Place]:
    found = []
    for name in dict.fromkeys(names):
        try:
            found.append(await find_any(context.reader, context.viewer, name))
        except NoSuchMailbox:
            continue
    return found


def _is_own(place: Place, names: frozenset[str]) -> bool:
    """INBOXES are all personal mailboxes: filters may put mail into any (RFC 5465 6.3)."""
    return place.is_own


def _is_below(place: Place, names: frozenset[str]) -> bool:
    """Costs the same however many names there are."""
    return place.name in names or not names.isdisjoint(parents(place.name))


def _is_just_below(place: Place, names: frozenset[str]) -> bool:
    return place.name in names or place.name.rpartition(HIERARCHY_SEPARATOR)[0] in names


_AMONG = {
    SourceKind.INBOXES: _is_own,
    SourceKind.PERSONAL: _is_own,
    SourceKind.SUBSCRIBED: _is_own,
    SourceKind.SUBTREE: _is_below,
    SourceKind.SUBTREE_ONE: _is_just_below,
}
"""Which of the mailboxes that are seen; SUBSCRIBED is asked of the store."""
