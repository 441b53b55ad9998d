"""Commands about mailboxes that need not be selected: CREATE, DELETE, RENAME, SUBSCRIBE, UNSUBSCRIBE,
NAMESPACE and STATUS (RFC 3501 6.3, RFC 2342). LIST and LSUB are in listing.py."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence
from typing import cast

from postier.accounts import folders, namespaces
from postier.accounts.mailboxes import HIERARCHY_SEPARATOR, INBOX, BadMailboxName, canonical_name
from postier.accounts.rights import Place
from postier.imap.session.announce import announce, announce_deleted, old_name
from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.session.objectid import mailbox_id
from postier.imap.session.select import count_recent, leave
from postier.imap.wire import responses
from postier.imap.wire.numbers import ranges_of
from postier.imap.wire.values import (
    Create,
    Delete,
    Namespace,
    Rename,
    Status,
    Subscribe,
    Unsubscribe,
)
from postier.store.api import Flag, Mailbox, Tx

__all__ = ["create", "delete", "namespace", "rename", "status", "status_line", "subscribe", "unsubscribe"]

MAX_SUBSCRIPTIONS = 20_000
"""They stay when mailboxes go, so they need a limit of their own."""

DELETED_BATCH = 2000
"""Messages looked at before the other connections get their turn."""


async def create(context: Context, command: Create) -> bytes:
    """RFC 3501 6.3.3 with the USE parameter of RFC 6154 3. RFC 8474 4.1: the id is told."""
    place = await folders.create(context.store, context.viewer, command.mailbox, uses=command.special_use)
    old = old_name(command.mailbox, place.name)
    if old is not None:
        context.say(await announce(context, place, old))
    if not context.offers("OBJECTID"):
        return b"OK Created"
    return b"OK [%b] Created" % responses.mailbox_id_code(mailbox_id(place.mailbox))


async def delete(context: Context, command: Delete) -> bytes:
    """A client that deletes what it has selected is back in the authenticated state."""
    selected = context.selected
    place = await folders.delete(context.store, context.viewer, command.mailbox)
    context.say(announce_deleted(context, place.name, old_name(command.mailbox, place.name)))
    if selected is not None and selected.is_at(place):
        leave(context)
        context.say(b"* OK [CLOSED] The selected mailbox is gone\r\n")
    return b"OK Deleted"


async def rename(context: Context, command: Rename) -> bytes:
    """What it is called now is told to IMAP4rev2, but not of INBOX, which stays (RFC 9051 6.3.6)."""
    place = await folders.rename(context.store, context.viewer, command.old, command.new)
    if command.old != INBOX:
        context.say(await announce(context, place, command.old))
    return b"OK Renamed"


async def subscribe(context: Context, command: Subscribe) -> bytes:
    """Only to what exists; the subscription stays when the mailbox goes (RFC 3501 6.3.6)."""
    place = await context.find(command.mailbox)
    await _set_subscribed(context, place.name, True)
    return b"OK Subscribed"


async def unsubscribe(context: Context, command: Unsubscribe) -> bytes:
    """Also of what was not subscribed, even where nothing can be called so (RFC 9051 6.3.8)."""
    with contextlib.suppress(BadMailboxName):
        await _set_subscribed(context, canonical_name(command.mailbox), False)
    return b"OK Unsubscribed"


async def _set_subscribed(context: Context, name: str, subscribed: bool) -> None:
    async def work(tx: Tx) -> None:
        if subscribed and len(await tx.subscriptions(context.account_id)) >= MAX_SUBSCRIPTIONS:
            raise No("LIMIT", "There are as many subscriptions as there can be")
        await tx.set_subscribed(context.account_id, name, subscribed)

    await context.store.transact(work)


async def namespace(context: Context, command: Namespace) -> bytes:
    """RFC 2342: one's own mailboxes without a prefix, those of others and of shared accounts with one."""
    other, shared = (name + HIERARCHY_SEPARATOR for name in (namespaces.OTHER_USERS, namespaces.SHARED))
    context.say(responses.namespace("", other, shared, separator=HIERARCHY_SEPARATOR))
    return b"OK Done"


async def status(context: Context, command: Status) -> bytes:
    """Counters only, one row read (RFC 3501 6.3.10, RFC 7162 3.1.7, RFC 8438)."""
    place = await context.find(command.mailbox, "r")
    if not place.mailbox.selectable:
        raise No("NONEXISTENT", "That name only has mailboxes below it")
    if "HIGHESTMODSEQ" in command.items:
        context.become_modseq_aware()
    context.say(await status_line(context, place, command.items))
    return b"OK Done"


async def status_line(context: Context, place: Place, items: Sequence[str]) -> bytes:
    """The untagged STATUS."""
    values = [
        (
            item,
            STATUS_VALUES[item](place.mailbox)
            if item in STATUS_VALUES
            else await STATUS_SUMS[item](context, place),
        )
        for item in items
    ]
    return responses.status_line(place.name, values, utf8=context.core.utf8)


async def _recent(context: Context, place: Place) -> int:
    """What this session shows as \\Recent if it has the mailbox selected, else what the next one would."""
    selected = context.selected
    if selected is not None and selected.is_at(place):
        return selected.recent
    return await count_recent(context.reader, place.mailbox, place.mailbox.first_recent)


async def _deleted_storage(context: Context, place: Place) -> int:
    """RFC 9208 4.1.4: how many octets EXPUNGE would set free. Looked up piece by piece."""
    mailbox = place.mailbox
    size, left, first = 0, mailbox.deleted, 1
    while left > 0:
        rows = await context.reader.messages(
            mailbox.account_id, mailbox.mailbox_id, [(first, mailbox.uidnext)], limit=DELETED_BATCH
        )
        if not rows:
            break
        spans = ranges_of(uid for uid, flags, _ in rows if flags & Flag.DELETED)
        sizes = await context.reader.facts(mailbox.account_id, mailbox.mailbox_id, spans, ("size",))
        size += sum(cast(int, row[1]) for row in sizes)
        left -= len(sizes)
        first = rows[-1].uid + 1
        await asyncio.sleep(0)
    return size


STATUS_VALUES: dict[str, Callable[[Mailbox], int | bytes]] = {
    "MESSAGES": lambda mailbox: mailbox.messages,
    "UIDNEXT": lambda mailbox: mailbox.uidnext,
    "UIDVALIDITY": lambda mailbox: mailbox.uidvalidity,
    "UNSEEN": lambda mailbox: mailbox.unseen,
    "DELETED": lambda mailbox: mailbox.deleted,
    "SIZE": lambda mailbox: mailbox.size,
    "HIGHESTMODSEQ": lambda mailbox: max(mailbox.modseq, 1),
    "MAILBOXID": lambda mailbox: b"(%b)" % mailbox_id(mailbox),
}
"""STATUS items that stand in the mailbox's row."""


async def _append_limit(context: Context, place: Place) -> int | bytes:
    """RFC 7889 3: the same for every mailbox."""
    return context.settings.max_message_size or b"NIL"


STATUS_SUMS: dict[str, Callable[[Context, Place], Awaitable[int | bytes]]] = {
    "RECENT": _recent,
    "DELETED-STORAGE": _deleted_storage,
    "APPENDLIMIT": _append_limit,
}
"""STATUS items that are counted, or looked up, when asked for."""
