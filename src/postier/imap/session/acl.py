"""SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314 3)."""

from __future__ import annotations

from collections.abc import Callable

from postier.accounts import acl
from postier.accounts.audit import Actor
from postier.accounts.rights import find_any
from postier.imap.session.context import Context
from postier.imap.wire.acl import (
    DeleteAcl,
    GetAcl,
    ListRights,
    MyRights,
    RightsChange,
    SetAcl,
    acl_line,
    list_rights_line,
    my_rights_line,
)

__all__ = ["delete_acl", "get_acl", "list_rights", "my_rights", "set_acl"]

CHANGES: dict[RightsChange, Callable[[str, str], str]] = {
    RightsChange.REPLACE: lambda before, rights: rights,
    RightsChange.ADD: lambda before, rights: before + rights,
    RightsChange.REMOVE: lambda before, rights: "".join(right for right in before if right not in rights),
}


async def set_acl(context: Context, command: SetAcl) -> bytes:
    change = CHANGES[command.change]
    await acl.change_rights(
        context.store,
        context.viewer,
        command.mailbox,
        command.identifier,
        lambda before: change(before, command.rights),
        by=_by(context),
    )
    return b"OK Rights set"


async def delete_acl(context: Context, command: DeleteAcl) -> bytes:
    await acl.remove_rights(
        context.store, context.viewer, command.mailbox, command.identifier, by=_by(context)
    )
    return b"OK Rights removed"


def _by(context: Context) -> Actor:
    return Actor("imap", context.viewer.name)


async def get_acl(context: Context, command: GetAcl) -> bytes:
    place, entries = await acl.listed_rights(context.reader, context.viewer, command.mailbox)
    context.say(acl_line(place.name, entries, utf8=context.core.utf8))
    return b"OK Done"


async def list_rights(context: Context, command: ListRights) -> bytes:
    """The identifier comes back as the client wrote it (RFC 4314 3.4)."""
    place, required, optional = await acl.grantable(
        context.reader, context.viewer, command.mailbox, command.identifier
    )
    utf8 = context.core.utf8
    context.say(list_rights_line(place.name, command.identifier, required, optional, utf8=utf8))
    return b"OK Done"


async def my_rights(context: Context, command: MyRights) -> bytes:
    place = await find_any(context.reader, context.viewer, command.mailbox)
    context.say(my_rights_line(place.name, place.rights, utf8=context.core.utf8))
    return b"OK Done"
