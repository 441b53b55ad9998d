"""Checks of the connection and of the client's name for itself, and what the DNS says of its address."""

from __future__ import annotations

import asyncio

from postier.base.status import Reply
from postier.filter.client_name import is_our_own_name, oddity_of_name
from postier.filter.networks import parse_ip
from postier.filter.reverse_dns import Iprev
from postier.smtp.inbound.checks_envelope import Addressee
from postier.smtp.inbound.dialogue import Dialogue, Transaction
from postier.smtp.inbound.outcome import Defer, Mark, Outcome, Refuse
from postier.smtp.inbound.reputation import listings_of, reverse_name_of
from postier.smtp.wire.events import Ehlo

__all__ = [
    "has_a_name_of_its_own",
    "has_a_reverse_name",
    "is_not_listed",
    "is_not_us",
    "is_trusted_host",
    "waits_for_greeting",
]

_EARLY = Refuse(Reply(554, "", "Wait for the greeting"), "talks before the greeting", closes=True)
"""RFC 2034 4: neither a greeting nor a reply to EHLO has an enhanced code."""
_NOT_LISTED = Refuse(Reply(554, "", "No LMTP for this address"), "not in lmtp.accept_from", closes=True)
_OUR_NAME = "You are not this host: give your own name"
_NO_NAME = {
    Iprev.PERMERROR: "has no name in the DNS (PTR record)",
    Iprev.FAIL: "has a name in the DNS that does not lead back to it",
}


async def waits_for_greeting(dialogue: Dialogue) -> Outcome:
    """RFC 5321 3.1, 4.3.1: the client waits for 220. Only junk senders do not."""
    if dialogue.settings.policy.greeting_delay and not dialogue.connection.bytes_in:
        await asyncio.sleep(dialogue.settings.policy.greeting_delay)
    return _EARLY if dialogue.connection.bytes_in else None


async def is_trusted_host(dialogue: Dialogue) -> Outcome:
    """What comes by LMTP is not checked again, so it must come from who has checked it."""
    address = dialogue.connection.peer[0]
    return None if not address or address in dialogue.settings.lmtp_from else _NOT_LISTED


# ---------------------------------------------------------------------- EHLO, HELO


async def is_not_us(dialogue: Dialogue, ehlo: Ehlo) -> Outcome:
    """Nobody from outside has our own name or address."""
    peer, local = parse_ip(dialogue.connection.peer[0]), parse_ip(dialogue.connection.local[0])
    if peer is None or not is_our_own_name(ehlo.domain, peer, dialogue.settings.hostname, local):
        return None
    reason = f"calls itself {ehlo.domain}"
    if dialogue.settings.policy.helo_own_name == "refuse":
        return Refuse(Reply(550, "", _OUR_NAME), reason)
    return Mark("helo-own-name", "ours", reason, dialogue.settings.policy.helo_weight)


async def has_a_name_of_its_own(dialogue: Dialogue, ehlo: Ehlo) -> Outcome:
    """RFC 5321 4.1.4: a wrong name is no reason to refuse mail; so a mark, unless the settings say so."""
    peer, policy = parse_ip(dialogue.connection.peer[0]), dialogue.settings.policy
    oddity = oddity_of_name(ehlo.domain, peer) if peer is not None else ""
    if not oddity:
        return None
    if policy.helo == "refuse":
        return Refuse(Reply(550, "", "Give your full host name"), f"calls itself {ehlo.domain}")
    return Mark("helo", oddity, f"calls itself {ehlo.domain}", policy.helo_weight)


# ---------------------------------------------------------------------- what was asked behind, at RCPT


async def has_a_reverse_name(dialogue: Dialogue, transaction: Transaction, to: Addressee) -> Outcome:
    """RFC 8601 2.7.3, RFC 7372 3.3. DNS trouble counts for nobody."""
    found, policy = await reverse_name_of(dialogue), dialogue.settings.policy
    problem = _NO_NAME.get(found.result) if found is not None else None
    if found is None or problem is None:
        return None
    address = dialogue.connection.peer[0]
    if policy.reverse_dns == "mark" or to.is_postmaster:
        value = found.result.value if found.name else "none"
        return Mark("reverse-dns", value, f"{address} {problem}", policy.reverse_dns_weight)
    text = f"Your address {address} {problem}"
    if policy.reverse_dns == "defer":
        return Defer(Reply(450, "4.7.25", text), "reverse DNS")
    return Refuse(Reply(550, "5.7.25", text), "reverse DNS")


async def is_not_listed(dialogue: Dialogue, transaction: Transaction, to: Addressee) -> Outcome:
    """RFC 5782. Postmaster hears also those who are listed, who may be listed by mistake."""
    found = await listings_of(dialogue)
    if not found:
        return None
    policy, address = dialogue.settings.policy, dialogue.connection.peer[0]
    weight = sum(each.list.weight for each in found)
    names = ", ".join(each.list.zone for each in found if each.list.weight > 0)
    if policy.dnsbl_refuse and weight >= policy.dnsbl_refuse and not to.is_postmaster:
        text = f"{address} is listed by {names}; write to postmaster if that is wrong"
        return Refuse(Reply(554, "5.7.1", text), f"listed by {names}, weight {weight}")
    value = ",".join(each.list.zone for each in found)
    reason = ", ".join(f"{each.list.zone} {each.answer} ({each.list.weight:+d})" for each in found)
    return Mark("dnsbl", value, reason, weight)
