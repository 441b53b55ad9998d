"""UIDBATCHES (RFC 10022): the command and its response."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.values import Command

__all__ = ["UidBatches", "parse_uid_batches", "uid_batches"]


@dataclass(frozen=True, slots=True)
class UidBatches(Command):
    """`size`: messages of a batch. `batches`: the first and the last one wanted, counted from 1 at the newest
    messages, as the client wrote them; None for all."""

    size: int
    batches: tuple[int, int] | None = None
    name = "UIDBATCHES"


def parse_uid_batches(g: Grammar, tag: bytes) -> UidBatches:
    """uidbatches = "UIDBATCHES" SP nz-number [SP nz-number ":" nz-number]."""
    g.space()
    size = g.nz_number()
    batches: tuple[int, int] | None = None
    if g.take(b" "):
        first = g.nz_number()
        g.expect(b":")
        batches = first, g.nz_number()
    g.end()
    return UidBatches(tag, size, batches)


def uid_batches(tag: bytes, ranges: Iterable[tuple[int, int]]) -> bytes:
    """`* UIDBATCHES (TAG "A143") 215295:99696,99695:1`: highest UID and lowest of each batch."""
    text = b",".join([b"%d:%d" % pair for pair in ranges])
    return b'* UIDBATCHES (TAG "%b")%b\r\n' % (tag, b" " + text if text else b"")
