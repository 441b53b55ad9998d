"""COMPRESS=DEFLATE (RFC 4978)."""

from __future__ import annotations

from postier.imap.session.context import Context
from postier.imap.session.errors import Bad, No
from postier.imap.wire.deflate import Deflate
from postier.imap.wire.values import Compress

__all__ = ["compress"]


async def compress(context: Context, command: Compress) -> bytes:
    """The OK is the last thing said uncompressed; every write is flushed, so the client never waits."""
    if command.mechanism != "DEFLATE":
        raise No("CANNOT", "Only DEFLATE is offered")
    if context.compressed:
        raise No("COMPRESSIONACTIVE", "Compression is active")
    if context.core.has_buffered_input():
        raise Bad("Nothing may be sent behind COMPRESS before it is answered", "CLIENTBUG")
    context.say(b"%b OK DEFLATE active\r\n" % command.tag)
    await context.connection.flush(context.core)
    deflate = Deflate()
    context.connection.install_filter(deflate)
    if context.meter is not None:
        context.meter.settle()
        context.meter.savings = deflate
    context.compressed = True
    return b""
