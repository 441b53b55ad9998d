"""`postier route`: send a domain's mail to one place, whatever the DNS says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from postier.admin.routes import parse_host, parse_pattern
from postier.backend import Backend
from postier.cli.common import Failure, data_option, json_option, print_json, print_table, tell, with_backend
from postier.store.api import MailRoute


class _PatternType(click.ParamType[str]):
    name = "domain"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> str:
        try:
            return parse_pattern(value)
        except ValueError as error:
            self.fail(str(error), param, context)


PATTERN = _PatternType()


@click.group("route")
def command() -> None:
    """Send a domain's mail to one place."""


@command.command("add")
@click.argument("domain", type=PATTERN)
@click.argument("host_port", metavar="HOST:PORT")
@json_option
@data_option
def add(domain: str, host_port: str, json_: bool, data: Path) -> None:
    """Mail for DOMAIN goes to HOST:PORT; adding it again replaces it.

    DOMAIN may be *.example.org for every domain below example.org, and * for all others.
    """
    try:
        route = MailRoute(domain, hosts=(parse_host(host_port),))
    except ValueError as error:
        raise click.UsageError(str(error)) from None

    async def work(backend: Backend) -> None:
        await backend.store.transact(lambda tx: tx.set_mail_route(route))

    with_backend(data, work)
    tell(json_, _facts(route), f"mail for {domain} goes to {host_port}")


@command.command("list")
@json_option
@data_option
def list_(json_: bool, data: Path) -> None:
    """List the routes."""

    async def work(backend: Backend) -> list[MailRoute]:
        return await backend.store.reader.mail_routes()

    found = with_backend(data, work)
    if json_:
        print_json([_facts(route) for route in found])
        return
    print_table(
        ("DOMAIN", "GOES TO"),
        ((route.pattern, ", ".join(map(str, route.hosts))) for route in found),
        empty="no routes: the DNS decides",
    )


@command.command("remove")
@click.argument("domain", type=PATTERN)
@json_option
@data_option
def remove(domain: str, json_: bool, data: Path) -> None:
    """Let the DNS decide again."""

    async def work(backend: Backend) -> bool:
        return await backend.store.transact(lambda tx: tx.remove_mail_route(domain))

    if not with_backend(data, work):
        raise Failure(f"there is no route for {domain}")
    tell(json_, {"removed": domain}, f"the DNS decides where mail for {domain} goes")


def _facts(route: MailRoute) -> dict[str, object]:
    return {"domain": route.pattern, "host": route.hosts[0].name, "port": route.hosts[0].port}
