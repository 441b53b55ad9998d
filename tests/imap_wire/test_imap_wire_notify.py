"""The grammar of NOTIFY (RFC 5465 8)."""

from __future__ import annotations

import pytest

from postier.imap.wire.commands import parse_command
from postier.imap.wire.notify import MESSAGE_EVENTS, Event, EventGroup, Filter, Notify
from postier.imap.wire.values import BadCommand, BodySection, State

PAIR = Event.MESSAGE_NEW | Event.MESSAGE_EXPUNGE
FROM = BodySection((), "HEADER.FIELDS", (b"from",), None, True, b"BODY[HEADER.FIELDS (from)]")


def parse(arguments: bytes) -> object:
    return parse_command(b"a NOTIFY " + arguments, State.AUTHENTICATED)


EXAMPLES = [
    (b"NONE", Notify(b"a")),
    (b"none", Notify(b"a")),
    (b"SET (personal NONE)", Notify(b"a", (EventGroup(Filter.PERSONAL, Event.NONE),))),
    (
        b"set Status (selected (MessageNew (uid body.peek[header.fields (from)]) messageexpunge))",
        Notify(b"a", (EventGroup(Filter.SELECTED, PAIR, (), ("UID", FROM)),), True),
    ),
    (
        b"SET (selected-delayed (MessageNew MessageExpunge FlagChange))"
        b" (inboxes (MessageNew MessageExpunge))",
        Notify(
            b"a",
            (EventGroup(Filter.SELECTED_DELAYED, MESSAGE_EVENTS), EventGroup(Filter.INBOXES, PAIR)),
        ),
    ),
    (
        b'SET (mailboxes ("Caf&AOk-" inbox {1}\r\nx) (MailboxName SubscriptionChange))',
        Notify(
            b"a",
            (
                EventGroup(
                    Filter.MAILBOXES,
                    Event.MAILBOX_NAME | Event.SUBSCRIPTION_CHANGE,
                    ("Caf\N{LATIN SMALL LETTER E WITH ACUTE}", "INBOX", "x"),
                ),
            ),
        ),
    ),
    (
        b"SET (subtree Lists MessageNew) (subscribed (MailboxMetadataChange ServerMetadataChange))",
        Notify(
            b"a",
            (
                EventGroup(Filter.SUBTREE, Event.MESSAGE_NEW, ("Lists",)),
                EventGroup(Filter.SUBSCRIBED, Event.MAILBOX_METADATA_CHANGE | Event.SERVER_METADATA_CHANGE),
            ),
        ),
    ),
]


@pytest.mark.parametrize(("arguments", "value"), EXAMPLES, ids=lambda value: str(value)[:40])
def test_example(arguments: bytes, value: Notify) -> None:
    assert parse(arguments) == value


@pytest.mark.parametrize("events", [b"AnnotationChange", b"MailboxName Whatever"])
def test_events_nobody_tells_are_no_error_of_grammar(events: bytes) -> None:
    """RFC 5465 3.1: NO, not BAD."""
    command = parse(b"SET (personal (%b))" % events)
    assert isinstance(command, Notify)
    assert command.has_unknown_events


BAD = [
    b"",
    b"SOME",
    b"NONE x",
    b"SET",
    b"SET ",
    b"SET STATUS",
    b"SET ()",
    b"SET (personal)",
    b"SET (personal ())",
    b"SET (personal MessageNew",
    b"SET (personal (MessageNew MessageExpunge)) ",
    b"SET (everything (MessageNew MessageExpunge))",
    b"SET (personal (FlagChange))",
    b"SET (personal (FlagChange MessageNew))",
    b"SET (selected (MessageNew))",
    b"SET (selected (MessageExpunge))",
    b"SET (selected (MailboxName))",
    b"SET (selected NONE) (selected-delayed NONE)",
    b"SET (personal (MessageNew (UID) MessageExpunge))",
    b"SET (selected (MessageNew () MessageExpunge))",
    b"SET (selected (MessageNew (NONSENSE) MessageExpunge))",
    b"SET (mailboxes (MessageNew MessageExpunge))",
    b"SET (mailboxes () (MessageNew MessageExpunge))",
    b"SET (mailboxes (%b) NONE)" % b" ".join(b"m%d" % number for number in range(1001)),
    b"SET" + b" (personal NONE)" * 101,
]


@pytest.mark.parametrize("arguments", BAD, ids=lambda value: str(value)[:50])
def test_bad(arguments: bytes) -> None:
    assert isinstance(parse(arguments), BadCommand)


def test_as_much_as_is_taken() -> None:
    names = b" ".join(b"m%d" % number for number in range(1000))
    assert isinstance(parse(b"SET (mailboxes (%b) NONE)" % names), Notify)
    assert isinstance(parse(b"SET" + b" (personal NONE)" * 100), Notify)
