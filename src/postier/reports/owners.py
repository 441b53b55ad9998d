"""Whose an address is: by the domain's own SPF record, and by the name it has in the DNS."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from postier.base.clock import Clock
from postier.dns.api import Answer, DnsError, Resolver
from postier.mailauth.spf import Spf, check_host

__all__ = ["Owner", "WithRecord", "owners_of", "spf_of"]

AT_ONCE = 20
MOST = 500
"""Addresses that the DNS is asked about, those of most messages first; the others go by their network."""
SECONDS = 30.0


class Owner(NamedTuple):
    """What the DNS says about an address: its `name`, and the `mechanism` of the domain's SPF record that
    passes it, each "" where there is none."""

    name: str = ""
    mechanism: str = ""


async def owners_of(
    resolver: Resolver, clock: Clock, domain: str, addresses: Iterable[str]
) -> Mapping[str, Owner]:
    """For each address that can be found out about in time."""
    found: dict[str, Owner] = {}
    turn = asyncio.Semaphore(AT_ONCE)

    async def ask(text: str) -> None:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            return
        async with turn:
            name = await _name(resolver, address)
            _, mechanism = await spf_of(resolver, clock, domain, text)
            found[text] = Owner(name, mechanism)

    wanted = [text for text, _ in zip(dict.fromkeys(addresses), range(MOST), strict=False)]
    tasks = [asyncio.create_task(ask(text)) for text in wanted]
    if tasks:
        _, late = await asyncio.wait(tasks, timeout=SECONDS)
        for task in late:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    return found


async def spf_of(resolver: Resolver, clock: Clock, domain: str, address: str) -> tuple[Spf, str]:
    """The result of the domain's own record for mail from the address, and the mechanism if it passes."""
    result = await check_host(
        resolver, clock, ip=address, helo="unknown.invalid", mail_from=f"postmaster@{domain}"
    )
    return result.result, result.mechanism if result.result is Spf.PASS else ""


async def _name(resolver: Resolver, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """A name of the address that leads back to it: others may claim anybody's."""
    try:
        answer = await resolver.ptr(address)
    except DnsError:
        return ""
    for name in answer.records[:3]:
        try:
            ask = resolver.a if address.version == 4 else resolver.aaaa
            forward: Answer[ipaddress.IPv4Address] | Answer[ipaddress.IPv6Address] = await ask(name)
        except DnsError:
            continue
        if address in forward.records:
            return name
    return ""


class WithRecord:
    """A Resolver for which a domain has another SPF record than it has."""

    def __init__(self, resolver: Resolver, domain: str, record: str) -> None:
        self._resolver = resolver
        self._domain = domain
        self._record = record.encode("ascii", "replace")
        self.a = resolver.a
        self.aaaa = resolver.aaaa
        self.mx = resolver.mx
        self.ptr = resolver.ptr
        self.tlsa = resolver.tlsa
        self.srv = resolver.srv
        self.caa = resolver.caa

    async def txt(self, name: str) -> Answer[bytes]:
        if name.lower().rstrip(".") != self._domain:
            return await self._resolver.txt(name)
        try:
            answer = await self._resolver.txt(name)
            others = tuple(text for text in answer.records if not text.lower().startswith(b"v=spf1"))
        except DnsError:
            others = ()
        return Answer((*others, self._record))
