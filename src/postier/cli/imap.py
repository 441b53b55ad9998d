"""`postier imap`: capabilities that are switched off for clients that break on them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from postier.accounts.people import find_person
from postier.accounts.switches import Switch, add_switches, read_switches, remove_switches
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
    tell,
    with_backend,
)
from postier.imap.wire.capabilities import can_be_switched_off
from postier.store.api import AccountId


@click.group("imap")
def command() -> None:
    """Switch IMAP capabilities off for clients that break on them, and on again."""


class _Capability(click.ParamType[str]):
    name = "capability"

    def convert(self, value: Any, param: click.Parameter | None, context: click.Context | None) -> str:
        if not can_be_switched_off(value):
            self.fail(f"{value} is no capability that can be switched off", param, context)
        return str(value).upper()


def _whose(function: Callable[..., None]) -> Callable[..., None]:
    """What `disable` and `enable` have in common."""
    for option in (
        click.argument("capabilities", metavar="CAPABILITY...", type=_Capability(), nargs=-1, required=True),
        click.option("--user", type=ADDRESS, help="Only for this person."),
        click.option("--client", default="", help='Only for clients of this name (ID), such as "Foo*".'),
        click.option("--client-version", default="", help='Only for this version of it, such as "1.*".'),
        json_option,
        data_option,
    ):
        function = option(function)
    return function


@command.command("disable")
@_whose
def disable(
    capabilities: tuple[str, ...],
    user: Address | None,
    client: str,
    client_version: str,
    json_: bool,
    data: Path,
) -> None:
    """Neither announce nor take these, from the next login on."""

    async def work(backend: Backend) -> None:
        account = await _account(backend, user)
        await add_switches(
            backend.store, _switches(capabilities, account, client, client_version), by=operator()
        )

    with_backend(data, work)
    tell(json_, {"disabled": list(capabilities)}, f"{' '.join(capabilities)} switched off")


@command.command("enable")
@_whose
def enable(
    capabilities: tuple[str, ...],
    user: Address | None,
    client: str,
    client_version: str,
    json_: bool,
    data: Path,
) -> None:
    """Take back what `disable` did with the same options."""

    async def work(backend: Backend) -> bool:
        account = await _account(backend, user)
        return await remove_switches(
            backend.store, _switches(capabilities, account, client, client_version), by=operator()
        )

    if not with_backend(data, work):
        raise Failure("that was not switched off, see: postier imap list")
    tell(json_, {"enabled": list(capabilities)}, f"{' '.join(capabilities)} switched on")


@command.command("list")
@json_option
@data_option
def list_(json_: bool, data: Path) -> None:
    """List what is switched off, and for whom."""

    async def work(backend: Backend) -> list[dict[str, str | None]]:
        names = {account.account_id: account.name for account in await backend.store.reader.accounts()}
        return [
            {
                "capability": switch.capability,
                "user": None if switch.account is None else names.get(AccountId(switch.account), "?"),
                "client": switch.client or None,
                "version": switch.version or None,
            }
            for switch in await read_switches(backend.store.reader)
        ]

    found = with_backend(data, work)
    if json_:
        print_json(found)
        return
    print_table(
        ("CAPABILITY", "USER", "CLIENT", "VERSION"),
        ([cell or "any" for cell in row.values()] for row in found),
        empty="nothing is switched off",
    )


def _switches(capabilities: tuple[str, ...], account: int | None, client: str, version: str) -> list[Switch]:
    if version and not client:
        raise click.UsageError("--client-version needs --client")
    return [Switch(capability, account, client, version) for capability in capabilities]


async def _account(backend: Backend, user: Address | None) -> int | None:
    return None if user is None else (await find_person(backend.store.reader, user)).account_id
