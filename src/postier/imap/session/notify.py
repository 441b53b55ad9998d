"""NOTIFY (RFC 5465): the client says of what it wants to hear all the time. Telling it is others.py's
business, and of the selected mailbox selected.py's."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from postier.accounts import rights
from postier.accounts.rights import Place
from postier.imap.session.context import Context
from postier.imap.session.errors import No
from postier.imap.session.mailboxes import status_line
from postier.imap.session.watch import TooMuch, Watch
from postier.imap.session.wishes import Wishes
from postier.imap.wire.notify import EVENT_NAMES, Event, Notify
from postier.imap.wire.responses import list_line

__all__ = ["notify"]

_ALL_EVENTS = b" ".join(EVENT_NAMES.values()).decode()


async def notify(context: Context, command: Notify) -> bytes:
    """RFC 5465 3.1: SET tells first what has gathered, as NOOP would, and replaces what was set before."""
    if command.has_unknown_events:
        raise No(f"BADEVENT ({_ALL_EVENTS})", "Some of these events cannot be told")
    watch = Watch(Wishes(command.groups), context.viewer)
    try:
        watched = await watch.begin(context.reader, context.services.bus, context.connection.wake)
        subscribed = await watch.subscriptions(context.reader)
        if command.groups and context.selected is not None:
            await _tell_what_gathered(context)
    except BaseException as error:
        watch.close()
        if isinstance(error, TooMuch):
            raise No("NOTIFICATIONOVERFLOW", "That is too much to watch") from None
        raise
    context.start_watching(watch)
    for place in watched if command.status else ():
        await _say_where_it_is(context, watch, place, subscribed)
        await asyncio.sleep(0)
    await _say_what_may_not_be_read(context, watch, subscribed)
    return b"OK Done"


async def _tell_what_gathered(context: Context) -> None:
    """As to a client that had not given NOTIFY before. Where that fails, what it gave before goes on."""
    before, context.watch = context.watch, None
    try:
        await context.tell_news(expunges=True)
    finally:
        context.watch = before


async def _say_where_it_is(context: Context, watch: Watch, place: Place, subscribed: Collection[str]) -> None:
    """STATUS with what is needed to make sense of the events to come. It does not enable CONDSTORE."""
    if context.selected is not None and context.selected.is_at(place):
        return
    events = watch.message_events(place, subscribed)
    items: list[str] = []
    if Event.MESSAGE_NEW in events:
        items += ["MESSAGES", "UIDNEXT", "UIDVALIDITY"]
    if Event.MESSAGE_EXPUNGE in events:
        items += ["MESSAGES"]
    if Event.FLAG_CHANGE in events:
        items += ["UIDVALIDITY", "HIGHESTMODSEQ"]
    context.say(await status_line(context, place, tuple(dict.fromkeys(items))))


async def _say_what_may_not_be_read(context: Context, watch: Watch, subscribed: Collection[str]) -> None:
    """RFC 5465 3.1: a mailbox that is seen and may not be read."""
    if not watch.wishes.reaches_others:
        return
    for place in await rights.visible(context.reader, context.viewer):
        if "r" not in place.rights and watch.events(place.account_id, place.name, subscribed):
            context.say(list_line(place.name, (b"\\NoAccess",), utf8=context.core.utf8))
