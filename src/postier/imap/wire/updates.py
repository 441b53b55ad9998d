"""Contexts (RFC 5267 4.3): ESEARCH that tells how a result changed, NOUPDATE, CANCELUPDATE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postier.imap.wire.grammar import Grammar
from postier.imap.wire.numbers import sequence_set_text
from postier.imap.wire.search_responses import Correlator
from postier.imap.wire.values import Command

__all__ = ["CancelUpdate", "Change", "context_change", "no_update", "parse_cancel_update"]

MAX_TAGS = 100

Change = tuple[int, Sequence[int]]
"""A context position, 0 for "wherever the order of the mailbox has it", and what comes or goes there."""


@dataclass(frozen=True, slots=True)
class CancelUpdate(Command):
    tags: tuple[bytes, ...]
    name = "CANCELUPDATE"


def parse_cancel_update(g: Grammar, tag: bytes) -> CancelUpdate:
    """ "CANCELUPDATE" 1*(SP quoted)."""
    tags: list[bytes] = []
    while not tags or g.peek() == 0x20:
        g.space()
        tags.append(g.astring())
        if len(tags) > MAX_TAGS:
            g.fail(f"{MAX_TAGS} tags at most")
    g.end()
    return CancelUpdate(tag, tuple(tags))


def context_change(
    correlator: Correlator, *, by_uid: bool, removed: Iterable[Change] = (), added: Iterable[Change] = ()
) -> bytes:
    """`* ESEARCH (TAG "B01") UID ADDTO (0 32768:32769)`: what went is told before what came."""
    return b"".join(
        (
            b"* ESEARCH " + correlator.text(),
            b" UID" if by_uid else b"",
            _changes(b"REMOVEFROM", removed),
            _changes(b"ADDTO", added),
            b"\r\n",
        )
    )


def _changes(name: bytes, changes: Iterable[Change]) -> bytes:
    pairs = [b"%d %b" % (position, sequence_set_text(numbers)) for position, numbers in changes]
    return b" %b (%b)" % (name, b" ".join(pairs)) if pairs else b""


def no_update(tag: bytes) -> bytes:
    """The untagged NO of RFC 5267 4.3.1."""
    return b'* NO [NOUPDATE "%b"] There are too many contexts, or this one is too long\r\n' % tag
