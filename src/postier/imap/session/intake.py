"""The messages of one APPEND or REPLACE on their way in: literals and what URLs name (RFC 4469), in pieces.

A message streams into a Spool and through an Analyser, so memory does not grow with it; each literal is
judged before the client is asked for it. Whatever goes wrong on the way, the rest of the command is skipped
and the connection stays in step.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from postier.accounts.rights import Place
from postier.accounts.room import room_of
from postier.blobs.api import SPOOL_MEMORY, Spool
from postier.imap.session.catenate import BadUrl, find_source
from postier.imap.session.context import Context
from postier.imap.session.errors import Bad, No
from postier.imap.session.limits import refuse_more
from postier.imap.wire.append import (
    AppendItem,
    AppendLine,
    AppendLiteral,
    AppendMessage,
    CatenateUrl,
    LiteralChunk,
    LiteralEnd,
    LiteralUse,
)
from postier.imap.wire.values import BadCommand
from postier.message.analysis import Analyser, Analysis
from postier.message.parts import PartIndex
from postier.message.reencode import CannotEncode, NulFinder, Reencoder
from postier.net.api import ConnectionLost, Wake
from postier.store.api import OverQuota

__all__ = ["Arrival", "Intake"]

MAX_MESSAGES = 1000
"""Of one command. Those that are held in memory may together be as large as one message may be."""
MAX_TOTAL = 10
"""All of them together, in messages of the largest size."""
MAX_URL = 8 * 1024


class Arrival:
    """One message: `asked` of it, its octets, and its `analysis` once it is whole."""

    __slots__ = ("_has_nul", "analyser", "analysis", "asked", "size", "spool")

    def __init__(self, asked: AppendMessage, spool: Spool) -> None:
        self.asked = asked
        self.spool = spool
        self.size = 0
        self.analyser = Analyser()
        self.analysis: Analysis | None = None
        self._has_nul = False

    async def write(self, data: bytes) -> None:
        """Raises OSError if it cannot be kept."""
        await self.spool.write(data)
        self.analyser.feed(data)
        self._has_nul = self._has_nul or b"\0" in data

    async def finish(self, spools: Callable[[], Spool]) -> None:
        """Raises No for nothing at all, which is how a client calls the command off (RFC 3502 6.3.11)."""
        if not self.size:
            raise No("", "A message of no octets: nothing was appended")
        await self.spool.seal()
        self.analysis = self.analyser.finish()
        if self._has_nul:
            await self._encode(PartIndex.decode(self.analysis.parts), spools())

    async def _encode(self, parts: PartIndex, spool: Spool) -> None:
        """RFC 3516 4.4, 6: NUL can only be kept in base64. Raises No [UNKNOWN-CTE] where it cannot be."""
        self.spool, plain = spool, self.spool
        try:
            finder = NulFinder(parts)
            async for chunk in plain.chunks():
                finder.feed(chunk)
                await asyncio.sleep(0)
            encoder, self.analyser = Reencoder(parts, finder.found, self.size), Analyser()
            async for chunk in plain.chunks():
                made = encoder.feed(chunk)
                await spool.write(made)
                self.analyser.feed(made)
                await asyncio.sleep(0)
        except CannotEncode:
            raise No("UNKNOWN-CTE", "NUL stands where no encoding can hide it") from None
        finally:
            plain.discard()
        await spool.seal()
        self.analysis = self.analyser.finish()


class Intake:
    """`target`: where the messages go. `freed`: octets of a message that goes away for them.

    `pending`: the core waits for a decision about a literal, or is in the middle of one.
    """

    __slots__ = ("_context", "_held", "_room", "_total", "arrivals", "pending")

    def __init__(self, context: Context, line: AppendLine) -> None:
        self._context = context
        self._held = self._total = 0
        self._room: int | None = None
        self.arrivals: list[Arrival] = []
        self.pending = line.literal is not None

    async def take(self, target: Place, line: AppendLine, *, freed: int = 0) -> list[Arrival]:
        """Everything the command brings. Raises No, Bad, OverQuota, OSError."""
        await self._learn_room(target, freed)
        while True:
            for item in line.items:
                await self._item(item)
            if line.literal is None:
                break
            line = await self._literal(line.literal)
        await self._finish()
        return self.arrivals

    def end(self) -> None:
        """Skip what still comes of a command that failed, and let go of what was not stored."""
        if self.pending:
            self._context.core.refuse_literal()
        for arrival in self.arrivals:
            arrival.spool.discard()

    # ------------------------------------------------------------------ messages

    async def _item(self, item: AppendItem) -> None:
        if isinstance(item, CatenateUrl):
            await self._catenate(item.url)
            return
        await self._finish()
        refuse_more(self._context.settings.save_limit, len(self.arrivals) + 1)
        refuse_more(self._context.settings.message_limit, len(self.arrivals) + 1)
        if len(self.arrivals) == MAX_MESSAGES:
            raise No("LIMIT", "Too many messages in one command")
        self.arrivals.append(Arrival(item, self._context.services.blobs.spool()))

    async def _finish(self) -> None:
        if not self.arrivals:
            return
        arrival = self.arrivals[-1]
        await arrival.finish(self._context.services.blobs.spool)
        self._held += arrival.size if arrival.size <= SPOOL_MEMORY else 0

    async def _learn_room(self, target: Place, freed: int) -> None:
        account = await self._context.reader.account(target.account_id)
        enough = MAX_TOTAL * self._context.settings.max_message_size
        room = await room_of(self._context.reader, account, enough)
        self._room = None if room is None else room + freed

    def _judge(self, octets: int) -> None:
        """Before the first of them. Raises No, OverQuota."""
        arrival = self.arrivals[-1]
        arrival.size += octets
        self._total += octets
        largest = self._context.settings.max_message_size
        if arrival.size > largest:
            raise No("TOOBIG", "The message is too large")
        held = self._held + (arrival.size if arrival.size <= SPOOL_MEMORY else 0)
        if held > largest or self._total > MAX_TOTAL * largest:
            raise No("LIMIT", "The messages of one command are too large together")
        if self._room is not None and self._total > self._room:
            raise OverQuota(f"{self._total} octets are asked for, {self._room} are left")

    # ------------------------------------------------------------------ what they are made of

    async def _literal(self, literal: AppendLiteral) -> AppendLine:
        """Take it in; what the client announces behind it."""
        if literal.use is LiteralUse.URL:
            return await self._literal_url(literal)
        if literal.use is LiteralUse.UTF8 and not self._context.core.utf8:
            raise No("CLIENTBUG", "UTF8=ACCEPT was not enabled")  # RFC 6855 4
        if literal.use is not LiteralUse.TEXT and not literal.size:
            raise No("", "A message of no octets: nothing was appended")
        self._judge(literal.size)
        return await self._octets(self.arrivals[-1].write)

    async def _literal_url(self, literal: AppendLiteral) -> AppendLine:
        if literal.size > MAX_URL:
            raise No("LIMIT", "The URL is too long")
        pieces: list[bytes] = []

        async def gather(data: bytes) -> None:
            pieces.append(data)

        following = await self._octets(gather)
        await self._catenate(b"".join(pieces))
        return following

    async def _octets(self, write: Callable[[bytes], Awaitable[None]]) -> AppendLine:
        context = self._context
        context.core.accept_literal()
        while True:
            event: object = await context.connection.event(context.core, context.settings.idle_timeout)
            match event:
                case LiteralChunk(data):
                    if context.meter is not None:
                        context.meter.uploads += len(data)
                    await write(data)
                case LiteralEnd(line):
                    self.pending = line.literal is not None
                    return line
                case BadCommand(_, text, fatal, code):
                    self.pending = False
                    if fatal:
                        context.end("Too many errors")
                    raise Bad(text, code)
                case Wake():
                    continue
                case _:
                    raise ConnectionLost("closed during APPEND")

    async def _catenate(self, url: bytes) -> None:
        """RFC 4469 3: the octets as they stand, and \\Seen stays as it is."""
        if len(url) > MAX_URL:
            raise No("LIMIT", "The URL is too long")
        try:
            source = await find_source(self._context, url)
        except BadUrl as error:
            raise No(error.code, "What the URL names cannot be had") from None
        self._judge(source.size)
        async for chunk in source.pieces(self._context.services.blobs):
            await self.arrivals[-1].write(chunk)
            await asyncio.sleep(0)  # the other connections' turn
