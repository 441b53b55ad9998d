"""Checks of the whole message, at the end of its data."""

from __future__ import annotations

from postier.base.status import Reply
from postier.mailauth import verdict
from postier.mailauth.dmarc import Dmarc
from postier.mailauth.spf import Spf
from postier.smtp.inbound.dialogue import Dialogue, Transaction
from postier.smtp.inbound.evidence import Arrived, evidence_of
from postier.smtp.inbound.outcome import Mark, Outcome, Refuse

__all__ = ["MAX_HOPS", "dkim", "dmarc", "does_not_loop", "has_one_author", "spf"]

MAX_HOPS = 50
"""Received fields. RFC 5321 6.3 speaks of 100; no honest path has half of that, and a loop ends sooner."""

_LOOP = Refuse(Reply(554, "5.4.6", "Too many hops: the message goes in a circle"), "loop")
_SEVERAL_AUTHORS = Refuse(
    Reply(550, "5.7.1", "The From field names more than one domain"), "more than one author domain"
)
_NO_AUTHOR = Refuse(Reply(550, "5.7.1", "The From field names no author's domain"), "no author domain")
_NO_AUTHOR_MARK = Mark("author", "none", "no author domain", sets_aside=True)
_SPF_SPEAKS = (Spf.FAIL, Spf.SOFTFAIL, Spf.PERMERROR, Spf.TEMPERROR)


async def does_not_loop(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """RFC 5321 6.3."""
    return None if arrived.analysis.received_count < MAX_HOPS else _LOOP


async def has_one_author(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """More than one author domain is refused, since no reader can tell who is meant (RFC 9989 5.3.1)."""
    if arrived.has_one_author:
        return None
    domains = arrived.author_domains
    if len(domains) > 1:
        return _SEVERAL_AUTHORS
    if domains:
        return None
    return _NO_AUTHOR if dialogue.settings.policy.no_author == "refuse" else _NO_AUTHOR_MARK


async def spf(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """RFC 7208. Asks at once all that DKIM and DMARC need too."""
    found = (await evidence_of(dialogue, transaction, arrived)).spf
    if found.result not in _SPF_SPEAKS:
        return None
    if found.result is Spf.FAIL and dialogue.settings.policy.spf_fail == "refuse":
        text = f"{found.domain} does not let this host send its mail (SPF)"
        return Refuse(Reply(550, "5.7.23", text), f"SPF fails for {found.domain}")  # RFC 7372 3.2
    return Mark("spf", found.result.value, found.reason or f"of {found.domain}")


async def dkim(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """RFC 6376 6.1: a signature that fails counts as none, so it is no more than a mark."""
    evidence = await evidence_of(dialogue, transaction, arrived)
    if not evidence.dkim or evidence.is_signed:
        return None
    first = evidence.dkim[0]
    return Mark("dkim", first.result.value, first.reason or f"of {first.domain}")


async def dmarc(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Outcome:
    """RFC 9989, as far as our own policy follows it (mailauth.verdict)."""
    evidence = await evidence_of(dialogue, transaction, arrived)
    if evidence.dmarc.result is Dmarc.PERMERROR:
        return None  # not one author domain: has_one_author has spoken
    decided = verdict.decide(evidence.spf, evidence.dkim, evidence.dmarc)
    if decided.reply is not None:
        return Refuse(decided.reply, decided.reason)
    if decided.action is verdict.Action.ACCEPT:
        return None
    return Mark("dmarc", decided.action.value, decided.reason, sets_aside=True)
