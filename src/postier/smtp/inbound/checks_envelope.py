"""Checks of MAIL FROM and RCPT TO."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from postier.accounts.directory import RecipientKind, Resolution
from postier.base.address import Address
from postier.base.status import Reply
from postier.smtp.inbound.dialogue import Dialogue, Transaction
from postier.smtp.inbound.outcome import Defer, Outcome, Refuse
from postier.smtp.wire.events import RcptTo

__all__ = ["Addressee", "fits", "has_quota", "has_room_for_recipient", "is_known", "is_ours"]


_TOO_BIG = Refuse(Reply(552, "5.3.4", "The message is too big"), "declared size")
_TOO_MANY = Defer(Reply(452, "4.5.3", "Too many recipients"), "number of recipients")
_UNKNOWN = Refuse(Reply(550, "5.1.1", "No such address here"), "unknown recipient")
_RELAYING = Refuse(Reply(550, "5.7.1", "Relaying denied: this is not an address of ours"), "relaying")
_FULL = Defer(Reply(452, "4.2.2", "The mailbox is full"), "over quota")


class Addressee:
    """Whom RCPT names, and where that leads, looked up once and only if somebody asks."""

    __slots__ = ("_found", "_resolve", "rcpt")

    def __init__(self, rcpt: RcptTo, resolve: Callable[[Address | None], Awaitable[Resolution]]) -> None:
        self.rcpt = rcpt
        self._resolve = resolve
        self._found: Resolution | None = None

    async def resolution(self) -> Resolution:
        """Raises StoreError."""
        if self._found is None:
            self._found = await self._resolve(self.rcpt.forward_path)
        return self._found


# ---------------------------------------------------------------------- MAIL FROM


async def fits(dialogue: Dialogue, transaction: Transaction) -> Outcome:
    """RFC 1870 6.1: a size that is too big is refused before it comes."""
    size = transaction.mail.size
    return None if size is None or size <= dialogue.settings.max_message_size else _TOO_BIG


# ---------------------------------------------------------------------- RCPT TO


async def has_room_for_recipient(dialogue: Dialogue, transaction: Transaction, to: Addressee) -> Outcome:
    """Before anybody is looked up. RFC 5321 4.5.3.1.10: the client sends the rest in another transaction."""
    return None if len(transaction.recipients) < dialogue.settings.max_recipients else _TOO_MANY


async def is_ours(dialogue: Dialogue, transaction: Transaction, to: Addressee) -> Outcome:
    """No open relay."""
    return _RELAYING if (await to.resolution()).kind is RecipientKind.FOREIGN else None


async def is_known(dialogue: Dialogue, transaction: Transaction, to: Addressee) -> Outcome:
    """Refused here, never bounced later (backscatter)."""
    return _UNKNOWN if (await to.resolution()).kind is RecipientKind.UNKNOWN else None


async def has_quota(dialogue: Dialogue, transaction: Transaction, to: Addressee) -> Outcome:
    """As above: what finds no room now may find it later."""
    return _FULL if (await to.resolution()).full else None
