"""When an address is not written to any more.

A host that says "no such user here" again and again means it, and who goes on sending there is taken for a
spammer. So after some such bounces an address rests; its people are told at RCPT instead of by a report.
Only what says exactly that, in answer to this address, counts: never a refusal by policy, content or
greylisting, never one of the sender or the message, and never a guess. Answers within an hour count as one:
a host that is broken for some minutes must not cost its people the mail of a month.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from postier.base.address import Address
from postier.base.log import Log
from postier.queue.api import DeliveryResult, Outcome
from postier.store.api import Suppression, Tx

__all__ = [
    "NEVER_ENDS",
    "UNKNOWN_USER",
    "SuppressionRules",
    "after_bounce",
    "is_unknown_user",
    "note_unknown",
]

UNKNOWN_USER = ("5.1.1", "5.1.10")
"""RFC 3463: bad destination mailbox address; RFC 7505: the recipient's domain takes no mail."""

NEVER_ENDS = 2**53
"""As the moment until which an address rests: until the administrator says otherwise."""


log = Log("queue")


@dataclass(frozen=True, slots=True)
class SuppressionRules:
    """`bounces`: so many within `keep` seconds make an address rest for `keep` seconds from the last one;
    0: never. `apart`: seconds between two that both count."""

    bounces: int = 2
    keep: int = 2_592_000
    apart: int = 3600


def is_unknown_user(result: DeliveryResult) -> bool:
    """True if a host said of this recipient that there is no such one."""
    about_it = result.facts.get("about") == "recipient"
    return about_it and result.outcome is Outcome.PERMANENT and result.status in UNKNOWN_USER


def after_bounce(
    known: Suppression | None,
    address: str,
    result: DeliveryResult,
    sender: str,
    now: int,
    rules: SuppressionRules,
) -> Suppression:
    """What is known of `address` (a lookup key) after one more such bounce of `sender`'s mail."""
    if known is None or (known.last < now - rules.keep and known.until < now):
        known = Suppression(address, 0, now, now)
    if known.bounces and now - known.last < rules.apart:
        return known
    bounces = known.bounces + 1
    until = max(known.until, now + rules.keep if bounces >= rules.bounces else 0)
    return Suppression(address, bounces, known.first, now, until, result.diagnostic, result.remote, sender)


async def note_unknown(
    tx: Tx, results: Sequence[DeliveryResult], sender: str, now: int, rules: SuppressionRules
) -> None:
    """Count those of `results` that say so, within the transaction that writes them down."""
    if not rules.bounces:
        return
    for result in results:
        address = Address.parse(result.forward_path).lookup_key
        known = await tx.suppression(address)
        noted = after_bounce(known, address, result, sender, now, rules)
        if noted == known:
            continue
        await tx.set_suppression(noted)
        if noted.until > now:
            log.info("suppressed", address=address, bounces=noted.bounces, until=noted.until)
