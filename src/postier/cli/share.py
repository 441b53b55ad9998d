"""`postier share`: shared accounts, and who may do what in whose mailboxes."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import click

from postier.accounts import acl, people
from postier.accounts.acl import NoSuchIdentifier, TooManyGrants
from postier.accounts.rights import ROLES, normal
from postier.backend import Backend
from postier.base.address import Address
from postier.cli.common import (
    ADDRESS,
    Failure,
    data_option,
    json_option,
    print_json,
    print_table,
    tell,
    with_backend,
)
from postier.store.api import Account, NoSuchMailbox

ROLE = click.Choice([*ROLES, "none"])
mailbox_option = click.option("--mailbox", help="Only this mailbox; all of the account's without it.")


class Shown(NamedTuple):
    """A line of the list."""

    owner: str
    mailbox: str
    who: str
    rights: str


@click.group("share")
def command() -> None:
    """Make shared accounts, and let people into the mailboxes of others."""


@command.command("add")
@click.argument("address", type=ADDRESS)
@click.option("--name", "display_name", default="", help="What it is for.")
@json_option
@data_option
def add(address: Address, display_name: str, json_: bool, data: Path) -> None:
    """Add a shared account: mailboxes and an address, and nobody who logs in."""

    async def work(backend: Backend) -> None:
        await people.add_shared(backend.store, address, display_name=display_name)

    with_backend(data, work)
    tell(json_, {"added": address.lookup_key}, f"{address.lookup_key} added")


@command.command("grant")
@click.argument("owner", type=ADDRESS)
@click.argument("who")
@click.argument("role", type=ROLE)
@mailbox_option
@json_option
@data_option
def grant(owner: Address, who: str, role: str, mailbox: str | None, json_: bool, data: Path) -> None:
    """Let WHO (an address, or "anyone") into mailboxes of OWNER, in the place of what was granted before."""
    rights = ROLES.get(role, "")

    async def work(backend: Backend) -> list[str]:
        account = await _account(backend, owner)
        names = [mailbox] if mailbox else await _names(backend, account)
        try:
            for name in names:
                await acl.change_rights(backend.store, account, name, who, lambda before: rights)
        except NoSuchIdentifier:
            raise Failure(f"there is nobody called {who}") from None
        except TooManyGrants:
            raise Failure(f"a mailbox of {owner.lookup_key} is shared with as many as it can be") from None
        except NoSuchMailbox:
            raise Failure(f"{owner.lookup_key} has no mailbox {mailbox}") from None
        return names

    names = with_backend(data, work)
    tell(
        json_,
        {"owner": owner.lookup_key, "who": who, "rights": normal(rights), "mailboxes": names},
        f"{who}: {role} in {len(names)} mailboxes of {owner.lookup_key}",
    )


@command.command("list")
@json_option
@data_option
def list_(json_: bool, data: Path) -> None:
    """List who has been let into whose mailboxes."""

    found = with_backend(data, _shown)
    if json_:
        print_json([line._asdict() for line in found])
        return
    print_table(("OWNER", "MAILBOX", "WHO", "RIGHTS"), iter(found), empty="nothing is shared yet")


async def _shown(backend: Backend) -> list[Shown]:
    reader, lines = backend.store.reader, []
    for account in await reader.accounts():
        granted = await reader.grants_in(account.account_id)
        for mailbox in await reader.mailboxes(account.account_id):
            for entry in granted.get(mailbox.mailbox_id, ()):
                if entry.grantee != account.account_id:
                    lines.append(Shown(account.name, mailbox.name, acl.identifier_of(entry), entry.letters))
    return lines


async def _account(backend: Backend, owner: Address) -> Account:
    account = await backend.store.reader.account_named(owner.lookup_key)
    if account is None:
        raise Failure(f"there is nobody called {owner.lookup_key}")
    return account


async def _names(backend: Backend, account: Account) -> list[str]:
    return [mailbox.name for mailbox in await backend.store.reader.mailboxes(account.account_id)]
