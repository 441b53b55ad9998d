"""Recipients whose mailbox has no room, among others who have: nobody waits for their neighbour.

Who is full is told so at RCPT. But behind an alias stand several, and without SIZE nobody knows how large a
message will be; a refusal of the whole would then keep it from everybody until the one has tidied up. So
those who fit get it at once, and for the rest it waits in the queue, as a retry at the sender's would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from postier.base.address import Address
from postier.smtp.inbound.dialogue import Dialogue, Recipient
from postier.store.api import AccountId, OverQuota, Reader

__all__ = ["full_set_aside"]


async def full_set_aside(dialogue: Dialogue, recipients: Sequence[Recipient], size: int) -> list[Recipient]:
    """`recipients` with every account that has no room for `size` octets turned into an address to queue for.

    Raises OverQuota where that would be all there is, StoreError.
    """
    full = await _full_accounts(dialogue.services.store.reader, recipients, size)
    parted = [_parted(recipient, full) for recipient in recipients]
    if not any(now.accounts or before.forwards for now, before in zip(parted, recipients, strict=True)):
        raise OverQuota("no recipient has room")
    return parted


async def _full_accounts(
    reader: Reader, recipients: Sequence[Recipient], size: int
) -> dict[AccountId, Address]:
    accounts = dict.fromkeys(each for recipient in recipients for each in recipient.accounts)
    known = [await reader.account(account_id) for account_id in accounts]
    return {each.account_id: Address.parse(each.name) for each in known if not each.has_room(size)}


def _parted(recipient: Recipient, full: dict[AccountId, Address]) -> Recipient:
    waiting = tuple(full[each] for each in recipient.accounts if each in full)
    if not waiting:
        return recipient
    left = tuple(each for each in recipient.accounts if each not in full)
    return replace(recipient, accounts=left, forwards=(*recipient.forwards, *waiting))
