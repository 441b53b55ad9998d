"""Does the name of an address lead back to it (iprev, RFC 8601 2.7.3)?"""

from __future__ import annotations

import enum
from dataclasses import dataclass
from ipaddress import IPv4Address

from postier.dns.api import NotFound, Resolver, TemporaryFailure
from postier.filter.networks import IpAddress

__all__ = ["Iprev", "ReverseName", "reverse_name"]

MAX_NAMES = 10
"""RFC 8601 2.7.3 wants a limit; an address with hundreds of names proves nothing by any of them."""


class Iprev(enum.Enum):
    """PASS: a name leads back to the address. FAIL: none does. PERMERROR: it has no name. TEMPERROR: the DNS
    did not say."""

    PASS = "pass"  # noqa: S105 - a result, no password
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class ReverseName:
    """`name`: the one that leads back, or the first that claims to; "" without one."""

    result: Iprev
    name: str = ""


async def reverse_name(resolver: Resolver, address: IpAddress) -> ReverseName:
    """Never raises for what the DNS says."""
    try:
        names = (await resolver.ptr(address)).records[:MAX_NAMES]
    except NotFound:
        names = ()
    except TemporaryFailure:
        return ReverseName(Iprev.TEMPERROR)
    if not names:
        return ReverseName(Iprev.PERMERROR)
    failed = False
    for name in names:
        try:
            if await _leads_to(resolver, name, address):
                return ReverseName(Iprev.PASS, name)
        except TemporaryFailure:
            failed = True
    return ReverseName(Iprev.TEMPERROR if failed else Iprev.FAIL, names[0])


async def _leads_to(resolver: Resolver, name: str, address: IpAddress) -> bool:
    try:
        if isinstance(address, IPv4Address):
            return address in (await resolver.a(name)).records
        return address in (await resolver.aaaa(name)).records
    except NotFound:
        return False
