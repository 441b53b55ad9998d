"""Who is refused, and why: the checks of each step in the order they are made.

A check gives None to go on, or the Refusal that ends the step. Temporary where the cause may go away, as a
wrong permanent refusal loses mail. A new check is a function here and its name in the table of its step.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass

from postier.accounts.directory import RecipientKind, Resolution
from postier.base.address import Address
from postier.base.status import Reply
from postier.message.addresses import Mailbox, iter_mailboxes
from postier.message.analysis import Analysis
from postier.message.headers import HeaderFields
from postier.smtp.inbound.dialogue import Dialogue, Role, Transaction
from postier.smtp.wire.events import MailFrom, RcptTo

__all__ = [
    "MAIL_CHECKS",
    "MAX_HOPS",
    "MESSAGE_CHECKS",
    "RECIPIENT_CHECKS",
    "Refusal",
    "check_mail",
    "check_message",
    "check_recipient",
    "check_room",
]

MAX_HOPS = 50
"""Received fields. RFC 5321 6.3 speaks of 100; no honest path has half of that, and a loop ends sooner."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """`reply` for the peer, `reason` for the log."""

    reply: Reply
    reason: str


MailCheck = Callable[[Dialogue, MailFrom], Awaitable[Refusal | None]]
RecipientCheck = Callable[[Dialogue, Transaction, RcptTo, Resolution], Refusal | None]
MessageCheck = Callable[[Dialogue, Transaction, Analysis], Awaitable[Refusal | None]]


async def check_mail(dialogue: Dialogue, mail: MailFrom) -> Refusal | None:
    """MAIL FROM. Raises StoreError."""
    for check in MAIL_CHECKS[dialogue.role]:
        refusal = await check(dialogue, mail)
        if refusal is not None:
            return refusal
    return None


def check_recipient(
    dialogue: Dialogue, transaction: Transaction, rcpt: RcptTo, resolution: Resolution
) -> Refusal | None:
    """RCPT TO, once the directory has said where it leads."""
    for check in RECIPIENT_CHECKS[dialogue.role]:
        refusal = check(dialogue, transaction, rcpt, resolution)
        if refusal is not None:
            return refusal
    return None


async def check_message(dialogue: Dialogue, transaction: Transaction, analysis: Analysis) -> Refusal | None:
    """The whole message, before it is judged. Raises StoreError."""
    for check in MESSAGE_CHECKS[dialogue.role]:
        refusal = await check(dialogue, transaction, analysis)
        if refusal is not None:
            return refusal
    return None


# ---------------------------------------------------------------------- MAIL FROM


async def _fits(dialogue: Dialogue, mail: MailFrom) -> Refusal | None:
    """RFC 1870 6.1: a size that is too big is refused before it comes."""
    if mail.size is None or mail.size <= dialogue.settings.max_message_size:
        return None
    return Refusal(Reply(552, "5.3.4", "The message is too big"), "declared size")


async def _sender_is_ones_own(dialogue: Dialogue, mail: MailFrom) -> Refusal | None:
    """RFC 6409 6.1. The null path is everybody's: notifications have it."""
    if mail.reverse_path is None:
        return None
    return await _own(dialogue, mail.reverse_path, "sender")


async def _own(dialogue: Dialogue, address: Address, what: str) -> Refusal | None:
    account = dialogue.account
    if account is None:
        return Refusal(Reply(530, "5.7.0", "Authentication required"), "not logged in")
    if await dialogue.services.directory.may_send_as(account, address):
        return None
    allowed = await dialogue.services.directory.addresses_of(account)
    return Refusal(_not_yours(what, allowed), f"{what} {address} is not of {account.name}")


def _not_yours(what: str, allowed: tuple[str, ...]) -> Reply:
    """Names what may be used, as far as a line of a reply has room."""
    shown = [address for address in allowed[:5] if address.isascii() and len(address) <= 80]
    more = ", ..." if len(shown) < len(allowed) else ""
    return Reply(550, "5.7.1", f"The {what} is not one of your addresses: {', '.join(shown)}{more}")


# ---------------------------------------------------------------------- RCPT TO


def check_room(dialogue: Dialogue, transaction: Transaction) -> Refusal | None:
    """Before anybody is looked up. RFC 5321 4.5.3.1.10: the client sends the rest in another transaction."""
    if len(transaction.recipients) < dialogue.settings.max_recipients:
        return None
    return Refusal(Reply(452, "4.5.3", "Too many recipients"), "number of recipients")


def _is_known(
    dialogue: Dialogue, transaction: Transaction, rcpt: RcptTo, resolution: Resolution
) -> Refusal | None:
    if resolution.kind is not RecipientKind.UNKNOWN:
        return None
    return Refusal(Reply(550, "5.1.1", "No such address here"), "unknown recipient")


def _is_ours(
    dialogue: Dialogue, transaction: Transaction, rcpt: RcptTo, resolution: Resolution
) -> Refusal | None:
    """No open relay."""
    if resolution.kind is not RecipientKind.FOREIGN:
        return None
    return Refusal(Reply(550, "5.7.1", "Relaying denied: this is not an address of ours"), "relaying")


def _has_quota(
    dialogue: Dialogue, transaction: Transaction, rcpt: RcptTo, resolution: Resolution
) -> Refusal | None:
    """Refused here, never bounced later (backscatter)."""
    if not resolution.full:
        return None
    return Refusal(Reply(452, "4.2.2", "The mailbox is full"), "over quota")


# ---------------------------------------------------------------------- the message


async def _does_not_loop(dialogue: Dialogue, transaction: Transaction, analysis: Analysis) -> Refusal | None:
    if analysis.received_count < MAX_HOPS:
        return None
    return Refusal(Reply(554, "5.4.6", "Too many hops: the message goes in a circle"), "loop")


async def _author_is_ones_own(
    dialogue: Dialogue, transaction: Transaction, analysis: Analysis
) -> Refusal | None:
    """RFC 6409 6.1, 8.1: every address in From belongs to the login."""
    if not analysis.author_mailboxes:
        return Refusal(Reply(554, "5.6.0", "The message has no From address"), "no author")
    return await _all_own(dialogue, analysis.author_mailboxes, "From address")


async def _agent_is_ones_own(
    dialogue: Dialogue, transaction: Transaction, analysis: Analysis
) -> Refusal | None:
    """Sender, where it is there: mail programs show it as who really wrote (RFC 5322 3.6.2)."""
    if b"sender" not in analysis.header.lower():
        return None
    return await _all_own(dialogue, iter_mailboxes(HeaderFields(analysis.header).all(b"sender")), "Sender")


async def _all_own(dialogue: Dialogue, mailboxes: Iterable[Mailbox], what: str) -> Refusal | None:
    for mailbox in mailboxes:
        address = _address(mailbox)
        if address is None:
            return Refusal(Reply(554, "5.6.0", f"The {what} is not an address"), f"broken {what}")
        refusal = await _own(dialogue, address, what)
        if refusal is not None:
            return refusal
    return None


def _address(mailbox: Mailbox) -> Address | None:
    if not mailbox.valid:
        return None
    try:
        host = Address.parse(f"x@{mailbox.domain}").domain
        return Address(mailbox.local_part, host)
    except ValueError:
        return None


MAIL_CHECKS: dict[Role, tuple[MailCheck, ...]] = {
    Role.MX: (_fits,),
    Role.SUBMISSION: (_fits, _sender_is_ones_own),
}

RECIPIENT_CHECKS: dict[Role, tuple[RecipientCheck, ...]] = {
    Role.MX: (_is_ours, _is_known, _has_quota),
    Role.SUBMISSION: (_is_known, _has_quota),
}

MESSAGE_CHECKS: dict[Role, tuple[MessageCheck, ...]] = {
    Role.MX: (_does_not_loop,),
    Role.SUBMISSION: (_does_not_loop, _author_is_ones_own, _agent_is_ones_own),
}
