"""`postier directory share` and `alias`: what the members of a directory's groups get."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import click

from postier.accounts import people
from postier.accounts.rights import ROLES
from postier.backend import Backend
from postier.base.address import Address
from postier.cli.common import ADDRESS, Failure, data_option, json_option, operator, tell, with_backend
from postier.directories.kinds import BadDirectory, check_directory
from postier.store.api import AccountKind, DirectoryGroup, LdapDirectory, Tx

__all__ = ["alias", "share"]

ROLE = click.Choice([*ROLES, "none"])


@click.command("share")
@click.argument("name")
@click.argument("group", metavar="GROUP-DN")
@click.argument("address", type=ADDRESS)
@click.argument("role", type=ROLE)
@click.option("--send-as", is_flag=True, help="Let them also write as ADDRESS.")
@json_option
@data_option
def share(name: str, group: str, address: Address, role: str, send_as: bool, json_: bool, data: Path) -> None:
    """Let the members of a group into the mailboxes of the shared account ADDRESS, which is made if need be;
    "none" no longer."""
    rule = DirectoryGroup(group, address.lookup_key, ROLES.get(role, ""), send_as)

    async def work(backend: Backend) -> None:
        account = await backend.store.reader.account_named(address.lookup_key)
        if account is None and role != "none":
            await people.add_shared(backend.store, address, by=operator())
        elif account is not None and account.kind is not AccountKind.SHARED:
            raise Failure(f"{address.lookup_key} is a person; a group shares a shared account")
        await backend.store.transact(lambda tx: _set_rule(tx, name, rule, gone=role == "none", shared=True))

    with_backend(data, work)
    said = {"directory": name, "group": group, "address": address.lookup_key, "role": role}
    tell(json_, said, f"{role} in {address.lookup_key} for {group}, from the next comparison on")


@click.command("alias")
@click.argument("name")
@click.argument("group", metavar="GROUP-DN")
@click.argument("address", type=ADDRESS)
@click.option("--remove", is_flag=True, help="No longer.")
@json_option
@data_option
def alias(name: str, group: str, address: Address, remove: bool, json_: bool, data: Path) -> None:
    """Mail for ADDRESS goes to the members of a group."""
    rule = DirectoryGroup(group, address.lookup_key)

    async def work(backend: Backend) -> None:
        await backend.store.transact(lambda tx: _set_rule(tx, name, rule, gone=remove, shared=False))

    with_backend(data, work)
    said = "goes no longer" if remove else "goes"
    tell(
        json_,
        {"directory": name, "group": group, "address": address.lookup_key, "removed": remove},
        f"mail for {address.lookup_key} {said} to {group}, from the next comparison on",
    )


async def _set_rule(tx: Tx, name: str, rule: DirectoryGroup, *, gone: bool, shared: bool) -> None:
    directory = await _named(tx, name)
    same = [
        known
        for known in directory.groups
        if (known.dn, known.address, bool(known.rights)) == (rule.dn, rule.address, shared)
    ]
    if gone and not same:
        raise Failure(f"{rule.dn} gives nothing in {rule.address}")
    kept = tuple(known for known in directory.groups if known not in same)
    changed = replace(directory, groups=kept if gone else (*kept, rule))
    domain = rule.address.rpartition("@")[2]
    if await tx.domain(domain) is None:
        raise Failure(f"{domain} is not a domain of this server")
    try:
        check_directory(changed)
    except BadDirectory as wrong:
        raise Failure(str(wrong)) from None
    await tx.set_ldap_directory(changed)


async def _named(tx: Tx, name: str) -> LdapDirectory:
    for directory in await tx.ldap_directories():
        if directory.name == name:
            return directory
    raise Failure(f"there is no directory {name}")
