"""`postier route`: send a domain's mail to one place, whatever the DNS says."""

from __future__ import annotations

from pathlib import Path

import click

from postier.admin import routes
from postier.backend import Backend
from postier.base.domain import Domain
from postier.cli.common import (
    DOMAIN,
    Failure,
    data_option,
    json_option,
    print_json,
    print_table,
    tell,
    with_backend,
)


@click.group("route")
def command() -> None:
    """Send a domain's mail to one place."""


@command.command("add")
@click.argument("domain", type=DOMAIN)
@click.argument("host_port", metavar="HOST:PORT")
@json_option
@data_option
def add(domain: Domain, host_port: str, json_: bool, data: Path) -> None:
    """Mail for DOMAIN goes to HOST:PORT; adding it again replaces it."""
    try:
        place = routes.parse_place(host_port)
    except ValueError as error:
        raise click.UsageError(str(error)) from None

    async def work(backend: Backend) -> None:
        await routes.set_route(backend.store, domain, place)

    with_backend(data, work)
    facts = {"domain": domain.ascii, "host": place.host, "port": place.port}
    tell(json_, facts, f"mail for {domain} goes to {host_port}")


@command.command("list")
@json_option
@data_option
def list_(json_: bool, data: Path) -> None:
    """List the routes."""

    async def work(backend: Backend) -> dict[str, routes.Place]:
        return await routes.read_routes(backend.store.reader)

    found = with_backend(data, work)
    if json_:
        print_json([{"domain": name, "host": p.host, "port": p.port} for name, p in found.items()])
        return
    print_table(
        ("DOMAIN", "GOES TO"),
        ((name, f"{place.host}:{place.port}") for name, place in found.items()),
        empty="no routes: the DNS decides",
    )


@command.command("remove")
@click.argument("domain", type=DOMAIN)
@json_option
@data_option
def remove(domain: Domain, json_: bool, data: Path) -> None:
    """Let the DNS decide again."""

    async def work(backend: Backend) -> bool:
        return await routes.remove_route(backend.store, domain)

    if not with_backend(data, work):
        raise Failure(f"there is no route for {domain}")
    tell(json_, {"removed": domain.ascii}, f"the DNS decides where mail for {domain} goes")
