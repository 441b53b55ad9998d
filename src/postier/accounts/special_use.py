"""What a mailbox is for: special uses (RFC 6154 2, RFC 8457, RFC 9979). One mailbox of an account has each.

A mailbox may have several: they are kept as one text, in the order of SPECIAL_USES, separated by spaces.
"""

from __future__ import annotations

from collections.abc import Iterable

from postier.store.api import AccountId, Mailbox, MailboxId, Tx

__all__ = ["SPECIAL_USES", "UnsuitableUse", "canonical_uses", "take_uses"]

SPECIAL_USES = (
    "\\Archive",
    "\\Drafts",
    "\\Important",
    "\\Junk",
    "\\Memos",
    "\\Scheduled",
    "\\Sent",
    "\\Snoozed",
    "\\Trash",
)
"""\\All and \\Flagged are no mailboxes but views, which we do not have."""

_BY_LOWER = {use.lower(): use for use in SPECIAL_USES}


class UnsuitableUse(Exception):
    """The mailbox cannot have that special use."""


def canonical_uses(names: Iterable[str]) -> str:
    """The uses of these names, whatever their case, as one text. Raises UnsuitableUse."""
    wanted = {name.lower() for name in names}
    if unknown := wanted.difference(_BY_LOWER):
        raise UnsuitableUse(f"no mailbox can be {sorted(unknown)}")
    return " ".join(use for use in SPECIAL_USES if use.lower() in wanted)


async def take_uses(tx: Tx, account_id: AccountId, uses: str, mailbox_id: MailboxId | None) -> list[Mailbox]:
    """No mailbox but this has one of the `uses` any more. Those that had, as they are now."""
    taken, changed = set(uses.split()), []
    for mailbox in await tx.special_mailboxes(account_id) if uses else ():
        left = [use for use in mailbox.special_use.split() if use not in taken]
        if mailbox.mailbox_id != mailbox_id and len(left) < len(mailbox.special_use.split()):
            await tx.update_mailbox(account_id, mailbox.mailbox_id, special_use=" ".join(left))
            changed.append(await tx.mailbox(account_id, mailbox.mailbox_id))
    return changed
