"""Comparing the DNS records a domain should have with what the world sees, and what that does to its mail.

How each kind is judged is in dns_judges.py; here are the questions, and what is looked at beside the records
that the domain itself publishes: whether the server's addresses have names that lead back to them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address

from postier.admin.dns_judges import JUDGES, Judgement, Own, otherwise
from postier.admin.records import DnsRecord
from postier.base.clock import Clock
from postier.base.domain import Domain
from postier.dns.api import NotFound, Resolver, TemporaryFailure
from postier.filter.reverse_dns import Iprev, reverse_name
from postier.mailauth.dkim.key_record import are_same_key
from postier.smtp.outbound.mta_sts import PolicyError, parse_policy
from postier.smtp.outbound.sts_fetch import FetchError

__all__ = [
    "CheckedRecord",
    "check_records",
    "check_server_names",
    "check_sts_policy",
    "check_withdrawn",
    "own_addresses",
]

IpAddress = IPv4Address | IPv6Address


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """`state`: "ok", "missing", "different" or "unknown" (no answer from the DNS); `found`: what is there.

    `advice`: what is wrong with it, what to change, and what breaks without; where the state is "ok", what
    could be better; "" for nothing.
    """

    record: DnsRecord
    state: str
    found: tuple[str, ...]
    advice: str = ""


async def check_records(
    resolver: Resolver,
    clock: Clock,
    records: Sequence[DnsRecord],
    *,
    domain: Domain,
    hostname: Domain,
    addresses: Sequence[IpAddress],
) -> list[CheckedRecord]:
    """In the order given. `addresses`: those that `domain`'s mail leaves from, which SPF must let pass."""
    own = Own(resolver, clock, domain.ascii, hostname.ascii, tuple(addresses))
    return [await _check(own, record) for record in records]


async def _check(own: Own, record: DnsRecord) -> CheckedRecord:
    try:
        judged = await JUDGES.get(record.kind, otherwise)(own, record)
    except NotFound:
        judged = Judgement("missing", (), _publish(record))
    except TemporaryFailure:
        judged = Judgement("unknown", (), "The DNS did not answer; try again later.")
    if judged.state == "missing" and not judged.advice:
        judged = judged._replace(advice=_publish(record))
    return CheckedRecord(record, *judged)


def _publish(record: DnsRecord) -> str:
    return f"Publish {record.type} {record.value!r} at {record.name}. {record.why}"


async def check_sts_policy(
    fetch: Callable[[str], Awaitable[bytes]], domain: Domain, hostname: Domain
) -> CheckedRecord:
    """What others get who follow `_mta-sts` (RFC 8461 3.3); `fetch` raises FetchError."""
    why = "With another policy, or none, mail may wait or go to the wrong host."
    record = DnsRecord(f"mta-sts.{domain}", "policy", f"mx: {hostname}", why, required=False)
    try:
        policy = parse_policy(await fetch(domain.ascii))
    except (FetchError, PolicyError) as error:
        said = f"The policy that _mta-sts announces cannot be had: {error}. {why}"
        return CheckedRecord(record, "missing", (), said)
    found = (f"mode: {policy.mode}", *(f"mx: {pattern}" for pattern in policy.mx))
    if not policy.allows(hostname.ascii):
        return CheckedRecord(record, "different", found, f"The policy does not name {hostname}. {why}")
    return CheckedRecord(record, "ok", found)


async def check_withdrawn(resolver: Resolver, records: Sequence[DnsRecord]) -> list[CheckedRecord]:
    """Keys that should not be there any more: a line for each that is."""
    found = []
    for record in records:
        try:
            texts = (await resolver.txt(record.name)).records
        except (NotFound, TemporaryFailure):
            continue
        if any(are_same_key(text, record.value.encode()) for text in texts):
            said = f"Take TXT at {record.name} out of the DNS. {record.why}"
            found.append(
                CheckedRecord(
                    record, "different", tuple([text.decode("utf-8", "replace") for text in texts]), said
                )
            )
    return found


async def own_addresses(resolver: Resolver, hostname: Domain, bound: Sequence[str]) -> list[IpAddress]:
    """Where others see our mail come from: `bound`, else what the DNS says of `hostname`, as where those are
    addresses of a private network behind others."""
    known = [ip_address(address) for address in bound]
    if any(one.is_global or one.is_loopback for one in known):
        return known
    found: list[IpAddress] = []
    for ask in (resolver.a, resolver.aaaa):
        try:
            found += (await ask(hostname.ascii)).records
        except (NotFound, TemporaryFailure):
            continue
    return found


async def check_server_names(
    resolver: Resolver, hostname: Domain, addresses: Sequence[IpAddress]
) -> list[CheckedRecord]:
    """PTR of each public address: large providers take mail only from those with a name that leads back."""
    if not addresses:
        why = "Without it nobody finds the server."
        record = DnsRecord(hostname.ascii, "A", "the server's address", why)
        return [CheckedRecord(record, "missing", (), f"Publish A or AAAA at {hostname}. {why}")]
    return [await _check_name(resolver, hostname, one) for one in addresses if one.is_global]


async def _check_name(resolver: Resolver, hostname: Domain, address: IpAddress) -> CheckedRecord:
    why = "Without it large providers refuse or distrust our mail."
    record = DnsRecord(address.reverse_pointer, "PTR", hostname.ascii, why)
    found = await reverse_name(resolver, address)
    ask = f"Ask whoever gave you {address} to name it {hostname}. {why}"
    match found.result:
        case Iprev.PASS if found.name == hostname.ascii:
            return CheckedRecord(record, "ok", (found.name,))
        case Iprev.PASS:
            better = f"It leads back, but the server calls itself {hostname}: some trust only that name."
            return CheckedRecord(record, "ok", (found.name,), better)
        case Iprev.FAIL:
            said = f"{found.name} does not lead back to {address}. {ask}"
            return CheckedRecord(record, "different", (found.name,), said)
        case Iprev.TEMPERROR:
            return CheckedRecord(record, "unknown", (), "The DNS did not answer; try again later.")
        case Iprev.PERMERROR:
            return CheckedRecord(record, "missing", (), f"{address} has no name. {ask}")
