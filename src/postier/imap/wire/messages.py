"""Commands that change messages: STORE (with RFC 7162's UNCHANGEDSINCE), COPY, MOVE, EXPUNGE and their UID
forms."""

from __future__ import annotations

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.values import Copy, Expunge, Move, SequenceSet, Store, StoreOperation

__all__ = ["parse_copy", "parse_expunge", "parse_move", "parse_store", "parse_uid_expunge"]

_OPERATIONS = {
    name: (operation, silent)
    for operation in StoreOperation
    for name, silent in ((operation.value.encode(), False), (operation.value.encode() + b".SILENT", True))
}


def parse_store(g: Grammar, tag: bytes, *, by_uid: bool = False) -> Store:
    """store = "STORE" SP sequence-set [SP store-modifiers] SP store-att-flags."""
    g.space()
    sequence = g.sequence_set()
    g.space()
    unchanged_since: int | None = None
    if g.take(b"("):
        g.needs("CONDSTORE")
        g.expect_nocase(b"UNCHANGEDSINCE ", "UNCHANGEDSINCE")
        unchanged_since = g.number64()
        g.expect(b")")
        g.space()
    found = _OPERATIONS.get(g.word())
    if found is None:
        g.fail("FLAGS, +FLAGS or -FLAGS")
    operation, silent = found
    g.space()
    flags = g.flag_list() if g.peek() == 0x28 else _bare_flags(g)
    g.end()
    return Store(tag, sequence, operation, silent, flags, by_uid, unchanged_since)


def _bare_flags(g: Grammar) -> tuple[str, ...]:
    flags = [g.flag()]
    while g.take(b" "):
        flags.append(g.flag())
    return tuple(dict.fromkeys(flags))


def _sequence_and_mailbox(g: Grammar) -> tuple[SequenceSet, str]:
    g.space()
    sequence = g.sequence_set()
    g.space()
    mailbox = g.mailbox()
    g.end()
    return sequence, mailbox


def parse_copy(g: Grammar, tag: bytes, *, by_uid: bool = False) -> Copy:
    sequence, mailbox = _sequence_and_mailbox(g)
    return Copy(tag, sequence, mailbox, by_uid)


def parse_move(g: Grammar, tag: bytes, *, by_uid: bool = False) -> Move:
    """RFC 6851."""
    sequence, mailbox = _sequence_and_mailbox(g)
    return Move(tag, sequence, mailbox, by_uid)


def parse_expunge(g: Grammar, tag: bytes) -> Expunge:
    g.end()
    return Expunge(tag)


def parse_uid_expunge(g: Grammar, tag: bytes) -> Expunge:
    """RFC 4315 2.1."""
    g.needs("UIDPLUS")
    g.space()
    uids = g.sequence_set()
    g.end()
    return Expunge(tag, uids)
