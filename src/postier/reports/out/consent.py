"""Who asked for DMARC reports to go to somebody else's domain, and whether that one agreed (RFC 9990 4).

Else any record could have the reports of the whole world sent to a victim.
"""

from __future__ import annotations

from collections.abc import Sequence

from postier.dns.api import NotFound, Resolver
from postier.mailauth.dmarc import organizational_domain
from postier.mailauth.dmarc_record import DmarcRecord, parse_dmarc_record
from postier.reports.out.destinations import Destination, destinations_of

__all__ = ["with_consent"]


async def with_consent(
    resolver: Resolver, policy_domain: str, destinations: Sequence[Destination], *, failures: bool = False
) -> tuple[list[Destination], list[str]]:
    """Those that may get reports about `policy_domain`, and the names of those that did not agree.

    `failures`: failure reports are meant.

    Raises TemporaryFailure where one of them can't be asked: then later.
    """
    agreed: dict[str, Destination] = {}
    refused: list[str] = []
    ours = await organizational_domain(resolver, policy_domain)
    answers: dict[str, DmarcRecord | bool] = {}
    for one in destinations:
        if one.domain not in answers:
            same = await organizational_domain(resolver, one.domain) == ours
            answers[one.domain] = same or await _consent(resolver, policy_domain, one.domain) or False
        answer = answers[one.domain]
        if answer is False:
            refused.append(one.name)
        elif answer is not True and (uris := answer.ruf if failures else answer.rua):
            instead = destinations_of(uris, ("mailto",))
            agreed |= {each.name: each for each in instead if each.domain == one.domain}
        else:
            agreed[one.name] = one
    return list(agreed.values()), refused


async def _consent(resolver: Resolver, policy_domain: str, other: str) -> DmarcRecord | None:
    """The one DMARC record at POLICY-DOMAIN._report._dmarc.OTHER; its rua (or ruf), if any, goes before
    ours, as long as it leads to the same domain."""
    try:
        texts = (await resolver.txt(f"{policy_domain}._report._dmarc.{other}")).records
    except NotFound:
        return None
    records = [record for record in map(parse_dmarc_record, texts) if record is not None]
    return records[0] if len(records) == 1 else None
