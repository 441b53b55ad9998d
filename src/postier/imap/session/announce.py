"""LIST responses that no LIST asked for: to clients of IMAP4rev2 what was selected and what a name has become
(RFC 9051 6.3.2, 6.3.9.7), to those of NOTIFY what happened to a mailbox (RFC 5465 5.4)."""

from __future__ import annotations

from postier.accounts.mailboxes import HIERARCHY_SEPARATOR
from postier.accounts.rights import Place, visible
from postier.imap.session.context import Context
from postier.imap.wire.responses import list_line

__all__ = ["announce", "announce_deleted", "listed", "listed_as_gone", "old_name"]


async def announce(context: Context, place: Place, old: str | None = None) -> bytes:
    """`listed`, to clients of IMAP4rev2."""
    return await listed(context, place, old) if context.rev2 else b""


async def listed(context: Context, place: Place, old: str | None = None) -> bytes:
    """The LIST response of one mailbox. `old`: the name that the client knows it by."""
    mailbox = place.mailbox
    attributes = [] if mailbox.selectable else [b"\\Noselect"]
    has_children = await _has_children(context, place)
    attributes.append(b"\\HasChildren" if has_children else b"\\HasNoChildren")
    if place.name in await context.reader.subscriptions(context.account_id):
        attributes.append(b"\\Subscribed")
    if place.special_use:
        attributes.append(place.special_use.encode())
    return list_line(place.name, attributes, old_name=old, utf8=context.core.utf8)


async def _has_children(context: Context, place: Place) -> bool:
    """Of others' mailboxes only those count that the client may see (RFC 5258 4)."""
    if place.is_own:
        return await context.reader.has_mailboxes_inside(place.account_id, place.mailbox.name)
    return bool(await visible(context.reader, context.viewer, place.name + HIERARCHY_SEPARATOR))


async def listed_as_gone(context: Context, name: str) -> bytes:
    """The LIST response of a name that is no mailbox, or none that the client sees."""
    attributes = [b"\\NonExistent"]
    if name in await context.reader.subscriptions(context.account_id):
        attributes.append(b"\\Subscribed")
    return list_line(name, attributes, utf8=context.core.utf8)


def announce_deleted(context: Context, name: str, old: str | None) -> bytes:
    """Only where the client gave the name in another form: else it knows that the mailbox is gone."""
    if not context.rev2 or old is None:
        return b""
    return list_line(name, (b"\\NonExistent",), old_name=old, utf8=context.core.utf8)


def old_name(asked: str, name: str) -> str | None:
    """What the client called the mailbox `name`, None if it said just that (RFC 9051 5.1: names may be given
    in any form and are kept in NFC)."""
    plain = asked.removesuffix(HIERARCHY_SEPARATOR)
    return None if plain == name else plain
