"""Recipients whose mailbox has no room, among others who have: nobody waits for their neighbour.

Who is full is told so at RCPT. But behind an alias stand several, and without SIZE nobody knows how large a
message will be; a refusal of the whole would then keep it from everybody until the one has tidied up. So
those who fit get it at once, and for the rest it waits: in our queue, as a retry at the sender's would, or,
where LMTP gives each recipient an answer of its own, with the client.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postier.accounts.room import has_room
from postier.base.address import Address
from postier.base.status import Reply
from postier.smtp.inbound.dialogue import Dialogue, Recipient, Transaction
from postier.smtp.inbound.story import note_refusal
from postier.store.api import AccountId, OverQuota, Reader

__all__ = ["full_left_out", "full_set_aside"]

_FULL = Reply(452, "4.2.2", "The mailbox is full")


async def full_set_aside(dialogue: Dialogue, transaction: Transaction, size: int) -> None:
    """Turn every account that has no room for `size` octets into an address to queue for.

    Raises OverQuota where that would be all there is, StoreError.
    """
    full = await _full_accounts(dialogue.services.store.reader, transaction.recipients, size)
    transaction.recipients = _parted(transaction.recipients, full)


async def full_left_out(dialogue: Dialogue, transaction: Transaction, size: int) -> None:
    """As above, but whom nothing reaches without delay is left out, and hears so (RFC 2033 4.2)."""
    full = await _full_accounts(dialogue.services.store.reader, transaction.recipients, size)
    parted = _parted(transaction.recipients, full)
    taken = []
    for number, (now, before) in enumerate(zip(parted, transaction.recipients, strict=True)):
        if now.accounts or before.forwards:
            taken.append(now)
            continue
        address = Address.parse(before.path) if "@" in before.path else None
        transaction.left_out[number] = note_refusal(dialogue, _FULL, "over quota", "RCPT", address)
    transaction.recipients = taken


async def _full_accounts(
    reader: Reader, recipients: Sequence[Recipient], size: int
) -> dict[AccountId, Address]:
    accounts = dict.fromkeys(each for recipient in recipients for each in recipient.accounts)
    known = [await reader.account(account_id) for account_id in accounts]
    return {
        each.account_id: Address.parse(each.name) for each in known if not await has_room(reader, each, size)
    }


def _parted(recipients: Sequence[Recipient], full: dict[AccountId, Address]) -> list[Recipient]:
    """Raises OverQuota where nothing of them can be reached without delay."""
    parted = [_without(recipient, full) for recipient in recipients]
    if not any(now.accounts or before.forwards for now, before in zip(parted, recipients, strict=True)):
        raise OverQuota("no recipient has room")
    return parted


def _without(recipient: Recipient, full: dict[AccountId, Address]) -> Recipient:
    waiting = tuple(full[each] for each in recipient.accounts if each in full)
    if not waiting:
        return recipient
    left = tuple(each for each in recipient.accounts if each not in full)
    return replace(recipient, accounts=left, forwards=(*recipient.forwards, *waiting))
