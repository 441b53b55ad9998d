"""Does the domain in From stand behind this message? DMARC evaluation with the tree walk of RFC 9989.

    result = await evaluate(resolver, author_domains, spf, dkim)

The walk asks at most 8 questions for a name (4.10): the name itself, then its parents, of more than 8 labels
only the last 7. It serves twice: to find the record, and to find the organizational domain.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from postier.base.domain import Domain
from postier.dns.api import NotFound, Resolver, TemporaryFailure
from postier.mailauth.dkim.result import Dkim, DkimResult
from postier.mailauth.dmarc_record import DmarcRecord, Policy, parse_dmarc_record
from postier.mailauth.spf import Spf, SpfResult

__all__ = [
    "Dmarc",
    "DmarcRecord",
    "DmarcResult",
    "Policy",
    "evaluate",
    "organizational_domain",
    "record_names",
]

MAX_QUERIES = 8
_WEAKER = {Policy.REJECT: Policy.QUARANTINE, Policy.QUARANTINE: Policy.NONE, Policy.NONE: Policy.NONE}


class Dmarc(enum.Enum):
    """The results of DMARC evaluation, in the words of RFC 8601 registries."""

    NONE = "none"
    PASS = "pass"  # noqa: S105 - a verdict, no password
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class DmarcResult:
    """What the evaluation found.

    `domain`: the author domain, A-labels, "" where there is not exactly one. `author_domains`: how many there
    were. `policy_domain`: where the record was found, "" without one. `organizational_domain`: "" without a
    record. `policy`: what the owner asks for this message should it fail, with t= not yet applied;
    `effective_policy` has it applied (one step weaker, RFC 9989 4.7). `spf_aligned`, `dkim_aligned`: passing
    and aligned. `dkim`: the aligned signature that passed.
    """

    result: Dmarc
    domain: str = ""
    author_domains: int = 1
    policy_domain: str = ""
    organizational_domain: str = ""
    policy: Policy | None = None
    spf_aligned: bool = False
    dkim_aligned: bool = False
    dkim: DkimResult | None = None
    record: DmarcRecord | None = None
    reason: str = ""

    @property
    def effective_policy(self) -> Policy | None:
        """What is asked for at most."""
        return self.policy_for(0)

    def policy_for(self, sample: int) -> Policy | None:
        """One step weaker with t=y (RFC 9989 4.7), and for messages whose `sample`, 0 to 99, is not below
        the pct= of an older record (RFC 7489 6.6.4)."""
        if self.policy is None or self.record is None:
            return self.policy
        is_weaker = self.record.testing or sample >= self.record.pct
        return _WEAKER[self.policy] if is_weaker else self.policy


async def evaluate(
    resolver: Resolver, author_domains: Iterable[Domain | str], spf: SpfResult, dkim: Sequence[DkimResult]
) -> DmarcResult:
    """The DMARC result of a message whose From has addresses in `author_domains` (as text U-labels are fine).

    None or several of them, or one that is no domain name, can't be evaluated: permerror (RFC 9989 5.3.1).
    A failing DNS question makes it temperror: neither pass nor fail.
    """
    domains = {_a_labels(str(domain)) for domain in author_domains}
    if len(domains) != 1 or "" in domains:
        return DmarcResult(Dmarc.PERMERROR, author_domains=len(domains), reason="not one author domain")
    (domain,) = domains
    try:
        return await _evaluate(resolver, domain, spf, dkim)
    except TemporaryFailure as error:
        return DmarcResult(Dmarc.TEMPERROR, domain, reason=f"DNS: {error}")


async def organizational_domain(resolver: Resolver, domain: str) -> str:
    """By which `domain` (A-labels) and its kin are aligned (RFC 9989 4.10.2). Raises TemporaryFailure."""
    return _organizational_domain(domain, await _walk(resolver, domain))


def record_names(domain: str) -> list[str]:
    """Where `evaluate` may look for the record of `domain` (A-labels), for a resolver that asks ahead."""
    return [f"_dmarc.{name}" for name in _names_to_ask(domain)]


def _a_labels(domain: str) -> str:
    try:
        return Domain.parse(domain).ascii
    except ValueError:
        return ""


async def _evaluate(
    resolver: Resolver, domain: str, spf: SpfResult, dkim: Sequence[DkimResult]
) -> DmarcResult:
    found = await _walk(resolver, domain)
    organizational = _organizational_domain(domain, found)
    policy_domain = next((name for name in (domain, organizational, *_psd(found)) if name in found), "")
    if not policy_domain:
        return DmarcResult(Dmarc.NONE, domain, reason="no record")
    record = found[policy_domain]
    if not record.usable:
        return DmarcResult(Dmarc.NONE, domain, reason="the record has no policy that can be read")
    author = _Author(resolver, domain, organizational, record)
    spf_aligned = await author.has(spf, Spf.PASS)
    signature = await author.first_of([each for each in dkim if _counts(each)])
    return DmarcResult(
        await _result(author, spf, dkim, passes=spf_aligned or signature is not None),
        domain,
        policy_domain=policy_domain,
        organizational_domain=organizational,
        policy=await _policy(resolver, domain, policy_domain, record),
        spf_aligned=spf_aligned,
        dkim_aligned=signature is not None,
        dkim=signature,
        record=record,
    )


async def _result(author: _Author, spf: SpfResult, dkim: Sequence[DkimResult], *, passes: bool) -> Dmarc:
    """An aligned identity whose check could not be ended may have been the one that passes: temperror.

    Only aligned ones: else a forger's own silent zone would turn every fail into a temperror.
    """
    if passes:
        return Dmarc.PASS
    open_signatures = [each for each in dkim if each.result is Dkim.TEMPERROR]
    is_open = await author.has(spf, Spf.TEMPERROR) or await author.first_of(open_signatures) is not None
    return Dmarc.TEMPERROR if is_open else Dmarc.FAIL


@dataclass(frozen=True, slots=True)
class _Author:
    """The author domain with its record: who is aligned with it."""

    resolver: Resolver
    domain: str
    organizational: str
    record: DmarcRecord

    async def has(self, spf: SpfResult, result: Spf) -> bool:
        """Whether SPF has that result, for an aligned domain."""
        return spf.result is result and await self.aligned(spf.domain, self.record.strict_spf)

    async def first_of(self, signatures: Sequence[DkimResult]) -> DkimResult | None:
        """The first aligned one."""
        for each in signatures:
            if await self.aligned(each.domain, self.record.strict_dkim):
                return each
        return None

    async def aligned(self, other: str, strict: bool) -> bool:
        """RFC 9989 4.4: the same domain, or in the relaxed mode the same organizational domain."""
        other = _a_labels(other)
        if strict or not other or other == self.domain:
            return other == self.domain
        if other == self.organizational or not other.endswith("." + self.organizational):
            return other == self.organizational  # the walk from there would end there
        return _organizational_domain(other, await _walk(self.resolver, other)) == self.organizational


def _counts(signature: DkimResult) -> bool:
    """A signature that leaves the end of the body unsigned vouches for no message (RFC 6376 8.2)."""
    return signature.result is Dkim.PASS and not signature.body_length_short


async def _policy(resolver: Resolver, domain: str, policy_domain: str, record: DmarcRecord) -> Policy:
    """p=, or sp= and np= for names below the record (RFC 9989 4.7)."""
    if domain == policy_domain:
        return record.policy
    if record.nonexistent_policy is not record.subdomain_policy and not await _exists(resolver, domain):
        return record.nonexistent_policy
    return record.subdomain_policy


async def _exists(resolver: Resolver, domain: str) -> bool:
    """NXDOMAIN alone means that a name does not exist (RFC 8020)."""
    try:
        await resolver.a(domain)
    except NotFound:
        return False
    except TemporaryFailure:
        pass  # not known: the policy of names that exist is the one that was published for more of them
    return True


def _names_to_ask(domain: str) -> list[str]:
    """The steps of the tree walk, from the whole name up (RFC 9989 4.10)."""
    labels = domain.split(".")
    names = [domain]
    rest = labels[1:] if len(labels) <= MAX_QUERIES else labels[-(MAX_QUERIES - 1) :]
    while rest:
        names.append(".".join(rest))
        rest = rest[1:]
    return names


async def _walk(resolver: Resolver, domain: str) -> dict[str, DmarcRecord]:
    """The records on the way up, nearest first; up to psd=n, or a parent's psd=y. Raises TemporaryFailure."""
    found: dict[str, DmarcRecord] = {}
    for name in _names_to_ask(domain):
        record = await _record(resolver, name)
        if record is not None:
            found[name] = record
            if record.psd == "n" or (record.psd == "y" and name != domain):
                break
    return found


async def _record(resolver: Resolver, name: str) -> DmarcRecord | None:
    """The one record at `name`; two of them are as none (RFC 9989 4.10)."""
    try:
        texts = (await resolver.txt(f"_dmarc.{name}")).records
    except NotFound:
        return None
    records = [record for record in map(parse_dmarc_record, texts) if record is not None]
    return records[0] if len(records) == 1 else None


def _organizational_domain(domain: str, found: dict[str, DmarcRecord]) -> str:
    """RFC 9989 4.10.2. `found` goes from the longest name to the shortest.

    psd=n: that name. psd=y above the domain: one label below that name. Else the shortest name with a
    record; without any the domain itself.
    """
    for name, record in found.items():
        if record.psd == "n":
            return name
        if record.psd == "y" and name != domain:
            below = domain.removesuffix("." + name).rpartition(".")[2]
            return f"{below}.{name}"
    return next(reversed(found), domain)


def _psd(found: dict[str, DmarcRecord]) -> list[str]:
    """The public suffix domain's record speaks last, for domains without one of their own."""
    return [name for name, record in found.items() if record.psd == "y"]
