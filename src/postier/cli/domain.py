"""`postier domain`: the domains whose mail ends here."""

from __future__ import annotations

from pathlib import Path

import click

from postier.accounts import domains, people
from postier.backend import Backend
from postier.base.clock import SystemClock
from postier.base.domain import Domain
from postier.cli.common import (
    DOMAIN,
    MAIL_DOMAIN,
    Failure,
    data_option,
    json_option,
    operator,
    print_json,
    print_table,
    tell,
    with_backend,
)
from postier.cli.domain_keys import group as dkim_keys
from postier.queue.meanings import LANGUAGES
from postier.store.api import AlreadyExists, Tx
from postier.store.api import Domain as DomainRecord


@click.group("domain")
def command() -> None:
    """Add, list and remove domains of ours."""


command.add_command(dkim_keys)


@command.command("add")
@click.argument("domain", type=MAIL_DOMAIN)
@json_option
@data_option
def add(domain: Domain, json_: bool, data: Path) -> None:
    """Add a domain and make its DKIM keys."""

    async def work(backend: Backend) -> None:
        async def change(tx: Tx) -> None:
            await domains.add_domain(tx, domain, SystemClock(), by=operator())

        try:
            await backend.store.transact(change)
        except AlreadyExists:
            raise Failure(f"{domain} is a domain of this server already") from None

    with_backend(data, work)
    sentence = f"{domain} added; see what to publish with: postier dns records {domain}"
    tell(json_, {"added": domain.ascii}, sentence)


@command.command("list")
@json_option
@data_option
def list_(json_: bool, data: Path) -> None:
    """List the domains."""

    async def work(backend: Backend) -> list[DomainRecord]:
        return await backend.store.reader.domains()

    found = with_backend(data, work)
    rows = [
        {
            "domain": record.name,
            "unicode": Domain(record.name).unicode,
            "dkim_selectors": [key.selector for key in domains.settings_of(record).dkim],
        }
        for record in found
    ]
    if json_:
        print_json(rows)
        return
    print_table(
        ("DOMAIN", "DKIM SELECTORS"),
        ((row["unicode"], ", ".join(row["dkim_selectors"])) for row in rows),
        empty="no domains yet",
    )


@command.command("language")
@click.argument("domain", type=DOMAIN)
@click.argument("language", type=click.Choice(LANGUAGES))
@json_option
@data_option
def language(domain: Domain, language: str, json_: bool, data: Path) -> None:
    """Set the language of the domain's people who have chosen none."""

    async def work(backend: Backend) -> None:
        try:
            await backend.store.transact(lambda tx: domains.set_language(tx, domain, language, by=operator()))
        except domains.NoSuchDomain:
            raise Failure(f"{domain} is no domain of this server") from None

    with_backend(data, work)
    tell(json_, {"domain": domain.ascii, "language": language}, f"language of {domain}: {language}")


@command.command("remove")
@click.argument("domain", type=DOMAIN)
@json_option
@data_option
def remove(domain: Domain, json_: bool, data: Path) -> None:
    """Remove a domain that has no addresses any more."""

    async def work(backend: Backend) -> None:
        await people.remove_domain(backend.store, domain, by=operator())

    with_backend(data, work)
    tell(json_, {"removed": domain.ascii}, f"{domain} removed")
