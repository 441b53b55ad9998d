"""What SPF, DKIM and DMARC say of a message from outside, and what follows from it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from postier.base.clock import Clock
from postier.mailauth import authentication_results, dmarc, verdict
from postier.mailauth.dkim.result import DkimResult
from postier.mailauth.dkim.verify import DkimVerifier
from postier.mailauth.spf import Spf, SpfResult, check_host
from postier.message.addresses import author_domains
from postier.message.headers import HeaderFields
from postier.smtp.inbound.dialogue import Dialogue, Transaction
from postier.smtp.inbound.dns_budget import DnsBudget
from postier.smtp.inbound.incoming import Incoming

__all__ = ["Judgement", "judge", "without_forged_results"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """`results`: our Authentication-Results field, b"" where nothing was examined.

    `sender_may_be_told`: False where SPF says that the reverse-path is not the writer's, or the message looks
    forged; a report would then trouble somebody who sent nothing (backscatter). `facts`: the verdicts, for
    the story of the message.
    """

    verdict: verdict.Verdict
    results: bytes = b""
    sender_may_be_told: bool = True
    facts: Mapping[str, str] = field(default_factory=dict)


UNJUDGED = Judgement(verdict.Verdict(verdict.Action.ACCEPT, ""))


async def judge(dialogue: Dialogue, transaction: Transaction, incoming: Incoming) -> Judgement:
    """Ask the DNS all there is to ask at once, within one budget. Trouble there counts for nobody."""
    services, settings = dialogue.services, dialogue.settings
    resolver = DnsBudget(services.resolver, settings.dns_time)
    ip = dialogue.connection.peer[0]
    mail_from = transaction.reverse_path or None
    domains = [domain.ascii for domain in author_domains(HeaderFields(incoming.header).all(b"from"))]
    spf, dkim, _ = await asyncio.gather(
        check_host(
            resolver,
            services.clock,
            ip=ip,
            helo=dialogue.helo,
            mail_from=mail_from,
            receiver=settings.hostname,
        ),
        _verify(incoming, resolver, services.clock),
        resolver.ask_ahead(dmarc.record_names(domains[0]) if len(domains) == 1 else ()),
    )
    found = await dmarc.evaluate(resolver, domains, spf, dkim)
    results = authentication_results.render(
        settings.hostname, spf=spf, dkim=dkim, dmarc=found, mail_from=mail_from, helo=dialogue.helo, ip=ip
    )
    decided = verdict.decide(spf, dkim, found)
    disowned = spf.result in (Spf.FAIL, Spf.SOFTFAIL) or decided.action is not verdict.Action.ACCEPT
    facts = _facts(spf, dkim, found)
    return Judgement(decided, results, sender_may_be_told=not disowned, facts=facts)


def _facts(spf: SpfResult, dkim: Sequence[DkimResult], found: dmarc.DmarcResult) -> dict[str, str]:
    asked = f" ({found.effective_policy.value} asked for)" if found.effective_policy is not None else ""
    return {
        "spf": f"{spf.result.value} {spf.domain}".rstrip(),
        "dkim": ", ".join(f"{each.result.value} {each.domain}".rstrip() for each in dkim) or "none",
        "dmarc": f"{found.result.value} {found.domain}".rstrip() + asked,
    }


def without_forged_results(header: bytes, hostname: str) -> bytes:
    """`header` without Authentication-Results in our name (RFC 8601 5)."""
    if b"authentication-results" not in header.lower():
        return header
    return authentication_results.remove_forged(header, hostname)


async def _verify(incoming: Incoming, resolver: DnsBudget, clock: Clock) -> tuple[DkimResult, ...]:
    verifier = incoming.body_reader
    if not isinstance(verifier, DkimVerifier):
        return ()
    found, _ = await asyncio.gather(verifier.finish(resolver, clock), resolver.ask_ahead(verifier.key_names))
    return found
