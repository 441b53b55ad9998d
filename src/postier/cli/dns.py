"""`postier dns`: the records a domain needs, and whether the world sees them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import click

from postier.admin.dns_check import CheckedRecord
from postier.admin.records import DnsRecord, zone_lines
from postier.backend import Backend, dns_records, open_resolver
from postier.base.domain import Domain
from postier.cli.common import (
    DOMAIN,
    Failure,
    data_option,
    json_option,
    print_json,
    print_table,
    with_backend,
)
from postier.publishing import check_dns


@click.group("dns")
def command() -> None:
    """Print and check the DNS records a domain needs."""


@command.command("records")
@click.argument("domain", type=DOMAIN)
@click.option("--zone", is_flag=True, help="Print lines for a zone file.")
@json_option
@data_option
def records(domain: Domain, zone: bool, json_: bool, data: Path) -> None:
    """Print every record DOMAIN needs."""
    found = with_backend(data, lambda backend: _records(backend, domain))
    if json_:
        print_json([asdict(record) for record in found])
    elif zone:
        click.echo("\n".join(zone_lines(found)))
    else:
        print_records(found)


@command.command("check")
@click.argument("domain", type=DOMAIN)
@json_option
@data_option
def check(domain: Domain, json_: bool, data: Path) -> None:
    """Compare DOMAIN's records with what the world sees: what breaks, and what to change.

    The exit code is 1 if a record that is needed is wrong.
    """

    async def work(backend: Backend) -> list[CheckedRecord]:
        await _records(backend, domain)
        return await check_dns(backend, open_resolver(backend.settings), domain)

    checked = with_backend(data, work)
    if json_:
        print_json([_as_dict(one) for one in checked])
    else:
        print_table(
            ("STATE", "TYPE", "NAME", "WHAT TO DO"),
            ((one.state, one.record.type, one.record.name, one.advice) for one in checked),
            empty="nothing to check",
        )
    wrong = [one for one in checked if one.state != "ok" and one.record.required]
    if wrong:
        raise Failure(f"{len(wrong)} of {len(checked)} records of {domain} are not as they should be")


def print_records(records: Sequence[DnsRecord]) -> None:
    """The table for people."""
    print_table(("TYPE", "NAME", "VALUE"), ((r.type, r.name, r.value) for r in records), empty="none")


async def _records(backend: Backend, domain: Domain) -> list[DnsRecord]:
    if await backend.store.reader.domain(domain.ascii) is None:
        raise Failure(f"{domain} is not a domain of this server; add it with: postier domain add {domain}")
    return await dns_records(backend, domain)


def _as_dict(checked: CheckedRecord) -> dict[str, object]:
    return {
        **asdict(checked.record),
        "state": checked.state,
        "found": list(checked.found),
        "advice": checked.advice,
    }
