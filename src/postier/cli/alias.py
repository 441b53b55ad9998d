"""`postier alias`: addresses that stand for others."""

from __future__ import annotations

from pathlib import Path

import click

from postier.accounts import people
from postier.backend import Backend
from postier.base.address import Address
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
from postier.store.api import AccountId, AddressTarget


@click.group("alias")
def command() -> None:
    """Add, list and remove addresses that stand for others."""


@command.command("add")
@click.argument("address", type=ADDRESS)
@click.argument("targets", type=ADDRESS, nargs=-1, required=True)
@json_option
@data_option
def add(address: Address, targets: tuple[Address, ...], json_: bool, data: Path) -> None:
    """Mail for ADDRESS goes to all TARGETS; adding it again replaces them."""

    async def work(backend: Backend) -> None:
        await people.add_alias(backend.store, address, targets, by=operator())

    with_backend(data, work)
    names = [str(target) for target in targets]
    tell(
        json_, {"added": address.lookup_key, "targets": names}, f"{address.lookup_key} -> {', '.join(names)}"
    )


@command.command("list")
@json_option
@data_option
def list_(json_: bool, data: Path) -> None:
    """List the aliases."""

    async def work(backend: Backend) -> dict[str, list[str]]:
        reader = backend.store.reader
        names = {account.account_id: account.name for account in await reader.accounts()}
        return {
            entry.address: [_name(target, names) for target in entry.targets]
            for entry in await reader.addresses()
            if entry.is_alias
        }

    found = with_backend(data, work)
    if json_:
        print_json([{"address": address, "targets": targets} for address, targets in found.items()])
        return
    print_table(
        ("ADDRESS", "STANDS FOR"),
        ((address, ", ".join(targets)) for address, targets in found.items()),
        empty="no aliases yet",
    )


def _name(target: AddressTarget, names: dict[AccountId, str]) -> str:
    if target.account_id is None:
        return target.forward_to or ""
    return names[target.account_id]


@command.command("remove")
@click.argument("address", type=ADDRESS)
@json_option
@data_option
def remove(address: Address, json_: bool, data: Path) -> None:
    """Remove an alias."""

    async def work(backend: Backend) -> None:
        await people.remove_alias(backend.store, address, by=operator())

    with_backend(data, work)
    tell(json_, {"removed": address.lookup_key}, f"{address.lookup_key} removed")
