"""Making accounts what a directory says: one person, and what its groups give, each within a transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from postier.accounts.acl import MAX_GRANTS
from postier.accounts.audit import Actor, AuditKind, note
from postier.accounts.people import PeopleError, add_account
from postier.accounts.rights import ROLES
from postier.base.address import Address
from postier.directories.entry import Contested, Person
from postier.directories.source import MailGroup
from postier.store.api import (
    Account,
    AccountId,
    AccountKind,
    AddressTarget,
    AlreadyExists,
    DirectoryMember,
    DirectoryPerson,
    LdapDirectory,
    Tx,
)

__all__ = ["Settled", "settle_alias", "settle_gone", "settle_members", "settle_person"]


NOBODY = Contested()
_ALL = "all mailboxes"
_ROLES = {letters: role for role, letters in ROLES.items()}


class Settled(NamedTuple):
    """`changes`, `problems`: sentences for a person. `account_id`: None where it could not be."""

    account_id: AccountId | None
    changes: tuple[str, ...] = ()
    problems: tuple[str, ...] = ()


async def settle_person(
    tx: Tx, directory: LdapDirectory, person: Person, *, contested: Contested = NOBODY, adopt: bool = False
) -> Settled:
    """Make the account what its entry says, and make one for a new person. `contested`: addresses that are
    said to be several people's: whoever has one keeps it. `adopt`: an account of our own with the address
    becomes that person's."""
    link = await tx.directory_entry(directory.name, person.entry_id)
    if link is not None:
        return await _Settling(tx, directory, person, contested, []).known(link)
    if not person.enabled:
        return Settled(None)
    if person.main in contested.mains:
        return Settled(None, (), (f"{person.main} is said to be that of several people: {person.dn}",))
    account = await tx.account_named(person.main)
    if account is None:
        try:
            address = Address.parse(person.main)
            account_id = await add_account(
                tx, address, "", person.name, person.quota or 0, by=_actor(directory)
            )
        except PeopleError as error:
            return Settled(None, (), (f"{person.dn}: {error}",))
        changes = [f"{person.main}: new"]
    elif (refusal := await _why_not(tx, account, adopt=adopt)) is not None:
        return Settled(None, (), (refusal,))
    else:
        account_id, changes = account.account_id, [f"{person.main}: comes from the directory now"]
        await tx.set_password_hash(account_id, "")
    link = DirectoryPerson(account_id, directory.name, person.entry_id, person.dn)
    await tx.set_directory_person(link)
    return await _Settling(tx, directory, person, contested, changes).known(link)


async def _why_not(tx: Tx, account: Account, *, adopt: bool) -> str | None:
    other = await tx.directory_person(account.account_id)
    if other is not None:
        return f"{account.name} is {other.dn} of the directory {other.directory}"
    if account.kind is not AccountKind.PERSON:
        return f"{account.name} is a shared account of this server"
    if not adopt:
        return f"{account.name} is an account of this server's own; hand it over with --adopt"
    return None


def _actor(directory: LdapDirectory) -> Actor:
    return Actor("directory", directory.name)


class _Settling:
    """One person whose account is known."""

    def __init__(
        self, tx: Tx, directory: LdapDirectory, person: Person, contested: Contested, changes: list[str]
    ) -> None:
        self._tx = tx
        self._directory = directory
        self._person = person
        self._contested = contested
        self._changes = changes
        self._problems: list[str] = []

    async def known(self, link: DirectoryPerson) -> Settled:
        tx, person = self._tx, self._person
        account = await tx.account(link.account_id)
        if not person.enabled:
            changes = await settle_gone(tx, link, "disabled in the directory", self._directory)
            return Settled(link.account_id, tuple(changes))
        if not link.present:  # who was disabled here, by hand, stays so
            await tx.set_account_enabled(account.account_id, True)
            await note(tx, _actor(self._directory), AuditKind.ACCOUNT_ENABLED, account)
            self._changes.append(f"{account.name}: enabled again")
        name = await self._rename(account)
        if person.name and person.name != account.display_name:
            await tx.set_display_name(account.account_id, person.name)
            self._changes.append(f"{name}: name is {person.name}")
        if person.quota is not None and person.quota != account.quota:
            await tx.set_quota(
                account.account_id,
                octets=person.quota,
                messages=account.message_quota,
                mailboxes=account.mailbox_quota,
            )
            self._changes.append(f"{name}: quota is {person.quota // 1_000_000} MB")
        if person.language and not account.language:  # who has chosen another here keeps it
            await tx.set_language(account.account_id, person.language)
            self._changes.append(f"{name}: language is {person.language}")
        others = await self._addresses(link, name)
        settled = link._replace(dn=person.dn, addresses=others, present=True)
        if settled != link:
            await tx.set_directory_person(settled)
        return Settled(link.account_id, tuple(self._changes), tuple(self._problems))

    async def _rename(self, account: Account) -> str:
        wanted = self._person.main
        if wanted == account.name:
            return wanted
        if wanted in self._contested.mains and not await self._has(account.account_id, wanted):
            self._problems.append(f"{wanted} is said to be that of several people: {self._person.dn}")
            return account.name
        try:
            await self._tx.rename_account(account.account_id, wanted)
        except AlreadyExists:
            self._problems.append(f"{account.name} can't become {wanted}, which is another's here")
            return account.name
        renamed = await self._tx.account(account.account_id)
        await note(self._tx, _actor(self._directory), AuditKind.ACCOUNT_RENAMED, renamed, before=account.name)
        self._changes.append(f"{account.name}: is {wanted} now; the old address goes on to work")
        return wanted

    async def _addresses(self, link: DirectoryPerson, name: str) -> tuple[str, ...]:
        """Give and take the addresses beside the main one; those that this directory has given."""
        account_id, kept = link.account_id, []
        for address in self._person.others:
            if address == name or await self._has(account_id, address):
                kept.append(address)
            elif address in self._contested.every or await self._tx.address(address) is not None:
                self._problems.append(f"{address} of {name} is another's")
            else:
                await self._tx.set_address(address, [AddressTarget(account_id, None)])
                self._changes.append(f"{name}: has the address {address}")
                kept.append(address)
        for address in set(link.addresses).difference(kept, (name, self._person.main)):
            if await self._has(account_id, address):
                await self._tx.set_address(address, [])
                self._changes.append(f"{name}: has no longer the address {address}")
        return tuple(address for address in kept if address != name)

    async def _has(self, account_id: AccountId, address: str) -> bool:
        entry = await self._tx.address(address)
        return entry is not None and entry.targets == (AddressTarget(account_id, None),)


async def settle_gone(tx: Tx, link: DirectoryPerson, why: str, directory: LdapDirectory) -> list[str]:
    """Nobody logs in to the account any more. Its mail stays, and goes on to come."""
    account = await tx.account(link.account_id)
    if not link.present and not account.enabled:
        return []
    await tx.set_account_enabled(link.account_id, False)
    await note(tx, _actor(directory), AuditKind.ACCOUNT_DISABLED, account)
    await tx.set_directory_person(link._replace(present=False))
    return [f"{account.name}: disabled, as {why}; the mail stays"]


async def settle_members(
    tx: Tx, owner: Account, directory: LdapDirectory, wanted: Mapping[AccountId, tuple[str, bool]]
) -> Settled:
    """Let these accounts, and none that was let in by this directory before, into all mailboxes of `owner`:
    letters, and whether to write as it."""
    before = {
        m.account_id: m for m in await tx.directory_members(directory.name) if m.owner_id == owner.account_id
    }
    changes, problems = [], []
    for account_id in before.keys() - wanted.keys():
        changes.append(await _let_out(tx, owner, before[account_id], directory))
    for account_id, (letters, send_as) in sorted(wanted.items()):
        member = DirectoryMember(owner.account_id, account_id, directory.name, letters, send_as)
        if before.get(account_id) == member or account_id == owner.account_id:
            continue
        person = await tx.account(account_id)
        name = person.name
        if await _let_in(tx, owner, member, before.get(account_id)):
            facts = {"mailbox": _ALL, "rights": letters}
            await note(tx, _actor(directory), AuditKind.RIGHTS, owner, who=name, **facts)
            await note(tx, _actor(directory), AuditKind.RIGHTS_GOT, person, owner=owner.name, **facts)
            changes.append(f"{name}: {_ROLES.get(letters, letters)} in the mailboxes of {owner.name}")
        else:
            problems.append(f"{owner.name} is shared with as many as it can be: {name} is left out")
    return Settled(owner.account_id, tuple(changes), tuple(problems))


async def _let_in(tx: Tx, owner: Account, member: DirectoryMember, before: DirectoryMember | None) -> bool:
    mailboxes = await tx.mailboxes(owner.account_id)
    granted = await tx.grants_in(owner.account_id)
    for mailbox in mailboxes:
        entries = granted.get(mailbox.mailbox_id, ())
        has = any(entry.grantee == member.account_id and not entry.negative for entry in entries)
        if not has and len(entries) >= MAX_GRANTS:
            return False
    for mailbox in mailboxes:
        await tx.set_grant(owner.account_id, mailbox.mailbox_id, member.account_id, member.letters)
    if member.send_as or (before is not None and before.send_as):
        await tx.set_send_as(member.account_id, owner.name, member.send_as)
    await tx.set_directory_member(member)
    return True


async def _let_out(tx: Tx, owner: Account, member: DirectoryMember, directory: LdapDirectory) -> str:
    for mailbox_id, entries in (await tx.grants_in(owner.account_id)).items():
        if any(entry.grantee == member.account_id and not entry.negative for entry in entries):
            await tx.set_grant(owner.account_id, mailbox_id, member.account_id, None)
    if member.send_as:
        await tx.set_send_as(member.account_id, owner.name, False)
    await tx.remove_directory_member(owner.account_id, member.account_id)
    person = await tx.account(member.account_id)
    name = person.name
    await note(tx, _actor(directory), AuditKind.RIGHTS_ENDED, owner, who=name, mailbox=_ALL)
    await note(tx, _actor(directory), AuditKind.RIGHTS_LOST, person, owner=owner.name, mailbox=_ALL)
    return f"{name}: no rights in the mailboxes of {owner.name} any more"


async def settle_alias(
    tx: Tx, directory: LdapDirectory, group: MailGroup, members: Collection[AccountId]
) -> Settled:
    """Mail for the group's address goes to its members."""
    entry = await tx.address(group.address)
    known = group.address in await tx.directory_aliases(directory.name)
    if entry is not None and not known:
        return Settled(None, (), (f"{group.address} of {group.dn} is another's here",))
    targets = tuple(AddressTarget(account_id, None) for account_id in sorted(members))
    if (entry.targets if entry is not None else ()) == targets and (known or not targets):
        return Settled(None)
    await tx.set_address(group.address, targets)
    await tx.set_directory_alias(directory.name, group.address, bool(targets))
    return Settled(None, (f"{group.address}: goes to {len(targets)} members of {group.dn}",))
