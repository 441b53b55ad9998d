"""What an account holds and may hold (RFC 9208). Each account is a quota root, called by its main address."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from postier.accounts.audit import Actor, AuditKind, note
from postier.accounts.namespaces import whereabouts
from postier.accounts.rights import NoPermission, effective, find
from postier.store.api import Account, Reader, Store, Tx

__all__ = [
    "NoSuchRoot",
    "Resource",
    "Root",
    "UnknownResource",
    "change_root",
    "root_named",
    "root_of",
    "set_room",
]

UNIT = 1024
"""Octets of STORAGE."""


class NoSuchRoot(Exception):
    """There is no quota root of that name, or none that the client may look at."""


class UnknownResource(Exception):
    """It cannot be limited."""


class Resource(NamedTuple):
    """`usage` and `limit` of STORAGE are in units of 1024 octets."""

    name: str
    usage: int
    limit: int


class Root(NamedTuple):
    """A quota root and what is limited there."""

    name: str
    resources: tuple[Resource, ...]


async def root_named(reader: Reader, viewer: Account, name: str) -> Root:
    """Everybody may look at their own root and at those of accounts that let them read a mailbox, as RFC 9208
    6 has it; an administrator at all. Raises NoSuchRoot."""
    account = await reader.account_named(name)
    if account is None or not await _may_look(reader, viewer, account):
        raise NoSuchRoot(name)
    return await _root(reader, account)


async def _may_look(reader: Reader, viewer: Account, account: Account) -> bool:
    if account.account_id == viewer.account_id or await _is_administrator(reader, viewer):
        return True
    return any(
        owner.account_id == account.account_id
        and "r" in effective(viewer.account_id, owner.account_id, grants)
        for owner, _, grants in await reader.shared_with(viewer.account_id)
    )


async def root_of(reader: Reader, viewer: Account, mailbox: str) -> tuple[str, Root]:
    """The name of a mailbox, which need not exist in one's own account, and its root. In another's "r" is
    needed. Raises BadMailboxName, NoSuchMailbox, NoPermission."""
    where = await whereabouts(reader, viewer, mailbox)
    if where.owner.account_id == viewer.account_id:
        return where.name, await _root(reader, await reader.account(viewer.account_id))
    place = await find(reader, viewer, mailbox, "r")
    return place.name, await _root(reader, where.owner)


async def _root(reader: Reader, account: Account) -> Root:
    used = -(-account.used // UNIT)
    found = [
        Resource("STORAGE", used, account.quota // UNIT) if account.quota else None,
        Resource("MESSAGE", account.messages, account.message_quota) if account.message_quota else None,
    ]
    if account.mailbox_quota:
        found.append(
            Resource("MAILBOX", await reader.mailbox_count(account.account_id), account.mailbox_quota)
        )
    limited = [resource._replace(limit=max(resource.limit, 0)) for resource in found if resource is not None]
    return Root(account.name, tuple(limited))


async def set_room(
    tx: Tx, account: Account, *, octets: int, messages: int, mailboxes: int, by: Actor
) -> Account:
    """Limits of what the account may hold, 0 for none, -1 for nothing at all. The account as it is then."""
    await tx.set_quota(account.account_id, octets=octets, messages=messages, mailboxes=mailboxes)
    after = await tx.account(account.account_id)
    if after != account:
        said = {"octets": str(octets), "messages": str(messages), "mailboxes": str(mailboxes)}
        await note(tx, by, AuditKind.ROOM, account, **said)
    return after


async def change_root(store: Store, viewer: Account, name: str, limits: Mapping[str, int]) -> Root:
    """Set the limits of a root, as STORAGE, MESSAGE and MAILBOX are counted; what is not named has none.
    Only for administrators. Raises NoPermission, NoSuchRoot, UnknownResource."""
    unknown = limits.keys() - {"STORAGE", "MESSAGE", "MAILBOX"}

    async def work(tx: Tx) -> Root:
        if not await _is_administrator(tx, viewer):
            raise NoPermission("quotas are set by administrators")
        if unknown:
            raise UnknownResource(sorted(unknown)[0])
        account = await tx.account_named(name)
        if account is None:
            raise NoSuchRoot(name)
        after = await set_room(
            tx,
            account,
            octets=_stored(limits.get("STORAGE"), UNIT),
            messages=_stored(limits.get("MESSAGE")),
            mailboxes=_stored(limits.get("MAILBOX")),
            by=Actor("imap", viewer.name),
        )
        return await _root(tx, after)

    return await store.transact(work)


def _stored(limit: int | None, unit: int = 1) -> int:
    """0 for no limit, -1 for nothing at all; no more than the store can count."""
    if limit is None:
        return 0
    return min(limit * unit, 2**62) if limit else -1


async def _is_administrator(reader: Reader, viewer: Account) -> bool:
    """As it is now: the session may have begun before it was."""
    return (await reader.account(viewer.account_id)).administrator
