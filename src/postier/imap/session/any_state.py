"""Commands of every state: CAPABILITY, NOOP, LOGOUT (RFC 3501 6.1), ID (RFC 2971)."""

from __future__ import annotations

from postier.accounts.device_meter import Introduction
from postier.accounts.switches import Program
from postier.base.log import Log
from postier.imap.session.context import Context
from postier.imap.wire.responses import id_response
from postier.imap.wire.values import Capability, Id, Logout, Noop
from postier.store.api import StoreError

__all__ = ["capability", "identify", "logout", "noop"]

LOGGED = ("name", "version", "vendor", "os", "os-version")
KEPT = 100
"""Characters of what a client says of itself."""

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
    """RFC 2971: both sides say who they are. Where the client's name switches capabilities off or on again,
    it hears which are left."""
    if command.fields:
        said = {name.lower(): value or "" for name, value in command.fields}
        known = {name.replace("-", "_"): said[name][:KEPT] for name in LOGGED if name in said}
        log.info("client", session=context.connection.id, **known)
        context.introduction = Introduction(
            *(said.get(name, "")[:KEPT] for name in ("name", "version", "vendor", "os", "aguid"))
        )
        if context.meter is not None:
            context.meter.introduction = context.introduction
        context.program = Program(known.get("name", ""), known.get("version", ""))
    context.say(id_response(context.settings.server_id))
    try:
        if await context.obey_switches(context.account):
            context.say(b"* CAPABILITY %b\r\n" % context.capabilities())
    except StoreError as error:  # RFC 2971 3.1 knows no NO
        log.info("switches unknown", session=context.connection.id, detail=str(error))
    return b"OK Done"
