"""NOTIFY (RFC 5465): which events of which mailboxes a client wants to hear of, all the time."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from postier.imap.wire.fetch import fetch_attributes
from postier.imap.wire.grammar import Grammar
from postier.imap.wire.values import Command, FetchItem

__all__ = [
    "EVENT_NAMES",
    "MESSAGE_EVENTS",
    "Event",
    "EventGroup",
    "Filter",
    "Notify",
    "one_or_more_mailbox",
    "parse_notify",
]

MAX_GROUPS = 100
MAX_MAILBOXES = 1000
"""Named in one command."""


class Event(enum.Flag):
    """RFC 5465 5. UNKNOWN stands for any event we do not tell of, AnnotationChange among them."""

    NONE = 0
    MESSAGE_NEW = enum.auto()
    MESSAGE_EXPUNGE = enum.auto()
    FLAG_CHANGE = enum.auto()
    MAILBOX_NAME = enum.auto()
    SUBSCRIPTION_CHANGE = enum.auto()
    MAILBOX_METADATA_CHANGE = enum.auto()
    SERVER_METADATA_CHANGE = enum.auto()
    UNKNOWN = enum.auto()


EVENT_NAMES = {
    Event.MESSAGE_NEW: b"MessageNew",
    Event.MESSAGE_EXPUNGE: b"MessageExpunge",
    Event.FLAG_CHANGE: b"FlagChange",
    Event.MAILBOX_NAME: b"MailboxName",
    Event.SUBSCRIPTION_CHANGE: b"SubscriptionChange",
    Event.MAILBOX_METADATA_CHANGE: b"MailboxMetadataChange",
    Event.SERVER_METADATA_CHANGE: b"ServerMetadataChange",
}
_EVENTS = {name.upper(): event for event, name in EVENT_NAMES.items()}
_PAIR = Event.MESSAGE_NEW | Event.MESSAGE_EXPUNGE
MESSAGE_EVENTS = _PAIR | Event.FLAG_CHANGE


class Filter(enum.Enum):
    """RFC 5465 6: which mailboxes an event group is about."""

    SELECTED = b"SELECTED"
    SELECTED_DELAYED = b"SELECTED-DELAYED"
    INBOXES = b"INBOXES"
    PERSONAL = b"PERSONAL"
    SUBSCRIBED = b"SUBSCRIBED"
    SUBTREE = b"SUBTREE"
    MAILBOXES = b"MAILBOXES"

    @property
    def is_selected(self) -> bool:
        return self in (Filter.SELECTED, Filter.SELECTED_DELAYED)


_NAMED = (Filter.SUBTREE, Filter.MAILBOXES)


@dataclass(frozen=True, slots=True)
class EventGroup:
    """`mailboxes`: the names that SUBTREE and MAILBOXES have. `events`: NONE excludes the mailboxes. `items`:
    what is told of a new message in the selected mailbox."""

    filter: Filter
    events: Event
    mailboxes: tuple[str, ...] = ()
    items: tuple[FetchItem, ...] = ()


@dataclass(frozen=True, slots=True)
class Notify(Command):
    """`groups`: empty for NOTIFY NONE. `status`: the STATUS indicator."""

    groups: tuple[EventGroup, ...] = ()
    status: bool = False
    name = "NOTIFY"

    @property
    def has_unknown_events(self) -> bool:
        """Answer NO [BADEVENT (...)]."""
        return any(Event.UNKNOWN in group.events for group in self.groups)


def parse_notify(g: Grammar, tag: bytes) -> Notify:
    """notify = "NOTIFY" SP ("SET" [SP "STATUS"] SP event-group *(SP event-group) / "NONE")."""
    g.space()
    if g.take_nocase(b"NONE"):
        g.end()
        return Notify(tag)
    g.expect_nocase(b"SET", "SET or NONE")
    status = g.take_nocase(b" STATUS")
    groups: list[EventGroup] = []
    while g.take(b" "):
        groups.append(_group(g))
        if len(groups) > MAX_GROUPS:
            g.fail(f"{MAX_GROUPS} event groups at most")
    if not groups:
        g.fail("an event group")
    g.end()
    if sum(group.filter.is_selected for group in groups) > 1:
        g.fail("the selected mailbox named once")
    return Notify(tag, tuple(groups), status)


def _group(g: Grammar) -> EventGroup:
    """event-group = "(" filter-mailboxes SP events ")". The events may stand without parentheses of their
    own, as in the RFC's examples."""
    g.expect(b"(", "an event group")
    which = _filter(g)
    mailboxes: tuple[str, ...] = ()
    if which in _NAMED:
        g.space()
        mailboxes = one_or_more_mailbox(g)
    g.space()
    if g.take(b"("):
        events, items = _events(g, which)
        g.expect(b")")
    else:
        events, items = (Event.NONE, ()) if g.take_nocase(b"NONE)") else _events(g, which)
        if events is Event.NONE:
            return EventGroup(which, events, mailboxes)
    g.expect(b")")
    _judge(g, which, events)
    return EventGroup(which, events, mailboxes, items)


def _filter(g: Grammar) -> Filter:
    start = g.position
    try:
        return Filter(g.word())
    except ValueError:
        g.position = start
        g.fail("which mailboxes")


def one_or_more_mailbox(g: Grammar) -> tuple[str, ...]:
    """mailbox / "(" mailbox *(SP mailbox) ")" (RFC 5465 8), each once."""
    if not g.take(b"("):
        return (g.mailbox(),)
    found = [g.mailbox()]
    while g.take(b" "):
        found.append(g.mailbox())
        if len(found) > MAX_MAILBOXES:
            g.fail(f"{MAX_MAILBOXES} mailboxes at most")
    g.expect(b")")
    return tuple(dict.fromkeys(found))


def _events(g: Grammar, which: Filter) -> tuple[Event, tuple[FetchItem, ...]]:
    """event *(SP event), with the attributes that MessageNew may have for the selected mailbox."""
    events = Event.NONE
    items: tuple[FetchItem, ...] = ()
    while True:
        event = _EVENTS.get(g.atom().upper(), Event.UNKNOWN)
        events |= event
        if event is Event.MESSAGE_NEW and g.take(b" ("):
            if not which.is_selected:
                g.fail("attributes for the selected mailbox only")
            items = fetch_attributes(g)
        if not g.take(b" "):
            return events, items


def _judge(g: Grammar, which: Filter, events: Event) -> None:
    """RFC 5465 5 and 8: who counts messages hears of both that come and that go."""
    if Event.FLAG_CHANGE in events and _PAIR not in events:
        g.fail("FlagChange beside MessageNew and MessageExpunge")
    if not which.is_selected:
        return
    if events & ~(MESSAGE_EVENTS | Event.UNKNOWN):
        g.fail("events of messages only for the selected mailbox")
    if events & _PAIR not in (Event.NONE, _PAIR):
        g.fail("MessageNew and MessageExpunge together")
