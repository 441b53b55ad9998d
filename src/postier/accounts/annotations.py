"""How much can be noted about mailboxes: no account can fill the disk with annotations."""

from __future__ import annotations

from postier.store.api import ANYONE, AccountId, MailboxId, Tx

__all__ = ["TooManyAnnotations", "copy_annotations", "require_room"]

MAX_ENTRIES = 100
"""Shared ones of a mailbox, and private ones of each who sees it."""
MAX_ALL_ENTRIES = 10_000
MAX_ALL_OCTETS = 10 * 1024 * 1024
"""Of an account's mailboxes the shared ones, and all that an account has noted for itself."""


class TooManyAnnotations(Exception):
    """There is no room for more."""


async def require_room(tx: Tx, account_id: AccountId, mailbox_id: MailboxId, viewer: AccountId) -> None:
    """What is there now is not too much: of the shared ones where `viewer` is ANYONE, else of the viewer's.

    Raises TooManyAnnotations.
    """
    noted = await tx.annotations(account_id, mailbox_id, viewer)
    entries = sum(note.viewer == viewer for note in noted)
    totals = await tx.annotation_totals(account_id, viewer)
    if entries > MAX_ENTRIES or totals.entries > MAX_ALL_ENTRIES or totals.octets > MAX_ALL_OCTETS:
        raise TooManyAnnotations(f"{account_id}/{mailbox_id}")


async def copy_annotations(tx: Tx, account_id: AccountId, source: MailboxId, target: MailboxId) -> None:
    """The shared ones and the owner's, if there is room for them."""
    noted = await tx.annotations(account_id, source, account_id)
    for viewer in (ANYONE, account_id):
        sizes = [len(note.value) for note in noted if note.viewer == viewer]
        totals = await tx.annotation_totals(account_id, viewer)
        if totals.entries + len(sizes) > MAX_ALL_ENTRIES or totals.octets + sum(sizes) > MAX_ALL_OCTETS:
            return
    await tx.copy_annotations(account_id, source, target)
