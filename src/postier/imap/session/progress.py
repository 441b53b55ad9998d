"""How far a long command has come (RFC 9585): an untagged OK now and then, so that the client can show it and
does not take the silence for a broken connection."""

from __future__ import annotations

import math

from postier.imap.session.context import Context

__all__ = ["EVERY", "Progress"]

EVERY = 5.0
"""Seconds of work between two reports."""


class Progress:
    """`advance` it between two pieces of work; most commands end before there is anything to tell."""

    __slots__ = ("_clock", "_context", "_done", "_next", "_tag", "_total")

    def __init__(self, context: Context, tag: bytes, total: int) -> None:
        """`total`: the pieces of work that lie ahead, messages for the most part."""
        self._context = context
        self._clock = context.services.clock
        self._tag = tag
        self._total = total
        self._done = 0
        self._next = self._clock.monotonic() + EVERY if context.offers("INPROGRESS") else math.inf

    def expect(self, count: int) -> None:
        """So much lies ahead after all (RFC 9585 4: the goal may change)."""
        self._total = self._done + count

    async def advance(self, count: int) -> None:
        """`count` more pieces are done. Raises ConnectionLost where nobody is there any more."""
        self._done += count
        if self._clock.monotonic() < self._next:
            return
        if self._done < self._total:  # RFC 9585 4: what is done is always less than the goal
            code = b'INPROGRESS ("%b" %d %d)' % (self._tag, self._done, self._total)
            await self._context.write([b"* OK [%b] Still working\r\n" % code])
        self._next = self._clock.monotonic() + EVERY
