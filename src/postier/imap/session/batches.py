"""UIDBATCHES (RFC 10022): UID ranges that cut the mailbox into batches, from the newest messages on."""

from __future__ import annotations

from array import array

from postier.imap.session.context import Context
from postier.imap.session.errors import Bad, No
from postier.imap.wire.batches import UidBatches, uid_batches

__all__ = ["batch_ranges", "uidbatches"]

SMALLEST = 500
"""Messages of a batch that every server must take; smaller ones would bring sequence numbers back."""
MOST = 100_000
"""Messages of all the batches that a client asks for by their numbers."""


async def uidbatches(context: Context, command: UidBatches) -> bytes:
    uids = context.mailbox.view.uids
    first, last = command.batches or (1, len(uids) // command.size + 1)
    if first > last:
        raise Bad("Batches are counted upwards", "CLIENTBUG")
    if command.batches and (last - first + 1) * command.size > MOST:
        raise No("TOOMANY", f"The batches hold {MOST} messages at most")
    ranges = batch_ranges(uids, command.size, first, last)
    if ranges and command.size < SMALLEST:
        raise No("TOOFEW", f"A batch has {SMALLEST} messages at least")
    context.say(uid_batches(command.tag, ranges))
    return b"OK Done"


def batch_ranges(uids: array[int], size: int, first: int, last: int) -> list[tuple[int, int]]:
    """(highest, lowest) UID of the batches `first` to `last`. There is no UID between two of them, and the
    last one of all ends at UID 1, whether or not there is such a message."""
    count = len(uids)
    ranges = []
    for batch in range(first, min(last, -(-count // size)) + 1):
        stop = count - (batch - 1) * size
        start = max(stop - size, 0)
        highest = uids[stop] - 1 if stop < count else uids[-1]
        ranges.append((highest, uids[start] if start else 1))
    return ranges
