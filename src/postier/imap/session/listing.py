"""LIST and LSUB (RFC 3501 6.3.8-9) with RFC 5258 (extended), RFC 5819 (STATUS), RFC 6154 (SPECIAL-USE) and
RFC 3348 (CHILDREN)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from postier.accounts.mailboxes import HIERARCHY_SEPARATOR
from postier.accounts.rights import Place, visible
from postier.imap.session.context import Context
from postier.imap.session.mailboxes import status_line
from postier.imap.wire.patterns import matcher
from postier.imap.wire.responses import list_line
from postier.imap.wire.values import List, ListSelection, Lsub

__all__ = ["list_mailboxes", "lsub"]


class _Listing(NamedTuple):
    """What one LIST looks at.

    `known`: mailboxes by name. `subscribed`: names, existing or not. `parents`: names with something below
    them; `chosen_parents`: with something below that the selection options choose and no pattern matches, so
    that only the parent can tell of it (RFC 5258 3.5).
    """

    known: dict[str, Place]
    subscribed: frozenset[str]
    parents: frozenset[str]
    chosen_parents: frozenset[str]
    selection: ListSelection

    def is_chosen(self, name: str) -> bool:
        """RFC 5258 3.1: every option given must hold."""
        if ListSelection.SUBSCRIBED in self.selection and name not in self.subscribed:
            return False
        if ListSelection.SPECIAL_USE in self.selection:
            place = self.known.get(name)
            return place is not None and bool(place.mailbox.special_use)
        return True


async def list_mailboxes(context: Context, command: List) -> bytes:
    if not command.extended and command.patterns == ("",):
        context.say(list_line("", (b"\\Noselect",)))  # asks for the separator only
        return b"OK Done"
    if "HIGHESTMODSEQ" in command.returns.status:
        context.become_modseq_aware()
    matches = matcher([command.reference + pattern for pattern in command.patterns], HIERARCHY_SEPARATOR)
    listing = await _listing(context, command, matches)
    names = set(listing.known) | listing.chosen_parents
    if ListSelection.SUBSCRIBED in command.selection:
        names |= listing.subscribed
    for name in sorted(names):
        if not matches(name):
            continue
        has_chosen_below = name in listing.chosen_parents
        if listing.is_chosen(name) or has_chosen_below:
            await _tell(context, command, listing, name, has_chosen_below)
    return b"OK Done"


async def _listing(context: Context, command: List, matches: Callable[[str], bool]) -> _Listing:
    known = {place.name: place for place in await visible(context.reader, context.viewer)}
    subscribed: frozenset[str] = frozenset()
    if ListSelection.SUBSCRIBED in command.selection or command.returns.subscribed:
        subscribed = frozenset(await context.reader.subscriptions(context.account_id))
    listing = _Listing(known, subscribed, _parents(known), frozenset(), command.selection)
    if ListSelection.RECURSIVEMATCH in command.selection:
        untold = (name for name in {*known, *subscribed} if not matches(name))
        listing = listing._replace(chosen_parents=_parents(filter(listing.is_chosen, untold)))
    return listing


async def _tell(
    context: Context, command: List, listing: _Listing, name: str, has_chosen_below: bool
) -> None:
    place = listing.known.get(name)
    says_below = has_chosen_below and ListSelection.SUBSCRIBED in command.selection
    child_info = (b"SUBSCRIBED",) if says_below else ()
    context.say(list_line(name, _attributes(listing, name), child_info=child_info, utf8=context.core.utf8))
    if command.returns.status and place is not None and place.mailbox.selectable and "r" in place.rights:
        context.say(await status_line(context, place, command.returns.status))


def _attributes(listing: _Listing, name: str) -> list[bytes]:
    """RFC 3501 7.2.2, RFC 5258 3, RFC 6154 2. Special uses are always shown, as RFC 6154 5.2 allows."""
    place = listing.known.get(name)
    attributes = []
    if place is None:
        attributes.append(b"\\NonExistent")
    elif not place.mailbox.selectable:
        attributes.append(b"\\Noselect")
    attributes.append(b"\\HasChildren" if name in listing.parents else b"\\HasNoChildren")
    if name in listing.subscribed:
        attributes.append(b"\\Subscribed")
    if place is not None and place.mailbox.special_use:
        attributes.append(place.mailbox.special_use.encode())
    return attributes


def _parents(names: Iterable[str]) -> frozenset[str]:
    """Every name above one of `names`."""
    found = set()
    for name in names:
        above, separator, _ = name.rpartition(HIERARCHY_SEPARATOR)
        while separator and above not in found:
            found.add(above)
            above, separator, _ = above.rpartition(HIERARCHY_SEPARATOR)
    return frozenset(found)


async def lsub(context: Context, command: Lsub) -> bytes:
    """Subscribed names; where "%" stops above one, that level as \\Noselect (RFC 3501 6.3.9)."""
    matches: Callable[[str], bool] = matcher([command.reference + command.pattern], HIERARCHY_SEPARATOR)
    subscribed = set(await context.reader.subscriptions(context.account_id))
    levels = _parents(subscribed) - subscribed if "%" in command.pattern else frozenset()
    for name in sorted(subscribed | levels):
        if matches(name):
            attributes = (b"\\Noselect",) if name in levels else ()
            context.say(list_line(name, attributes, command=b"LSUB", utf8=context.core.utf8))
    return b"OK Done"
