"""`postier dns`: the records a domain needs, whether the world sees them, and how they get there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import click

from postier.admin.dns_check import CheckedRecord
from postier.admin.dns_push import Step, push
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
from postier.dns.edit import UpdateError
from postier.publishing import check_dns, open_editor, plan_push


@click.group("dns")
def command() -> None:
    """Print, check and publish the DNS records a domain needs."""


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


@command.command("push")
@click.argument("domain", type=DOMAIN)
@click.option("--dry-run", is_flag=True, help="Print what would be done, and do nothing.")
@json_option
@data_option
def push_(domain: Domain, dry_run: bool, json_: bool, data: Path) -> None:
    """Write DOMAIN's records into its zone by dynamic update (settings: dns_update).

    Only records of this server are replaced; those that others have put there stay.
    """

    async def work(backend: Backend) -> list[Step]:
        await _records(backend, domain)
        editor = open_editor(backend)
        if editor is None:
            raise Failure("dns_update.server is not set: publish by hand what postier dns records prints")
        steps = await plan_push(backend, editor, domain)
        if not dry_run:
            await push(editor, steps)
        return steps

    try:
        steps = with_backend(data, work)
    except UpdateError as error:
        raise Failure(str(error)) from None
    if json_:
        print_json([_step_facts(step) for step in steps])
        return
    lines = [line for step in steps for line in _step_lines(step)]
    click.echo("\n".join(lines) if lines else "everything is there already")


def _step_lines(step: Step) -> Iterator[str]:
    """As a person reads a difference."""
    if step.change is not None:
        for record in step.change.remove:
            yield f"- {step.name} {step.type} {record.value}"
        for value in step.change.add:
            yield f"+ {step.name} {step.type} {value}"
    if step.note:
        yield f"  {step.name} {step.type} left alone: {step.note}"


def _step_facts(step: Step) -> dict[str, object]:
    change = step.change
    return {
        "name": step.name,
        "type": step.type,
        "zone": step.zone or None,
        "removed": [] if change is None else [record.value for record in change.remove],
        "added": [] if change is None else list(change.add),
        "left_alone": step.note or None,
    }


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
