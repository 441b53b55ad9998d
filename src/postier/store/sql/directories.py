"""Directories elsewhere, and which account is which of their entries."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from postier.store.api import (
    AccountId,
    AddressTarget,
    AlreadyExists,
    DirectoryMember,
    DirectoryPerson,
    LdapDirectory,
    SyncState,
)
from postier.store.sql.base import Reads
from postier.store.sql.connection import Row
from postier.store.sql.directory import DirectoryTx as OwnDirectoryTx

__all__ = ["LdapDirectoryReader", "LdapDirectoryTx"]

_VERSION = "directories-version"
_SET = (
    "INSERT INTO ldap_directories (name, plan, password, at, succeeded, words) VALUES (?, ?, ?, 0, 0, '')"
    " ON CONFLICT (name) DO UPDATE SET plan = excluded.plan, password = excluded.password"
)
_STATE = "SELECT at, succeeded, words FROM ldap_directories WHERE name = ?"
_SET_STATE = "UPDATE ldap_directories SET at = ?, succeeded = ?, words = ? WHERE name = ?"
_PEOPLE = "SELECT account_id, directory, entry_id, dn, addresses, present FROM directory_people"
_SET_PERSON = (
    "INSERT INTO directory_people (account_id, directory, entry_id, dn, addresses, present)"
    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (account_id) DO UPDATE SET directory = excluded.directory,"
    " entry_id = excluded.entry_id, dn = excluded.dn, addresses = excluded.addresses,"
    " present = excluded.present"
)
_MEMBERS = (
    "SELECT owner_id, account_id, directory, letters, send_as FROM directory_members WHERE directory = ?"
    " ORDER BY owner_id, account_id"
)
_SET_MEMBER = (
    "INSERT INTO directory_members (owner_id, account_id, directory, letters, send_as) VALUES (?, ?, ?, ?, ?)"
    " ON CONFLICT (owner_id, account_id) DO UPDATE SET directory = excluded.directory,"
    " letters = excluded.letters, send_as = excluded.send_as"
)
_REMOVE_MEMBER = "DELETE FROM directory_members WHERE owner_id = ? AND account_id = ?"
_ALIASES = "SELECT address FROM directory_aliases WHERE directory = ? ORDER BY address"
_SET_ALIAS = (
    "INSERT INTO directory_aliases (address, directory) VALUES (?, ?)"
    " ON CONFLICT (address) DO UPDATE SET directory = excluded.directory"
)
_OF_DIRECTORY = (
    "DELETE FROM directory_people WHERE directory = ?",
    "DELETE FROM directory_members WHERE directory = ?",
    "DELETE FROM directory_aliases WHERE directory = ?",
)


def _person(row: Row) -> DirectoryPerson:
    account_id, directory, entry_id, dn, addresses, present = row
    return DirectoryPerson(
        AccountId(account_id), directory, entry_id, dn, tuple(addresses.split()), bool(present)
    )


class LdapDirectoryReader(Reads):
    async def ldap_directories(self) -> list[LdapDirectory]:
        rows = await self._connection.rows("SELECT name, plan, password FROM ldap_directories ORDER BY name")
        return [
            msgspec.convert({**msgspec.json.decode(plan), "name": name, "password": password}, LdapDirectory)
            for name, plan, password in rows
        ]

    async def directories_version(self) -> int:
        row = await self._connection.row("SELECT value FROM meta WHERE key = ?", (_VERSION,))
        return 0 if row is None else int(row[0])

    async def sync_state(self, directory: str) -> SyncState:
        row = await self._connection.row(_STATE, (directory,))
        return SyncState() if row is None else SyncState(*row)

    async def directory_people(self, directory: str) -> list[DirectoryPerson]:
        sql = _PEOPLE + " WHERE directory = ? ORDER BY account_id"
        return [_person(row) for row in await self._connection.rows(sql, (directory,))]

    async def directory_person(self, account_id: AccountId) -> DirectoryPerson | None:
        row = await self._connection.row(_PEOPLE + " WHERE account_id = ?", (account_id,))
        return None if row is None else _person(row)

    async def directory_entry(self, directory: str, entry_id: str) -> DirectoryPerson | None:
        key = (directory, entry_id)
        row = await self._connection.row(_PEOPLE + " WHERE directory = ? AND entry_id = ?", key)
        return None if row is None else _person(row)

    async def directory_members(self, directory: str) -> list[DirectoryMember]:
        return [
            DirectoryMember(AccountId(owner), AccountId(account), name, letters, bool(send_as))
            for owner, account, name, letters, send_as in await self._connection.rows(_MEMBERS, (directory,))
        ]

    async def directory_aliases(self, directory: str) -> list[str]:
        return [address for (address,) in await self._connection.rows(_ALIASES, (directory,))]


class LdapDirectoryTx(LdapDirectoryReader, OwnDirectoryTx):
    async def set_ldap_directory(self, directory: LdapDirectory) -> None:
        facts: dict[str, Any] = msgspec.to_builtins(replace(directory, password=""))
        plan = msgspec.json.encode({k: v for k, v in facts.items() if k not in ("name", "password")}).decode()
        await self._connection.execute(_SET, (directory.name, plan, directory.password))
        await self._directories_changed()

    async def remove_ldap_directory(self, name: str) -> bool:
        if not await self._connection.execute("DELETE FROM ldap_directories WHERE name = ?", (name,)):
            return False
        for statement in _OF_DIRECTORY:
            await self._connection.execute(statement, (name,))
        await self._directories_changed()
        return True

    async def set_sync_state(self, directory: str, state: SyncState) -> None:
        await self._connection.execute(_SET_STATE, (*state, directory))

    async def set_directory_person(self, person: DirectoryPerson) -> None:
        other = await self.directory_entry(person.directory, person.entry_id)
        if other is not None and other.account_id != person.account_id:
            raise AlreadyExists(person.entry_id)
        values = (*person[:4], " ".join(person.addresses), int(person.present))
        await self._connection.execute(_SET_PERSON, values)

    async def remove_directory_person(self, account_id: AccountId) -> bool:
        sql = "DELETE FROM directory_people WHERE account_id = ?"
        return await self._connection.execute(sql, (account_id,)) > 0

    async def set_directory_member(self, member: DirectoryMember) -> None:
        await self._connection.execute(_SET_MEMBER, (*member[:4], int(member.send_as)))

    async def remove_directory_member(self, owner_id: AccountId, account_id: AccountId) -> bool:
        return await self._connection.execute(_REMOVE_MEMBER, (owner_id, account_id)) > 0

    async def set_directory_alias(self, directory: str, address: str, kept: bool) -> None:
        if kept:
            await self._connection.execute(_SET_ALIAS, (address, directory))
        else:
            await self._connection.execute("DELETE FROM directory_aliases WHERE address = ?", (address,))

    async def rename_account(self, account_id: AccountId, name: str) -> None:
        account = await self.account(account_id)
        if account.name == name:
            return
        taken = await self.address(name)
        if taken is not None and [target.account_id for target in taken.targets] != [account_id]:
            raise AlreadyExists(name)
        await self._update_account(account_id, "UPDATE accounts SET name = ? WHERE account_id = ?", name)
        await self._connection.execute(
            "UPDATE send_as SET pattern = ? WHERE pattern = ?", (name, account.name)
        )
        await self.set_address(name, (AddressTarget(account_id, None),))
        await self._ledger.modseq(account_id)  # who shows its mailboxes looks again

    async def set_display_name(self, account_id: AccountId, display_name: str) -> None:
        await self._update_account(
            account_id, "UPDATE accounts SET display_name = ? WHERE account_id = ?", display_name
        )

    async def _directories_changed(self) -> None:
        await self._connection.execute(
            "INSERT INTO meta (key, value) VALUES (?, ?)"
            " ON CONFLICT (key) DO UPDATE SET value = excluded.value",
            (_VERSION, str(await self.directories_version() + 1)),
        )
