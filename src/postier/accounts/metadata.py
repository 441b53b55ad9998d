"""Annotations as a client sees them (RFC 5464): what is noted about a mailbox or the server, who may note it,
and how much.

A few entries are computed: /shared/admin of the server says whom to write to, /private/specialuse of a
mailbox is what the mailbox is for (RFC 6154 4).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from postier.accounts.annotations import require_room
from postier.accounts.mailboxes import INBOX
from postier.accounts.rights import NoPermission, Place, find
from postier.accounts.special_use import UnsuitableUse, canonical_uses, take_uses
from postier.store.api import (
    ANYONE,
    SERVER,
    WHOLE_ACCOUNT,
    Account,
    AccountId,
    Annotation,
    Mailbox,
    MailboxId,
    Reader,
    Store,
    Tx,
)

__all__ = ["Change", "Key", "Notes", "may_note", "notes", "place_notes", "set_notes"]

ADMIN = "/admin"
SPECIAL_USE = "/specialuse"

_ANY_OF = frozenset("rswip")
"""Beside "l" one of these is needed (RFC 5464 3.3)."""

Key = tuple[bool, str]
"""Private or shared, and the path in lower case."""


class Change(NamedTuple):
    """An entry and its new value, None to take it away."""

    private: bool
    path: str
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Notes:
    """What a client sees noted about `name`, "" for the server."""

    name: str
    values: dict[Key, bytes]


async def notes(reader: Reader, viewer: Account, name: str) -> Notes:
    """Raises NoSuchMailbox, NoPermission."""
    if not name:
        return Notes("", await _server_notes(reader, viewer))
    place = await _noted_place(reader, viewer, name)
    return Notes(place.name, await _mailbox_notes(reader, viewer, place))


async def _noted_place(reader: Reader, viewer: Account, name: str) -> Place:
    place = await find(reader, viewer, name)
    if not may_note(place):
        raise NoPermission(f"one of {sorted(_ANY_OF)} is needed")
    return place


def may_note(place: Place) -> bool:
    """The annotations of the mailbox may be seen and changed."""
    return "l" in place.rights and not _ANY_OF.isdisjoint(place.rights)


async def _server_notes(reader: Reader, viewer: Account) -> dict[Key, bytes]:
    shared = await reader.annotations(SERVER, WHOLE_ACCOUNT, viewer.account_id)
    private = await reader.annotations(viewer.account_id, WHOLE_ACCOUNT, viewer.account_id)
    values = _values([*shared, *private])
    domain = viewer.name.rpartition("@")[2]
    values[False, ADMIN] = f"mailto:postmaster@{domain}".encode()
    return values


async def _mailbox_notes(reader: Reader, viewer: Account, place: Place) -> dict[Key, bytes]:
    found = await reader.annotations(place.account_id, place.mailbox_id, viewer.account_id)
    return place_notes(place, found)


def place_notes(place: Place, found: Sequence[Annotation]) -> dict[Key, bytes]:
    """What is stored about a mailbox with what is computed."""
    values = _values(found)
    if place.special_use:
        values[True, SPECIAL_USE] = place.special_use.encode()
    return values


def _values(found: Sequence[Annotation]) -> dict[Key, bytes]:
    return {(note.viewer != ANYONE, note.entry): note.value for note in found}


async def set_notes(store: Store, viewer: Account, name: str, changes: Sequence[Change]) -> Sequence[Mailbox]:
    """All of the changes, or none. Returns the mailboxes that lost a special use to this one.

    Raises NoSuchMailbox, NoPermission, TooManyAnnotations, UnsuitableUse.
    """

    async def work(tx: Tx) -> Sequence[Mailbox]:
        return await (_set_of_mailbox if name else _set_of_server)(tx, viewer, name, changes)

    return await store.transact(work)


async def _set_of_server(tx: Tx, viewer: Account, name: str, changes: Sequence[Change]) -> Sequence[Mailbox]:
    account = await tx.account(viewer.account_id)
    for change in changes:
        if not change.private and (change.path == ADMIN or not account.administrator):
            raise NoPermission("shared annotations of the server are the administrator's")
    for private in (True, False):
        owner = viewer.account_id if private else SERVER
        await _store(tx, (owner, WHOLE_ACCOUNT), viewer, private, changes)
    return ()


async def _set_of_mailbox(tx: Tx, viewer: Account, name: str, changes: Sequence[Change]) -> Sequence[Mailbox]:
    place = await _noted_place(tx, viewer, name)
    moved: Sequence[Mailbox] = ()
    plain = []
    for change in changes:
        if change.private and change.path == SPECIAL_USE:
            moved = await _set_special_use(tx, place, (change.value or b"").decode("latin-1"))
        else:
            plain.append(change)
    for private in (True, False):
        await _store(tx, (place.account_id, place.mailbox_id), viewer, private, plain)
    return moved


async def _set_special_use(tx: Tx, place: Place, value: str) -> Sequence[Mailbox]:
    """RFC 6154 4: as CREATE would. INBOX is for what comes in, and others' mailboxes are their owners'."""
    uses = canonical_uses(value.split())
    if uses and (not place.is_own or place.mailbox.name == INBOX):
        raise UnsuitableUse(f"{place.account_id}/{place.mailbox_id}")
    if place.is_own:
        await tx.update_mailbox(place.account_id, place.mailbox_id, special_use=uses)
    return await take_uses(tx, place.account_id, uses, place.mailbox_id)


async def _store(
    tx: Tx, where: tuple[AccountId, MailboxId], viewer: Account, private: bool, changes: Sequence[Change]
) -> None:
    """Those of one scope, and a look at how much there is then."""
    owner = viewer.account_id if private else ANYONE
    chosen = [change for change in changes if change.private == private]
    for change in chosen:
        await tx.set_annotation(*where, owner, change.path, change.value)
    if any(change.value is not None for change in chosen):
        await require_room(tx, *where, owner)
