"""What a client of NOTIFY wants to hear of, as questions that can be asked (RFC 5465 6)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from postier.accounts.mailboxes import canonical_names, parents
from postier.imap.wire.notify import MESSAGE_EVENTS, Event, EventGroup, Filter
from postier.imap.wire.values import FetchItem

__all__ = ["BY_COMMANDS", "Hearing", "Wishes"]


class Hearing(NamedTuple):
    """What is told of the selected mailbox. `delayed`: expunges only with commands that may tell them.
    `items`: of each new message."""

    events: Event = Event.NONE
    delayed: bool = True
    items: tuple[FetchItem, ...] = ()


BY_COMMANDS = Hearing(MESSAGE_EVENTS)
"""Without NOTIFY: everything, while a command is in progress."""


class Wishes:
    """The event groups of NOTIFY SET. A group with NONE takes its mailboxes out of all others."""

    __slots__ = ("_groups", "hearing", "names")

    def __init__(self, groups: Iterable[EventGroup]) -> None:
        self.hearing = Hearing()
        self._groups: list[tuple[Filter, frozenset[str], Event]] = []
        for group in groups:
            if group.filter.is_selected:
                delayed = group.filter is Filter.SELECTED_DELAYED
                self.hearing = Hearing(group.events, delayed, group.items)
            else:
                self._groups.append((group.filter, canonical_names(group.mailboxes), group.events))
        self.names = frozenset(name for _, names, _ in self._groups for name in names)

    def __bool__(self) -> bool:
        """Anything beside the selected mailbox is of interest."""
        return any(events for _, _, events in self._groups)

    @property
    def reaches_others(self) -> bool:
        """Mailboxes of other accounts may be meant."""
        return any(which not in (Filter.PERSONAL, Filter.INBOXES) for which, _, _ in self._groups)

    @property
    def uses_subscriptions(self) -> bool:
        return any(which is Filter.SUBSCRIBED for which, _, _ in self._groups)

    @property
    def everywhere(self) -> Event:
        """The events of any group."""
        found = Event.NONE
        for _, _, events in self._groups:
            found |= events
        return found

    def events(self, name: str, *, is_own: bool, is_subscribed: bool) -> Event:
        """What is to be told of the mailbox that the client calls `name`."""
        found = Event.NONE
        for which, names, events in self._groups:
            if _is_meant(which, names, name, is_own, is_subscribed):
                if not events:
                    return Event.NONE
                found |= events
        return found


def _is_meant(which: Filter, names: frozenset[str], name: str, is_own: bool, is_subscribed: bool) -> bool:
    """Costs the same however many names there are. INBOXES are all personal mailboxes: filters may put mail
    into any (RFC 5465 6.3)."""
    if which is Filter.SUBSCRIBED:
        return is_subscribed
    if which in (Filter.PERSONAL, Filter.INBOXES):
        return is_own
    if name in names:
        return True
    return which is Filter.SUBTREE and not names.isdisjoint(parents(name))
