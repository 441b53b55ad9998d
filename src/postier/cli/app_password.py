"""`postier app-password`: passwords for one device each."""

from __future__ import annotations

import datetime
from pathlib import Path

import click

from postier.accounts.app_passwords import (
    MAIL_PROTOCOLS,
    PROTOCOLS,
    add_app_password,
    revoke_app_password,
)
from postier.accounts.people import find_person
from postier.backend import Backend
from postier.base.address import Address
from postier.base.networks import Networks
from postier.cli.common import (
    ADDRESS,
    data_option,
    json_option,
    operator,
    print_json,
    print_table,
    tell,
    with_backend,
)
from postier.store.api import AppPassword

DAY = 24 * 3600


@click.group("app-password")
def command() -> None:
    """Make, list and revoke passwords for one device each."""


@command.command("add")
@click.argument("address", type=ADDRESS)
@click.option("--name", required=True, help='The device it is for, such as "Anna\'s phone".')
@click.option("--protocols", default="", help=f"Some of {','.join(PROTOCOLS)}.  [default: mail, not the API]")
@click.option("--from", "networks", multiple=True, help="A network it may come from; may be given again.")
@click.option("--until", type=click.DateTime(["%Y-%m-%d"]), help="The last day on which it is good (UTC).")
@json_option
@data_option
def add(
    address: Address,
    name: str,
    protocols: str,
    networks: tuple[str, ...],
    until: datetime.datetime | None,
    json_: bool,
    data: Path,
) -> None:
    """Make an app password and show it, this once."""
    try:
        Networks(networks)
    except ValueError as error:
        raise click.UsageError(f"--from: {error}") from None
    expires = 0 if until is None else int(until.replace(tzinfo=datetime.UTC).timestamp()) + DAY
    chosen = tuple(dict.fromkeys(word.strip().lower() for word in protocols.split(",") if word.strip()))

    async def work(backend: Backend) -> tuple[int, str]:
        if expires and expires <= backend.clock.now():
            raise click.UsageError("--until: that day is over")
        return await add_app_password(
            backend.store,
            address,
            name,
            protocols=chosen,
            networks=networks,
            expires=expires,
            iterations=backend.settings.login.iterations_of_new_keys,
            by=operator(),
        )

    number, password = with_backend(data, work)
    facts = {"address": address.lookup_key, "id": number, "name": name, "password": password}
    said = (
        f"App password {number} of {address.lookup_key}, for {name}:\n\n    {password}\n\n"
        "Type it into the device where it asks for the password. It is not shown again."
    )
    tell(json_, facts, said)


@command.command("list")
@click.argument("address", type=ADDRESS)
@json_option
@data_option
def list_(address: Address, json_: bool, data: Path) -> None:
    """List a person's app passwords, without the passwords."""

    async def work(backend: Backend) -> list[AppPassword]:
        account = await find_person(backend.store.reader, address)
        return await backend.store.reader.app_passwords(account.account_id)

    found = with_backend(data, work)
    if json_:
        print_json([_as_dict(one) for one in found])
        return
    print_table(
        ("ID", "NAME", "FOR", "FROM", "MADE", "UNTIL", "LAST USED", "BY"),
        (
            (
                one.app_password_id,
                one.name,
                " ".join(one.protocols) or "mail",
                " ".join(one.networks) or "anywhere",
                _day(one.created),
                _day(one.expires - DAY) if one.expires else "-",
                _day(one.last_used) if one.last_used else "never",
                one.last_peer or "-",
            )
            for one in found
        ),
        empty=f"{address.lookup_key} has no app passwords",
    )


@command.command("revoke")
@click.argument("address", type=ADDRESS)
@click.argument("which")
@json_option
@data_option
def revoke(address: Address, which: str, json_: bool, data: Path) -> None:
    """Take an app password back, by its number or its name; its device is logged out."""

    async def work(backend: Backend) -> AppPassword:
        return await revoke_app_password(backend.store, address, which, by=operator())

    found = with_backend(data, work)
    done = {"address": address.lookup_key, "revoked": found.app_password_id, "name": found.name}
    tell(json_, done, f"app password {found.app_password_id} ({found.name}) of {address.lookup_key} revoked")


def _day(seconds: int) -> str:
    return datetime.datetime.fromtimestamp(seconds, datetime.UTC).strftime("%Y-%m-%d")


def _as_dict(one: AppPassword) -> dict[str, object]:
    return {
        "id": one.app_password_id,
        "name": one.name,
        "protocols": list(one.protocols or MAIL_PROTOCOLS),
        "networks": list(one.networks),
        "created": one.created,
        "expires": one.expires or None,
        "last_used": one.last_used or None,
        "last_peer": one.last_peer or None,
    }
