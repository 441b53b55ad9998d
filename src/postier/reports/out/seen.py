"""What of a message goes into a DMARC report (RFC 9990 3.1): the same text for messages that fared alike, so
that they are one row with a count."""

from __future__ import annotations

import re

import msgspec

from postier.mailauth.evaluation import DkimFinding, Evaluation, PublishedPolicy, SpfFinding
from postier.reports.out.identity import DAY
from postier.store.api import DmarcSeen

__all__ = ["Policy", "Row", "decode_policy", "decode_row", "is_report", "seen_of"]

MAX_SIGNATURES = 10
"""Of one row, the ones that vouch most first; RFC 9990 3.1.3 allows 100."""
MAX_TEXT = 100
_REPORT = re.compile(
    rb"^(?:tls-report-domain[ \t]*:|subject[ \t]*:\s*report\s+domain:"
    rb"|content-type[ \t]*:\s*multipart/report\b)",
    re.MULTILINE,
)


class Policy(msgspec.Struct, frozen=True, array_like=True):
    """What the domain owner published, as it was found."""

    p: str
    sp: str
    np: str
    adkim: str
    aspf: str
    fo: str
    testing: bool
    discovery_method: str


class Row(msgspec.Struct, frozen=True, array_like=True):
    """As in mailauth.evaluation.Evaluation."""

    source_ip: str
    disposition: str
    dkim_aligned: bool
    spf_aligned: bool
    override: str
    reason: str
    header_from: str
    envelope_from: str
    spf: SpfFinding
    dkim: tuple[DkimFinding, ...]


def seen_of(evaluation: Evaluation, now: float) -> DmarcSeen | None:
    """None where nobody asks for reports."""
    policy = evaluation.policy
    if policy is None or not policy.rua:
        return None
    row = Row(
        evaluation.source_ip,
        evaluation.disposition,
        evaluation.dkim_aligned,
        evaluation.spf_aligned,
        evaluation.override,
        evaluation.reason[:MAX_TEXT] if evaluation.override else "",
        evaluation.header_from,
        evaluation.envelope_from[:255],
        evaluation.spf,
        _signatures(evaluation),
    )
    return DmarcSeen(int(now) // DAY, policy.domain, _text(_policy(policy)), _text(row))


def _policy(found: PublishedPolicy) -> Policy:
    return Policy(
        found.p,
        found.sp,
        found.np,
        found.adkim,
        found.aspf,
        found.fo[:20],
        found.testing,
        found.discovery_method,
    )


def _text(value: Policy | Row) -> str:
    return msgspec.json.encode(value).decode()


def _signatures(evaluation: Evaluation) -> tuple[DkimFinding, ...]:
    """In the order of RFC 9990 3.1.3: of the author's own domain, aligned, passing, others."""
    found = evaluation.dkim
    if len(found) > 1:
        found = tuple(sorted(found, key=lambda one: _rank(one, evaluation)))[:MAX_SIGNATURES]
    return tuple([DkimFinding(d[:255], s[:255], r, why[:MAX_TEXT]) for d, s, r, why in map(_parts, found)])


def _parts(one: DkimFinding) -> tuple[str, str, str, str]:
    return one.domain, one.selector, one.result, one.reason


def _rank(one: DkimFinding, evaluation: Evaluation) -> int:
    if one.result != "pass":
        return 3
    if one.domain == evaluation.header_from:
        return 0
    above = evaluation.organizational_domain
    return 1 if one.domain == above or one.domain.endswith(f".{above}") else 2


def is_report(header: bytes) -> bool:
    """A report, by mail, on mail or its delivery: nobody reports on those, or two servers would never end."""
    lowered = header.lower()
    return b"report" in lowered and _REPORT.search(lowered) is not None


def decode_policy(text: str) -> Policy:
    """Raises ValueError."""
    return msgspec.json.decode(text, type=Policy)


def decode_row(text: str) -> Row:
    """Raises ValueError."""
    return msgspec.json.decode(text, type=Row)
