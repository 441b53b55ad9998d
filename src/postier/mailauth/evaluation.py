"""All that a DMARC aggregate report tells of one message (RFC 9990 3.1), and what a simulation needs.

A plain value of texts and booleans, made where the verdict is; whoever keeps it stores `encode` of it.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from postier.mailauth.arc import ArcResult
from postier.mailauth.dkim.result import DkimResult
from postier.mailauth.dmarc import Dmarc, DmarcResult
from postier.mailauth.spf import SpfResult
from postier.mailauth.verdict import Action, Verdict

__all__ = ["DkimFinding", "Evaluation", "PublishedPolicy", "SpfFinding", "decode", "encode", "evaluation_of"]


class SpfFinding(msgspec.Struct, frozen=True, array_like=True):
    """`scope`: "mfrom" or "helo"; only the former may stand in a report (RFC 9990 3.1.1.12)."""

    domain: str
    scope: str
    result: str


class DkimFinding(msgspec.Struct, frozen=True, array_like=True):
    """One signature; `reason`: why it is no pass, "" if it is. A pass that leaves the end of the body
    unsigned is told as "neutral", since it vouches for nothing."""

    domain: str
    selector: str
    result: str
    reason: str


class PublishedPolicy(msgspec.Struct, frozen=True, array_like=True):
    """The record that was found: where, and its tags with their defaults; `record` is its text."""

    domain: str
    p: str
    sp: str
    np: str
    adkim: str
    aspf: str
    fo: str
    testing: bool
    pct: int
    rua: tuple[str, ...]
    record: str
    discovery_method: str = "treewalk"


class Evaluation(msgspec.Struct, frozen=True, array_like=True):
    """One message. Domains are A-labels in lower case.

    `source_ip`: the client. `header_from`: the author domain. `envelope_from`: the domain of the
    reverse-path, "" for the null path. `policy`: None where none was found. `result`: of DMARC.
    `spf_aligned`, `dkim_aligned`: passing and aligned, as policy_evaluated has them. `disposition`:
    "pass", "none", "quarantine" or "reject", what was done. `override`: in the words of RFC 9990, "" where
    the owner's policy was followed; `reason`: for people. `organizational_domain`: "" without a record.
    """

    source_ip: str
    helo: str
    header_from: str
    envelope_from: str
    spf: SpfFinding
    dkim: tuple[DkimFinding, ...]
    arc: str
    policy: PublishedPolicy | None
    organizational_domain: str
    result: str
    spf_aligned: bool
    dkim_aligned: bool
    disposition: str
    override: str
    reason: str


def evaluation_of(
    *,
    ip: str,
    helo: str,
    envelope_from: str,
    spf: SpfResult,
    dkim: Sequence[DkimResult],
    dmarc: DmarcResult,
    arc: ArcResult,
    verdict: Verdict,
) -> Evaluation:
    return Evaluation(
        source_ip=ip,
        helo=helo,
        header_from=dmarc.domain,
        envelope_from=envelope_from,
        spf=SpfFinding(spf.domain, "mfrom" if spf.identity == "mailfrom" else "helo", spf.result.value),
        dkim=tuple([_finding(each) for each in dkim]),
        arc=arc.result.value,
        policy=_published(dmarc),
        organizational_domain=dmarc.organizational_domain,
        result=dmarc.result.value,
        spf_aligned=dmarc.spf_aligned,
        dkim_aligned=dmarc.dkim_aligned,
        disposition=_disposition(dmarc, verdict),
        override=verdict.override,
        reason=verdict.reason,
    )


def encode(evaluation: Evaluation) -> bytes:
    return msgspec.json.encode(evaluation)


def decode(octets: bytes) -> Evaluation:
    """Raises ValueError where `octets` did not come from `encode`."""
    return _DECODER.decode(octets)


_DECODER = msgspec.json.Decoder(Evaluation)
_DISPOSITIONS = {Action.ACCEPT: "none", Action.QUARANTINE: "quarantine", Action.REFUSE: "reject"}


def _finding(signature: DkimResult) -> DkimFinding:
    result = "neutral" if signature.body_length_short else signature.result.value
    reason = "the end of the body is not signed" if signature.body_length_short else signature.reason
    return DkimFinding(signature.domain, signature.selector, result, reason)


def _published(dmarc: DmarcResult) -> PublishedPolicy | None:
    record = dmarc.record
    if record is None:
        return None
    return PublishedPolicy(
        domain=dmarc.policy_domain,
        p=record.policy.value,
        sp=record.subdomain_policy.value,
        np=record.nonexistent_policy.value,
        adkim="s" if record.strict_dkim else "r",
        aspf="s" if record.strict_spf else "r",
        fo=record.failure_options,
        testing=record.testing,
        pct=record.pct,
        rua=record.rua,
        record=record.text,
    )


def _disposition(dmarc: DmarcResult, verdict: Verdict) -> str:
    return "pass" if dmarc.result is Dmarc.PASS else _DISPOSITIONS[verdict.action]
