"""Making, renaming and deleting mailboxes by the names and rights of one account (RFC 4314 4)."""

from __future__ import annotations

from collections.abc import Sequence

from postier.accounts.mailboxes import INBOX, BadMailboxName, create_in, delete_in, rename_in
from postier.accounts.namespaces import Whereabouts, whereabouts
from postier.accounts.rights import NoPermission, Place, find, find_parent, place_of
from postier.accounts.special_use import UnsuitableUse, canonical_uses
from postier.store.api import Account, Mailbox, NoSuchMailbox, Reader, Store, Tx

__all__ = ["create", "delete", "may_create", "rename"]


async def create(store: Store, viewer: Account, name: str, *, uses: Sequence[str] = ()) -> Place:
    """Make a mailbox and the parents it lacks: needs "k" in the nearest that is there. Of the special `uses`,
    by name, it takes those of other mailboxes over.

    Raises BadMailboxName, AlreadyExists, NoPermission, UnsuitableUse.
    """
    special_use = canonical_uses(uses)

    async def work(tx: Tx) -> Place:
        where, root = await _new_place(tx, viewer, name)
        if special_use and where.owner.account_id != viewer.account_id:
            raise UnsuitableUse("special uses are for one's own mailboxes")
        made = await create_in(tx, where.owner.account_id, where.name, special_use=special_use, root=root)
        return await place_of(tx, viewer, where.owner, made)

    return await store.transact(work)


async def may_create(reader: Reader, viewer: Account, name: str) -> bool:
    """`create` would not be refused for want of rights."""
    try:
        await _new_place(reader, viewer, name)
    except (BadMailboxName, NoPermission):
        return False
    return True


async def rename(store: Store, viewer: Account, old: str, new: str) -> Place:
    """Rename with all children, within one account; what it has become. Needs "x" in the mailbox and "k"
    above the new name.

    Raises BadMailboxName, NoSuchMailbox, AlreadyExists, NoPermission.
    """

    async def work(tx: Tx) -> Place:
        source = await find(tx, viewer, old, "x")
        where, root = await _new_place(tx, viewer, new)
        if source.account_id != where.owner.account_id:
            raise BadMailboxName("A mailbox cannot become another account's")
        if source.mailbox.name == INBOX and source.account_id != viewer.account_id:
            raise BadMailboxName("Only its owner can rename INBOX")
        renamed = await rename_in(tx, source.account_id, source.mailbox.name, where.name, root=root)
        return await place_of(tx, viewer, where.owner, renamed)

    return await store.transact(work)


async def delete(store: Store, viewer: Account, name: str) -> Place:
    """Delete one mailbox and its messages; with children it stays as a name. Needs "x". What was deleted.

    Raises BadMailboxName for INBOX or a name that only has children, NoSuchMailbox, NoPermission.
    """

    async def work(tx: Tx) -> Place:
        place = await find(tx, viewer, name, "x")
        await delete_in(tx, place.account_id, place.mailbox.name)
        return place

    return await store.transact(work)


async def _new_place(reader: Reader, viewer: Account, name: str) -> tuple[Whereabouts, Mailbox | None]:
    """Where a new name would be, and the mailbox whose entries a new first level takes over: in another's
    account INBOX. An account that is not there and one in which nothing may be made look the same."""
    try:
        where = await whereabouts(reader, viewer, name)
        parent = await find_parent(reader, viewer, where, "k")
    except NoSuchMailbox as error:
        raise NoPermission(str(error)) from None
    is_own = where.owner.account_id == viewer.account_id
    return where, None if is_own or parent is None else parent.mailbox
