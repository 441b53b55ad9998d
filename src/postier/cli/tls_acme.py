"""`postier tls request|renew|orders|rollover`: certificates from an authority, by ACME."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, TypeVar

import click

from postier.acme.plan import CHALLENGES, KEY_TYPES
from postier.acme.problems import AcmeProblem
from postier.app import is_served
from postier.backend import Backend
from postier.certifying import open_services, read_plan, wanted_certificates
from postier.cli.common import (
    ADDRESS,
    Failure,
    data_option,
    json_option,
    print_json,
    print_table,
    read_settings,
    tell,
    with_backend,
)
from postier.config.change import change_settings
from postier.config.settings import ConfigError
from postier.dns.edit import UpdateError
from postier.store.api import Renewal

__all__ = ["attach"]

BUSY_SECONDS = 120
Result = TypeVar("Result")
_STATES = {
    "good": "is good",
    "renewed": "has a new certificate",
    "waiting": "has no new certificate, and waits",
    "failed": "has no new certificate",
}


@click.command("request")
@click.option("--directory", help="URL of the authority's directory.")
@click.option("--agree-terms", is_flag=True, help="You have read the authority's terms of service and agree.")
@click.option("--contact", type=ADDRESS, multiple=True, help="Whom the authority may write to.")
@click.option("--challenge", type=click.Choice(CHALLENGES), help="How names are proved.")
@json_option
@data_option
def request(
    directory: str | None,
    agree_terms: bool,
    contact: tuple[Any, ...],
    challenge: str | None,
    json_: bool,
    data: Path,
) -> None:
    """Choose an authority, and get the first certificates now; the server renews them by itself."""
    chosen: dict[str, Any] = {"acme.directory": directory} if directory else {}
    chosen |= {"acme.agree_terms": True} if agree_terms else {}
    chosen |= {"acme.contact": [str(one) for one in contact]} if contact else {}
    chosen |= {"acme.challenge": challenge} if challenge else {}
    before = read_settings(data).acme
    if not (agree_terms or before.agree_terms):
        raise Failure("read the authority's terms of service, and say --agree-terms if you agree")
    if not (directory or before.directory):
        raise Failure("say which authority to ask: --directory URL (docs/certificates.md lists some)")
    if chosen:
        try:
            change_settings(data, chosen)
        except ConfigError as error:
            raise Failure(str(error)) from None
    _renew(data, (), now=False, json_=json_)


@click.command("renew")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--now", is_flag=True, help="Also certificates that are still good, and those that wait.")
@json_option
@data_option
def renew(names: tuple[str, ...], now: bool, json_: bool, data: Path) -> None:
    """Renew the certificates that are due, or those for NAME (a domain, or a name in a certificate)."""
    _renew(data, tuple(name.lower().removesuffix(".") for name in names), now=now, json_=json_)


def _renew(data: Path, names: tuple[str, ...], *, now: bool, json_: bool) -> None:
    async def work(backend: Backend) -> list[dict[str, Any]]:
        from postier.acme.renewing import Renewer

        try:
            plan = read_plan(backend.settings)
        except AcmeProblem as problem:
            raise Failure(str(problem)) from None
        if plan.challenge != "dns-01" and not is_served(data):
            raise Failure(
                f"the server does not run, and for {plan.challenge} it is what shows the proof: "
                'start it first, or set challenge = "dns-01" in the section [acme]'
            )
        known = {name for each in await wanted_certificates(backend) for name in (each.subject, *each.names)}
        unknown = [name for name in names if name not in known]
        if unknown:
            raise Failure(f"no certificate is asked for {unknown[0]}: see acme.names")
        services = open_services(backend, "cli")
        outcomes = await _when_free(lambda: Renewer(services, plan).turn(names, on_demand=now))
        return [asdict(outcome) for outcome in outcomes]

    outcomes = with_backend(data, work)
    if json_:
        print_json(outcomes)
    else:
        for outcome in outcomes:
            click.echo("\n".join(_lines(outcome)))
    failed = [outcome for outcome in outcomes if outcome["state"] in ("failed", "waiting")]
    if failed:
        more = f", and {len(failed) - 1} more" if len(failed) > 1 else ""
        raise Failure(f"{failed[0]['subject']}{more}: no new certificate: {failed[0]['text']}")


async def _when_free(work: Callable[[], Awaitable[Result | None]]) -> Result:
    """What `work` returns once no other process is at it, which makes it return None."""
    for attempt in range(BUSY_SECONDS):
        result = await work()
        if result is not None:
            return result
        if not attempt:
            click.echo("another process is getting certificates: waiting for it", err=True)
        await asyncio.sleep(1)
    raise Failure("another process has been getting certificates for two minutes: try again later")


def _lines(outcome: dict[str, Any]) -> Iterable[str]:
    again = "; tried again" if outcome["state"] == "failed" else " until"
    until = f"{again} {_moment(outcome['until'])} UTC" if outcome["until"] else ""
    yield f"{outcome['subject']} {_STATES[outcome['state']]}{until}"
    if outcome["names"]:
        yield f"  for {', '.join(outcome['names'])}"
    if outcome["text"]:
        yield f"  {outcome['text']}"
    for line in outcome["left_out"]:
        yield f"  without {line}"


@click.command("orders")
@json_option
@data_option
def orders(json_: bool, data: Path) -> None:
    """Show how it stands with the certificates from the authority: what is due when, and what went wrong."""

    async def work(backend: Backend) -> list[Renewal]:
        return await backend.store.reader.renewals()

    found = with_backend(data, work)
    if json_:
        print_json([_facts(one) for one in found])
        return
    print_table(
        ("FOR", "CERTIFICATE", "RENEWED", "STATE"),
        ((one.subject, one.certificate or "-", _moment(one.renew_at), _state(one)) for one in found),
        empty="nothing was ever asked for",
    )
    for one in found:
        for line in one.left_out:
            click.echo(f"{one.subject}: without {line}")


def _facts(one: Renewal) -> dict[str, Any]:
    facts = asdict(replace(one, key="", next_key=""))
    del facts["key"]
    return {**facts, "next_key": bool(one.next_key), "under_way": bool(one.key)}


def _state(one: Renewal) -> str:
    if one.problem:
        return f"{one.problem} (again {_moment(one.wait_until)})"
    return "under way" if one.key else "good"


def _moment(seconds: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds)) if seconds else "-"


@click.command("rollover")
@click.option("--type", "kind", type=click.Choice(KEY_TYPES), help="The kind of the new key.")
@json_option
@data_option
def rollover(kind: str | None, json_: bool, data: Path) -> None:
    """Make a new key for the server's certificate: announced by TLSA now, used at the next renewal."""

    async def work(backend: Backend) -> str:
        from postier.acme.keys import key_digest, make_key
        from postier.acme.renewing import announce_key

        subject = backend.settings.server.hostname
        key = make_key(kind or backend.settings.acme.key_type)
        services = open_services(backend, "cli")
        try:
            await _when_free(lambda: announce_key(services, subject, key))
        except AcmeProblem as problem:
            raise Failure(str(problem)) from None
        if services.publish is not None:
            try:
                await services.publish()
            except UpdateError as error:
                raise Failure(f"the key is made, but TLSA is not published: {error}") from None
        return key_digest(key)

    digest = with_backend(data, work)
    tell(
        json_,
        {"tlsa": f"3 1 1 {digest}"},
        f"TLSA 3 1 1 {digest} belongs beside the one that is there (postier dns records prints both);\n"
        "the key is used at the next renewal, a day from now at the earliest, once the DNS shows it",
    )


def attach(group: click.Group) -> None:
    """Make them verbs of `postier tls`."""
    for verb in (request, renew, orders, rollover):
        group.add_command(verb)
