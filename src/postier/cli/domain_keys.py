"""`postier domain dkim`: the keys a domain signs with, and new ones in their place."""

from __future__ import annotations

import time
from pathlib import Path

import click

from postier.accounts import domains
from postier.accounts.dkim_keys import DkimKey, KeyState, RotationUnderWay, Seen
from postier.admin.rotation import look_for
from postier.backend import Backend, open_resolver
from postier.base.domain import Domain
from postier.cli.common import (
    DOMAIN,
    Failure,
    data_option,
    json_option,
    operator,
    print_json,
    print_table,
    with_backend,
)
from postier.dns.edit import UpdateError
from postier.publishing import key_publisher

_MEANINGS = {
    KeyState.ANNOUNCED: "publish it; it signs once the DNS has shown it for an hour",
    KeyState.USED: "signs",
    KeyState.RETIRED: "signs no more; leave it published",
    KeyState.WITHDRAWN: "needed no more; take it out of the DNS",
}


@click.group("dkim")
def group() -> None:
    """List a domain's signing keys and replace them."""


@group.command("list")
@click.argument("domain", type=DOMAIN)
@json_option
@data_option
def list_(domain: Domain, json_: bool, data: Path) -> None:
    """The keys of DOMAIN, what each is for, and whether the DNS shows it."""

    async def work(backend: Backend) -> list[tuple[DkimKey, Seen]]:
        resolver = open_resolver(backend.settings)
        return [(key, await look_for(resolver, domain, key)) for key in await _keys(backend, domain)]

    found = with_backend(data, work)
    if json_:
        print_json([_facts(key) | {"in_dns": seen.value} for key, seen in found])
        return
    print_table(
        ("SELECTOR", "ALGORITHM", "STATE", "SINCE", "IN DNS", "MEANING"),
        (
            (key.selector, key.algorithm, key.state, _day(key.since), seen.value, _meaning(key, seen))
            for key, seen in found
        ),
        empty="no keys",
    )


@group.command("rotate")
@click.argument("domain", type=DOMAIN)
@json_option
@data_option
def rotate(domain: Domain, json_: bool, data: Path) -> None:
    """Make new keys for DOMAIN; they take the place of the old ones once the DNS shows them."""
    published = False

    async def work(backend: Backend) -> list[DkimKey]:
        nonlocal published
        try:
            await backend.store.transact(
                lambda tx: domains.rotate_keys(tx, domain, backend.clock, by=operator())
            )
        except domains.NoSuchDomain:
            raise Failure(f"{domain} is no domain of this server") from None
        except RotationUnderWay as error:
            raise Failure(f"the keys of {domain} are being replaced already: {error}") from None
        publish = key_publisher(backend)
        if publish is not None:
            try:
                await publish(domain)
                published = True
            except UpdateError as error:
                click.echo(f"Not published, the server tries again: {error}", err=True)
        return [key for key in await _keys(backend, domain) if key.state is KeyState.ANNOUNCED]

    made = with_backend(data, work)
    if json_:
        print_json([_facts(key) for key in made])
        return
    who = "These are published" if published else "Publish these"
    click.echo(f"{who}; the server does the rest by itself:")
    print_table(
        ("TYPE", "NAME", "VALUE"),
        (("TXT", f"{key.selector}._domainkey.{domain}", key.text) for key in made),
        empty="none",
    )


async def _keys(backend: Backend, domain: Domain) -> tuple[DkimKey, ...]:
    record = await backend.store.reader.domain(domain.ascii)
    if record is None:
        raise Failure(f"{domain} is no domain of this server")
    return domains.settings_of(record).dkim


def _meaning(key: DkimKey, seen: Seen) -> str:
    if key.state is KeyState.USED and seen is Seen.NO:
        return "signs, but nobody can verify it: publish it"
    return _MEANINGS[key.state]


def _facts(key: DkimKey) -> dict[str, object]:
    """All but the private key."""
    return {
        "selector": key.selector,
        "algorithm": key.algorithm,
        "state": key.state.value,
        "since": key.since or None,
        "record": key.text,
    }


def _day(moment: int) -> str:
    return time.strftime("%Y-%m-%d", time.gmtime(moment)) if moment else "-"
