"""Mail that leaves later (RFC 4865): its sender asked for it, or everybody has time to change their mind.

The whole message waits in the queue, also for recipients of ours, so that it can be taken back as a whole.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from postier.base.address import Address
from postier.base.status import Reply
from postier.smtp.inbound.dialogue import Dialogue, Recipient, Role, Transaction
from postier.smtp.inbound.outcome import Outcome, Refuse
from postier.smtp.wire.events import MailFrom
from postier.store.api import AccountId, QueueRecipient, RecipientState

__all__ = ["can_be_held", "held_recipients", "release_at", "release_words"]

_NO_DATE = Refuse(Reply(501, "5.5.4", "HOLDUNTIL is not a moment of the calendar"), "no such date")
_PAST = Refuse(Reply(501, "5.5.4", "HOLDUNTIL is not in the future"), "held until the past")


async def can_be_held(dialogue: Dialogue, transaction: Transaction) -> Outcome:
    """RFC 4865 4.2: what is longer than was offered is refused, and so is what can't be meant."""
    mail = transaction.mail
    if mail.hold_for is None and mail.hold_until is None:
        return None
    now, longest = dialogue.services.clock.now(), dialogue.settings.future_release
    try:
        moment = _asked(mail, now)
    except (ValueError, OverflowError):
        return _NO_DATE
    if moment <= now:
        return _PAST
    if moment <= now + longest:
        return None
    return Refuse(Reply(501, "5.5.4", f"Messages are held for {longest} seconds at most"), "held too long")


def release_at(dialogue: Dialogue, transaction: Transaction, now: float) -> int:
    """When the message may leave, seconds since 1970, 0 for at once. `now`: it is being accepted."""
    mail, undo = transaction.mail, dialogue.settings.undo_send
    if dialogue.role is not Role.SUBMISSION or not (undo or mail.hold_for or mail.hold_until):
        return 0
    moment = max(_asked(mail, now), now + undo)
    return math.ceil(moment) if moment > now else 0


def release_words(moment: int) -> str:
    return f"leaves at {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(moment))}"


async def held_recipients(
    dialogue: Dialogue, recipients: Sequence[Recipient]
) -> Mapping[str, list[QueueRecipient]]:
    """Everybody once, by destination: foreign addresses, and the accounts of ours by an address that will
    lead there. Raises StoreError."""
    found: dict[str, list[QueueRecipient]] = {}
    seen = set[AccountId | Address]()
    for recipient in recipients:
        reached: list[tuple[AccountId | Address, Address]] = [(each, each) for each in recipient.forwards]
        if recipient.reports:
            address = Address.parse(recipient.path)
            reached.append((address, address))
        for account in recipient.accounts:
            reached.append((account, await _address_of(dialogue, recipient, account)))
        for who, address in reached:
            if who in seen:
                continue
            seen.add(who)
            same = found.setdefault(str(address.domain), [])
            same.append(
                QueueRecipient(
                    len(same),
                    str(address),
                    RecipientState.PENDING,
                    notify=recipient.notify,
                    orcpt=recipient.orcpt,
                )
            )
    return found


def _asked(mail: MailFrom, now: float) -> float:
    """The moment that the client asked for, 0 for none. Raises ValueError, OverflowError."""
    if mail.hold_until is not None:
        return datetime.fromisoformat(mail.hold_until.upper()).timestamp()
    return 0.0 if mail.hold_for is None else now + mail.hold_for


async def _address_of(dialogue: Dialogue, recipient: Recipient, account: AccountId) -> Address:
    """As it was given where it leads to this account alone, else the account's main address: what leads to
    several may lead elsewhere when the time comes, and <postmaster> has no domain."""
    directory, reader = dialogue.services.directory, dialogue.services.store.reader
    if len(recipient.accounts) == 1 and not recipient.forwards and "@" in recipient.path:
        address = Address.parse(recipient.path)
        if await directory.is_local_domain(address.domain):
            return address
    return Address.parse((await reader.account(account)).name)
