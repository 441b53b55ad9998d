"""Whose name may those who logged in use? Envelope and header belong to the login (RFC 6409 6.1, 8.1)."""

from __future__ import annotations

from collections.abc import Iterable

from postier.base.address import Address
from postier.base.status import Reply
from postier.message.addresses import Mailbox, iter_mailboxes
from postier.message.headers import HeaderFields
from postier.smtp.inbound.dialogue import Dialogue, Transaction
from postier.smtp.inbound.evidence import Arrived
from postier.smtp.inbound.outcome import Defer, Outcome, Refuse
from postier.store.api import NoSuchAccount

__all__ = ["agent_is_ones_own", "author_is_ones_own", "is_still_let_in", "sender_is_ones_own"]

_LOG_IN_AGAIN = Defer(Reply(421, "4.7.0", "Log in again"), "the login holds no more", closes=True)

MAX_MAILBOXES = 100
"""In one kind of field; each is looked up, and past so many our readers would not see the last."""

_AGENTS = ("Sender", "Resent-From", "Resent-Sender")


async def is_still_let_in(dialogue: Dialogue, transaction: Transaction) -> Outcome:
    """A session does not outlive its login: who stole a password stops when it is changed, or the account is
    switched off or removed."""
    account = dialogue.account
    if account is None:
        return None
    try:
        now = await dialogue.services.store.reader.account(account.account_id)
    except NoSuchAccount:
        return _LOG_IN_AGAIN
    holds = now.enabled and now.password_hash == account.password_hash
    return None if holds else _LOG_IN_AGAIN


async def sender_is_ones_own(dialogue: Dialogue, transaction: Transaction) -> Outcome:
    """RFC 6409 6.1. The null path is everybody's: notifications have it."""
    sender = transaction.mail.reverse_path
    return None if sender is None else await _own(dialogue, sender, "sender")


async def author_is_ones_own(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """RFC 6409 6.1, 8.1: every address in From belongs to the login. A NUL, which is no character of a header
    (RFC 5322 2.2), ends the name of a field for some readers, and could hide another From from us."""
    if b"\0" in arrived.incoming.header:
        return Refuse(Reply(554, "5.6.0", "The header has a NUL character"), "NUL in the header")
    if not arrived.analysis.author_mailboxes:
        return Refuse(Reply(554, "5.6.0", "The message has no From address"), "no author")
    return await _all_own(dialogue, transaction, arrived.analysis.author_mailboxes, "From address")


async def agent_is_ones_own(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """Sender and those who resent, where they are there: mail programs show them as who really wrote
    (RFC 5322 3.6.2, 3.6.6)."""
    header = arrived.incoming.header
    lower = header.lower()
    if b"sender" not in lower and b"resent-from" not in lower:
        return None
    fields = HeaderFields(header)
    for name in _AGENTS:
        refusal = await _all_own(
            dialogue, transaction, iter_mailboxes(fields.all(name.lower().encode())), name
        )
        if refusal is not None:
            return refusal
    return None


async def _all_own(
    dialogue: Dialogue, transaction: Transaction, mailboxes: Iterable[Mailbox], what: str
) -> Outcome:
    """The sender was looked up at MAIL, and is most often the author as well."""
    for number, mailbox in enumerate(mailboxes, 1):
        if number > MAX_MAILBOXES:
            return Refuse(Reply(554, "5.6.0", f"The {what} lists too many addresses"), f"endless {what}")
        address = _address(mailbox)
        if address is None:
            return Refuse(Reply(554, "5.6.0", f"The {what} is not an address"), f"broken {what}")
        if address == transaction.mail.reverse_path:
            continue
        refusal = await _own(dialogue, address, what)
        if refusal is not None:
            return refusal
    return None


async def _own(dialogue: Dialogue, address: Address, what: str) -> Outcome:
    account = dialogue.account
    if account is None:
        return Refuse(Reply(530, "5.7.0", "Authentication required"), "not logged in")
    if await dialogue.services.directory.may_send_as(account, address):
        return None
    allowed = await dialogue.services.directory.addresses_of(account)
    return Refuse(_not_yours(what, allowed), f"{what} {address} is not of {account.name}")


def _not_yours(what: str, allowed: tuple[str, ...]) -> Reply:
    """Names what may be used, as far as a line of a reply has room."""
    shown = [address for address in allowed[:5] if address.isascii() and len(address) <= 80]
    more = ", ..." if len(shown) < len(allowed) else ""
    return Reply(550, "5.7.1", f"The {what} is not one of your addresses: {', '.join(shown)}{more}")


def _address(mailbox: Mailbox) -> Address | None:
    if not mailbox.valid:
        return None
    try:
        host = Address.parse(f"x@{mailbox.domain}").domain
        return Address(mailbox.local_part, host)
    except ValueError:
        return None
