"""Commands about mailboxes as wholes: SELECT with the parameters of RFC 7162, CREATE with those of RFC 6154,
DELETE, RENAME, SUBSCRIBE, STATUS."""

from __future__ import annotations

from collections.abc import Callable

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.values import Command, Create, Rename, Select, SequenceSet, Status

__all__ = [
    "STATUS_ITEMS",
    "one_mailbox",
    "parse_create",
    "parse_rename",
    "parse_status",
    "select",
    "status_items",
]

STATUS_ITEMS = frozenset(
    (
        *("MESSAGES", "RECENT", "UIDNEXT", "UIDVALIDITY", "UNSEEN"),  # RFC 3501 6.3.10
        *("HIGHESTMODSEQ", "DELETED", "SIZE"),  # RFC 7162 3.1.7, RFC 9051 6.3.11
        *("MAILBOXID", "DELETED-STORAGE"),  # RFC 8474 4.3, RFC 9208 4.1.4
        "APPENDLIMIT",  # RFC 7889 3
    )
)

_CAPABILITY_OF = {
    "HIGHESTMODSEQ": "CONDSTORE",
    "SIZE": "STATUS=SIZE",
    "MAILBOXID": "OBJECTID",
    "APPENDLIMIT": "APPENDLIMIT",
}
"""Items of extensions that can be switched off."""

Qresync = tuple[int, int, SequenceSet | None, tuple[SequenceSet, SequenceSet] | None]


def one_mailbox(command: Callable[[bytes, str], Command]) -> Callable[[Grammar, bytes], Command]:
    """The parse function of a command whose one argument is a mailbox's name."""

    def parse(g: Grammar, tag: bytes) -> Command:
        g.space()
        mailbox = g.mailbox()
        g.end()
        return command(tag, mailbox)

    return parse


def select(command: type[Select]) -> Callable[[Grammar, bytes], Command]:
    """The parse function of SELECT or EXAMINE: mailbox [SP "(" select-param *(SP select-param) ")"]."""

    def parse(g: Grammar, tag: bytes) -> Command:
        g.space()
        mailbox = g.mailbox()
        condstore, qresync = _select_parameters(g) if g.take(b" ") else (False, None)
        g.end()
        return command(tag, mailbox, condstore, qresync)

    return parse


def _select_parameters(g: Grammar) -> tuple[bool, Qresync | None]:
    condstore, qresync = False, None
    g.expect(b"(", "parameters")
    while True:
        name = g.word()
        if name == b"CONDSTORE":
            g.needs("CONDSTORE")
            condstore = True
        elif name == b"QRESYNC" and qresync is None:
            g.needs("QRESYNC")
            g.space()
            qresync = _qresync(g)
        else:
            g.fail("CONDSTORE or QRESYNC")
        if g.take(b")"):
            return condstore, qresync
        g.space()


def _qresync(g: Grammar) -> Qresync:
    """RFC 7162 3.2.5: "(" uidvalidity SP mod-sequence-value [SP known-uids] [SP seq-match-data] ")"."""
    g.expect(b"(", "the arguments of QRESYNC")
    uidvalidity = g.nz_number()
    g.space()
    modseq = g.number64()
    known: SequenceSet | None = None
    matches: tuple[SequenceSet, SequenceSet] | None = None
    if g.take(b" ") and g.peek() != 0x28:  # "("
        known = _known_set(g)
        g.take(b" ")
    if g.take(b"("):
        matches = _match_data(g)
    g.expect(b")")
    return uidvalidity, modseq, known, matches


def _match_data(g: Grammar) -> tuple[SequenceSet, SequenceSet]:
    """RFC 7162 3.2.5.2: known-sequence-set SP known-uid-set ")", both ascending and of the same size."""
    numbers = _known_set(g)
    g.space()
    uids = _known_set(g)
    if not numbers.ascends or not uids.ascends or numbers.size != uids.size:
        g.fail("as many sequence numbers as UIDs, ascending")
    g.expect(b")")
    return numbers, uids


def _known_set(g: Grammar) -> SequenceSet:
    """A sequence set without "*" and "$" (RFC 7162 7: known-uids, known-sequence-set)."""
    numbers = g.sequence_set()
    if numbers.saved or any(0 in pair for pair in numbers.ranges):
        g.fail("a set of numbers")
    return numbers


def parse_create(g: Grammar, tag: bytes) -> Create:
    """RFC 6154 6: create =/ mailbox [SP "(" "USE" SP "(" [use-attr *(SP use-attr)] ")" ")"]."""
    g.space()
    mailbox = g.mailbox()
    special_use: tuple[str, ...] = ()
    if g.take(b" "):
        g.needs("CREATE-SPECIAL-USE")
        g.expect(b"(", "parameters")
        g.expect_nocase(b"USE ", "USE")
        special_use = g.flag_list()
        g.expect(b")")
        if not all(use.startswith("\\") for use in special_use):
            g.fail("special-use attributes")
    g.end()
    return Create(tag, mailbox, special_use)


def parse_rename(g: Grammar, tag: bytes) -> Rename:
    g.space()
    old = g.mailbox()
    g.space()
    new = g.mailbox()
    g.end()
    return Rename(tag, old, new)


def status_items(g: Grammar) -> tuple[str, ...]:
    """ "(" status-att *(SP status-att) ")", in upper case, without duplicates."""
    start = g.position
    items = tuple(dict.fromkeys(g.words()))
    if not STATUS_ITEMS.issuperset(items):
        g.position = start
        g.fail("status items")
    for item in items:
        g.needs(_CAPABILITY_OF.get(item, ""))
    return items


def parse_status(g: Grammar, tag: bytes) -> Status:
    g.space()
    mailbox = g.mailbox()
    g.space()
    items = status_items(g)
    g.end()
    return Status(tag, mailbox, items)
