"""IDLE (RFC 2177): the bus wakes the session, the store says what is new, the client hears it at once."""

from __future__ import annotations

from postier.base.log import Log
from postier.blobs.api import BlobUnreadable
from postier.imap.session.context import Context
from postier.imap.session.errors import Bad
from postier.imap.session.fetch import tell_arrived
from postier.imap.session.others import tell_others
from postier.imap.session.updates import tell_updates
from postier.imap.wire.values import Idle, IdleDone
from postier.net.api import ConnectionLost, IdleTimeout, Wake
from postier.store.api import StoreError

__all__ = ["idle"]

log = Log("imap")

KEEP_ALIVE = 120.0
"""Seconds without news after which the client hears a sign of life, so that no NAT forgets the connection."""


async def idle(context: Context, command: Idle) -> bytes:
    """Ends with DONE. Without a line for the whole idle time-out the session ends, as it does elsewhere:
    clients start anew every 29 minutes (RFC 2177 3)."""
    context.core.continue_idle()
    if context.selected is not None:
        context.selected.on_news = context.connection.wake
    await _tell_news(context, asks=True)
    try:
        while not context.ending:
            event = await _next_event(context)
            if isinstance(event, Wake):
                await _tell_news(context)
                continue
            if event is None:
                raise ConnectionLost("closed during IDLE")
            if isinstance(event, IdleDone) and event.is_done:
                return b"OK Done"
            raise Bad("IDLE ends with DONE")
        return b""
    finally:
        context.listen()


async def _tell_news(context: Context, *, asks: bool = False) -> None:
    """What the bus told of, and of the selected mailbox also what it did not, where the client `asks`. What
    cannot be told now is told with what comes next: only the client ends IDLE."""
    try:
        selected = context.selected
        if selected is not None and (asks or selected.is_stale):
            await context.tell_news(expunges=True)
            await tell_updates(context)
            await tell_arrived(context)
            selected.unload()
        await tell_others(context)
    except (StoreError, BlobUnreadable) as error:
        log.info("no news", session=context.connection.id, detail=str(error))


async def _next_event(context: Context) -> object:
    """What the client says or the bus; signs of life meanwhile do not lengthen the idle time-out."""
    patience = context.settings.idle_timeout
    while patience > KEEP_ALIVE:
        try:
            return await context.connection.event(context.core, KEEP_ALIVE)
        except IdleTimeout:
            patience -= KEEP_ALIVE
            context.say(b"* OK Still here\r\n")
    return await context.connection.event(context.core, patience)
