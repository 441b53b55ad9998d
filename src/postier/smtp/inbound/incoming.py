"""The message of one transaction while it comes in: spooled, analysed and hashed in the same pass.

The header section is held until it is complete, since we may have to leave something out of it (a forged
Authentication-Results, a Bcc); from then on every piece goes straight through.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from postier.base.status import Reply
from postier.blobs.api import Spool
from postier.message.analysis import Analyser, Analysis
from postier.message.headers import FIELD_KEPT, FIELDS_PARSED, HeaderFields

__all__ = ["MAX_DROPPED", "MAX_HEADER", "PATIENCE", "SLOWEST", "BodyReader", "Incoming"]

MAX_HEADER = 1024 * 1024
"""Octets of a header section (Postfix takes a tenth of it)."""

MAX_DROPPED = 64 * 1024 * 1024
"""Octets past the limit that are read and dropped, so that an honest client sees its refusal."""

PATIENCE = 600.0
"""Seconds in which a message may come as slowly as it likes."""

SLOWEST = 500
"""Octets a second from then on, in the mean: a connection must not be held by an octet now and then."""

_TOO_BIG = Reply(552, "5.3.4", "The message is too big")
_HEADER_TOO_BIG = Reply(552, "5.3.4", "The header section is too big")
_HEADER_TOO_LONG = Reply(554, "5.6.0", "The header section has too many fields, or a From too long to read")


class BodyReader(Protocol):
    """Wants the body, chunk by chunk: a MessageVerifier or a BodyHasher."""

    def feed(self, chunk: bytes) -> None: ...


class Incoming:
    """`begin` gets the header section as it came, with the empty line if there is one, and gives back what
    stands for it, and who reads the body. `header` is what it gave back.

    `began`: when the first octet came, on the machine's monotonic clock; 0 for none.
    `fault`: why the message can't be taken; the rest of it is then read and dropped.
    """

    __slots__ = (
        "_analyser",
        "_begin",
        "_body",
        "_held",
        "_limit",
        "_spool",
        "began",
        "body_reader",
        "fault",
        "header",
        "size",
    )

    def __init__(
        self, spool: Spool, begin: Callable[[bytes], tuple[bytes, BodyReader | None]], limit: int
    ) -> None:
        self._spool = spool
        self._begin = begin
        self._limit = limit
        self._held: bytes | bytearray = b""
        self._body = False
        self._analyser = Analyser()
        self.body_reader: BodyReader | None = None
        self.header = b""
        self.fault: Reply | None = None
        self.size = 0
        self.began = 0.0

    @property
    def spool(self) -> Spool:
        return self._spool

    @property
    def is_endless(self) -> bool:
        """So much came behind what made us refuse it that its end is not worth waiting for."""
        return self.fault is not None and self.size > self._limit + MAX_DROPPED

    @property
    def is_too_slow(self) -> bool:
        seconds = time.monotonic() - self.began
        return seconds > PATIENCE and self.size < seconds * SLOWEST

    async def write(self, chunk: bytes) -> None:
        """The next piece. Raises OSError."""
        if not self.size:
            self.began = time.monotonic()
        self.size += len(chunk)
        if self.fault is not None:
            return
        if self.size > self._limit:
            self.fail(_TOO_BIG)
            return
        if self._body:
            await self._pass_on(b"", chunk)
            return
        searched = max(0, len(self._held) - 3)
        if not self._held:
            self._held = chunk
        elif isinstance(self._held, bytearray):
            self._held += chunk
        else:
            self._held = bytearray(self._held + chunk)
        end = 2 if self._held.startswith(b"\r\n") else self._held.find(b"\r\n\r\n", searched) + 4
        if end >= 4 or self._held.startswith(b"\r\n"):
            await self._header_is_complete(end)
        elif len(self._held) > MAX_HEADER:
            self.fail(_HEADER_TOO_BIG)

    async def finish(self) -> Analysis:
        """All of it is here: seals the spool. Raises OSError."""
        if not self._body:
            await self._header_is_complete(len(self._held))
        await self._spool.seal()
        return self._analyser.finish()

    def fail(self, reply: Reply) -> None:
        """The answer at the end will be `reply`, and nothing more is kept."""
        self.fault = reply
        self.discard()

    def discard(self) -> None:
        self._held = b""
        self._spool.discard()

    async def _header_is_complete(self, end: int) -> None:
        header, body = bytes(self._held[:end]), bytes(self._held[end:])
        self._held = b""
        if len(header) > MAX_HEADER:
            self.fail(_HEADER_TOO_BIG)
            return
        if _is_beyond_reading(header):
            self.fail(_HEADER_TOO_LONG)
            return
        self._body = True
        self.header, self.body_reader = self._begin(header)
        await self._pass_on(self.header, body)

    async def _pass_on(self, header: bytes, body: bytes) -> None:
        if self.body_reader is not None:
            self.body_reader.feed(body)
        piece = header + body if header else body
        self._analyser.feed(piece)
        await self._spool.write(piece)


def _is_beyond_reading(header: bytes) -> bool:
    """Whether our readers would stop before its end, where a second From, a forged result or a Bcc may hide.

    No honest message comes near these limits.
    """
    if len(header) < FIELD_KEPT and header.count(b"\n") < FIELDS_PARSED:
        return False
    fields = HeaderFields(header)
    return len(fields) >= FIELDS_PARSED or any(len(value) >= FIELD_KEPT for value in fields.all(b"from"))
