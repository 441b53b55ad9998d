"""IDLE (RFC 2177): the bus wakes the session, the store says what is new, the client hears it at once."""

from __future__ import annotations

from postier.imap.session.context import Context
from postier.imap.session.errors import Bad
from postier.imap.session.fetch import tell_arrived
from postier.imap.session.others import tell_others
from postier.imap.session.selected import Selected
from postier.imap.session.updates import tell_updates
from postier.imap.wire.values import Idle, IdleDone
from postier.net.api import ConnectionLost, IdleTimeout, Wake

__all__ = ["idle"]

KEEP_ALIVE = 120.0
"""Seconds without news after which the client hears a sign of life, so that no NAT forgets the connection."""


async def idle(context: Context, command: Idle) -> bytes:
    """Ends with DONE. Without a line for the whole idle time-out the session ends, as it does elsewhere:
    clients start anew every 29 minutes (RFC 2177 3)."""
    context.core.continue_idle()
    if context.selected is not None:
        context.selected.on_news = context.connection.wake
        await _tell_news(context, context.selected)
    await tell_others(context)
    try:
        while not context.ending:
            event = await _next_event(context)
            if isinstance(event, Wake):
                if context.selected is not None and context.selected.is_stale:
                    await _tell_news(context, context.selected)
                await tell_others(context)
                continue
            if event is None:
                raise ConnectionLost("closed during IDLE")
            if isinstance(event, IdleDone) and event.is_done:
                return b"OK Done"
            raise Bad("IDLE ends with DONE")
        return b""
    finally:
        context.listen()


async def _tell_news(context: Context, selected: Selected) -> None:
    await context.tell_news(expunges=True)
    await tell_updates(context)
    await tell_arrived(context)
    selected.unload()


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
