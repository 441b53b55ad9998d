"""When an address is not written to any more.

A host that says "no such user here" again and again means it, and who goes on sending there is taken for a
spammer. So after some such bounces an address rests; its people are told at RCPT instead of by a report.
Only what says exactly that counts: never a refusal by policy, content or greylisting, and never a guess.
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
"""RFC 3463: bad destination mailbox address; RFC 7505: the domain takes no mail."""

NEVER_ENDS = 2**53
"""As the moment until which an address rests: until the administrator says otherwise."""


log = Log("queue")


@dataclass(frozen=True, slots=True)
class SuppressionRules:
    """`bounces`: so many within `keep` seconds make an address rest for `keep` seconds from the last one;
    0: never."""

    bounces: int = 2
    keep: int = 2_592_000


def is_unknown_user(result: DeliveryResult) -> bool:
    """True if a remote host, or the DNS, said that there is no such recipient."""
    return result.outcome is Outcome.PERMANENT and result.status in UNKNOWN_USER


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
        noted = after_bounce(await tx.suppression(address), address, result, sender, now, rules)
        await tx.set_suppression(noted)
        if noted.until > now:
            log.info("suppressed", address=address, bounces=noted.bounces, until=noted.until)
