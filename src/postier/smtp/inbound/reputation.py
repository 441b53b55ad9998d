"""What the DNS says of the client's address, asked behind the dialogue.

The questions are on their way before the greeting is sent, which never waits for them; a check that needs an
answer awaits it. Addresses of our own networks are not asked about.
"""

from __future__ import annotations

import asyncio

from postier.filter.dnsbl import Listing, listings
from postier.filter.networks import is_inside, parse_ip
from postier.filter.reverse_dns import Iprev, ReverseName, reverse_name
from postier.smtp.inbound.dialogue import Dialogue
from postier.smtp.inbound.dns_budget import DnsBudget

__all__ = [
    "ask_lists",
    "ask_reverse_name",
    "ask_who_vouches",
    "iprev_result",
    "listings_of",
    "reverse_name_of",
]

REVERSE_DNS, LISTS = "reverse-dns", "dnsbl"
REVERSE_TIME = 10.0
"""Seconds; then it counts for nobody."""


def ask_reverse_name(dialogue: Dialogue) -> None:
    address = parse_ip(dialogue.connection.peer[0])
    if address is not None and not is_inside(address):
        resolver = DnsBudget(dialogue.services.resolver, REVERSE_TIME)
        dialogue.lookups[REVERSE_DNS] = asyncio.create_task(reverse_name(resolver, address))


def ask_who_vouches(dialogue: Dialogue) -> None:
    """For greylisting, where the settings let a name count."""
    if dialogue.settings.policy.greylist_passes_named and REVERSE_DNS not in dialogue.lookups:
        ask_reverse_name(dialogue)


def ask_lists(dialogue: Dialogue) -> None:
    address = parse_ip(dialogue.connection.peer[0])
    if address is not None and not is_inside(address):
        policy = dialogue.settings.policy
        dialogue.lookups[LISTS] = asyncio.create_task(
            listings(dialogue.services.resolver, policy.dnsbl, address, policy.dnsbl_time)
        )


async def reverse_name_of(dialogue: Dialogue) -> ReverseName | None:
    """None where it was not asked for."""
    task = dialogue.lookups.get(REVERSE_DNS)
    if task is None:
        return None
    found: ReverseName = await asyncio.shield(task)
    return found


async def listings_of(dialogue: Dialogue) -> tuple[Listing, ...]:
    task = dialogue.lookups.get(LISTS)
    if task is None:
        return ()
    found: tuple[Listing, ...] = await asyncio.shield(task)
    return found


def iprev_result(dialogue: Dialogue) -> tuple[str, str] | None:
    """Result and name for Authentication-Results (RFC 8601 2.7.3), if the answer is here."""
    task = dialogue.lookups.get(REVERSE_DNS)
    if task is None or not task.done() or task.cancelled():
        return None
    found: ReverseName = task.result()
    return found.result.value, found.name if found.result is Iprev.PASS else ""
