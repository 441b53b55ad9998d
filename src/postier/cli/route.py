"""`postier route`: where mail goes and how, whatever the DNS says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from postier.admin import routes, ways
from postier.admin.route_words import fact_words, facts, place_words, probe_facts, probe_words
from postier.backend import Backend
from postier.base.address import Address
from postier.cli.common import (
    ADDRESS,
    Failure,
    data_option,
    json_option,
    operator,
    print_json,
    print_table,
    take_password,
    tell,
    with_backend,
)
from postier.queue.api import Envelope
from postier.sending import open_outbound
from postier.smtp.outbound.routes import Unroutable, Way
from postier.smtp.outbound.transport import Probe
from postier.store.api import MailRoute, RouteTls, RouteTransport, SourcePool


class _Parsed(click.ParamType[Any]):
    """What `parse` makes of a word; its ValueError is wrong usage."""

    def __init__(self, name: str, parse: Callable[[str], Any]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            raise click.UsageError(str(error), context) from None


PATTERN = _Parsed("domain", routes.parse_pattern)
HOST = _Parsed("host:port", routes.parse_host)
NAME = _Parsed("name", routes.parse_name)
SOURCE = _Parsed("address", routes.parse_source)

sender_option = click.option("--sender", type=PATTERN, default=None, help="Only mail from this domain.")


@click.group("route")
def command() -> None:
    """Send a domain's mail to one place."""


@command.command("add")
@click.argument("domain", type=PATTERN)
@click.argument("hosts", metavar="[HOST:PORT]...", type=HOST, nargs=-1)
@sender_option
@click.option("--lmtp", is_flag=True, help="Speak LMTP, as to another mail store.")
@click.option("--balanced", is_flag=True, help="Take the hosts by turns, not in order.")
@click.option(
    "--tls",
    type=click.Choice([t.value for t in RouteTls]),
    default="policy",
    show_default=True,
    help="What the connection must be.",
)
@click.option("--implicit-tls", is_flag=True, help="TLS from the first byte, as on port 465.")
@click.option(
    "--authorities",
    type=click.Path(exists=True, dir_okay=False, resolve_path=True),
    default=None,
    help="A PEM file of certificate authorities to believe instead of the system's.",
)
@click.option("--login", default="", help="Log in by this name; the password is asked for.")
@click.option("--password-stdin", is_flag=True, help="Read the password from the standard input.")
@click.option(
    "--fallback", type=PATTERN, default=None, metavar="@NAME", help="The route to take when this one fails."
)
@click.option(
    "--fallback-attempts", type=click.IntRange(1, 1000), default=None, help="After so many attempts."
)
@click.option("--fallback-hours", type=click.FloatRange(0.01, 240), default=None, help="For mail that old.")
@click.option("--pool", type=NAME, default=None, help="Send from the addresses of this pool.")
@click.option(
    "--retry-first",
    type=click.IntRange(1, 86_400),
    default=None,
    metavar="SECONDS",
    help="Wait before the second attempt.",
)
@click.option(
    "--retry-max",
    type=click.IntRange(1, 864_000),
    default=None,
    metavar="SECONDS",
    help="The longest wait between attempts.",
)
@click.option("--discard", is_flag=True, help="Take the mail and drop it.")
@click.option(
    "--error", default="", metavar="'5.x.y TEXT'", help="Return the mail with this status and text."
)
@json_option
@data_option
def add(
    domain: str,
    hosts: tuple[Any, ...],
    lmtp: bool,
    tls: str,
    login: str,
    password_stdin: bool,
    fallback_attempts: int | None,
    fallback_hours: float | None,
    retry_first: int | None,
    retry_max: int | None,
    discard: bool,
    error: str,
    json_: bool,
    data: Path,
    **more: Any,
) -> None:
    """Mail for DOMAIN goes to HOST:PORT; adding it again replaces it.

    DOMAIN may be *.example.org for every domain below example.org, * for all others, and @name for a route
    that only serves as a fallback. HOST:PORT may also be mx:DOMAIN for the mail exchangers of another domain,
    or unix:PATH. Without one the DNS decides, and the options hold.
    """  # fmt: skip
    if lmtp + discard + bool(error) > 1:
        raise click.UsageError("only one of --lmtp, --discard and --error")
    kinds = ((lmtp, RouteTransport.LMTP), (discard, RouteTransport.DISCARD), (error, RouteTransport.ERROR))
    options: dict[str, Any] = {name: "" if value is None else value for name, value in more.items()}
    route = MailRoute(
        domain,
        transport=next((kind for asked, kind in kinds if asked), RouteTransport.SMTP),
        hosts=hosts,
        tls=RouteTls(tls),
        login=login,
        password="?" if login else "",
        reply=error,
        fallback_attempts=fallback_attempts or 0,
        fallback_age=round((fallback_hours or 0) * 3600),
        retry_first=retry_first or 0,
        retry_max=retry_max or 0,
        **options,
    )
    try:
        routes.check_route(route)
    except routes.RouteError as wrong:
        raise click.UsageError(str(wrong)) from None
    if login:
        route = replace(route, password=take_password(password_stdin))

    async def work(backend: Backend) -> None:
        await ways.set_route(backend.store, route, by=operator())

    with_backend(data, _refusing(work))
    tell(json_, facts(route), f"mail {_whose(domain, route.sender)} {place_words(route)}")


@command.command("list")
@json_option
@data_option
def list_(json_: bool, data: Path) -> None:
    """List the routes."""

    async def work(backend: Backend) -> list[MailRoute]:
        return await backend.store.reader.mail_routes()

    found = with_backend(data, work)
    if json_:
        print_json([facts(route) for route in found])
        return
    print_table(
        ("DOMAIN", "FROM", "GOES TO", "HOW"),
        (
            (
                route.pattern,
                route.sender or "anybody",
                place_words(route, ""),
                ", ".join(fact_words(route)) or "-",
            )
            for route in found
        ),
        empty="no routes: the DNS decides",
    )


@command.command("show")
@click.argument("domain", type=PATTERN)
@sender_option
@json_option
@data_option
def show(domain: str, sender: str | None, json_: bool, data: Path) -> None:
    """Show one route. Passwords are never shown."""

    async def work(backend: Backend) -> list[MailRoute]:
        return await backend.store.reader.mail_routes()

    known = {(route.pattern, route.sender): route for route in with_backend(data, work)}
    route = known.get((domain, sender or ""))
    if route is None:
        raise Failure(f"there is no route {_whose(domain, sender)}")
    if json_:
        print_json(facts(route))
        return
    click.echo(f"mail {_whose(domain, sender)} {place_words(route)}")
    for words in fact_words(route):
        click.echo(f"  {words}")


@command.command("remove")
@click.argument("domain", type=PATTERN)
@sender_option
@json_option
@data_option
def remove(domain: str, sender: str | None, json_: bool, data: Path) -> None:
    """Let the DNS decide again."""

    async def work(backend: Backend) -> bool:
        users = routes.users_of(await backend.store.reader.mail_routes(), fallback="" if sender else domain)
        if users:
            raise Failure(f"it is the fallback of {', '.join(users)}")
        return await ways.remove_route(backend.store, domain, sender or "", by=operator())

    if not with_backend(data, work):
        raise Failure(f"there is no route {_whose(domain, sender)}")
    done = {"removed": domain, **({"sender": sender} if sender else {})}
    tell(json_, done, f"the DNS decides where mail {_whose(domain, sender)} goes")


@command.command("test")
@click.argument("address", type=ADDRESS)
@click.option("--from", "sender", type=ADDRESS, default=None, help="As if this address had sent it.")
@click.option("--connect", is_flag=True, help="Connect to each host and say EHLO; no mail is sent.")
@json_option
@data_option
def test(address: Address, sender: Address | None, connect: bool, json_: bool, data: Path) -> None:
    """Tell where mail for ADDRESS would go, from which address and with which TLS."""

    async def work(backend: Backend) -> tuple[Way, list[Probe]]:
        transport = open_outbound(backend).transport
        envelope = Envelope("route-test", str(sender or ""), (str(address),), str(address.domain))
        if await backend.store.reader.domain(str(address.domain)) is not None:
            raise Failure(f"{address.domain} is a domain of this server: its mail does not leave")
        try:
            way = await transport.plan(envelope)
        except Unroutable as error:
            raise Failure(str(error)) from None
        return way, [probe async for probe in transport.probe(envelope, way, connect=connect)]

    way, probes = with_backend(data, work)
    if json_:
        route = facts(way.route) if way.route is not None else None
        print_json({"site": way.site, "route": route, "hosts": [probe_facts(probe) for probe in probes]})
        return
    click.echo(
        f"route  {way.route.pattern} {place_words(way.route)}"
        if way.route
        else "route  none: the DNS decides"
    )
    click.echo(f"site   {way.site}")
    for number, probe in enumerate(probes, 1):
        click.echo(f"{number:>4}.  {probe.host}")
        for words in probe_words(probe):
            click.echo(f"       {words}")


# ---------------------------------------------------------------------- pools


@command.group("pool")
def pool() -> None:
    """Name sets of addresses of this machine to send from."""


@pool.command("add")
@click.argument("name", type=NAME)
@click.argument("sources", metavar="ADDRESS[=NAME]...", type=SOURCE, nargs=-1, required=True)
@click.option("--sticky", is_flag=True, help="A destination always sees the same address.")
@json_option
@data_option
def add_pool(name: str, sources: tuple[Any, ...], sticky: bool, json_: bool, data: Path) -> None:
    """NAME stands for these addresses, each with its name for EHLO; adding it again replaces it."""
    made = SourcePool(name, sources, sticky)

    async def work(backend: Backend) -> None:
        await ways.set_pool(backend.store, made, by=operator())

    with_backend(data, work)
    tell(json_, _pool_facts(made), f"pool {name}: {_addresses(made)}")


@pool.command("list")
@json_option
@data_option
def list_pools(json_: bool, data: Path) -> None:
    """List the pools."""

    async def work(backend: Backend) -> list[SourcePool]:
        return await backend.store.reader.source_pools()

    found = with_backend(data, work)
    if json_:
        print_json([_pool_facts(one) for one in found])
        return
    print_table(
        ("POOL", "ADDRESSES", "CHOICE"),
        ((one.name, _addresses(one), "by destination" if one.sticky else "by turns") for one in found),
        empty="no pools",
    )


@pool.command("remove")
@click.argument("name", type=NAME)
@json_option
@data_option
def remove_pool(name: str, json_: bool, data: Path) -> None:
    """Remove a pool that no route uses."""

    async def work(backend: Backend) -> bool:
        users = routes.users_of(await backend.store.reader.mail_routes(), pool=name)
        if users:
            raise Failure(f"the routes of {', '.join(users)} use it")
        return await ways.remove_pool(backend.store, name, by=operator())

    if not with_backend(data, work):
        raise Failure(f"there is no pool {name}")
    tell(json_, {"removed": name}, f"pool {name} is gone")


def _refusing(work: Callable[[Backend], Any]) -> Callable[[Backend], Any]:
    async def whole(backend: Backend) -> Any:
        try:
            return await work(backend)
        except routes.RouteError as error:
            raise Failure(str(error)) from None

    return whole


def _whose(domain: str, sender: str | None) -> str:
    return f"for {domain} from {sender}" if sender else f"for {domain}"


def _addresses(pool: SourcePool) -> str:
    return ", ".join(f"{s.address} as {s.helo}" if s.helo else s.address for s in pool.sources)


def _pool_facts(pool: SourcePool) -> dict[str, object]:
    sources = [{"address": s.address, "helo": s.helo} for s in pool.sources]
    return {"pool": pool.name, "sources": sources, "sticky": pool.sticky}
