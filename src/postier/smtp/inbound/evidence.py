"""What is known of a message from outside once it is here: its analysis, and what SPF, DKIM and DMARC found.

The DNS is asked all there is to ask at once, within one budget. Trouble there counts for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from postier.base.clock import Clock
from postier.mailauth import authentication_results, dmarc
from postier.mailauth.arc import NO_CHAIN, Arc, ArcResult
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.received_spf import received_spf
from postier.mailauth.spf import Spf, SpfResult, check_host
from postier.mailauth.verifier import MessageVerifier
from postier.message.addresses import author_domains
from postier.message.analysis import Analysis
from postier.message.headers import HeaderFields
from postier.smtp.inbound.dialogue import Dialogue, Transaction
from postier.smtp.inbound.dns_budget import MAX_QUESTIONS, SIGNATURE_QUESTIONS, SPF_QUESTIONS, DnsBudget
from postier.smtp.inbound.incoming import Incoming
from postier.smtp.inbound.reputation import iprev_result

__all__ = ["Arrived", "Evidence", "evidence_of", "spf_of"]


@dataclass(frozen=True, slots=True)
class Evidence:
    """What vouches for a message and what does not."""

    spf: SpfResult
    dkim: tuple[DkimResult, ...]
    dmarc: dmarc.DmarcResult
    arc: ArcResult = NO_CHAIN

    @property
    def facts(self) -> dict[str, str]:
        """The verdicts, for the story of the message."""
        found = self.dmarc
        asked = f" ({found.effective_policy.value} asked for)" if found.effective_policy is not None else ""
        dkim = ", ".join(f"{each.result.value} {each.domain}".rstrip() for each in self.dkim)
        facts = {
            "spf": f"{self.spf.result.value} {self.spf.domain}".rstrip(),
            "dkim": dkim or "none",
            "dmarc": f"{found.result.value} {found.domain}".rstrip() + asked,
        }
        if self.arc.result is not Arc.NONE:
            facts["arc"] = f"{self.arc.result.value} {self.arc.sealer}".rstrip()
        return facts

    @property
    def is_signed(self) -> bool:
        return any(each.result is Dkim.PASS for each in self.dkim)

    @property
    def disowns_sender(self) -> bool:
        """SPF says that the reverse-path is not the writer's: a report would trouble somebody who sent
        nothing (backscatter)."""
        return self.spf.result in (Spf.FAIL, Spf.SOFTFAIL)


@dataclass(slots=True)
class Arrived:
    """The whole message, as the checks of the last stage see it. `evidence`: None where nobody asked."""

    incoming: Incoming
    analysis: Analysis
    evidence: Evidence | None = None

    @property
    def author_domains(self) -> tuple[str, ...]:
        """Those of every From field, A-labels, as DMARC wants them."""
        fields = HeaderFields(self.incoming.header).all(b"from")
        return tuple(domain.ascii for domain in author_domains(fields))

    @property
    def has_one_author(self) -> bool:
        """Surely one author domain at most, without looking closer."""
        mailboxes = self.analysis.author_mailboxes
        return len(mailboxes) == 1 and mailboxes[0].valid

    @property
    def facts(self) -> Mapping[str, str]:
        return self.evidence.facts if self.evidence is not None else {}

    def results(self, dialogue: Dialogue, transaction: Transaction) -> bytes:
        """Our Authentication-Results field, and Received-SPF where it is asked for; b"" where nothing was
        examined."""
        if self.evidence is None:
            return b""
        field = authentication_results.render(
            dialogue.settings.hostname,
            spf=self.evidence.spf,
            spf_helo=transaction.spf_helo,
            dkim=self.evidence.dkim,
            dmarc=self.evidence.dmarc,
            dmarc_reason=transaction.evaluation.reason if transaction.evaluation is not None else "",
            arc=self.evidence.arc,
            mail_from=transaction.reverse_path or None,
            helo=dialogue.helo,
            ip=dialogue.connection.peer[0],
            iprev=iprev_result(dialogue),
        )
        if not dialogue.settings.policy.received_spf:
            return field
        return field + received_spf(
            self.evidence.spf,
            receiver=dialogue.settings.hostname,
            ip=dialogue.connection.peer[0],
            helo=dialogue.helo,
            mail_from=transaction.reverse_path,
        )


async def spf_of(
    dialogue: Dialogue, transaction: Transaction, resolver: DnsBudget | None = None
) -> SpfResult:
    """The SPF result of the transaction, asked for once, of `resolver` or within a budget of its own; that of
    the helo identity (RFC 7208 2.3) from what the first leaves, where it is asked for."""
    if transaction.spf is None:
        began = asyncio.get_running_loop().time()
        budget = resolver or _budget(dialogue, transaction, MAX_QUESTIONS).part(SPF_QUESTIONS)
        transaction.spf = await _spf(dialogue, budget, transaction.reverse_path)
        if dialogue.settings.policy.spf_helo and transaction.reverse_path:
            transaction.spf_helo = await _spf(dialogue, budget, "")
        transaction.dns_seconds += asyncio.get_running_loop().time() - began
    return transaction.spf


async def _spf(dialogue: Dialogue, resolver: DnsBudget, mail_from: str) -> SpfResult:
    """`mail_from` "": of the helo identity."""
    return await check_host(
        resolver,
        dialogue.services.clock,
        ip=dialogue.connection.peer[0],
        helo=dialogue.helo,
        mail_from=mail_from or None,
        receiver=dialogue.settings.hostname,
    )


async def evidence_of(dialogue: Dialogue, transaction: Transaction, arrived: Arrived) -> Evidence:
    """SPF, DKIM and DMARC of the message, asked for once."""
    if arrived.evidence is None:
        before = 0 if transaction.spf is None else SPF_QUESTIONS
        resolver = _budget(dialogue, transaction, MAX_QUESTIONS - before)
        for_spf, for_keys = resolver.part(SPF_QUESTIONS - before), resolver.part(SIGNATURE_QUESTIONS)
        domains = arrived.author_domains
        clock, reader = dialogue.services.clock, arrived.incoming.body_reader
        verifier = reader if isinstance(reader, MessageVerifier) else None
        policies = dmarc.record_names(domains[0]) if len(domains) == 1 else []
        keys = verifier.key_names if verifier is not None else []
        if resolver.remembers([*policies, *keys]):  # side by side is dearer where nothing waits
            dkim, arc = await _verify(verifier, for_keys, clock)
            spf = await spf_of(dialogue, transaction, for_spf)
        else:
            (dkim, arc), spf, *_ = await asyncio.gather(
                _verify(verifier, for_keys, clock, ahead=keys),
                spf_of(dialogue, transaction, for_spf),
                resolver.ask_ahead(policies),
            )
        arrived.evidence = Evidence(spf, dkim, await dmarc.evaluate(resolver, domains, spf, dkim), arc)
    return arrived.evidence


def _budget(dialogue: Dialogue, transaction: Transaction, questions: int) -> DnsBudget:
    """What the checks of one stage may cost of the DNS, all together: what an earlier one has left."""
    seconds = max(0.0, dialogue.settings.dns_time - transaction.dns_seconds)
    return DnsBudget(dialogue.services.resolver, seconds, questions)


async def _verify(
    verifier: MessageVerifier | None, resolver: DnsBudget, clock: Clock, ahead: Sequence[str] = ()
) -> tuple[tuple[DkimResult, ...], ArcResult]:
    if verifier is None:
        return (), NO_CHAIN
    if len(ahead) > 1:
        await resolver.ask_ahead(ahead)
    return await verifier.finish(resolver, clock)
