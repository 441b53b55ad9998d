"""LIST and LSUB (RFC 3501 6.3.8-9) with RFC 5258 (extended), RFC 5819 (STATUS), RFC 6154 (SPECIAL-USE),
RFC 3348 (CHILDREN), RFC 8440 (MYRIGHTS) and RFC 9590 (METADATA).

A few queries, however many mailboxes there are, and the answer leaves in pieces.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from postier.accounts.mailboxes import HIERARCHY_SEPARATOR
from postier.accounts.rights import Place, visible
from postier.imap.session.context import Context
from postier.imap.session.hierarchy import Hierarchy, names_above
from postier.imap.session.mailboxes import status_line
from postier.imap.session.metadata import ListedNotes
from postier.imap.wire.acl import my_rights_line
from postier.imap.wire.listing import List, ListReturn, ListSelection, Lsub
from postier.imap.wire.patterns import literal_prefix, matcher
from postier.imap.wire.responses import list_line

__all__ = ["list_mailboxes", "lsub"]

BATCH = 100
"""Names between which the other connections get their turn."""


async def list_mailboxes(context: Context, command: List) -> bytes:
    if not command.extended and command.patterns == ("",):
        context.say(list_line("", (b"\\Noselect",)))  # asks for the separator only
        return b"OK Done"
    if "HIGHESTMODSEQ" in command.returns.status:
        context.become_modseq_aware()
    patterns = [command.reference + pattern for pattern in command.patterns if pattern]  # RFC 5258 3
    hierarchy, names = await _chosen(context, command, patterns)
    listed = await ListedNotes.read(context, command.returns.metadata)
    for number, name in enumerate(names, 1):
        await _tell(context, command, hierarchy, listed, name)
        if number % BATCH == 0:
            await context.write([])
            await asyncio.sleep(0)
    return b"OK Done"


async def _chosen(
    context: Context, command: List, patterns: Sequence[str]
) -> tuple[Hierarchy, Sequence[str]]:
    """What is there, and the names to tell of."""
    prefix = literal_prefix(patterns)
    seen = await visible(context.reader, context.viewer, prefix) if patterns else ()
    places = {place.name: place for place in seen}
    subscribed = frozenset(await _subscriptions(context, command))
    everything = places.keys() | subscribed
    everything |= names_above(everything)
    matched = await _matching(everything, patterns)
    hierarchy = Hierarchy.of(places, subscribed, command.selection, matched)
    levels = await _matching(
        hierarchy.above - places.keys(), [each for each in patterns if each.endswith("%")]
    )
    return hierarchy, hierarchy.names(levels)


async def _matching(names: Iterable[str], patterns: Sequence[str]) -> frozenset[str]:
    """Those that a pattern matches; the other connections get their turn meanwhile."""
    if not patterns:
        return frozenset()
    matches, found = matcher(patterns, HIERARCHY_SEPARATOR), []
    for number, name in enumerate(names, 1):
        if matches(name):
            found.append(name)
        if number % BATCH == 0:
            await asyncio.sleep(0)
    return frozenset(found)


async def _subscriptions(context: Context, command: List) -> Iterable[str]:
    """SUBSCRIBED as a selection option implies the return option (RFC 5258 3.1)."""
    if ListSelection.SUBSCRIBED in command.selection or command.returns.subscribed:
        return await context.reader.subscriptions(context.account_id)
    return ()


async def _tell(
    context: Context, command: List, hierarchy: Hierarchy, listed: ListedNotes, name: str
) -> None:
    attributes = _attributes(hierarchy, name, extended=command.extended)
    utf8 = context.core.utf8
    context.say(list_line(name, attributes, child_info=hierarchy.child_info(name), utf8=utf8))
    place = hierarchy.places.get(name)
    if place is not None and hierarchy.is_chosen(name):
        await _tell_more(context, command.returns, place, listed)


async def _tell_more(context: Context, returns: ListReturn, place: Place, listed: ListedNotes) -> None:
    """What was asked for of a mailbox that is there (RFC 5819 2, RFC 8440 3, RFC 9590 3)."""
    if returns.my_rights:
        context.say(my_rights_line(place.name, place.rights, utf8=context.core.utf8))
    context.say(listed.line(place, utf8=context.core.utf8))
    if returns.status and place.mailbox.selectable and "r" in place.rights:
        context.say(await status_line(context, place, returns.status))


def _attributes(hierarchy: Hierarchy, name: str, *, extended: bool) -> list[bytes]:
    """RFC 3501 7.2.2, RFC 5258 3, RFC 6154 2. Special uses are always shown, as RFC 6154 5.2 allows."""
    place = hierarchy.places.get(name)
    attributes = []
    if place is None:
        attributes.append(b"\\NonExistent")
    if (not extended and place is None) or (place is not None and not place.mailbox.selectable):
        attributes.append(b"\\Noselect")
    attributes.append(b"\\HasChildren" if name in hierarchy.above else b"\\HasNoChildren")
    if name in hierarchy.subscribed:
        attributes.append(b"\\Subscribed")
    if place is not None and place.special_use:
        attributes.append(place.special_use.encode())
    return attributes


async def lsub(context: Context, command: Lsub) -> bytes:
    """Subscribed names; where "%" stops above one, that level as \\Noselect (RFC 3501 6.3.9)."""
    subscribed = set(await context.reader.subscriptions(context.account_id))
    levels = names_above(subscribed) - subscribed if "%" in command.pattern else frozenset()
    found = await _matching(subscribed | levels, [command.reference + command.pattern])
    for number, name in enumerate(sorted(found), 1):
        attributes = (b"\\Noselect",) if name in levels else ()
        context.say(list_line(name, attributes, command=b"LSUB", utf8=context.core.utf8))
        if number % BATCH == 0:
            await context.write([])
            await asyncio.sleep(0)
    return b"OK Done"
