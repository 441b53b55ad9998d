"""What our own domains have in the DNS, built from the settings: compared with what the world sees, and
written where a server takes it by dynamic update."""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable

from postier.accounts.domains import settings_of
from postier.admin.dns_check import (
    CheckedRecord,
    check_records,
    check_server_names,
    check_sts_policy,
    check_withdrawn,
    own_addresses,
)
from postier.admin.dns_push import Step, plan, push
from postier.admin.records import DnsRecord, dkim_record
from postier.backend import Backend, dns_records
from postier.base.domain import Domain
from postier.dns.api import Resolver
from postier.dns.edit import UpdateError, ZoneEditor
from postier.dns.update import ZoneUpdater, parse_key_file
from postier.sending import open_fetcher

__all__ = ["check_dns", "key_publisher", "open_editor", "plan_push", "tlsa_publisher"]


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
    checked += await check_withdrawn(resolver, await _withdrawn(backend, domain))
    checked += await check_server_names(resolver, hostname, addresses)
    if any(one.record.kind == "MTA-STS" and one.state == "ok" for one in checked):
        checked.append(await check_sts_policy(open_fetcher(backend, resolver).fetch, domain, hostname))
    return checked


def open_editor(backend: Backend) -> ZoneEditor | None:
    """Of the server in the settings; None without one. Raises UpdateError for a key that can't be used."""
    settings = backend.settings.dns_update
    if settings.server is None:
        return None
    path = backend.settings.data / settings.key_file
    try:
        key = parse_key_file(path.read_text("ascii"), settings.key_name, settings.key_algorithm)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise UpdateError(f"cannot use dns_update.key_file {path}: {why}") from None
    return ZoneUpdater(settings.server, key, zone=settings.zone)


async def plan_push(
    backend: Backend, editor: ZoneEditor, domain: Domain, *, only_keys: bool = False
) -> list[Step]:
    """What is to be written for one of our domains. Raises UpdateError."""
    records = await dns_records(backend, domain)
    wanted = [record for record in records if record.kind == "DKIM" or not only_keys]
    inside = [record for record in wanted if record.type in ("A", "AAAA") and _is_inside(record.value)]
    steps = await plan(
        editor,
        [record for record in wanted if record not in inside],
        Domain(backend.settings.server.hostname),
        await _withdrawn(backend, domain),
    )
    note = "is an address of a private network: publish the one that others reach it by"
    return steps + [Step(each.name, each.type, note=f"{each.value} {note}") for each in inside]


def _is_inside(address: str) -> bool:
    found = ipaddress.ip_address(address)
    return found.is_private and not found.is_loopback


async def _withdrawn(backend: Backend, domain: Domain) -> list[DnsRecord]:
    record = await backend.store.reader.domain(domain.ascii)
    keys = settings_of(record).dkim if record is not None else ()
    return [dkim_record(domain, key) for key in keys if not key.is_published]


def key_publisher(backend: Backend) -> Callable[[Domain], Awaitable[None]] | None:
    """Brings the keys of a domain into the DNS; None where nobody takes them. What it returns raises
    UpdateError."""
    if backend.settings.dns_update.server is None:
        return None

    async def publish(domain: Domain) -> None:
        editor = open_editor(backend)
        if editor is not None:
            await push(editor, await plan_push(backend, editor, domain, only_keys=True))

    return publish


def tlsa_publisher(backend: Backend) -> Callable[[], Awaitable[None]] | None:
    """Brings what TLSA says of our keys into the DNS; None where nobody takes it. What it returns raises
    UpdateError."""
    if backend.settings.dns_update.server is None:
        return None

    async def publish() -> None:
        editor = open_editor(backend)
        domains = await backend.store.reader.domains()
        if editor is None or not domains:
            return
        listed = await dns_records(
            backend, Domain(domains[0].name)
        )  # they are the host's: any domain has them
        records = [record for record in listed if record.kind == "TLSA"]
        await push(editor, await plan(editor, records, Domain(backend.settings.server.hostname)))

    return publish
