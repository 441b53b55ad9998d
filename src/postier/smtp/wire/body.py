"""What follows DATA and BDAT: the octets of one message, as events."""

from __future__ import annotations

from postier.smtp.wire.commands import Bdat
from postier.smtp.wire.data import BareNewline, DotReader, OctetReader
from postier.smtp.wire.events import ChunkEnd, DataChunk, DataEnd
from postier.smtp.wire.lines import BARE, LineBuffer
from postier.smtp.wire.replies import CommandError, SmtpViolation

__all__ = ["MAX_UNWANTED", "MessageReader"]

MAX_UNWANTED = 64 * 1024 * 1024
"""Octets of a refused chunk that are read past, so that an honest client sees its refusal."""


class MessageReader:
    """One transaction's; `binary`: its body is no lines. `begin_text` or, for each chunk, `begin_chunk`; then
    `read_...` until it is over."""

    __slots__ = ("_binary", "_chunk", "_fault", "_octets", "_text", "_text_is_over")

    def __init__(self, *, binary: bool = False) -> None:
        self._binary = binary
        self._text = DotReader()
        self._text_is_over = False
        self._octets = OctetReader(binary=binary)
        self._chunk = Bdat(0, last=False)
        self._fault: CommandError | None = None

    def begin_text(self) -> None:
        """After the 354 to DATA."""
        self._text = DotReader()
        self._text_is_over = False

    def begin_chunk(self, chunk: Bdat, fault: CommandError | None) -> None:
        """Its octets come whatever we think of it, so a refusal waits behind them (RFC 3030 2).

        `fault`: nobody wants them. Raises SmtpViolation if there are too many of such.
        """
        if fault is not None:
            if chunk.size > MAX_UNWANTED:
                raise SmtpViolation("a huge chunk that is refused", fault.reply)
            self._octets = OctetReader(binary=self._binary)
        self._fault = fault
        self._chunk = chunk
        self._octets.begin(chunk.size)

    def read_text(self, waiting: LineBuffer) -> DataChunk | DataEnd | None:
        """None: more input is needed. Raises SmtpViolation."""
        if self._text_is_over:
            return DataEnd()
        data = waiting.take()
        if not data:
            return None
        try:
            text, rest = self._text.feed(data)
        except BareNewline:
            raise SmtpViolation("bare CR or LF in the text", BARE) from None
        if rest is not None:
            self._text_is_over = True
            waiting.put_back(rest)
        if text:
            return DataChunk(text)
        return DataEnd() if self._text_is_over else None

    def read_octets(self, waiting: LineBuffer) -> DataChunk | DataEnd | ChunkEnd | None:
        """None: more input is needed. Raises SmtpViolation, and the fault at the end of a refused chunk."""
        if self._octets.remaining:
            data = waiting.take()
            if not data:
                return None
            if self._fault is None:
                return self._wanted(data, waiting)
            waiting.put_back(self._octets.skip(data))
            if self._octets.remaining:
                return None
        if self._fault is not None:
            raise self._fault
        if self._chunk.last and self._octets.after_cr:
            raise SmtpViolation("bare CR or LF in a chunk", BARE)
        return DataEnd() if self._chunk.last else ChunkEnd(self._chunk.size)

    def _wanted(self, data: bytes, waiting: LineBuffer) -> DataChunk:
        try:
            piece, rest = self._octets.feed(data)
        except BareNewline:
            raise SmtpViolation("bare CR or LF in a chunk", BARE) from None
        waiting.put_back(rest)
        return DataChunk(piece)
