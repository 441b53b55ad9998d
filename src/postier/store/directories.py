"""What the store keeps of directories elsewhere (LDAP): values and interfaces, part of store.api."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from postier.store.values import AccountId

__all__ = [
    "DirectoryGroup",
    "DirectoryLogin",
    "DirectoryMember",
    "DirectoryPerson",
    "DirectoryReader",
    "DirectoryTx",
    "LdapDirectory",
    "SyncState",
]


class DirectoryLogin(enum.StrEnum):
    """How a password is proved: SEARCH finds the person's entry first, BIND makes its name from a template;
    both then bind as that entry (RFC 4513 5.1.3)."""

    SEARCH = "search"
    BIND = "bind"


@dataclass(frozen=True, slots=True)
class DirectoryGroup:
    """What the members of the group `dn` get: mail for the alias `address`, or (where `rights` has letters)
    those rights in all mailboxes of the shared account `address`. `send_as`: they may also write as it."""

    dn: str
    address: str
    rights: str = ""
    send_as: bool = False


@dataclass(frozen=True, slots=True)
class LdapDirectory:
    """A directory from which the people of `domains` come.

    `servers`: URLs "ldaps://host:port" or "ldap://host:port", in the order to try them. On ldap:// TLS is
    started first (RFC 4511 4.14) unless `clear`. `authorities`: path of a PEM file to believe instead of the
    system's. `bind_dn`, `password`: the account that may read; "" for nobody. `base`: below it lie all
    entries. `people`: filter (RFC 4515) of persons. `template`: of BIND, with {address}, {user}, {domain}.
    `login_attributes`: what a login name is compared with. `id_attribute`: never changes for an entry.
    `quota_attribute`: megabytes. `in_chain`: the server itself knows nested groups (Active Directory).
    `mail_groups`: filter of groups whose own address reaches their members, "" for none.
    """

    name: str
    servers: tuple[str, ...]
    domains: tuple[str, ...]
    base: str
    kind: str = ""
    clear: bool = False
    authorities: str = ""
    bind_dn: str = ""
    password: str = field(default="", repr=False)
    people: str = ""
    login: DirectoryLogin = DirectoryLogin.SEARCH
    template: str = ""
    login_attributes: tuple[str, ...] = ()
    address_attributes: tuple[str, ...] = ()
    id_attribute: str = ""
    name_attributes: tuple[str, ...] = ()
    quota_attribute: str = ""
    language_attribute: str = ""
    in_chain: bool = False
    mail_groups: str = ""
    groups: tuple[DirectoryGroup, ...] = ()


class SyncState(NamedTuple):
    """How the last comparison with a directory went, at `at` (seconds since 1970, 0 for never). `succeeded`:
    the last one that did. `words`: one sentence."""

    at: int = 0
    succeeded: int = 0
    words: str = ""


class DirectoryPerson(NamedTuple):
    """The account is the entry `entry_id` (text of the id attribute, binary as hexadecimal digits) of the
    directory. `dn`: its name when last seen. `addresses`: those beside the main one that the directory gave.
    `present`: it was there, and not disabled, when last looked for."""

    account_id: AccountId
    directory: str
    entry_id: str
    dn: str
    addresses: tuple[str, ...] = ()
    present: bool = True


class DirectoryMember(NamedTuple):
    """Rights (letters) that `account_id` has in the mailboxes of `owner_id` because of the directory."""

    owner_id: AccountId
    account_id: AccountId
    directory: str
    letters: str
    send_as: bool = False


class DirectoryReader(Protocol):
    async def ldap_directories(self) -> list[LdapDirectory]:
        """By name."""
        ...

    async def directories_version(self) -> int:
        """Another number after each change of what `ldap_directories` says."""
        ...

    async def sync_state(self, directory: str) -> SyncState: ...

    async def directory_people(self, directory: str) -> list[DirectoryPerson]:
        """By account."""
        ...

    async def directory_person(self, account_id: AccountId) -> DirectoryPerson | None:
        """None for an account of our own."""
        ...

    async def directory_entry(self, directory: str, entry_id: str) -> DirectoryPerson | None: ...

    async def directory_members(self, directory: str) -> list[DirectoryMember]:
        """By owner and account."""
        ...

    async def directory_aliases(self, directory: str) -> list[str]:
        """The addresses that exist because a group does; by address."""
        ...


class DirectoryTx(DirectoryReader, Protocol):
    async def set_ldap_directory(self, directory: LdapDirectory) -> None: ...

    async def remove_ldap_directory(self, name: str) -> bool:
        """With all that is known of its entries; the accounts stay, as our own."""
        ...

    async def set_sync_state(self, directory: str, state: SyncState) -> None: ...

    async def set_directory_person(self, person: DirectoryPerson) -> None:
        """Raises AlreadyExists where another account is that entry."""
        ...

    async def remove_directory_person(self, account_id: AccountId) -> bool: ...

    async def set_directory_member(self, member: DirectoryMember) -> None: ...

    async def remove_directory_member(self, owner_id: AccountId, account_id: AccountId) -> bool: ...

    async def set_directory_alias(self, directory: str, address: str, kept: bool) -> None:
        """Note that the address exists because a group does, or (False) no longer."""
        ...

    async def rename_account(self, account_id: AccountId, name: str) -> None:
        """Another main address; the earlier one stays as an alias. Raises AlreadyExists where the address is
        another's, NoSuchAccount."""
        ...

    async def set_display_name(self, account_id: AccountId, display_name: str) -> None:
        """Raises NoSuchAccount."""
        ...
