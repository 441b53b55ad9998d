"""Reading and changing access control lists (RFC 4314 3).

An identifier is the address of an account, without its domain where that is the domain of who asks, or
"anyone"; "-" before it makes an entry that takes rights away. What an owner's own entry says holds for the
owner; without one the owner has all rights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from postier.accounts.audit import BY_SERVER, Actor, AuditKind, note
from postier.accounts.rights import ANYONE_NAME, OWNERS, RIGHTS, Place, find, normal
from postier.base.address import Address
from postier.store.api import ANYONE, Account, AccountId, Grant, Mailbox, Reader, Store, Tx

__all__ = [
    "MAX_GRANTS",
    "NoSuchIdentifier",
    "TooManyGrants",
    "change_rights",
    "grantable",
    "identifier_of",
    "listed_rights",
    "remove_rights",
]

MAX_GRANTS = 200
"""Of one mailbox."""


class NoSuchIdentifier(Exception):
    """The identifier names nobody here."""


class TooManyGrants(Exception):
    """The access control list is as long as it can be."""


class Who(NamedTuple):
    """What an identifier means."""

    grantee: AccountId
    negative: bool


async def listed_rights(reader: Reader, viewer: Account, name: str) -> tuple[Place, list[tuple[str, str]]]:
    """The mailbox and its access control list: identifiers and rights, the owner first. Needs "a"."""
    place = await find(reader, viewer, name, "a")
    grants = await reader.grants(place.account_id, place.mailbox_id)
    owner = await reader.account(place.account_id)
    said = _letters(grants, Who(owner.account_id, False), place.mailbox)
    entries = [(owner.name, normal(said + OWNERS))] if said else []
    for grant in grants:
        if grant.negative or grant.grantee != owner.account_id:
            entries.append((identifier_of(grant), grant.letters))
    return place, entries


def identifier_of(grant: Grant) -> str:
    """How a client names the entry."""
    return ("-" if grant.negative else "") + (grant.name or ANYONE_NAME)


async def grantable(reader: Reader, viewer: Account, name: str, identifier: str) -> tuple[Place, str, str]:
    """The mailbox, the rights that the identifier always has there, and those it can be given. Needs "a".

    Raises NoSuchIdentifier.
    """
    place = await find(reader, viewer, name, "a")
    who = await _who(reader, viewer, identifier)
    if who.grantee != place.account_id:
        return place, "", RIGHTS
    optional = "".join(right for right in RIGHTS if right not in OWNERS)
    return place, "" if who.negative else OWNERS, optional


async def change_rights(
    store: Store,
    viewer: Account,
    name: str,
    identifier: str,
    change: Callable[[str], str],
    *,
    by: Actor = BY_SERVER,
) -> None:
    """Give the identifier the rights that `change` makes of those its entry says. Needs "a". `by`: who does
    it, for the audit log.

    Raises NoSuchIdentifier, TooManyGrants.
    """

    async def work(tx: Tx) -> None:
        place = await find(tx, viewer, name, "a")
        who = await _who(tx, viewer, identifier)
        grants = await tx.grants(place.account_id, place.mailbox_id)
        before = _letters(grants, who, place.mailbox)
        if not before and len(grants) >= MAX_GRANTS:
            raise TooManyGrants(f"{place.account_id}/{place.mailbox_id}")
        await _set(tx, place.mailbox, who, normal(change(before)), by)

    await store.transact(work)


async def remove_rights(
    store: Store, viewer: Account, name: str, identifier: str, *, by: Actor = BY_SERVER
) -> None:
    """Take the identifier's entry away. Needs "a". Raises NoSuchIdentifier."""

    async def work(tx: Tx) -> None:
        place = await find(tx, viewer, name, "a")
        await _set(tx, place.mailbox, await _who(tx, viewer, identifier), "", by)

    await store.transact(work)


async def _set(tx: Tx, mailbox: Mailbox, who: Who, letters: str, by: Actor) -> None:
    """An entry without rights is none, except the owner's: that one says that only OWNERS are left."""
    is_kept = bool(letters) or who == (mailbox.account_id, False)
    await tx.set_grant(
        mailbox.account_id,
        mailbox.mailbox_id,
        who.grantee,
        letters if is_kept else None,
        negative=who.negative,
    )
    await _note(tx, mailbox, who, letters if is_kept else None, by)


async def _note(tx: Tx, mailbox: Mailbox, who: Who, letters: str | None, by: Actor) -> None:
    """With the owner, and with the account whose rights these are."""
    owner = await tx.account(mailbox.account_id)
    grantee = None if who.grantee == ANYONE else await tx.account(who.grantee)
    name = ("-" if who.negative else "") + (ANYONE_NAME if grantee is None else grantee.name)
    rights = ("-" if who.negative else "") + (letters or "none")
    given = {} if letters is None else {"rights": rights}
    of_owner = AuditKind.RIGHTS_ENDED if letters is None else AuditKind.RIGHTS
    await note(tx, by, of_owner, owner, who=name, mailbox=mailbox.name, **given)
    if grantee is not None and grantee != owner:
        of_grantee = AuditKind.RIGHTS_LOST if letters is None else AuditKind.RIGHTS_GOT
        await note(tx, by, of_grantee, grantee, owner=owner.name, mailbox=mailbox.name, **given)


def _letters(grants: list[Grant], who: Who, mailbox: Mailbox) -> str:
    """What the identifier's entry says now."""
    for grant in grants:
        if (grant.grantee, grant.negative) == who:
            return grant.letters
    return RIGHTS if who == (mailbox.account_id, False) else ""


async def _who(reader: Reader, viewer: Account, identifier: str) -> Who:
    negative = identifier.startswith("-")
    name = identifier.removeprefix("-")
    if name.lower() == ANYONE_NAME:
        return Who(ANYONE, negative)
    if "@" not in name:
        name += viewer.name[viewer.name.rindex("@") :]
    account = await _account(reader, name)
    if account is None:
        raise NoSuchIdentifier("nobody of that name")
    return Who(account, negative)


async def _account(reader: Reader, name: str) -> AccountId | None:
    """The account of an address, or of an alias that stands for just one account."""
    try:
        address = await reader.address(Address.parse(name).lookup_key)
    except ValueError:
        return None
    if address is None or len(address.targets) != 1:
        return None
    return address.targets[0].account_id
