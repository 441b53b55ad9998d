"""What certificates a server should have, and which of their names can be proved to be ours today.

The server's own name has a certificate, and each domain one for the names under which devices look for their
settings and others for its policy; so what is wrong with one domain costs the others nothing. A name whose
records do not lead to this server would fail the whole order, so it is left out, with the reason.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address

from postier.dns.api import NotFound, Resolver, TemporaryFailure

__all__ = ["IS_ABSENT", "LABELS", "Provable", "Wanted", "covered", "leads_here", "provable", "wanted_names"]

LABELS = ("autoconfig", "autodiscover", "ua-auto-config", "mta-sts")
"""Names of a domain that are this server: Mozilla's and Microsoft's settings, PACC, RFC 8461."""
IS_ABSENT = "it is not in the DNS"
MAX_NAMES = 100
"""Of one certificate; the usual limit of authorities."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """A certificate for one subject. `names`: A-labels in lower case, "*." before some of them."""

    subject: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Provable:
    """`names` that can be asked for, and for each of the others the reason why it can't."""

    names: tuple[str, ...]
    left_out: tuple[str, ...]


def wanted_names(hostname: str, domains: Iterable[str], more: Iterable[str]) -> list[Wanted]:
    """The server's first, then by domain. `more`: names that the administrator adds; each belongs to the
    nearest domain above it, or to the server. What a wildcard of the same subject covers is not named
    beside it: authorities refuse that."""
    subjects = {domain: [f"{label}.{domain}" for label in LABELS] for domain in sorted(set(domains))}
    own = [hostname]
    for name in dict.fromkeys(more):
        if name == hostname:
            continue
        above = [domain for domain in subjects if f".{name.removeprefix('*.')}".endswith(f".{domain}")]
        (subjects[max(above, key=len)] if above else own).append(name)
    found = [Wanted(hostname, _without_covered(own))]
    found += [
        Wanted(subject, _without_covered([name for name in names if name != hostname]))
        for subject, names in subjects.items()
        if subject != hostname
    ]
    if hostname in subjects:  # the server has the name of a domain: one certificate for both
        found[0] = Wanted(hostname, _without_covered([*own, *subjects[hostname]]))
    return found


def _without_covered(names: Sequence[str]) -> tuple[str, ...]:
    wildcards = {name for name in names if name.startswith("*.")}
    plain = [name for name in names if name in wildcards or not covered(name, wildcards)]
    return tuple(dict.fromkeys(plain))


def covered(name: str, by: Collection[str]) -> bool:
    """Whether a certificate with the names `by` is one for `name` (RFC 9525 6.3)."""
    return name in by or (not name.startswith("*.") and f"*.{name.partition('.')[2]}" in by)


Hindrance = Callable[[str], Awaitable[str]]
"""Why a name can't be asked for, "" if it can."""


async def provable(names: Sequence[str], hindrances: Sequence[Hindrance]) -> Provable:
    """Asks each of `hindrances` about each name until one knows a reason."""
    good: list[str] = []
    left_out: list[str] = []
    for name in names:
        reason = "" if len(good) < MAX_NAMES else f"a certificate has {MAX_NAMES} names at most"
        for hindrance in hindrances:
            reason = reason or await hindrance(name)
        if reason:
            left_out.append(f"{name}: {reason}")
        else:
            good.append(name)
    return Provable(tuple(good), tuple(left_out))


def leads_here(resolver: Resolver, hostname: str, own: Collection[str]) -> Hindrance:
    """Looks up addresses as an authority would. A name must have one that `hostname` has, or one of `own` (as
    texts); `hostname` itself must have any. Every address that a name has must be ours: an authority takes
    the one it likes."""

    async def hindrance(name: str) -> str:
        if name.startswith("*."):
            return "a wildcard can be proved by dns-01 alone: set acme.challenge"
        found, doubt = await _addresses(resolver, name)
        if not found:
            return doubt
        if name == hostname:
            return ""
        ours = {str(one) for one in (await _addresses(resolver, hostname))[0]} | set(own)
        strange = sorted(str(one) for one in found if str(one) not in ours)
        return f"it leads to {strange[0]}, which is not this server" if strange else ""

    return hindrance


async def _addresses(resolver: Resolver, name: str) -> tuple[list[IPv4Address | IPv6Address], str]:
    """The addresses, and why there are none."""
    found: list[IPv4Address | IPv6Address] = []
    doubt = "it has no address in the DNS"
    for ask in (resolver.a, resolver.aaaa):
        try:
            found += (await ask(name)).records
        except NotFound:
            return [], IS_ABSENT
        except TemporaryFailure as error:
            doubt = f"the DNS does not answer: {error}"
    return found, doubt
