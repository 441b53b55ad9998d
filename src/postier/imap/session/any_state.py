"""Commands of every state: CAPABILITY, NOOP, LOGOUT (RFC 3501 6.1), ID (RFC 2971)."""

from __future__ import annotations

from postier.base.log import Log
from postier.imap.session.context import Context
from postier.imap.wire.responses import id_response
from postier.imap.wire.values import Capability, Id, Logout, Noop

__all__ = ["capability", "identify", "logout", "noop"]

log = Log("imap")


async def capability(context: Context, command: Capability) -> bytes:
    context.say(b"* CAPABILITY %b\r\n" % context.capabilities())
    return b"OK Done"


async def noop(context: Context, command: Noop) -> bytes:
    """What happened in the mailbox is told before the tagged response, as for any command."""
    return b"OK Done"


async def logout(context: Context, command: Logout) -> bytes:
    context.say(b"* BYE Goodbye\r\n")
    context.ending = True
    return b"OK Done"


async def identify(context: Context, command: Id) -> bytes:
    """RFC 2971: both sides say who they are; nothing depends on it."""
    if command.fields:
        known = {name.lower(): value or "" for name, value in command.fields}
        log.info(
            "client",
            session=context.connection.id,
            client=known.get("name", ""),
            version=known.get("version", ""),
        )
    context.say(id_response(context.settings.server_id))
    return b"OK Done"
