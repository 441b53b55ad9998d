"""`postier share`: shared accounts, and who may do what in whose mailboxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import click

from postier.accounts import acl, people
from postier.accounts.acl import NoSuchIdentifier, TooManyGrants
from postier.accounts.rights import ROLES, normal
from postier.backend import Backend
from postier.base.address import Address
from postier.base.domain import Domain
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
from postier.store.api import Account, NoSuchMailbox


class _Whose(click.ParamType[Address | Domain]):
    """An address of ours, or "*@DOMAIN" for all of a domain."""

    name = "address"

    def convert(
        self, value: Any, param: click.Parameter | None, context: click.Context | None
    ) -> Address | Domain:
        if isinstance(value, Address | Domain):
            return value
        try:
            return Domain.parse(value[2:]) if value.startswith("*@") else Address.parse(value)
        except ValueError as error:
            self.fail(str(error), param, context)


WHOSE = _Whose()
ROLE = click.Choice([*ROLES, "none"])
mailbox_option = click.option("--mailbox", help="Only this mailbox; all of the account's without it.")


class Shown(NamedTuple):
    """A line of the list. Rights of "send-as" are those to write as the owner, whatever the mailbox."""

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
        await people.add_shared(backend.store, address, display_name=display_name, by=operator())

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
                await acl.change_rights(
                    backend.store, account, name, who, lambda before: rights, by=operator()
                )
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


@command.command("send-as")
@click.argument("mailbox", type=WHOSE)
@click.argument("account", type=ADDRESS)
@click.option("--remove", is_flag=True, help="No longer.")
@json_option
@data_option
def send_as(mailbox: Address | Domain, account: Address, remove: bool, json_: bool, data: Path) -> None:
    """Let ACCOUNT write as MAILBOX: an account with all its addresses, an alias, or "*@DOMAIN"."""
    pattern = f"*@{mailbox}" if isinstance(mailbox, Domain) else mailbox.lookup_key

    async def work(backend: Backend) -> bool:
        return await people.set_send_as(backend.store, mailbox, account, not remove, by=operator())

    if not with_backend(data, work) and remove:
        raise Failure(f"{account.lookup_key} was not let write as {pattern}")
    said = "may not write" if remove else "may write"
    tell(
        json_,
        {"mailbox": pattern, "who": account.lookup_key, "send_as": not remove},
        f"{account.lookup_key} {said} as {pattern}",
    )


@command.command("list")
@json_option
@data_option
def list_(json_: bool, data: Path) -> None:
    """List who has been let into whose mailboxes, and who may write as whom."""

    found = with_backend(data, _shown)
    if json_:
        print_json([line._asdict() for line in found])
        return
    print_table(("OWNER", "MAILBOX", "WHO", "RIGHTS"), iter(found), empty="nothing is shared yet")


async def _shown(backend: Backend) -> list[Shown]:
    reader, lines = backend.store.reader, []
    accounts = await reader.accounts()
    for account in accounts:
        granted = await reader.grants_in(account.account_id)
        for mailbox in await reader.mailboxes(account.account_id):
            for entry in granted.get(mailbox.mailbox_id, ()):
                if entry.grantee != account.account_id:
                    lines.append(Shown(account.name, mailbox.name, acl.identifier_of(entry), entry.letters))
    names = {account.account_id: account.name for account in accounts}
    lines += [
        Shown(grant.pattern, "", names[grant.account_id], "send-as") for grant in await reader.send_as()
    ]
    return lines


async def _account(backend: Backend, owner: Address) -> Account:
    account = await backend.store.reader.account_named(owner.lookup_key)
    if account is None:
        raise Failure(f"there is nobody called {owner.lookup_key}")
    return account


async def _names(backend: Backend, account: Account) -> list[str]:
    return [mailbox.name for mailbox in await backend.store.reader.mailboxes(account.account_id)]
