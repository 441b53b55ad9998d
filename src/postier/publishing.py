"""What our own domains have in the DNS, built from the settings: compared with what the world sees."""

from __future__ import annotations

import ipaddress

from postier.admin.dns_check import (
    CheckedRecord,
    check_records,
    check_server_names,
    check_sts_policy,
    own_addresses,
)
from postier.backend import Backend, dns_records
from postier.base.domain import Domain
from postier.dns.api import Resolver
from postier.sending import open_fetcher

__all__ = ["check_dns"]


async def check_dns(backend: Backend, resolver: Resolver, domain: Domain) -> list[CheckedRecord]:
    """Every record of one of our domains, then the server's own names, then the MTA-STS policy if `domain`
    announces one."""
    settings = backend.settings
    hostname = Domain(settings.server.hostname)
    bound = [one for one in settings.server.bind if not ipaddress.ip_address(one).is_unspecified]
    addresses = await own_addresses(resolver, hostname, settings.smtp.outbound_source_addresses or bound)
    records = await dns_records(backend, domain)
    checked = await check_records(
        resolver, backend.clock, records, domain=domain, hostname=hostname, addresses=addresses
    )
    checked += await check_server_names(resolver, hostname, addresses)
    if any(one.record.kind == "MTA-STS" and one.state == "ok" for one in checked):
        checked.append(await check_sts_policy(open_fetcher(backend, resolver).fetch, domain, hostname))
    return checked
