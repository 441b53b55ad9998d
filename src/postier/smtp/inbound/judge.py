"""What SPF, DKIM and DMARC say of a message from outside, and what follows from it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from postier.mailauth import authentication_results, dmarc, verdict
from postier.mailauth.dkim.result import DkimResult
from postier.mailauth.dkim.verify import DkimVerifier
from postier.mailauth.spf import check_host
from postier.message.addresses import author_domains
from postier.message.headers import HeaderFields
from postier.smtp.inbound.dialogue import Dialogue, Transaction
from postier.smtp.inbound.incoming import Incoming

__all__ = ["Judgement", "judge", "without_forged_results"]


@dataclass(frozen=True, slots=True)
class Judgement:
    """`results`: our Authentication-Results field, b"" where nothing was examined."""

    verdict: verdict.Verdict
    results: bytes = b""


UNJUDGED = Judgement(verdict.Verdict(verdict.Action.ACCEPT, ""))


async def judge(dialogue: Dialogue, transaction: Transaction, incoming: Incoming) -> Judgement:
    """Ask the DNS all there is to ask; SPF and DKIM at once, then DMARC. Trouble there counts for nobody."""
    services, settings = dialogue.services, dialogue.settings
    ip = dialogue.connection.peer[0]
    mail_from = transaction.reverse_path or None
    spf, dkim = await asyncio.gather(
        check_host(
            services.resolver,
            services.clock,
            ip=ip,
            helo=dialogue.helo,
            mail_from=mail_from,
            receiver=settings.hostname,
        ),
        _verify(dialogue, incoming),
    )
    domains = [domain.ascii for domain in author_domains(HeaderFields(incoming.header).all(b"from"))]
    found = await dmarc.evaluate(services.resolver, domains, spf, dkim)
    results = authentication_results.render(
        settings.hostname, spf=spf, dkim=dkim, dmarc=found, mail_from=mail_from, helo=dialogue.helo, ip=ip
    )
    return Judgement(verdict.decide(spf, dkim, found), results)


def without_forged_results(header: bytes, hostname: str) -> bytes:
    """`header` without Authentication-Results in our name (RFC 8601 5)."""
    if b"authentication-results" not in header.lower():
        return header
    return authentication_results.remove_forged(header, hostname)


async def _verify(dialogue: Dialogue, incoming: Incoming) -> tuple[DkimResult, ...]:
    verifier = incoming.body_reader
    if not isinstance(verifier, DkimVerifier):
        return ()
    return await verifier.finish(dialogue.services.resolver, dialogue.services.clock)
