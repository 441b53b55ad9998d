"""The rules about mailboxes: names, the hierarchy, INBOX, and what every new account has.

Names are Unicode in NFC with "/" between levels; INBOX is one mailbox in whatever case it is written
(RFC 3501 5.1). Protocols translate the names; nobody makes a file path of them.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Iterable

from postier.accounts.annotations import copy_annotations
from postier.accounts.special_use import take_uses
from postier.store.api import (
    AccountId,
    AlreadyExists,
    Mailbox,
    NoSuchMailbox,
    Reader,
    Store,
    Tx,
    Uid,
)

__all__ = [
    "DEFAULT_MAILBOXES",
    "HIERARCHY_SEPARATOR",
    "INBOX",
    "RESERVED",
    "BadMailboxName",
    "HasChildren",
    "TooManyMailboxes",
    "canonical_name",
    "canonical_names",
    "copy_grants",
    "create",
    "create_defaults",
    "create_in",
    "delete",
    "delete_in",
    "find",
    "parents",
    "rename",
    "rename_in",
]

INBOX = "INBOX"
HIERARCHY_SEPARATOR = "/"
RESERVED = ("Other Users", "Shared")
"""First levels below which others' mailboxes are seen (see namespaces.py): no account has such names."""
MAX_NAME_OCTETS = 1000
MAX_LEVELS = 100
MAX_MAILBOXES = 10_000

DEFAULT_MAILBOXES = (
    (INBOX, ""),
    ("Archive", "\\Archive"),
    ("Drafts", "\\Drafts"),
    ("Junk", "\\Junk"),
    ("Sent", "\\Sent"),
    ("Trash", "\\Trash"),
)
"""Name and special use (RFC 6154) of what a new account starts with; all are subscribed."""

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufffe\uffff]")


class BadMailboxName(ValueError):
    """A name no mailbox may have; the message says why, in words that may be shown."""


class HasChildren(BadMailboxName):
    """Only a name, which lasts as long as there are mailboxes below it."""


class TooManyMailboxes(BadMailboxName):
    """An account has as many as it can."""


def canonical_name(name: str) -> str:
    """The one form of a mailbox name: NFC, INBOX in capitals. Raises BadMailboxName.

    A leading "#" is kept back for namespaces (RFC 3501 5.1.2); "*" and "%" are LIST's wildcards.
    """
    name = unicodedata.normalize("NFC", name.removesuffix(HIERARCHY_SEPARATOR))
    levels = name.split(HIERARCHY_SEPARATOR)
    if not all(levels):
        raise BadMailboxName("A level of the mailbox name is empty")
    if _FORBIDDEN.search(name):
        raise BadMailboxName("The mailbox name has characters that no name can have")
    if "*" in name or "%" in name:
        raise BadMailboxName('A mailbox name cannot contain "*" or "%"')
    if name.startswith("#"):
        raise BadMailboxName('Mailbox names that start with "#" are reserved')
    if len(levels) > MAX_LEVELS or len(name.encode()) > MAX_NAME_OCTETS:
        raise BadMailboxName("The mailbox name is too long")
    if levels[0].upper() == INBOX:
        levels[0] = INBOX
    return HIERARCHY_SEPARATOR.join(levels)


def canonical_names(names: Iterable[str]) -> frozenset[str]:
    """Those of `names` that a mailbox can have: the others are passed over, as what is not there is."""
    found = set()
    for name in names:
        with contextlib.suppress(BadMailboxName):
            found.add(canonical_name(name))
    return frozenset(found)


async def find(reader: Reader, account_id: AccountId, name: str) -> Mailbox:
    """The mailbox a client names, whether or not it can be selected. Raises NoSuchMailbox."""
    try:
        mailbox = await reader.mailbox_named(account_id, canonical_name(name))
    except BadMailboxName as error:
        raise NoSuchMailbox(str(error)) from None
    if mailbox is None:
        raise NoSuchMailbox(f"account {account_id} has no mailbox of that name")
    return mailbox


async def create(store: Store, account_id: AccountId, name: str, *, special_use: str = "") -> Mailbox:
    """Make a mailbox and the parents it lacks (RFC 3501 6.3.3).

    Raises BadMailboxName, AlreadyExists. The `special_use` (see special_use.py) is no other mailbox's then.
    """
    canonical = canonical_name(name)

    async def work(tx: Tx) -> Mailbox:
        return await create_in(tx, account_id, canonical, special_use=special_use)

    return await store.transact(work)


async def create_in(
    tx: Tx, account_id: AccountId, name: str, *, special_use: str = "", root: Mailbox | None = None
) -> Mailbox:
    """The same within a transaction; `name` is canonical. Costs the same however many mailboxes there are.

    What is new has the access control list of the mailbox above it (RFC 4314 4), that of `root` on the first
    level.
    """
    existing = await tx.mailbox_named(account_id, name)
    if existing is None:
        await take_uses(tx, account_id, special_use, None)
        await _create_parents(tx, account_id, name, root, room_for=1)
        return await _create_one(tx, account_id, name, root, special_use=special_use)
    if existing.selectable:
        raise AlreadyExists(f"mailbox {name!r}")
    await take_uses(tx, account_id, special_use, existing.mailbox_id)
    await tx.update_mailbox(
        account_id, existing.mailbox_id, selectable=True, special_use=special_use or existing.special_use
    )
    return await tx.mailbox(account_id, existing.mailbox_id)


async def create_defaults(tx: Tx, account_id: AccountId) -> None:
    """Give a new account its mailboxes."""
    for name, special_use in DEFAULT_MAILBOXES:
        await tx.create_mailbox(account_id, name, special_use=special_use)
        await tx.set_subscribed(account_id, name, True)


async def rename(store: Store, account_id: AccountId, old: str, new: str) -> Mailbox:
    """Rename with all children; what it has become. INBOX stays and its messages move to `new`
    (RFC 3501 6.3.5).

    Raises BadMailboxName, NoSuchMailbox, AlreadyExists.
    """
    old_name, new_name = canonical_name(old), canonical_name(new)

    async def work(tx: Tx) -> Mailbox:
        return await rename_in(tx, account_id, old_name, new_name)

    return await store.transact(work)


async def rename_in(
    tx: Tx, account_id: AccountId, old_name: str, new_name: str, *, root: Mailbox | None = None
) -> Mailbox:
    """The same within a transaction; the names are canonical, and `root` is as in `create_in`."""
    if new_name.startswith(old_name + HIERARCHY_SEPARATOR) and old_name != INBOX:
        raise BadMailboxName("A mailbox cannot become its own child")
    source = await find(tx, account_id, old_name)
    if old_name == INBOX:
        await _empty_into(tx, account_id, source, new_name)
    else:
        await _rename_tree(tx, account_id, old_name, new_name, root)
    return await find(tx, account_id, new_name)


async def delete(store: Store, account_id: AccountId, name: str) -> None:
    """Delete one mailbox and its messages; with children it stays as a name (RFC 3501 6.3.4).

    Raises NoSuchMailbox, and BadMailboxName for INBOX or a name that only has children.
    """
    canonical = canonical_name(name)

    async def work(tx: Tx) -> None:
        await delete_in(tx, account_id, canonical)

    await store.transact(work)


async def delete_in(tx: Tx, account_id: AccountId, name: str) -> None:
    """The same within a transaction; `name` is canonical."""
    if name == INBOX:
        raise BadMailboxName("INBOX cannot be deleted")
    mailbox = await find(tx, account_id, name)
    if not await tx.has_mailboxes_inside(account_id, name):
        await tx.delete_mailbox(account_id, mailbox.mailbox_id)
    elif mailbox.selectable:
        await _make_unselectable(tx, account_id, mailbox)
    else:
        raise HasChildren("The mailbox has children; delete them first")


async def _make_unselectable(tx: Tx, account_id: AccountId, mailbox: Mailbox) -> None:
    """Delete and make anew, so that no UID of the old mailbox can come back under its UIDVALIDITY."""
    await tx.delete_mailbox(account_id, mailbox.mailbox_id)
    await tx.create_mailbox(account_id, mailbox.name, selectable=False)


async def _create_parents(
    tx: Tx, account_id: AccountId, name: str, root: Mailbox | None, *, room_for: int
) -> None:
    """Make those that `name` lacks. Raises BadMailboxName if they and `room_for` more would be too many, and
    for names that are RESERVED."""
    missing = [p for p in parents(name) if await tx.mailbox_named(account_id, p) is None]
    if name.partition(HIERARCHY_SEPARATOR)[0] in RESERVED:
        raise BadMailboxName("That name is kept for the mailboxes of others")
    new = len(missing) + room_for
    if new and await tx.mailbox_count(account_id) + new > MAX_MAILBOXES:
        raise TooManyMailboxes("There are too many mailboxes")
    for parent in missing:
        await _create_one(tx, account_id, parent, root)


async def _create_one(
    tx: Tx, account_id: AccountId, name: str, root: Mailbox | None, *, special_use: str = ""
) -> Mailbox:
    made = await tx.create_mailbox(account_id, name, special_use=special_use)
    above, separator, _ = name.rpartition(HIERARCHY_SEPARATOR)
    parent = await tx.mailbox_named(account_id, above) if separator else root
    if parent is not None:
        await copy_grants(tx, parent, made)
    return made


async def copy_grants(tx: Tx, source: Mailbox, target: Mailbox) -> None:
    """Give a mailbox the access control list of another of its account."""
    for grant in await tx.grants(source.account_id, source.mailbox_id):
        await tx.set_grant(
            target.account_id, target.mailbox_id, grant.grantee, grant.letters, negative=grant.negative
        )


def parents(name: str) -> list[str]:
    """The names above `name`, the highest first."""
    levels = name.split(HIERARCHY_SEPARATOR)
    return [HIERARCHY_SEPARATOR.join(levels[:count]) for count in range(1, len(levels))]


async def _empty_into(tx: Tx, account_id: AccountId, inbox: Mailbox, new_name: str) -> None:
    target = await create_in(tx, account_id, new_name)
    await copy_annotations(tx, account_id, inbox.mailbox_id, target.mailbox_id)  # RFC 5464 4.1
    uids = [Uid(uid) for uid in await tx.uids(account_id, inbox.mailbox_id)]
    if uids:
        await tx.move(account_id, inbox.mailbox_id, uids, target.mailbox_id)


async def _rename_tree(
    tx: Tx, account_id: AccountId, old_name: str, new_name: str, root: Mailbox | None
) -> None:
    tree = [await find(tx, account_id, old_name), *await tx.mailboxes_inside(account_id, old_name)]
    moves = [(mailbox.mailbox_id, new_name + mailbox.name[len(old_name) :]) for mailbox in tree]
    for _, name in moves:
        canonical_name(name)  # a child may have become too long
        if await tx.mailbox_named(account_id, name) is not None:
            raise AlreadyExists(f"mailbox {name!r}")
    await _create_parents(tx, account_id, new_name, root, room_for=0)
    for mailbox_id, name in moves:
        await tx.rename_mailbox(account_id, mailbox_id, name)
