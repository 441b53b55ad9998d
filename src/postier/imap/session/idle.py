"""IDLE (RFC 2177): the bus wakes the session, the store says what is new, the client hears it at once."""

from __future__ import annotations

from postier.imap.session.context import Context
from postier.imap.session.errors import Bad
from postier.imap.wire.values import Idle, IdleDone
from postier.net.api import ConnectionLost, Wake

__all__ = ["idle"]


async def idle(context: Context, command: Idle) -> bytes:
    """Ends with DONE. Without a line for the whole idle time-out the session ends, as it does elsewhere:
    clients start anew every 29 minutes (RFC 2177 3)."""
    selected = context.selected
    context.core.continue_idle()
    if selected is not None:
        selected.on_news = context.connection.wake
        await context.tell_news(expunges=True)
        selected.unload()
    try:
        while not context.ending:
            event = await context.connection.event(context.core, context.settings.idle_timeout)
            if isinstance(event, Wake):
                if selected is not None and selected.is_stale:
                    await context.tell_news(expunges=True)
                    selected.unload()
                continue
            if event is None:
                raise ConnectionLost("closed during IDLE")
            if isinstance(event, IdleDone) and event.is_done:
                return b"OK Done"
            raise Bad("IDLE ends with DONE")
        return b""
    finally:
        if selected is not None:
            selected.on_news = None
