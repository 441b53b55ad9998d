"""Checks of MAIL FROM and RCPT TO."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from postier.accounts.directory import RecipientKind, Resolution
from postier.base.address import Address
from postier.base.status import Reply
from postier.filter.greylist import Greylist, Triple
from postier.filter.networks import is_inside, network_of, parse_ip
from postier.filter.reverse_dns import Iprev
from postier.mailauth.spf import Spf
from postier.smtp.inbound.dialogue import Dialogue, Transaction
from postier.smtp.inbound.evidence import spf_of
from postier.smtp.inbound.outcome import Defer, Outcome, Refuse
from postier.smtp.inbound.reputation import listings_of, reverse_name_of
from postier.smtp.wire.events import RcptTo

__all__ = [
    "Addressee",
    "fits",
    "has_a_whole_domain",
    "has_quota",
    "has_room_for_recipient",
    "is_known",
    "is_not_new",
    "is_not_suppressed",
    "is_ours",
    "takes_from_anybody",
]


_TOO_BIG = Refuse(Reply(552, "5.3.4", "The message is too big"), "declared size")
_TOO_MANY = Defer(Reply(452, "4.5.3", "Too many recipients"), "number of recipients")
_UNKNOWN = Refuse(Reply(550, "5.1.1", "No such address here"), "unknown recipient")
_RELAYING = Refuse(Reply(550, "5.7.1", "Relaying denied: this is not an address of ours"), "relaying")
_RETURNS_ONLY = Refuse(
    Reply(550, "5.7.1", "This address takes only what is returned, from <>"), "not from the null path"
)
_PART_OF_A_NAME = Refuse(Reply(554, "5.1.2", "Write the whole domain, with its dots"), "domain without a dot")
_FULL = Defer(Reply(452, "4.2.2", "The mailbox is full"), "over quota")


class Addressee:
    """Whom RCPT names, and where that leads, looked up once and only if somebody asks."""

    __slots__ = ("_found", "_resolve", "rcpt")

    def __init__(self, rcpt: RcptTo, resolve: Callable[[Address | None], Awaitable[Resolution]]) -> None:
        self.rcpt = rcpt
        self._resolve = resolve
        self._found: Resolution | None = None

    @property
    def is_postmaster(self) -> bool:
        """RFC 5321 4.5.1: whoever has trouble with us must reach somebody."""
        path = self.rcpt.forward_path
        return path is None or path.local_part.casefold() == "postmaster"

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


async def takes_from_anybody(dialogue: Dialogue, transaction: Transaction, to: Addressee) -> Outcome:
    """A return address of forwarded mail takes what is returned, and is no way to write to its owner."""
    return _RETURNS_ONLY if transaction.reverse_path and (await to.resolution()).returns else None


async def has_quota(dialogue: Dialogue, transaction: Transaction, to: Addressee) -> Outcome:
    """As above: what finds no room now may find it later."""
    return _FULL if (await to.resolution()).full else None


async def is_not_new(dialogue: Dialogue, transaction: Transaction, to: Addressee) -> Outcome:
    """Greylisting (RFC 6647), for senders that nobody knows or vouches for."""
    peer, policy = parse_ip(dialogue.connection.peer[0]), dialogue.settings.policy
    if peer is None or is_inside(peer) or await _is_vouched_for(dialogue):
        return None
    found = await spf_of(dialogue, transaction)
    network, sender = network_of(peer), transaction.mail.reverse_path
    triple = Triple(
        pool=found.domain if found.result is Spf.PASS else network,
        network=network,
        sender_domain=str(sender.domain) if sender is not None else "",
        recipient=str(to.rcpt.forward_path or "postmaster"),
    )
    services = dialogue.services
    if dialogue.greylist is None:
        dialogue.greylist = Greylist(services.store, services.counts, policy.greylist_times)
    wait = await dialogue.greylist.seconds_to_wait(triple, transaction.reverse_path, services.clock.now())
    if not wait:
        return None
    text = f"You are new here: try again in {wait} seconds"
    return Defer(Reply(450, "4.7.1", text), f"greylisted for {wait} s: {triple.pool}")


async def _is_vouched_for(dialogue: Dialogue) -> bool:
    """A list of good senders has the address, or, where the settings let that count, its names lead back."""
    if sum(each.list.weight for each in await listings_of(dialogue)) < 0:
        return True
    if not dialogue.settings.policy.greylist_passes_named:
        return False
    name = await reverse_name_of(dialogue)
    return name is not None and name.result is Iprev.PASS


async def has_a_whole_domain(dialogue: Dialogue, transaction: Transaction, to: Addressee) -> Outcome:
    """RFC 6409 4.2: a name without a dot is part of one, unless the administrator made a route for it."""
    path = to.rcpt.forward_path
    if path is None or "." in (domain := str(path.domain)) or domain.startswith("["):
        return None
    if (await to.resolution()).kind is not RecipientKind.FOREIGN:
        return None
    routes = await dialogue.services.store.reader.mail_routes()
    return None if any(route.pattern == domain for route in routes) else _PART_OF_A_NAME


async def is_not_suppressed(dialogue: Dialogue, transaction: Transaction, to: Addressee) -> Outcome:
    """Who was unknown elsewhere again and again is not written to: our people hear of it here."""
    path = to.rcpt.forward_path
    if path is None or (await to.resolution()).kind is not RecipientKind.FOREIGN:
        return None
    found = await dialogue.services.store.reader.suppression(path.lookup_key)
    if found is None or found.until <= dialogue.services.clock.now():
        return None
    since = time.strftime("%Y-%m-%d", time.gmtime(found.last))
    why = (
        f"is unknown there, as we were told on {since}"
        if found.bounces
        else f"is not written to since {since}"
    )
    lift = f"'postier suppress remove {path}' lifts this"
    return Refuse(Reply(550, "5.1.1", f"<{path}> {why}; {lift}"), "suppressed")
